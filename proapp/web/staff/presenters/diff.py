"""A diff to read: what changes in the study in the words of the house, and what becomes of each assessment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext, lazy_gettext

from proapp.study.diff import ORDER, Diff, StudyChange
from proapp.study.effects import Effect, Kind
from proapp.study.model import Study
from proapp.study.schedule import PlannedAssessment
from proapp.web.context import day, in_language
from proapp.web.staff.presenters.windows import MoveLine, short_day

AREAS: Mapping[str, Any] = {
    "version": lazy_gettext("Version"),
    "timepoints": lazy_gettext("Time points"),
    "windows": lazy_gettext("Windows"),
    "instruments": lazy_gettext("Questionnaires"),
    "reminders": lazy_gettext("Reminders"),
    "texts": lazy_gettext("Texts"),
    "sites": lazy_gettext("Sites"),
    "arms": lazy_gettext("Arms"),
    "rules": lazy_gettext("Rules"),
}
KEYS: Mapping[str, Any] = {
    "number": lazy_gettext("number"),
    "approved_on": lazy_gettext("approved"),
    "effective_from": lazy_gettext("in force from"),
    "months": lazy_gettext("months after the anchor"),
    "days": lazy_gettext("days after the anchor"),
    "before_days": lazy_gettext("opens, days before the target day"),
    "after_days": lazy_gettext("closes, days after the target day"),
    "grace_days": lazy_gettext("days taken as late"),
    "instruments": lazy_gettext("questionnaires"),
    "reminders": lazy_gettext("reminders"),
    "arms": lazy_gettext("arms"),
    "label": lazy_gettext("name"),
    "name": lazy_gettext("name"),
    "phone": lazy_gettext("telephone"),
    "hours": lazy_gettext("telephone hours"),
    "opened_on": lazy_gettext("takes participants from"),
    "closed_on": lazy_gettext("takes participants until"),
    "title": lazy_gettext("title"),
    "safety": lazy_gettext("what patients read about safety"),
    "proxy_allowed": lazy_gettext("somebody else may answer for the participant"),
    "read_aloud": lazy_gettext("questions can be read aloud by the device"),
    "death_before": lazy_gettext("a death before this day of the window ends the waiting for an answer"),
    "overdue_after_days": lazy_gettext("days until staff see it as overdue"),
}
KINDS: Mapping[Kind, Any] = {
    "keep": lazy_gettext("keep their dates and follow the new version"),
    "move": lazy_gettext("move"),
    "add": lazy_gettext("are added"),
    "remove": lazy_gettext("are no longer asked for"),
    "not_asked": lazy_gettext("are new, but their window is over, so they are not asked for"),
    "keep_pinned": lazy_gettext("stay as they are, because the participant has begun to answer"),
}
EFFECTS: Mapping[Kind, Any] = {
    "move": lazy_gettext("moves"),
    "add": lazy_gettext("new"),
    "remove": lazy_gettext("no longer asked for"),
    "not_asked": lazy_gettext("not asked for: its window is over"),
    "keep_pinned": lazy_gettext("stays: the participant has begun to answer it"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One difference between two files."""

    where: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Consequence:
    """What becomes of one assessment."""

    label: str
    what: str
    now: str
    then: str
    mismatch: bool


def study_lines(study: Study, changes: Iterable[StudyChange]) -> list[tuple[str, list[Line]]]:
    """By area, in the order of `AREAS`."""
    every = list(changes)
    found = [(area, [_line(study, one) for one in every if one.area == area]) for area in ORDER]
    return [(str(AREAS[area]), lines) for area, lines in found if lines]


def _line(study: Study, change: StudyChange) -> Line:
    thing, _, rest = change.place.partition(".")
    key, _, more = rest.partition(".")
    words = [_thing(study, thing), str(KEYS.get(key, key)), more] if rest else [_thing(study, thing)]
    return Line(", ".join(filter(None, words)), _value(change.old), _value(change.new))


def _thing(study: Study, place: str) -> str:
    """timepoints[m06] by its name, title by its word."""
    table, _, code = place.rstrip("]").partition("[")
    if table == "timepoints" and code:
        known = study.timepoints_by_code.get(code)
        return f"{in_language(known.label)} ({code})" if known else code
    return code or str(KEYS.get(table, table))


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "–"
    if isinstance(value, dict):
        return (
            gettext("all of it")
            if "code" in value
            else ", ".join(f"{key}: {_value(one)}" for key, one in value.items())
        )
    return str(value)


def counts(diff: Diff) -> list[tuple[int, str]]:
    """How many assessments, and what becomes of them."""
    found = diff.counts
    lines = [(found[kind], str(words)) for kind, words in KINDS.items() if found[kind]]
    if found["anchor_mismatch"]:
        lines.append(
            (found["anchor_mismatch"], gettext("are answered already and would count as given at another time"))
        )
    return lines


def people(study: Study, diff: Diff) -> list[tuple[str, list[Consequence]]]:
    """By study id, everything that does not simply keep its dates."""
    found = [
        (one.study_id, [_consequence(study, effect) for effect in one.told if effect.kind != "keep"])
        for one in diff.participants
    ]
    return [(study_id, lines) for study_id, lines in found if lines]


def _consequence(study: Study, effect: Effect) -> Consequence:
    return Consequence(
        label(study, effect),
        str(EFFECTS[effect.kind]),
        _window(effect.old),
        _window(effect.new),
        effect.anchor_mismatch,
    )


def label(study: Study, effect: Effect) -> str:
    known = study.timepoints_by_code.get(effect.timepoint)
    name = in_language(known.label) if known else effect.timepoint
    return f"{name} ({effect.occurrence})" if effect.occurrence > 1 else name


def _window(planned: PlannedAssessment | None) -> str:
    if planned is None or planned.target_on is None:
        return "–"
    last = day(planned.closes_on) or "…"
    return f"{day(planned.target_on)} ({day(planned.opens_on)} – {last})"


def move_lines(study: Study, diff: Diff) -> list[MoveLine]:
    """The lines of a corrected date, as those of every event's second look."""
    return [
        MoveLine(
            label=label(study, one),
            old=_three(one.old),
            new=None if one.kind == "keep_pinned" else _three(one.new),
            mismatch=one.anchor_mismatch,
            is_new=one.old is None or one.old.target_on is None,
            is_gone=one.kind == "remove" or (one.kind != "keep_pinned" and one.new.target_on is None),
        )
        for person in diff.participants
        for one in person.told
        if one.kind not in ("keep", "not_asked")
    ]


def _three(planned: PlannedAssessment | None) -> tuple[str, str, str]:
    if planned is None:
        return ("–", "–", "–")
    return short_day(planned.opens_on), short_day(planned.target_on), short_day(planned.closes_on)
