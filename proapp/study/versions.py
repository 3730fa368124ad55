"""Several versions of one protocol side by side: which one a site works by, which one a row of the plan names, and what
the plan is where one has followed another. A version is a study like any other; here they are put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

from pydantic import PrivateAttr

from proapp.study.model import Arm, Site, Study, TimePoint
from proapp.study.schedule import Anchors, PlannedAssessment, plan

AMENDMENT = "amendment"
Coded = TypeVar("Coded", TimePoint, Arm, Site)


class InForce(NamedTuple):
    """A version, and the first local day on which a site works by it."""

    active_from: date
    study: Study


Chain = tuple[InForce, ...]
Versions = frozenset[tuple[str, date, str]]


class Followed(NamedTuple):
    """A study and its time point, as the reminders of one assessment follow them."""

    study: Study
    timepoint: TimePoint


class Activation(NamedTuple):
    """A version that one site has begun to work by."""

    site: str
    active_from: date
    study: Study


class Amended(Study):
    """A study of which more than one version is in use. Read like any study it is the newest version, with the time
    points and arms of the earlier ones beside it (there are rows that name them) and each site as its own version has
    it; `in_force`, `chain` and `numbered` lead to the version that decides about a site or a row."""

    _versions: tuple[Study, ...] = PrivateAttr(default=())
    _used: tuple[Study, ...] = PrivateAttr(default=())
    _chains: Mapping[str, Chain] = PrivateAttr(default={})

    @property
    def versions(self) -> tuple[Study, ...]:
        return self._versions

    @property
    def instruments(self) -> tuple[str, ...]:
        """Of every version: answers to a questionnaire that is no longer asked are scored and exported all the same."""
        named = (code for version in reversed(self._used) for code in version.instruments)
        return tuple(dict.fromkeys(named))

    @property
    def newest(self) -> Study:
        return self._used[-1]

    @property
    def chains(self) -> Mapping[str, Chain]:
        return self._chains

    @cached_property
    def content_hash(self) -> str:
        return self._used[-1].content_hash


def combine(base: Study, activations: Sequence[Activation], *, later: Sequence[Study] = ()) -> Study:
    """The study as it stands: `base`, and what sites have activated since, in the order of the versions. Rows may name
    `later` versions too, which nobody works by yet."""
    if not activations and not later:
        return base
    used = tuple({one.number: one for one in (base, *(active.study for active in activations))}.values())
    versions, head = (*used, *later), used[-1]
    chains = {site.code: _chain(site.code, base, activations, head) for site in head.sites}
    said = {name: getattr(head, name) for name in type(head).model_fields}
    said["timepoints"] = merged([version.timepoints for version in used])
    said["arms"] = merged([version.arms for version in used])
    said["languages"] = tuple(dict.fromkeys(code for version in reversed(used) for code in version.languages))
    said["sites"] = tuple(chains[site.code][-1].study.site(site.code) for site in head.sites)
    amended = Amended.model_construct(_fields_set=set(head.model_fields_set), **said)
    amended._versions, amended._used, amended._chains = versions, used, chains
    return amended


def as_of(study: Study, day: date, *, unknown: Collection[tuple[str, str]] = ()) -> Study:
    """The study as it stood at the end of that day: of versions that began later, or of which (site, number) was not
    known to have begun, nothing is seen but what rows need that name them."""
    if not isinstance(study, Amended):
        return study
    first, *later = study.versions
    order = {version.number: number for number, version in enumerate(study.versions)}
    then = [
        Activation(site, *one)
        for site, chain in study.chains.items()
        for one in chain
        if one.study.number != first.number and one.active_from <= day and (site, one.study.number) not in unknown
    ]
    then.sort(key=lambda one: (order[one.study.number], one.site))
    seen = {one.study.number for one in then}
    return combine(first, then, later=[one for one in later if one.number not in seen])


def _chain(site: str, base: Study, activations: Iterable[Activation], head: Study) -> Chain:
    """A site that no version but the newest knows, and that has not begun to work, is described by the newest."""
    own = tuple(InForce(one.active_from, one.study) for one in activations if one.site == site)
    if any(one.code == site for one in base.sites):
        return (InForce(date.min, base), *own)
    return own or (InForce(date.min, head),)


def merged(lists: Sequence[Sequence[Coded]]) -> tuple[Coded, ...]:
    """The newest list (the last), with what only earlier ones have put where it stood there."""
    found = list(lists[-1])
    for older in reversed(lists[:-1]):
        place, places = 0, {one.code: number for number, one in enumerate(found)}
        for one in older:
            if one.code in places:
                place = places[one.code] + 1
            else:
                found.insert(place, one)
                places = {known.code: number for number, known in enumerate(found)}
                place += 1
    return tuple(found)


def versions(study: Study) -> tuple[Study, ...]:
    """Every version in use at some site, or named by some row, oldest first."""
    return study.versions if isinstance(study, Amended) else (study,)


def knows(study: Study, number: str) -> bool:
    """Whether a row that names this version can be read by it."""
    return any(version.number == number for version in versions(study))


def numbered(study: Study, number: str) -> Study:
    """The version that a row names; the newest for a number that nobody knows."""
    newest = study.newest if isinstance(study, Amended) else study
    return next((version for version in versions(study) if version.number == number), newest)


def tells_the_arm(study: Study, number: str, code: str) -> bool:
    """Whether a time point that a row names belongs to some arms only: that somebody has it says which arm it is."""
    timepoint = numbered(study, number).timepoints_by_code.get(code)
    return timepoint is None or bool(timepoint.arms)


def chain(study: Study, site: str, *, until: date | None = None) -> Chain:
    """The versions a site has worked by, oldest first, up to the day `until` (local, inclusive); never empty."""
    if not isinstance(study, Amended):
        return (InForce(date.min, study),)
    found = study.chains.get(site) or (InForce(date.min, study.newest),)
    return tuple(one for one in found if until is None or one.active_from <= until) or found[:1]


def begun(study: Study) -> Versions:
    """Which version begins where and when, to be compared with what it was: (site, first day, hash of the content)."""
    if not isinstance(study, Amended):
        return frozenset({("", date.min, study.content_hash)})
    return frozenset(
        (site, one.active_from, one.study.content_hash) for site, known in study.chains.items() for one in known
    )


def in_force(study: Study, site: str, day: date | None = None) -> Study:
    """The version a site works by on `day` (now, if none is given)."""
    return chain(study, site, until=day)[-1].study


def followed(study: Study, number: str, code: str, *, site: str, day: date | None = None) -> Followed | None:
    """What decides about the reminders of an assessment that names the version `number`; None if that has no such time
    point.

    What was opened keeps its own time point. When and how often anybody is reminded, and until when at all, is nothing
    that an answer depends on: that is as it is in force at the site, on `day` or now. A time point that is not in force
    any more keeps its steps, so that what was begun is not forgotten.
    """
    own, current = numbered(study, number), in_force(study, site, day)
    timepoint = own.timepoints_by_code.get(code)
    if timepoint is None:
        return None
    if own is current:
        return Followed(own, timepoint)
    newer = current.timepoints_by_code.get(code)
    if newer is not None:
        timepoint = timepoint.model_copy(update={"reminders": newer.reminders})
    return Followed(
        own.model_copy(update={"follow_up": current.follow_up, "closes_on": current.closes_on}),
        timepoint,
    )


class Wanted(NamedTuple):
    """One assessment of the plan, and the version it follows. `cancelled` where that version comes too late for it."""

    planned: PlannedAssessment
    study: Study
    cancelled: str | None = None


def plan_in_force(chain: Chain, anchors: Anchors) -> tuple[Wanted, ...]:
    """Every assessment a participant of a site with this chain is to be asked for.

    What was over before a version began stays with the one before it: an amendment does not reach back. An assessment
    whose window, by the new version alone, was over before that began was never asked for, and is cancelled.
    """
    found: dict[tuple[str, int], Wanted] = {}
    for number, (active_from, study) in enumerate(chain):
        next_from = chain[number + 1].active_from if number + 1 < len(chain) else None
        for planned in plan(study, anchors):
            key = (planned.timepoint, planned.occurrence)
            if key in found:
                continue
            late_until = planned.late_until
            if next_from is None and number and late_until is not None and late_until < active_from:
                found[key] = Wanted(planned, study, AMENDMENT)
            elif next_from is None or (late_until is not None and active_from <= late_until < next_from):
                found[key] = Wanted(planned, study)
    return tuple(found.values())


def closed_on(study: Study, site: str, day: date) -> Literal["study_closed", "site_closed"] | None:
    """Whether nothing is asked at the site any more on `day`: the study, as in force there, or the site is over."""
    if (last := in_force(study, site, day).closes_on) is not None and day > last:
        return "study_closed"
    last = next((one.closed_on for one in study.sites if one.code == site), None)
    return "site_closed" if last is not None and day > last else None
