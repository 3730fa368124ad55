"""Reading instrument packs: one folder in, one checked instrument out, or every fault of the folder at once.

A pack is `instrument.toml` (structure, the same for all languages) and one `wording.<language>.toml` per language.
Nothing half-checked leaves this room: the application refuses to start on a faulty pack, so later code may trust every
lookup.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proapp.instruments.checks import structure_faults
from proapp.instruments.definition_file import read_toml
from proapp.instruments.draft import read_draft
from proapp.instruments.model import Instrument, Wording
from proapp.instruments.problems import DefinitionError, Problem
from proapp.instruments.wording import read_wordings

BUILT_IN = Path(__file__).parent / "packs"
STRUCTURE = "instrument.toml"


@dataclass(frozen=True)
class Shelf:
    """What folders of packs hold: the sound packs by code, the codes of faulty ones, and every problem of those."""

    packs: Mapping[str, Instrument]
    faulty: frozenset[str]
    problems: tuple[Problem, ...]


def load_packs(*folders: Path) -> dict[str, Instrument]:
    """All packs of these folders by code; a pack in a later folder replaces one of the same code in an earlier one.

    Raises DefinitionError with the problems of all packs together.
    """
    shelf = read_packs(*folders)
    if shelf.problems:
        raise DefinitionError(shelf.problems)
    return dict(shelf.packs)


def read_packs(*folders: Path) -> Shelf:
    """As `load_packs`, for whoever has more to check: faulty packs are set aside, and nothing is raised."""
    shelves = [_read_folder(folder) for folder in folders]
    packs = {code: pack for shelf in shelves for code, pack in shelf.packs.items()}
    faulty = frozenset[str]().union(*(shelf.faulty for shelf in shelves))
    problems = tuple(problem for shelf in shelves for problem in shelf.problems)
    return Shelf({code: pack for code, pack in packs.items() if code not in faulty}, faulty, problems)


def _read_folder(root: Path) -> Shelf:
    if not root.is_dir():
        sentence = "is not a folder; it should hold one folder for each instrument pack"
        return Shelf({}, frozenset(), (Problem(str(root), "", sentence),))
    found: dict[str, Instrument] = {}
    faulty: set[str] = set()
    problems: list[Problem] = []
    for folder in sorted(root.iterdir()):
        if not folder.is_dir() or folder.name.startswith((".", "_")):
            continue
        try:
            pack = load_pack(folder)
        except DefinitionError as error:
            problems += error.problems
            faulty.add(_code_said(folder))
            continue
        if pack.code in found:
            sentence = f'"{pack.code}" is already the code of another pack in {root}'
            problems.append(Problem(str(folder / STRUCTURE), "code", sentence))
        found[pack.code] = pack
    return Shelf(found, frozenset(faulty), tuple(problems))


def _code_said(folder: Path) -> str:
    """The code that a faulty pack gives itself; where not even that can be read, the name of its folder."""
    raw = read_toml(folder / STRUCTURE)
    code = None if isinstance(raw, Problem) else raw.get("code")
    return code if isinstance(code, str) else folder.name


def load_pack(folder: Path) -> Instrument:
    """The instrument defined in this folder. Raises DefinitionError with all of its problems."""
    file = str(folder / STRUCTURE)
    raw = read_toml(folder / STRUCTURE)
    if isinstance(raw, Problem):
        raise DefinitionError([raw])
    draft = read_draft(raw, file)
    between = [Problem(file, path, sentence) for path, sentence in structure_faults(draft)]
    texts, wordless = read_wordings(folder, draft)
    if draft.header is None or draft.problems or between or wordless:
        raise DefinitionError([*draft.problems, *between, *wordless])
    return Instrument(
        **dict(draft.header),
        items=tuple(draft.items),
        responses={choices.id: choices for choices in draft.responses},
        scales=tuple(draft.scales),
        summary=draft.summary,
        wording={language: Wording.model_validate(words) for language, words in texts.items()},
        content_hash=content_hash(raw, texts),
    )


def content_hash(structure: dict[str, Any], texts: dict[str, dict[str, Any]]) -> str:
    """SHA-256 (hex) over what a pack says, not over how its files are typed.

    Taken over the parsed files as JSON with sorted keys: comments, spacing, key order and line endings do not change
    it; any word, code, number or order of items does. Two machines that check out the same pack agree on it.
    """
    canonical = json.dumps([structure, texts], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
