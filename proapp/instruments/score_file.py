"""Scoring a file of answers without a database: CSV in, CSV with the scores out, whole or not at all.

The result is written beside its place and moved there when it is complete, so that a run that stops on a wrong answer
leaves nothing behind, and never half a file under the right name.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np

from proapp.instruments.answer_table import AnswerTable, Block, CellReader, ScoreFileError, read_table
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import score_columns

__all__ = ["ScoreFileError", "score_columns_of", "score_file"]

MISSING = -1.0  # stands for NaN while texts are looked up (NaN equals nothing); scores are never below 0


def score_file(instrument: Instrument, source: Path, target: Path) -> int:
    """Score every row of `source` into `target`; returns the number of rows. Existing `target` is replaced.

    `target` has the columns of `source` that hold no answers, unchanged, then for each scale its score and the number
    of answered items (`PF2`, `PF2_N`), then the summary score. Scores are in full precision, missing ones blank.
    Raises ScoreFileError, with row, column and value where there are any, and then writes nothing.
    """
    table = read_table(instrument, source)
    _refuse_clashes(table, source, target)
    written = 0
    with _replacing(target) as out:
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
    if target.exists() and target.samefile(source):
        raise ScoreFileError(f"{target} holds the answers; the scores need another file")
    added = set(score_columns_of(table.instrument))
    for place in table.layout.passed:
        name = table.layout.names[place]
        if name in added:
            raise ScoreFileError(f'there is a column named "{name}" already, as a score', row=1, column=name)


def _first_line(table: AnswerTable) -> bytes:
    quoted = CellReader(table.instrument, table.layout).quoted
    names = [quoted(table.layout.names[place]) for place in table.layout.passed]
    return table.layout.delimiter.join([*names, *score_columns_of(table.instrument)]).encode() + b"\n"


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `target` when the block ends well, and is removed when it does not."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(target)
    except OSError as error:
        raise ScoreFileError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # there is none when all went well, or when it could not even be opened
            part.unlink()


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
