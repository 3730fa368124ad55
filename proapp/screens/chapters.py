"""Which assessments the book shows, and by which study.

Without a study file each pack gets a study of its own, as plain as a study can be: the pages show the questionnaire
alone. With one the pages are those of its patients, and as few of its time points are shown as hold every pack.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from proapp.instruments.model import Instrument
from proapp.study.load import load_study, parse_study
from proapp.study.model import Study, TimePoint
from proapp.web.i18n import LANGUAGES


class NothingToShow(Exception):
    """What was asked for cannot be shown; the message says why."""


@dataclass(frozen=True)
class Chapter:
    """One assessment of one study, and the codes of those of its packs that are to be shown."""

    study: Study
    timepoint: TimePoint
    instruments: tuple[Instrument, ...]
    shown: frozenset[str]
    study_file: str | None = None

    @property
    def name(self) -> str:
        """What the pages around the questions are called: the pack, or the time point where packs share them."""
        return self.timepoint.code if self.study_file else self.instruments[0].code

    @property
    def languages(self) -> tuple[str, ...]:
        """Those in which the pages around the questions exist too."""
        return tuple(one for one in LANGUAGES if one in self.study.languages)


def of_packs(packs: Mapping[str, Instrument], codes: Collection[str]) -> list[Chapter]:
    """Each of these packs (all, if none is named) by itself. Raises NothingToShow."""
    wanted = list(dict.fromkeys(codes)) or list(packs)
    _require_known(wanted, packs, "there is no pack")
    return [_alone(packs[code]) for code in wanted]


def of_study(file: Path, packs: Mapping[str, Instrument], codes: Collection[str]) -> list[Chapter]:
    """The packs of this study (those named) at its own time points. Raises DefinitionError or NothingToShow."""
    study = load_study(file, packs)
    wanted = set(codes) or set(study.instruments)
    _require_known(wanted, study.instruments, f"{file.name} asks no pack")
    if not set(study.languages) & set(LANGUAGES):
        raise NothingToShow(f"{file.name} has no language in which the pages exist ({', '.join(LANGUAGES)}).")
    chapters: list[Chapter] = []
    while wanted:
        # The first of those that show most: a baseline asks everything in most studies.
        timepoint = max(study.timepoints, key=lambda one: len(wanted & set(one.instruments)))
        shown = frozenset(wanted & set(timepoint.instruments))
        asked = tuple(packs[code] for code in timepoint.instruments)
        chapters.append(Chapter(study, timepoint, asked, shown, file.name))
        wanted -= shown
    return chapters


def _require_known(wanted: Collection[str], known: Collection[str], sentence: str) -> None:
    unknown = [code for code in wanted if code not in known]
    if unknown:
        raise NothingToShow(f"{sentence} {', '.join(map(repr, unknown))}; it can be: {', '.join(known)}.")


def _alone(pack: Instrument) -> Chapter:
    languages = [one for one in LANGUAGES if one in pack.languages]
    if not languages:
        raise NothingToShow(
            f"{pack.code} has no wording in a language in which the pages exist ({', '.join(LANGUAGES)})."
        )
    study = parse_study(_plain_study(pack, languages), {pack.code: pack}, name="the study around a pack")
    return Chapter(study, study.baseline, (pack,), frozenset({pack.code}))


# Invented like everything around a questionnaire here. The telephone number is of the series set aside for fiction.
_TITLE = {"sv": "En studie", "en": "A study"}
_HOURS = {"sv": "vardagar 8–16", "en": "weekdays 8 am to 4 pm"}
_SAFETY = {
    "sv": "Dina svar läses inte samma dag. Mår du sämre: ring din mottagning. Ring 112 om det är akut.",
    "en": "Your answers are not read on the day you send them. If you feel worse, call your clinic. In an emergency, "
    "call 112.",
}


def _plain_study(pack: Instrument, languages: list[str]) -> str:
    """A study file that asks this pack once."""

    def words(texts: Mapping[str, str]) -> str:
        return "{ " + ", ".join(f"{code} = {_quoted(texts[code])}" for code in languages) + " }"

    return f"""
code = "SCREENS"
title = {words(_TITLE)}
number = "1"
approved_on = 2027-01-11
effective_from = 2027-01-11
time_zone = "Europe/Stockholm"
languages = [{", ".join(map(_quoted, languages))}]
demo = {"false" if pack.licence.reference else "true"}
id_pattern = "[0-9]+"
safety = {words(_SAFETY)}

[[sites]]
code = "A"
name = "A"
phone = "08-465 004 01"
hours = {words(_HOURS)}

[[arms]]
code = "A"
label = {words(_TITLE)}

[[timepoints]]
code = "start"
label = {words(_TITLE)}
kind = "baseline"
anchor = "consent"
instruments = [{_quoted(pack.code)}]
"""


def _quoted(text: str) -> str:
    """A basic string of TOML; JSON's are among them."""
    return json.dumps(text, ensure_ascii=False)
