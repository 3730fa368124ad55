"""CSV as RFC 4180 has it: UTF-8, commas, CRLF, quotes doubled, an empty cell for a missing value.

Spreadsheets run a cell that looks like a formula. A text cell that begins with = + - @, a tab or a carriage return gets
a leading apostrophe (and so does one where only apostrophes stand before such a sign, so that nothing is ambiguous).
To undo it: where a text cell matches ^'+[=+@\\t\\r-], remove its first character. Numbers and dates are never touched.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TextIO

from proapp.export.columns import Cell, Table, Type

_FIRST = frozenset("'=+-@\t\r")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guard(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text[:1] in _FIRST and _FORMULA.match(text) else text


def instant(moment: datetime) -> str:
    """An aware moment in UTC to the second, as 2027-03-29T08:15:00Z."""
    return f"{moment.astimezone(UTC).isoformat(timespec='seconds')[:19]}Z"


def _said(value: Cell) -> Cell:
    return guard(value) if isinstance(value, str) else value


def _moment(value: Cell) -> Cell:
    return instant(value) if isinstance(value, datetime) else value


def _flag(value: Cell) -> Cell:
    return value if value is None else int(bool(value))


# What csv.writer does not already write as we want it: floats come as their shortest exact text, None as nothing.
_CONVERSIONS: dict[Type, Callable[[Cell], Cell]] = {"text": _said, "instant": _moment, "flag": _flag}


class TableWriter:
    """Writes a table, its header first, to a text file opened with newline="". `rows` counts them, the header apart."""

    def __init__(self, file: TextIO, table: Table) -> None:
        self.table = table
        self.rows = 0
        self._file = file
        self._convert = [
            (place, _CONVERSIONS[column.type])
            for place, column in enumerate(table.columns)
            if column.type in _CONVERSIONS
        ]
        self._width = len(table.columns)
        self._kept = table.kept
        self._writer = csv.writer(file, lineterminator="\r\n")
        self._writer.writerow(table.header)

    @property
    def place(self) -> int:
        """How many bytes there are so far."""
        return self._file.tell()

    def write(self, row: Sequence[Cell]) -> None:
        """Add a row, its cells in the order of the table's columns, those that are left out among them."""
        cells = list(row) if self._kept is None else [row[place] for place in self._kept]
        if len(cells) != self._width:
            raise ValueError(f"{self.table.name}: {len(cells)} cells in a row of {self._width} columns")
        for place, convert in self._convert:
            cells[place] = convert(cells[place])
        self._writer.writerow(cells)
        self.rows += 1
