"""A table on its way to disk, as CSV and as Dataset-JSON, with the place of each participant's part."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from proapp.export.columns import Cell, Table
from proapp.export.csv_text import PlainRows, TableWriter
from proapp.export.cut import Cut
from proapp.export.dataset_json import JsonRows, assemble
from proapp.export.pseudonyms import Part, reorder

MOST_ROWS = 500


class TableFiles:
    """Takes row by row and writes several at a time; `finish` when all are flushed and the files closed."""

    def __init__(self, folder: Path, table: Table, files: ExitStack) -> None:
        self.table, self._csv_path = table, folder / table.path
        self._rows_path = self._csv_path.with_suffix(".rows")
        self._plain = PlainRows(table)
        self._csv = TableWriter(files.enter_context(open_text(self._csv_path)), table)
        self._json = JsonRows(files.enter_context(open_text(self._rows_path)), table)
        self._waiting: list[Sequence[Cell]] = []
        self._parts: list[tuple[Part, Part]] = []
        self._end = (0, 0)

    @property
    def rows(self) -> int:
        return self._csv.rows

    def write(self, row: Sequence[Cell]) -> None:
        self._waiting.append(row)
        if len(self._waiting) == MOST_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            cells = self._plain(self._waiting)
            self._json.write_plain(cells)
            self._csv.write_plain(cells)  # last: it guards the texts in their place
            self._waiting = []

    def begin(self, name: str) -> None:
        """What follows is about the participant of that name."""
        self.flush()
        self._parts.append((Part(name, self._csv.place), Part(name, self._json.place)))

    def end(self) -> None:
        """What follows is about nobody in particular."""
        self.flush()
        self._end = self._csv.place, self._json.place

    def finish(self, cut: Cut) -> None:
        """Participants in the order of their names, and the Dataset-JSON file whole."""
        reorder(self._csv_path, [part for part, _ in self._parts], self._end[0])
        reorder(self._rows_path, [part for _, part in self._parts], self._end[1])
        target = self._csv_path.with_suffix(".json")
        assemble(self._rows_path, target, self.table, cut, records=self.rows, longest=self._json.longest)


def open_text(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")
