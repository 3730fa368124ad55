"""The words of a pack: exactly those its structure asks for, in every language it declares.

A question without text, or a label for a code that does not exist, would first be seen by a patient. So the words that
must be there are derived from the structure, and anything missing or left over is a problem.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proapp.instruments.definition_file import read_toml
from proapp.instruments.draft import Draft
from proapp.instruments.problems import Problem

Place = tuple[str, ...]


def wording_file(folder: Path, language: str) -> Path:
    return folder / f"wording.{language}.toml"


def read_wordings(folder: Path, draft: Draft) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """The parsed wording files by language, and all problems with them."""
    texts: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for language in draft.languages:
        file = wording_file(folder, language)
        raw = read_toml(file)
        if isinstance(raw, Problem):
            problems.append(raw)
            continue
        texts[language] = raw
        problems.extend(Problem(str(file), ".".join(place), fault) for place, fault in _faults(raw, draft))
    return texts, problems + _stray_files(folder, draft)


def _stray_files(folder: Path, draft: Draft) -> list[Problem]:
    known = {wording_file(folder, language) for language in draft.languages}
    stray = sorted(set(folder.glob("wording.*.toml")) - known)
    return [Problem(str(file), "", "is a language that instrument.toml does not list in languages") for file in stray]


def _faults(raw: dict[str, Any], draft: Draft) -> Iterator[tuple[Place, str]]:
    words = dict(_leaves(raw))
    required = dict.fromkeys(_required(draft))
    for place in required:
        if place not in words:
            yield place, "has no wording in this language"
    for place, text in words.items():
        if place not in required and place != ("notice",):
            if not _may_be_wanted(place, draft):
                yield place, "is worded here, but instrument.toml has no use for it"
        elif not isinstance(text, str) or not text.strip():
            yield place, "must be a text that is not empty"


def _may_be_wanted(place: Place, draft: Draft) -> bool:
    """Whether an entry of instrument.toml that could not be read may be the one that asks for these words."""
    match place[0]:
        case "items" | "short" | "recalls":
            return not draft.is_sure_of("items")
        case "responses" | "scales" as section:
            return not draft.is_sure_of(section)
    return False


def _leaves(table: dict[str, Any], above: Place = ()) -> Iterator[tuple[Place, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _required(draft: Draft) -> Iterator[Place]:
    """The places that every language must fill, from what the structure declares."""
    yield ("title",)
    yield ("introduction",)
    if draft.raw.get("validated") is not True:
        yield ("notice",)
    for number in draft.item_numbers:
        yield ("items", str(number))
        yield ("short", str(number))
    for choices in draft.responses:
        yield from (("responses", choices.id, str(code)) for code in choices.labelled)
    for item in draft.items:
        if item.recall is not None:
            yield ("recalls", item.recall)
    yield from (("scales", code) for code in draft.scale_codes)
    if "summary" in draft.raw:
        yield ("summary",)
