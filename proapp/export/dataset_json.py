"""Each table a second time as CDISC Dataset-JSON 1.1: the same rows, with labels and types in the file itself.

Rows are written while participants stream by, into a file of their own. How many there are, and how long the longest
text, is known only afterwards; then the head is written, and the rows are moved behind it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from proapp.export.columns import Cell, Table, Type
from proapp.export.csv_text import instant
from proapp.export.cut import Cut
from proapp.version import __version__

VERSION = "1.1.0"
DATA_TYPES: dict[Type, str] = {
    "text": "string",
    "code": "string",
    "integer": "integer",
    "number": "double",
    "date": "date",
    "instant": "datetime",
    "flag": "integer",
}


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class JsonRows:
    """The rows of a table, a comma before every one, so that parts of the file can be moved."""

    def __init__(self, file: TextIO, table: Table) -> None:
        self._file = file
        self.longest = {
            place: 1
            for place, column in enumerate(table.columns)
            if DATA_TYPES[column.type] == "string" and not column.values
        }

    @property
    def place(self) -> int:
        """How many bytes there are so far."""
        return self._file.tell()

    def write_plain(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Add rows that were made plain, on one line: encoding them one by one takes twice the time."""
        for place, length in self.longest.items():
            found = [len(text) for cells in rows if isinstance(text := cells[place], str)]
            self.longest[place] = max(length, *found) if found else length
        self._file.write(f",\n{_encode(rows)[1:-1]}")


def assemble(rows: Path, target: Path, table: Table, cut: Cut, *, records: int, longest: dict[int, int]) -> None:
    """Head and rows in one file; the file of the rows goes."""
    head = json.dumps(_head(table, cut, records, longest), ensure_ascii=False, indent=1)
    with rows.open("rb") as source, target.open("wb") as sink:
        sink.write(f'{head.removesuffix("}").rstrip()},\n "rows": ['.encode())
        source.seek(1)  # the comma before the first one
        shutil.copyfileobj(source, sink)
        sink.write(b"\n ]\n}\n")
    rows.unlink()


def _head(table: Table, cut: Cut, records: int, longest: dict[int, int]) -> dict[str, Any]:
    return {
        "datasetJSONCreationDateTime": instant(cut.as_of),
        "datasetJSONVersion": VERSION,
        "sourceSystem": {"name": "proapp", "version": __version__},
        "studyOID": cut.study.code,
        "itemGroupOID": f"IG.{table.name.upper()}",
        "isReferenceData": False,
        "records": records,
        "name": table.name.upper(),
        "label": f"One row is {table.row}",
        "columns": [_column(table, place, longest.get(place)) for place in range(len(table.columns))],
    }


def _column(table: Table, place: int, length: int | None) -> dict[str, Any]:
    """`length` is that of the longest text; where there are codes, that of the longest code."""
    column = table.columns[place]
    if length is None and column.type == "code":
        length = max(len(code) for code, _ in column.values)
    key = table.key.index(column.name) + 1 if column.name in table.key else None
    said = {
        "itemOID": f"IT.{table.name.upper()}.{column.name.upper()}",
        "name": column.name,
        "label": column.en,
        "dataType": DATA_TYPES[column.type],
        "length": length,
        "keySequence": key,
    }
    return {name: value for name, value in said.items() if value is not None}
