"""A bundle held to its own words: its sums, its scores, and what the database gives for the same question today.

Everything is said in sentences, none of which holds an answer.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

from proapp.export.bundle import BLOCK, Bundle
from proapp.export.manifest import BUNDLE_VERSION
from proapp.instruments.answers import InvalidAnswer
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import Score, score
from proapp.services.exporting import Asked
from proapp.version import __version__

SUMS, MANIFEST = "SHA256SUMS", "manifest.json"
_ONE = ("study_id", "timepoint", "occurrence", "instrument")  # what the scores of one instrument are made from
_NEEDED = {"bundle_version", "proapp_version", "cut_off", "study", "instruments", "files"}
Row = dict[str, str]


class NotABundle(Exception):
    """The file is no export of ours, in words."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle to be looked at: its members by their path below the one folder."""

    archive: zipfile.ZipFile
    members: Mapping[str, str]
    manifest: Mapping[str, Any]

    def digest(self, path: str) -> tuple[str, int]:
        """(SHA-256, bytes) of a member. A broken one raises BadZipFile."""
        found, size = hashlib.sha256(), 0
        with self.archive.open(self.members[path]) as file:
            while block := file.read(BLOCK):
                found.update(block)
                size += len(block)
        return found.hexdigest(), size

    def rows(self, table: str) -> Iterator[Row]:
        with self.archive.open(self.members[f"data/{table}.csv"]) as file:
            yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Raises NotABundle."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2]: name for name in archive.namelist()}
            if missing := {SUMS, MANIFEST} - set(members):
                raise NotABundle(f"there is no {' and no '.join(sorted(missing))} in it")
            manifest = json.loads(archive.read(members[MANIFEST]))
            if not isinstance(manifest, dict) or not set(manifest) >= _NEEDED:
                raise NotABundle(f"its {MANIFEST} does not say what it should")
            yield Opened(archive, members, manifest)
    except (zipfile.BadZipFile, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise NotABundle("it is not a zip file, or damaged") from error


def faults_of_sums(bundle: Opened) -> Iterator[str]:
    """What is not as SHA256SUMS and the manifest have it."""
    lines = bundle.archive.read(bundle.members[SUMS]).decode().splitlines()
    sums = {path: sum_ for sum_, _, path in (line.partition("  ") for line in lines)}
    said = {file["path"]: (file["sha256"], file["bytes"]) for file in bundle.manifest["files"]}
    for path in sorted(set(bundle.members) - set(sums) - {SUMS}):
        yield f"{path} is in the file and not in {SUMS}."
    for path in sorted({*sums, *said}):
        if path not in bundle.members:
            yield f"{path} is missing."
            continue
        found = bundle.digest(path)
        if sums.get(path) != found[0]:
            yield f"{path} is not the one of {SUMS}."
        if path != MANIFEST and said.get(path) != found:
            yield f"{path} is not the one of {MANIFEST}."


def faults_of_scores(bundle: Opened, instruments: Mapping[str, Instrument]) -> Iterator[str]:
    """Scores that are not what the items in the same file give."""
    if not {"data/items_long.csv", "data/scores_long.csv"} <= set(bundle.members):
        return  # told by the sums
    unknown = set()
    for code, named in bundle.manifest["instruments"].items():
        known = instruments.get(code)
        if known is None or known.content_hash != named["content_hash"]:
            unknown.add(code)
            yield f"the scores of {code} cannot be recomputed: its version {named['version']} is not installed here."
    groups = (groupby(bundle.rows(table), key=_one) for table in ("items_long", "scores_long"))
    for items, scores in zip_longest(*groups, fillvalue=(None, ())):
        if items[0] != scores[0]:
            yield f"items_long goes on with {_said(items[0])}, scores_long with {_said(scores[0])}."
            return
        code = (items[0] or ("",) * 4)[3]
        if code not in unknown:
            yield from _wrong(instruments[code], items[0], items[1], scores[1])


def _one(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in _ONE)


def _said(key: tuple[str, ...] | None) -> str:
    return "nothing" if key is None else ", ".join(key)


def _wrong(instrument: Instrument, key: Any, items: Any, scores: Any) -> Iterator[str]:
    try:
        codes = {int(row["item_no"]): int(row["value"]) for row in items if row["value"]}
        found = {one.code: one for one in score(instrument, codes)}
    except (InvalidAnswer, ValueError):
        yield f"{_said(key)}: items_long holds an answer that the questionnaire does not have."
        return
    for row in scores:
        one = found.pop(row["scale_code"], None)
        if one is None or _cells(one) != tuple(row[name] for name in _CELLS):
            yield f"{_said(key)}: the score {row['scale_code']} is not what its items give."
    for code in found:
        yield f"{_said(key)}: the score {code} is missing."


_CELLS = ("score", "n_items", "n_applicable", "n_answered", "outcome")


def _cells(one: Score) -> tuple[str, ...]:
    value = "" if one.value is None else repr(one.value)
    return value, str(one.n_items), str(one.applicable), str(one.answered), one.outcome


def asked_of(bundle: Opened) -> Asked:
    """What the file was made for. Raises NotABundle for one of another version of the bundle."""
    said = bundle.manifest
    if said["bundle_version"] != BUNDLE_VERSION:
        raise NotABundle(f"it is a bundle of version {said['bundle_version']}, and this program makes {BUNDLE_VERSION}")
    return Asked(
        date.fromisoformat(said["cut_off"]),
        datetime.fromisoformat(said["as_of"]),
        said["profile"],
        said["site"],
        said["arms"] == "included",
        said["pseudonym_key"],
    )


def differences(bundle: Opened, made: Bundle) -> Iterator[str]:
    """How the file differs from the one that the database gives now for the same question; nothing if in nothing that
    is in it. `made` has the manifest of now."""
    yield from _changed(bundle.manifest, made)
    now = {file.path: file.sha256 for file in made.files}
    for path in sorted({*bundle.members, *now} - {SUMS, MANIFEST}):
        if path not in now:
            yield f"{path}: the database gives no such file."
        elif path not in bundle.members:
            yield f"{path}: the database gives this file too."
        elif bundle.digest(path)[0] != now[path]:
            yield f"{path}: the database gives another one."


def _changed(said: Mapping[str, Any], made: Bundle) -> Iterator[str]:
    if said["proapp_version"] != __version__:
        yield f"it was made by proapp {said['proapp_version']}, and this is {__version__}."
    if said["study"]["content_hash"] != made.cut.study.content_hash:
        yield "the study file is another one than then."
    for one in made.cut.used:
        then = said["instruments"].get(one.code)
        if then is None or then["content_hash"] != one.content_hash:
            yield f"the questionnaire {one.code} is another one than then."
