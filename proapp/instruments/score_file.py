"""Scoring a file of answers without a database: CSV in, CSV with the scores out, whole or not at all."""

from pathlib import Path

import numpy as np

from proapp.instruments.answer_table import AnswerTable, Block, CellReader, read_table
from proapp.instruments.data_file import DataFileError, refuse_same, replacing
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import score_columns

MISSING = -1.0  # stands for NaN while texts are looked up (NaN equals nothing); scores are never below 0


def score_file(instrument: Instrument, source: Path, target: Path) -> int:
    """Score every row of `source` into `target`; returns the number of rows. Existing `target` is replaced.

    `target` has the columns of `source` that hold no answers, unchanged, then for each scale its score and the number
    of answered items (`PF2`, `PF2_N`), then the summary score. Scores are in full precision, missing ones blank.
    Raises DataFileError, with row, column and value where there are any, and then writes nothing.
    """
    table = read_table(instrument, source)
    _refuse_clashes(table, source, target)
    written = 0
    with replacing(target) as out:
        out.write(_first_line(table))
        writer = _ScoreTexts(instrument, table.layout.delimiter.encode())
        for block in table.blocks():
            out.write(writer.lines(block, keeps_columns=bool(table.layout.passed)))
            written += len(block.matrix)
    return written


def score_columns_of(instrument: Instrument) -> list[str]:
    """The names of the columns that scoring adds, in order."""
    names = [name for scale in instrument.scales for name in (scale.code, f"{scale.code}_N")]
    return [*names, instrument.summary.code] if instrument.summary else names


def _refuse_clashes(table: AnswerTable, source: Path, target: Path) -> None:
    refuse_same(source, target)
    added = set(score_columns_of(table.instrument))
    for place in table.layout.passed:
        name = table.layout.names[place]
        if name in added:
            raise DataFileError(f'there is a column named "{name}" already, as a score', row=1, column=name)


def _first_line(table: AnswerTable) -> bytes:
    quoted = CellReader(table.instrument, table.layout).quoted
    names = [quoted(table.layout.names[place]) for place in table.layout.passed]
    return table.layout.delimiter.join([*names, *score_columns_of(table.instrument)]).encode() + b"\n"


class _ScoreTexts:
    """Writes blocks of scores as lines. A scale has few distinct results, so each is turned into text only once."""

    def __init__(self, instrument: Instrument, delimiter: bytes) -> None:
        self._instrument = instrument
        self._delimiter = delimiter
        self._known = _KnownResults(delimiter)

    def lines(self, block: Block, *, keeps_columns: bool) -> bytes:
        columns = [block.passed] if keeps_columns else []
        for code, (values, answered) in score_columns(self._instrument, block.matrix).items():
            listed = np.where(np.isnan(values), MISSING, values)
            if code in self._instrument.scales_by_code:
                columns.append(list(map(self._known.__getitem__, (listed + 1j * answered).tolist())))
            else:
                columns.append([_text(value) for value in listed.tolist()])
        return b"\n".join(map(self._delimiter.join, zip(*columns, strict=True))) + b"\n"


class _KnownResults(dict[complex, bytes]):
    """A score and its number of answers, as the real and the imaginary part of one number, to their two cells."""

    def __init__(self, delimiter: bytes) -> None:
        super().__init__()
        self._delimiter = delimiter

    def __missing__(self, result: complex) -> bytes:
        self[result] = _text(result.real) + self._delimiter + b"%d" % int(result.imag)
        return self[result]


def _text(value: float) -> bytes:
    return b"" if value == MISSING else repr(value).encode()
