"""CSV as RFC 4180 has it: UTF-8, commas, CRLF, quotes doubled, an empty cell for a missing value.

Spreadsheets run a cell that looks like a formula. A text cell that begins with = + - @, a tab or a carriage return gets
a leading apostrophe (and so does one where only apostrophes stand before such a sign, so that nothing is ambiguous).
To undo it: where a text cell matches ^'+[=+@\\t\\r-], remove its first character. Numbers and dates are never touched.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TextIO

from proapp.export.columns import Cell, Table, Type

_FIRST = frozenset("'=+-@\t\r")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guard(text: str) -> str:
    """`text` so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text[:1] in _FIRST and _FORMULA.match(text) else text


def instant(moment: datetime) -> str:
    """An aware moment in UTC to the second, as 2027-03-29T08:15:00Z."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='seconds')[:19]}Z"


def _moment(value: Cell) -> Cell:
    return instant(value) if isinstance(value, datetime) else value


def _day(value: Cell) -> Cell:
    return value.isoformat() if isinstance(value, date) else value


def _flag(value: Cell) -> Cell:
    return value if value is None else int(bool(value))


_CONVERSIONS: dict[Type, Callable[[Cell], Cell]] = {"instant": _moment, "date": _day, "flag": _flag}


class PlainRows:
    """Makes rows of a table plain: text, numbers and None, without the cells that are left out."""

    def __init__(self, table: Table) -> None:
        self._name, self._kept, self._width = table.name, table.kept, len(table.columns)
        self._convert = [
            (place, _CONVERSIONS[column.type])
            for place, column in enumerate(table.columns)
            if column.type in _CONVERSIONS
        ]

    def __call__(self, rows: Sequence[Sequence[Cell]]) -> list[list[Cell]]:
        """A row has its cells in the order of the table's columns, those that are left out among them."""
        kept = self._kept
        plain = [list(row) if kept is None else [row[place] for place in kept] for row in rows]
        for cells in plain:
            if len(cells) != self._width:
                raise ValueError(f"{self._name}: {len(cells)} cells in a row of {self._width} columns")
        for place, convert in self._convert:
            for cells in plain:
                if cells[place] is not None:
                    cells[place] = convert(cells[place])
        return plain


class TableWriter:
    """Writes a table, its header first, to a text file opened with newline="". `rows` counts them, the header apart."""

    def __init__(self, file: TextIO, table: Table) -> None:
        self.rows = 0
        self._file, self._plain = file, PlainRows(table)
        self._texts = [place for place, column in enumerate(table.columns) if column.type == "text"]
        self._writer = csv.writer(file, lineterminator="\r\n")
        self._writer.writerow(table.header)

    @property
    def place(self) -> int:
        """How many bytes there are so far."""
        return self._file.tell()

    def write(self, row: Sequence[Cell]) -> None:
        """Add a whole row."""
        self.write_plain(self._plain([row]))

    def write_plain(self, rows: Sequence[list[Cell]]) -> None:
        """Add rows that were made plain; the guard is laid over their texts. Floats come as their shortest exact
        text."""
        for place in self._texts:
            for cells in rows:
                text = cells[place]
                if isinstance(text, str) and text[:1] in _FIRST:
                    cells[place] = guard(text)
        self._writer.writerows(rows)
        self.rows += len(rows)
