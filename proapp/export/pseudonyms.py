"""Other ids for another recipient: keyed, so that only who holds the key can tell whose they are, and so that the files
of two recipients cannot be laid side by side.

Rows in the order of the study ids would tell whose they are after all. They are written in that order, because that is
how they come, and each participant's part of a file is then moved to the place that the new id gives it.
"""

from __future__ import annotations

import hmac
import os
from base64 import b32encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

LENGTH = 10  # characters of base32: 50 bits
SHORTEST_KEY = 16  # bytes
BLOCK = 1 << 20


class WeakKey(Exception):
    """The key could be guessed."""


class Pseudonyms:
    """Ids from HMAC-SHA256 over the study id. `key_id` names the key and does not give it away."""

    def __init__(self, key: bytes) -> None:
        if len(key) < SHORTEST_KEY:
            raise WeakKey(f"a key of {len(key)} bytes can be guessed; it takes {SHORTEST_KEY} at least")
        self._key = key
        self.key_id = self._digest("key id").hex()[:8]

    def of(self, study_id: str) -> str:
        return b32encode(self._digest(f"study id {study_id}")).decode()[:LENGTH]

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), sha256)


class Part(NamedTuple):
    """One participant's part of a file: from `start` up to the next part."""

    name: str
    start: int


def reorder(path: Path, parts: Sequence[Part], end: int) -> None:
    """Put the parts of a file in the order of their names. What stands before the first and after `end` stays."""
    if not parts:
        return
    ends = [part.start for part in parts[1:]] + [end]
    spans = sorted((part.name, part.start, stop) for part, stop in zip(parts, ends, strict=True))
    target = path.with_name(f"{path.name}.ordered")
    with path.open("rb") as source, target.open("wb") as sink:
        _copy(source, sink, 0, parts[0].start)
        for _, start, stop in spans:
            _copy(source, sink, start, stop)
        _copy(source, sink, end, path.stat().st_size)
    os.replace(target, path)


def _copy(source: BinaryIO, sink: BinaryIO, start: int, stop: int) -> None:
    source.seek(start)
    while start < stop:
        block = source.read(min(BLOCK, stop - start))
        sink.write(block)
        start += len(block)
