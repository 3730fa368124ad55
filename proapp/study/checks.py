"""Whether a study file makes sense: things that each look right and contradict each other. Every check yields the place
in the file and one sentence, and looks only at the entries whose shape was understood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from proapp.instruments.model import Instrument
from proapp.study.follow_up_checks import follow_up_faults
from proapp.study.model import Arm, FollowUp, Site, TimePoint
from proapp.study.schedule import add_months

Faults = Iterator[tuple[str, str]]
ANCHORS_OF = {
    "baseline": ("consent",),
    "scheduled": ("consent", "randomization", "surgery", "progression"),
    "event": ("surgery", "progression"),
    "unscheduled": ("manual",),
}
# Every day of a leap-year cycle: month ends make the distance between two time points depend on the anchor.
ANCHOR_DAYS = tuple(date(2023, 1, 1) + timedelta(days=day) for day in range(1461))


@dataclass(frozen=True)
class Draft:
    """What could be understood of a file: its plain keys as written, and its entries with their places."""

    said: Mapping[str, Any]
    sites: tuple[tuple[str, Site], ...]
    arms: tuple[tuple[str, Arm], ...]
    timepoints: tuple[tuple[str, TimePoint], ...]
    follow_up: FollowUp = FollowUp()

    @property
    def languages(self) -> tuple[str, ...]:
        listed = self.said.get("languages")
        return tuple(code for code in listed if isinstance(code, str)) if isinstance(listed, list) else ()


def meaning_faults(draft: Draft, instruments: Mapping[str, Instrument], faulty: Set[str] = frozenset()) -> Faults:
    """All contradictions in the file, in the order a reader would look for them. Packs of `faulty` codes are there, but
    cannot be looked into."""
    yield from _header_faults(draft)
    yield from _language_faults(draft)
    yield from _site_faults(draft)
    yield from _duplicates(draft)
    yield from _baseline_faults(draft)
    for place, timepoint in draft.timepoints:
        yield from _timepoint_faults(place, timepoint, {arm.code for _, arm in draft.arms})
        yield from _reminder_faults(place, timepoint)
    sites = [site for _, site in draft.sites]
    yield from follow_up_faults(draft.follow_up, draft.said, sites, draft.timepoints, instruments)
    yield from _neighbour_faults(draft)
    yield from _instrument_faults(draft, instruments, faulty)


def _header_faults(draft: Draft) -> Faults:
    said = draft.said
    approved, effective = said.get("approved_on"), said.get("effective_from")
    if type(approved) is date and type(effective) is date and effective < approved:
        yield "effective_from", f"is {effective}, before the approval on {approved}"
    pattern, example = said.get("id_pattern"), said.get("id_example")
    if isinstance(pattern, str) and isinstance(example, str) and not _matches(pattern, example):
        yield "id_example", f'"{example}" is not written as id_pattern asks'
    if said.get("example") is True and not said.get("note"):
        yield "note", "is missing; a study that is an example says in its note what is to be replaced"


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return True  # a pattern that cannot be read has its own sentence


def _language_faults(draft: Draft) -> Faults:
    doubled = [code for code, times in Counter(draft.languages).items() if times > 1]
    if doubled:
        yield "languages", f"names {', '.join(doubled)} more than once"
    texts: list[tuple[str, object]] = [(key, draft.said.get(key)) for key in ("title", "note", "safety")]
    texts += [(f"{place}.hours", site.hours) for place, site in draft.sites]
    texts += [(f"{place}.label", arm.label) for place, arm in draft.arms]
    texts += [(f"{place}.label", timepoint.label) for place, timepoint in draft.timepoints]
    for place, words in texts:
        if isinstance(words, Mapping) and draft.languages:
            yield from _wording_faults(place, words, draft.languages)


def _wording_faults(place: str, words: Mapping[str, object], languages: Iterable[str]) -> Faults:
    for language in languages:
        if language not in words:
            yield f"{place}.{language}", "is missing; every text is needed in every language of the study"
    for language in words:
        if language not in languages:
            yield f"{place}.{language}", "is not one of the study's languages"


def _site_faults(draft: Draft) -> Faults:
    for place, site in draft.sites:
        if site.opened_on and site.closed_on and site.closed_on < site.opened_on:
            yield f"{place}.closed_on", f"is {site.closed_on}, before the site opened on {site.opened_on}"


def _duplicates(draft: Draft) -> Faults:
    """Codes are compared without case: they become file names and column names."""
    for table, entries in (("sites", draft.sites), ("arms", draft.arms), ("timepoints", draft.timepoints)):
        codes = Counter(entry.code.lower() for _, entry in entries)
        for code, times in codes.items():
            if times > 1:
                yield table, f'the code "{code}" is used {times} times'


def _baseline_faults(draft: Draft) -> Faults:
    baselines = [place for place, timepoint in draft.timepoints if timepoint.kind == "baseline"]
    if not baselines:
        yield "timepoints", 'has no time point of kind "baseline"; there must be exactly one'
    for place in baselines[1:]:
        yield f"{place}.kind", "is a second baseline; there must be exactly one"


def _timepoint_faults(place: str, timepoint: TimePoint, arms: set[str]) -> Faults:
    for arm in timepoint.arms:
        if arm not in arms:
            yield f"{place}.arms", f'names "{arm}", which is not an arm of the study'
    for code, times in Counter(timepoint.instruments).items():
        if times > 1:
            yield f"{place}.instruments", f'names "{code}" {times} times'
    if timepoint.anchor not in ANCHORS_OF[timepoint.kind]:
        allowed = " or ".join(ANCHORS_OF[timepoint.kind])
        yield f"{place}.anchor", f'is "{timepoint.anchor}", but a time point of kind "{timepoint.kind}" needs {allowed}'
    if timepoint.kind == "baseline":
        yield from _baseline_window_faults(place, timepoint)
    elif timepoint.kind == "unscheduled":
        yield from _unscheduled_faults(place, timepoint)
    elif min(_targets(timepoint)) < timepoint.before_days:
        yield f"{place}.before_days", "opens the window before the anchor itself"


def _unscheduled_faults(place: str, timepoint: TimePoint) -> Faults:
    for key in ("months", "days", "before_days"):
        if getattr(timepoint, key):
            yield f"{place}.{key}", "must be left out: it opens on the day that staff choose"


def _baseline_window_faults(place: str, timepoint: TimePoint) -> Faults:
    for key in ("months", "days", "before_days", "after_days", "grace_days"):
        if getattr(timepoint, key):
            yield f"{place}.{key}", "must be left out: the baseline opens with consent and closes with randomisation"
    if timepoint.arms:
        yield f"{place}.arms", "must be left out: no arm is known before randomisation"


def _reminder_faults(place: str, timepoint: TimePoint) -> Faults:
    for number, reminder in enumerate(timepoint.reminders, start=1):
        here = f"{place}.reminders[{number}]"
        if timepoint.kind == "baseline":
            if reminder.relative_to == "closes":
                yield here, "counts from the closing of the baseline, which nobody knows before randomisation"
            elif reminder.days < 0:
                yield here, "would go out before the window opens"
            continue
        starts = {"opens": -timepoint.before_days, "target": 0, "closes": timepoint.after_days}
        day = starts[reminder.relative_to] + reminder.days
        if day > timepoint.after_days:
            yield here, f"would go out {_days(day - timepoint.after_days)} after the window closes"
        elif day < -timepoint.before_days:
            yield here, "would go out before the window opens"


def _neighbour_faults(draft: Draft) -> Faults:
    """Time points that follow each other for the same arm, counted from the same anchor."""
    found: dict[tuple[str, str], None] = {}
    codes: list[str | None] = [arm.code for _, arm in draft.arms]
    for arm in codes or [None]:
        for anchor in ("consent", "randomization", "surgery", "progression"):
            row = [
                (place, timepoint)
                for place, timepoint in draft.timepoints
                if timepoint.anchor == anchor and timepoint.kind in ("scheduled", "event") and timepoint.is_for(arm)
            ]
            for earlier, later in pairwise(row):
                found.update(dict.fromkeys(_pair_faults(earlier, later)))
    yield from found


def _pair_faults(before: tuple[str, TimePoint], after: tuple[str, TimePoint]) -> Faults:
    (_, earlier), (place, later) = before, after
    gap = min(there - here for here, there in zip(_targets(earlier), _targets(later), strict=True))
    if gap <= 0:
        yield f"{place}.months", f"is not after {earlier.code}, the time point before it; put them in order of time"
        return
    for here, timepoint in (before, after):
        length = timepoint.before_days + timepoint.after_days + 1
        if length > gap:
            between = f"the {_days(gap)} that can lie between {earlier.code} and {later.code}"
            yield here, f"the window is {_days(length)} long, longer than {between}"
    overlap = earlier.after_days + earlier.grace_days + later.before_days - gap + 1
    if overlap > 0:
        yield (
            place,
            f"the window opens before that of {earlier.code} is over; with its grace they overlap by {_days(overlap)}",
        )


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _targets(timepoint: TimePoint) -> list[int]:
    """Days from the anchor to the target, for each of ANCHOR_DAYS."""
    return [distance + timepoint.days for distance in _month_lengths(timepoint.months)]


@lru_cache
def _month_lengths(months: int) -> tuple[int, ...]:
    return tuple((add_months(day, months) - day).days for day in ANCHOR_DAYS)


def _instrument_faults(draft: Draft, instruments: Mapping[str, Instrument], faulty: Set[str]) -> Faults:
    """Each pack is reported where it is first named."""
    first: dict[str, str] = {}
    for place, timepoint in draft.timepoints:
        for code in timepoint.instruments:
            first.setdefault(code, f"{place}.instruments")
    for code, place in first.items():
        if code in faulty:
            continue
        pack = instruments.get(code)
        if pack is None:
            yield place, f'names "{code}", but there is no pack of that code'
            continue
        missing = [language for language in draft.languages if language not in pack.languages]
        if missing:
            yield place, f'names "{code}", which has no wording in {", ".join(missing)}'
        if draft.said.get("demo", False) is False and not pack.licence.reference:
            yield place, f'names "{code}", a pack without a licence reference; only a study with demo = true may use it'
