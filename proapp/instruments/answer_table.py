"""Answers in a CSV file from somewhere else, read as blocks of codes, or refused with row, column and value named.

Such files are large and nearly always plain: one digit or nothing in each answer's cell, no quotes. A plain block is
cut into cells by numpy on the bytes themselves. A block with anything else in it is read again by the csv module, which
is the definition: the quick way accepts only what both read alike, and never reports an error itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from proapp.instruments.answers import InvalidAnswer, parse_answer
from proapp.instruments.data_file import DELIMITERS, DataFileError, header, read_text, records
from proapp.instruments.model import Instrument

BLOCK_BYTES = 500_000  # large enough for numpy, small enough for the processor's cache
BLOCK_ROWS = 20_000
WHOLE_NUMBER_WITH_ZEROS = re.compile(r"(\d+)\.0+")


class Block(NamedTuple):
    """Some rows in the order of the file: codes (n, items) with NaN for missing, and the other columns as CSV text."""

    matrix: NDArray[np.float64]
    passed: list[bytes]


@dataclass(frozen=True)
class Layout:
    """Where things are: `items` are the column places in the order of the instrument, `passed` those of the rest."""

    names: tuple[str, ...]
    delimiter: str
    items: tuple[int, ...]
    passed: tuple[int, ...]


@dataclass(frozen=True)
class AnswerTable:
    """A file of answers whose header has been understood; `blocks` reads the rows and may raise DataFileError."""

    instrument: Instrument
    layout: Layout
    content: bytes

    def blocks(self) -> Iterator[Block]:
        cells = CellReader(self.instrument, self.layout)
        if not _is_plain(self.content):
            yield from _blocks_by_csv(self.content, cells, first_line=1, skip=1)
            return
        body, line = self.content.find(b"\n") + 1 or len(self.content), 2
        for chunk in _whole_lines(self.content, body):
            block = _plain_block(chunk, self.instrument, self.layout)
            if block is not None:
                yield block
            else:
                yield from _blocks_by_csv(chunk, cells, first_line=line, skip=0)
            line += chunk.count(b"\n")


def read_table(instrument: Instrument, source: Path) -> AnswerTable:
    """The table in `source`: UTF-8, with or without byte order mark, delimited by comma, semicolon or tab.

    Answer columns are named `q1` or `<pack>_q1` by item number, in any order and case; every item must have just one.
    Raises DataFileError when the file cannot be read or its header does not fit.
    """
    content = read_text(source)
    headers = {delimiter: header(content, delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: len(_item_columns(instrument, headers[mark])))
    return AnswerTable(instrument, _layout(instrument, headers[delimiter], delimiter), content)


def _item_columns(instrument: Instrument, names: tuple[str, ...]) -> list[tuple[int, int]]:
    """(item number, column place) for every column that holds answers of this instrument."""
    known = {f"{prefix}q{number}": number for number in instrument.numbers for prefix in ("", f"{instrument.code}_")}
    folded = [name.strip().lower() for name in names]
    return [(known[name], place) for place, name in enumerate(folded) if name in known]


def _layout(instrument: Instrument, names: tuple[str, ...], delimiter: str) -> Layout:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DataFileError(f'there are two columns named "{name}"', row=1, column=name)
    found: dict[int, int] = {}
    for number, place in _item_columns(instrument, names):
        if number in found:
            both = f'"{names[found[number]]}" and "{names[place]}"'
            raise DataFileError(f"columns {both} both hold item {number}", row=1, column=names[place])
        found[number] = place
    missing = [f"q{number}" for number in instrument.numbers if number not in found]
    if missing:
        raise DataFileError(f"there is no column {', '.join(missing)} for {instrument.code}", row=1, column=missing[0])
    passed = tuple(place for place in range(len(names)) if place not in set(found.values()))
    return Layout(names, delimiter, tuple(found[number] for number in instrument.numbers), passed)


def _is_plain(content: bytes) -> bool:
    """Whether every line of the file is one record to the csv module: no quotes, no bare carriage returns."""
    return b'"' not in content and b"\0" not in content and content.count(b"\r") == content.count(b"\r\n")


def _whole_lines(content: bytes, start: int) -> Iterator[bytes]:
    """The rest of the content in chunks of whole lines, the last line ended like the others."""
    while start < len(content):
        end = content.rfind(b"\n", start, start + BLOCK_BYTES) + 1
        end = end or content.find(b"\n", start) + 1 or len(content)
        chunk = content[start:end]
        yield chunk if chunk.endswith(b"\n") else chunk + b"\n"
        start = end


def _plain_block(chunk: bytes, instrument: Instrument, layout: Layout) -> Block | None:
    """The rows of a chunk of whole lines, or None unless all cells are where, and what, a plain file has."""
    octets = np.frombuffer(chunk, np.uint8)
    width = len(layout.names)
    marks = np.flatnonzero((octets == ord(layout.delimiter)) | (octets == ord("\n")))
    # A file of one column is left to the csv module, which knows a blank line from an empty cell.
    if width == 1 or marks.size % width:
        return None
    ends = marks.reshape(-1, width)
    line_ends = octets[ends] == ord("\n")
    if line_ends[:, :-1].any() or not line_ends[:, -1].all():
        return None
    starts = np.concatenate(([0], marks[:-1] + 1)).reshape(-1, width)
    ends[:, -1] -= octets[ends[:, -1] - 1] == ord("\r")
    matrix = _plain_codes(octets, starts[:, layout.items], ends[:, layout.items], instrument)
    return None if matrix is None else Block(matrix, _slices(chunk, starts, ends, layout))


def _plain_codes(
    octets: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], instrument: Instrument
) -> NDArray[np.float64] | None:
    """The codes in cells of one digit or none; None when any cell holds more, or no legal code."""
    lengths = ends - starts
    if (lengths > 1).any():
        return None
    codes = octets[starts].astype(np.float64) - ord("0")
    codes[lengths == 0] = np.nan
    choices = [instrument.choices(number) for number in instrument.numbers]
    lowest = np.array([max(each.lowest, 0) for each in choices])
    highest = np.array([min(each.highest, 9) for each in choices])
    return None if ((codes < lowest) | (codes > highest)).any() else codes


def _slices(chunk: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], layout: Layout) -> list[bytes]:
    """The passed columns of each row as they stand in the chunk; neighbouring columns are cut out in one piece."""
    pieces = [
        [chunk[start:end] for start, end in zip(starts[:, first].tolist(), ends[:, last].tolist(), strict=True)]
        for first, last in _runs(layout.passed)
    ]
    if len(pieces) == 1:
        return pieces[0]
    return list(map(layout.delimiter.encode().join, zip(*pieces, strict=True))) if pieces else [b""] * len(starts)


def _runs(places: tuple[int, ...]) -> list[tuple[int, int]]:
    """The (first, last) of each run of neighbours in ascending numbers."""
    breaks = [place for place, (left, right) in enumerate(pairwise(places), start=1) if right != left + 1]
    bounds = [0, *breaks, len(places)]
    return [(places[first], places[last - 1]) for first, last in pairwise(bounds) if last > first]


class CellReader:
    """Turns the cells of one row into codes, remembering every spelling it has understood."""

    def __init__(self, instrument: Instrument, layout: Layout) -> None:
        self.layout = layout
        self.instrument = instrument
        self._codes = [_Spellings(instrument, number) for number in instrument.numbers]
        self._special = re.compile(f'[{layout.delimiter}"\r\n]')

    def codes(self, cells: list[str], row: int) -> list[float]:
        width = len(self.layout.names)
        if len(cells) != width:
            raise DataFileError(f"row {row} has {len(cells)} cells, but the first row names {width} columns", row=row)
        try:
            return [known[cells[place]] for known, place in zip(self._codes, self.layout.items, strict=True)]
        except InvalidAnswer as error:
            column = self.layout.names[self.layout.items[self.instrument.positions[error.item]]]
            allowed = ", ".join(map(str, self.instrument.choices(error.item).codes))
            value = str(error.value)
            shown = value if len(value) <= 40 else f"{value[:40]}…"
            sentence = f'row {row}, column {column}: "{shown}" is not an answer; allowed are {allowed}, or blank'
            raise DataFileError(sentence, row=row, column=column, value=value) from error

    def passed(self, cells: list[str]) -> bytes:
        return self.layout.delimiter.join(self.quoted(cells[place]) for place in self.layout.passed).encode()

    def quoted(self, cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if self._special.search(cell) else cell


class _Spellings(dict[str, float]):
    """The code that each spelling of an answer to one item means; a blank is missing (NaN).

    `1.0` is read as 1, because programs that keep whole numbers with gaps as decimals write them so.
    """

    def __init__(self, instrument: Instrument, number: int) -> None:
        super().__init__()
        self._instrument = instrument
        self._number = number

    def __missing__(self, cell: str) -> float:
        text = cell.strip()
        if not text:
            code = np.nan
        else:
            whole = WHOLE_NUMBER_WITH_ZEROS.fullmatch(text)
            try:
                code = float(parse_answer(self._instrument, self._number, whole[1] if whole else text))
            except InvalidAnswer as error:
                raise InvalidAnswer(error.instrument, error.item, cell, error.reason) from error
        self[cell] = code
        return code


def _blocks_by_csv(content: bytes, cells: CellReader, *, first_line: int, skip: int) -> Iterator[Block]:
    rows_left = islice(records(content, cells.layout.delimiter, first_line=first_line), skip, None)
    while rows := list(islice(rows_left, BLOCK_ROWS)):
        matrix = np.array([cells.codes(row, line) for line, row in rows], dtype=np.float64)
        yield Block(matrix, [cells.passed(row) for _, row in rows])
