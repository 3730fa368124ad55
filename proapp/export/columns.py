"""What a column is, said once: the header of the CSV file, the codebook and the documentation all come from here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

Type = Literal["text", "code", "integer", "number", "date", "instant", "flag"]
Cell = object
"""What a row holds: str, int, float, bool, date, aware datetime, or None for missing."""

TYPES: dict[Type, str] = {
    "text": "any text; the formula guard applies",
    "code": "one of the listed values, or a code from the study file or an instrument",
    "integer": "whole number",
    "number": "decimal number with a point, in full precision",
    "date": "local calendar date, YYYY-MM-DD",
    "instant": "moment in UTC, YYYY-MM-DDThh:mm:ssZ",
    "flag": "1 = yes, 0 = no",
}


@dataclass(frozen=True, slots=True)
class Column:
    """`values` are (code, meaning) pairs; `empty` says when the cell is empty, `derivation` how it comes about."""

    name: str
    type: Type
    en: str
    sv: str
    values: tuple[tuple[str, str], ...] = ()
    derivation: str = ""
    empty: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One file of the bundle. `row` says what one row is, `key` which columns tell rows apart. Of a table from which
    columns were left out, `kept` says where the others stand in a whole row."""

    name: str
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    kept: tuple[int, ...] | None = None

    @property
    def path(self) -> str:
        return f"data/{self.name}.csv"

    @property
    def json_path(self) -> str:
        return f"data/{self.name}.json"

    def without(self, hidden: Collection[str]) -> Table:
        """The table with some columns left out. Rows are still written whole; a writer drops what is hidden."""
        kept = tuple(place for place, column in enumerate(self.columns) if column.name not in hidden)
        if len(kept) == len(self.columns):
            return self
        key = tuple(name for name in self.key if name not in hidden)
        return replace(self, key=key, columns=tuple(self.columns[place] for place in kept), kept=kept)

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def meanings(*codes: str, **said: str) -> tuple[tuple[str, str], ...]:
    """Pairs for a column's `values`; bare codes speak for themselves."""
    return (*((code, code.replace("_", " ")) for code in codes), *said.items())
