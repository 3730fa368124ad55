"""Reading study files: one file in, one checked study out, or every fault of it at once. A protocol that contradicts
itself would only be noticed months later, by a patient, so nothing half-checked leaves this room."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from proapp.instruments.definition_file import read_toml
from proapp.instruments.load import BUILT_IN, load_pack, load_packs, read_packs
from proapp.instruments.model import Instrument
from proapp.instruments.problems import DefinitionError, Problem
from proapp.study.checks import Draft, meaning_faults
from proapp.study.model import Arm, FollowUp, Frozen, Site, Study, TimePoint

BRECLIM2 = Path(__file__).parent / "breclim2.toml"
STRUCTURE = "instrument.toml"
TABLES = ("sites", "arms", "timepoints")
SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "string_too_long": "is longer than {max_length} characters",
    "string_pattern_mismatch": "has characters, or a length, that are not allowed here (allowed: {pattern})",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "date_type": "must be a date such as 2019-12-02",
    "date_parsing": "is not a date; write it as in 2019-12-02",
    "date_from_datetime_parsing": "is not a date; write it as in 2019-12-02",
    "tuple_type": "must be a list",
    "mapping_type": "must be a table with one text for each language",
    "dict_type": "must be a table with one text for each language",
    "model_type": "must be a table",
    "literal_error": "must be {expected}",
    "too_short": "must have at least one entry",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "value_error": "{error}",
}
Entry = TypeVar("Entry", bound=Frozen)


def load_definitions(path: Path, packs_dir: Path | None) -> tuple[Study, Mapping[str, Instrument]]:
    """The study at `path`, and the packs that come with proapp and those of `packs_dir`.

    Raises DefinitionError with every problem of the packs and of the study.
    """
    shelf = read_packs(*filter(None, (BUILT_IN, packs_dir)))
    try:
        study = load_study(path, shelf.packs, faulty=shelf.faulty)
    except DefinitionError as error:
        raise DefinitionError([*shelf.problems, *error.problems]) from error
    if shelf.problems:
        raise DefinitionError(shelf.problems)
    return study, shelf.packs


def load_study(path: Path, instruments: Mapping[str, Instrument], *, faulty: Set[str] = frozenset()) -> Study:
    """The study that the file at `path` states, asking only for packs that are among `instruments` (or are `faulty`,
    which is reported elsewhere).

    Raises DefinitionError with all of its problems.
    """
    said = read_toml(path)
    if isinstance(said, Problem):
        raise DefinitionError([said])
    return _checked(said, instruments, str(path), faulty)


def parse_study(text: str, instruments: Mapping[str, Instrument], *, name: str) -> Study:
    """As `load_study`, for a text that lies in no file; its problems are reported under `name`."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError([Problem(name, "", f"is not valid TOML: {error}")]) from error
    return _checked(said, instruments, name)


def _checked(
    said: Mapping[str, Any], instruments: Mapping[str, Instrument], name: str, faulty: Set[str] = frozenset()
) -> Study:
    faults = list(_shape_faults(said))
    faults.extend(meaning_faults(_draft(said), instruments, faulty))
    if faults:
        raise DefinitionError(Problem(name, place, sentence) for place, sentence in faults)
    return Study.of(said)


def check_files(paths: Sequence[Path], *, packs_dir: Path | None = None) -> list[Problem]:
    """Every problem of these study files, packs (a folder, or a file in it) and folders of packs.

    Study files are checked against the shipped packs and those of `packs_dir`, whose problems come before theirs.
    """
    return [problem for path in paths for problem in _file_problems(path, packs_dir)]


def _file_problems(path: Path, packs_dir: Path | None) -> tuple[Problem, ...]:
    try:
        if path.is_dir():
            _ = load_pack(path) if (path / STRUCTURE).is_file() else load_packs(path)
        elif path.name == STRUCTURE or path.name.startswith("wording."):
            load_pack(path.parent)
        else:
            load_definitions(path, packs_dir)
    except DefinitionError as error:
        return error.problems
    return ()


def _shape_faults(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with keys, types and single values."""
    try:
        Study.of(said)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if fault["type"] == "too_short" and fault["input"]:
                continue  # its entries were faulty, and have their own sentences
            context = {key: str(value) for key, value in fault.get("ctx", {}).items()}
            template = SENTENCES.get(fault["type"])
            yield _place(fault["loc"], said), template.format(**context) if template else fault["msg"]


def _place(location: tuple[int | str, ...], said: Mapping[str, Any]) -> str:
    """`timepoints[m06].before_days`: entries of a list by their code where they have one, else counted from 1."""
    place = ""
    here: Any = said
    for part in location:
        if isinstance(part, int):
            here = here[part]
            place += f"[{_name(here, part)}]"
        elif part != "[key]":
            here = here.get(part) if isinstance(here, dict) else None
            place += f".{part}" if place else part
    return place


def _name(entry: object, index: int) -> object:
    code = entry.get("code") if isinstance(entry, dict) else None
    return code if isinstance(code, str) and code else index + 1


def _draft(said: Mapping[str, Any]) -> Draft:
    """Whatever in the file can be understood, so that one misspelt key does not hide the faults beyond it."""
    return Draft(
        said={key: value for key, value in said.items() if key not in TABLES},
        sites=_entries(Site, said, "sites"),
        arms=_entries(Arm, said, "arms"),
        timepoints=_entries(TimePoint, said, "timepoints"),
        follow_up=_follow_up(said.get("follow_up")),
    )


def _follow_up(said: object) -> FollowUp:
    """A faulty table has its own sentences; the rest of the file is then checked as though it were not there."""
    try:
        known = (
            {key: value for key, value in said.items() if key in FollowUp.model_fields}
            if isinstance(said, dict)
            else {}
        )
        return FollowUp.model_validate_json(json.dumps(known, default=str), strict=True)
    except ValidationError:
        return FollowUp()


def _entries(model: type[Entry], said: Mapping[str, Any], table: str) -> tuple[tuple[str, Entry], ...]:
    listed = said.get(table)
    found = []
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, dict):
            known = {key: value for key, value in entry.items() if key in model.model_fields}
            zone = {"time_zone": "UTC"} if model is Site else {}
            try:
                value = model.model_validate_json(json.dumps({**zone, **known}, default=str), strict=True)
            except ValidationError:
                continue
            found.append((f"{table}[{_name(entry, index)}]", value))
    return tuple(found)
