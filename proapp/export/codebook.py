"""The codebook: every column of every table, in the words of the column itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proapp.export.columns import TYPES, Cell, Column, Table

_CODEBOOK = Table(
    "codebook",
    "one column of one table",
    ("table", "column"),
    (
        Column("table", "code", "Table", "Tabell"),
        Column("position", "integer", "Place of the column, from 1", "Kolumnens plats, från 1"),
        Column("column", "code", "Column", "Kolumn"),
        Column("type", "code", "Type", "Typ", tuple(TYPES.items())),
        Column("label_en", "text", "Label in English", "Etikett på engelska"),
        Column("label_sv", "text", "Label in Swedish", "Etikett på svenska"),
        Column("key", "flag", "Part of the key of the table", "Del av tabellens nyckel"),
        Column("values", "text", "Codes and their meaning", "Koder och betydelse", derivation="code=meaning; …"),
        Column("empty_when", "text", "When the cell is empty", "När cellen är tom", empty="it never is"),
        Column("derivation", "text", "How it comes about", "Hur värdet uppstår", empty="recorded as it is"),
        Column("notice", "text", "What must be known before use", "Att veta före användning", empty="nothing"),
    ),
)


def tables(data: Sequence[Table]) -> tuple[Table, ...]:
    """All tables the codebook describes: the data, and itself."""
    return (*data, _CODEBOOK)


def table() -> Table:
    return _CODEBOOK


def rows(data: Sequence[Table]) -> Iterator[tuple[Cell, ...]]:
    for described in tables(data):
        for position, column in enumerate(described.columns, start=1):
            yield (
                described.name,
                position,
                column.name,
                column.type,
                column.en,
                column.sv,
                column.name in described.key,
                "; ".join(f"{code}={meaning}" for code, meaning in column.values) or None,
                column.empty or None,
                column.derivation or None,
                column.notice or None,
            )
