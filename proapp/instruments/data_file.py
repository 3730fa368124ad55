"""CSV files from somewhere else, in and out: read strictly, refused in words, written whole or not at all.

A result is written beside its place and moved there when it is complete, so that a run that stops on a wrong value
leaves nothing behind, and never half a file under the right name.
"""

import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

DELIMITERS = ",;\t"


class DataFileError(Exception):
    """A file cannot be used; the message is a plain sentence. `row` is the line in the file, from 1."""

    def __init__(self, sentence: str, *, row: int | None = None, column: str | None = None, value: str | None = None):
        super().__init__(sentence)
        self.row = row
        self.column = column
        self.value = value


def read_text(source: Path) -> bytes:
    """The content, which is UTF-8 and not blank, without a byte order mark. Raises DataFileError."""
    try:
        content = source.read_bytes().removeprefix(b"\xef\xbb\xbf")
        blank = not content.decode().strip()
    except OSError as error:
        raise DataFileError(f"{source} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise DataFileError(f"{source} is not UTF-8 text (row {row}); save it as UTF-8", row=row) from error
    if blank:
        raise DataFileError(f"{source} is empty; its first row should name the columns")
    return content


def header(content: bytes, delimiter: str) -> tuple[str, ...]:
    # Not strict: with quoted names every delimiter but the right one is an error. The right one is read strictly later.
    _, names = next(records(content, delimiter, first_line=1, strict=False))
    return tuple(names)


def records(content: bytes, delimiter: str, *, first_line: int, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """(line in the file, cells) of every record that is not a blank line."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=strict)
    line = first_line
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = first_line + reader.line_num
    except csv.Error as error:
        raise DataFileError(f"row {line} is not readable as CSV: {error}", row=line) from error


def refuse_same(source: Path, target: Path) -> None:
    """Raise DataFileError where the result would replace what it is made from."""
    if target.exists() and target.samefile(source):
        raise DataFileError(f"{target} is the file that is read; the result needs another")


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `target` when the block ends well, and is removed when it does not."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(target)
    except OSError as error:
        raise DataFileError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):  # there is none when all went well, or when it could not even be opened
            part.unlink()
