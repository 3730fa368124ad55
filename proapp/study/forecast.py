"""What a protocol will ask of people before anybody is enrolled: the reminders of a participant who answers nothing,
and the messages and calls of a whole trial, site by site and week by week."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from proapp.study import steps
from proapp.study.follow_up import Decision, Reach, Subject, decide
from proapp.study.model import Study
from proapp.study.schedule import Anchors, PlannedAssessment, add_months, open_instant, plan
from proapp.study.status import AssessmentFacts, ParticipantFacts


class Planned(NamedTuple):
    """A step of the plan of somebody who answers nothing: counted to `nominal_on`, falling due at `due_at` on the local
    day `due_on` (both None if the window has no day for it). `goes` is False where a later step covers it."""

    timepoint: str
    step: str
    channel: str
    nominal_on: date
    due_on: date | None
    due_at: datetime | None
    goes: bool


class Enrolled(NamedTuple):
    """A participant to be; `site` is a code, or None where nobody has said."""

    site: str | None
    randomized_on: date


class Load(NamedTuple):
    """What falls to a site in a week: tasks of its nurses, and messages. Not whole numbers where some have answered."""

    calls: float
    messages: float


def reminders(study: Study, window: PlannedAssessment, *, zone: ZoneInfo, channel: str = "sms") -> tuple[Planned, ...]:
    """The steps of that assessment for somebody who is reached by `channel`, in the order they fall due; none while the
    window has no dates."""
    timepoint = study.timepoint(window.timepoint)
    if window.opens_on is None:
        return ()
    dates = (window.target_on, window.opens_on, window.closes_on, window.late_until)
    facts = AssessmentFacts(timepoint.code, timepoint.kind, *dates)
    nobody = Subject(facts, ParticipantFacts(), Reach(channel, has_mobile=True, has_email=True))
    before = open_instant(window.opens_on, zone) - timedelta(days=1)
    said = {(one.step, one.channel): one for one in decide(study, timepoint, nobody, now=before, zone=zone)}
    found = []
    for reminder in timepoint.reminders:
        decision = said[reminder.key, reminder.channel]
        due = steps.due(facts, reminder, via=decision.via or channel, study=study, zone=zone)
        if due.nominal_on is not None and (decision.via is not None):
            found.append(_planned(timepoint.code, due, decision))
    return tuple(sorted(found, key=lambda one: (one.due_at is None, one.due_at or one.nominal_on)))


def _planned(timepoint: str, due: steps.Due, decision: Decision) -> Planned:
    assert due.nominal_on is not None
    goes = decision.verdict == "wait"
    return Planned(timepoint, due.key, due.channel, due.nominal_on, due.due_on, due.due_at, goes)


def evenly(site: str, number: int, *, first: date, months: int) -> Iterator[Enrolled]:
    """`number` participants randomised at equal distances within so many months from `first` on."""
    days = (add_months(first, months) - first).days
    for place in range(number):
        yield Enrolled(site, first + timedelta(days=(2 * place + 1) * days // (2 * number)))


def forecast(
    study: Study, people: Iterable[Enrolled], *, arm: str | None = None, answering: float = 0.0
) -> Mapping[tuple[date, str], Load]:
    """By the Monday of an ISO week and site ("" where none is known), of the weeks with anything to do.

    Counted from randomisation: a baseline comes before it, and nobody knows when events happen. Of those who have not
    answered, a share of `answering` (0 to 1) does so before each step that follows a message; 0 is the upper bound.
    """
    calls: dict[tuple[date, str], float] = defaultdict(float)
    messages: dict[tuple[date, str], float] = defaultdict(float)

    @cache
    def shares(randomized_on: date, zone: ZoneInfo) -> tuple[tuple[date, str, float], ...]:
        return tuple(_shares(study, randomized_on, zone, arm, answering))

    for person, heads in Counter(people).items():
        for monday, kind, share in shares(person.randomized_on, study.zone(person.site)):
            counted = calls if kind == "task" else messages
            counted[monday, person.site or ""] += heads * share
    return {key: Load(calls[key], messages[key]) for key in sorted({*calls, *messages})}


def _shares(
    study: Study, randomized_on: date, zone: ZoneInfo, arm: str | None, answering: float
) -> Iterator[tuple[date, str, float]]:
    """The week, the channel and the share of participants left, for each step that is a message or a call."""
    for window in plan(study, Anchors(None, randomized_on, arm)):
        left = 1.0
        for one in reminders(study, window, zone=zone):
            if one.goes and one.due_on is not None and one.channel != "digest":
                yield one.due_on - timedelta(days=one.due_on.weekday()), one.channel, left
                left *= 1 - answering if one.channel != "task" else 1
