"""When one step of a reminder plan may go to one participant: what holds it up and until when, and from when on it is
of no use any more. Instants throughout; the calendar behind them is the clinic's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from proapp.clock import local_date
from proapp.study import schedule, steps
from proapp.study.model import Study
from proapp.study.status import stop_of
from proapp.study.steps import ELECTRONIC
from proapp.study.subject import Reason, Subject

STOPS: dict[str | None, Reason] = {"death": "died", "trial_withdrawal": "withdrawn", "pro_stop": "stopped"}
TO_PARTICIPANT = ("message", "sms", "email", "letter")

# The same few midnights are asked for all day long.
open_instant = lru_cache(maxsize=4096)(schedule.open_instant)
close_instant = lru_cache(maxsize=4096)(schedule.close_instant)


class Order(NamedTuple):
    """Which of two steps is the later one: by the day it falls due, then by the protocol's own day, then by the hour.
    What a participant asked for comes after every other step of its day, and so stands for it."""

    due_on: date
    nominal_on: date
    wished: bool
    due_at: datetime


class Step(NamedTuple):
    """A step as it is for one participant. `order` is None where it has no day: for want of one that is allowed if
    `dated`, else because the date it counts from is unknown. `no_way` says why `via` is None."""

    key: str
    channel: str
    via: str | None
    no_way: Reason | None
    order: Order | None
    dated: bool = True

    @property
    def wished(self) -> bool:
        return self.order is not None and self.order.wished

    @property
    def due_at(self) -> datetime | None:
        return self.order.due_at if self.order else None


class Case(NamedTuple):
    """Everything that was asked about. `today` is the site's; without `mind_quiet` the night does not hold up."""

    study: Study
    subject: Subject
    now: datetime
    today: date
    zone: ZoneInfo
    study_sent_today: int = 0
    mind_quiet: bool = True


class End(NamedTuple):
    """From when on something is of no use, and why."""

    at: datetime
    reason: Reason


# --- from when on it is of no use ------------------------------------------------------------------------------------


def over(case: Case) -> End | None:
    """From when on nothing at all goes out about the assessment, as far as is known."""
    stopped_on, why = stop_of(case.subject.person, today=date.max)
    ends = [] if stopped_on is None else [End(open_instant(stopped_on, case.zone), STOPS[why])]
    lasts: tuple[tuple[date | None, Reason], ...] = (
        (steps.last_day(case.subject.facts), "closed"),
        (case.study.closes_on, "study_closed"),
        (case.subject.site_closed_on, "site_closed"),
    )
    ends.extend(End(close_instant(last, case.zone), reason) for last, reason in lasts if last is not None)
    return min(ends, key=lambda end: end.at, default=None)


def end(step: Step, order: Order, chain: Iterable[Step], everything: End | None, case: Case) -> End | None:
    """From when on the step is of no use. `chain` are all steps of the assessment, `everything` is what `over` says."""
    ends = [everything] if everything else []
    if step.channel in TO_PARTICIPANT:
        last = order.due_on + timedelta(days=case.study.follow_up.useful_days)
        ends.append(End(close_instant(last, case.zone), "too_late"))
    ends.extend(End(at, "superseded") for at in _takes_over(step, order, chain, case.zone))
    return min(ends, key=lambda end: end.at, default=None)


def _takes_over(step: Step, order: Order, chain: Iterable[Step], zone: ZoneInfo) -> Iterator[datetime]:
    """When each later step of the same kind takes over: with the day on which it falls due; a step of the same protocol
    day and a wish at their own hour."""
    for later in chain:
        if later.via is None or later.order is None or later.order <= order or not _same_kind(step, later):
            continue
        own_hour = later.wished or later.order.nominal_on == order.nominal_on
        yield later.order.due_at if own_hour else open_instant(later.order.due_on, zone)


def _same_kind(one: Step, other: Step) -> bool:
    """Everything to the participant is one kind: a letter takes over from a message, a task of the nurse does not."""
    return one.channel == other.channel or (one.channel in TO_PARTICIPANT and other.channel in TO_PARTICIPANT)


# --- when it may go --------------------------------------------------------------------------------------------------


def first_moment(step: Step, due_at: datetime, until: End | None, case: Case) -> tuple[datetime | None, Reason]:
    """The first instant from now on at which it may go, and what holds it up now ("due" if nothing does). None if there
    is no such instant before `until`, and what holds it up in the end."""
    reasons: list[Reason] = []
    at = case.now
    while until is None or at < until.at:
        held = _held_up(step, due_at, at, case)
        if held is None:
            return at, reasons[0] if reasons else "due"
        reason, then = held
        reasons.append(reason)
        if then is None:
            break
        at = then
    return None, reasons[-1] if reasons else "closed"


def _held_up(step: Step, due_at: datetime, at: datetime, case: Case) -> tuple[Reason, datetime | None] | None:
    """What keeps the step from going at that instant and until when (None: nobody knows)."""
    subject, zone = case.subject, case.zone
    opens = open_instant(subject.facts.opens_on, zone) if subject.facts.opens_on else due_at
    if at < opens:
        return "not_open", max(opens, due_at)
    if at < due_at:
        return "later", due_at
    wish_at = subject.remind_later_at
    if wish_at is not None and at < wish_at and step.channel != "digest" and not step.wished:
        return "asked_later", wish_at
    day = local_date(at, zone)
    for first, last in subject.reach.pauses:
        if first <= day and (last is None or day <= last):
            return "paused", None if last is None else close_instant(last, zone)
    again_on = subject.ask_again_on
    if subject.told_by_phone and step.channel in TO_PARTICIPANT and (again_on is None or day < again_on):
        return "answered_by_phone", None if again_on is None else open_instant(again_on, zone)
    return _held_up_electronically(step, at, day, case) if step.via in ELECTRONIC else None


def _held_up_electronically(step: Step, at: datetime, day: date, case: Case) -> tuple[Reason, datetime] | None:
    """Free days, quiet hours and caps. What participants asked for themselves goes on any day, and does not wait
    because another message has gone that day."""
    policy, zone = case.study.follow_up, case.zone
    if not step.wished and not steps.is_sending_day(day, policy):
        return "not_a_sending_day", close_instant(day, zone)
    if case.mind_quiet and policy.is_quiet(at.astimezone(zone).time()):
        return "quiet_hours", _end_of_quiet(at, day, case)
    if day == case.today and case.study_sent_today >= policy.cap_study:
        return "cap_study", close_instant(day, zone)
    sent = sum(local_date(one, zone) == day for one in case.subject.sent_to_participant)
    if not step.wished and sent >= policy.cap_participant:
        return "cap_participant", close_instant(day, zone)
    return None


def _end_of_quiet(at: datetime, day: date, case: Case) -> datetime:
    """The next time the clock there shows the end of the quiet hours; it may show it twice in one night."""
    until, days = case.study.follow_up.quiet_until, (day, day + steps.ONE_DAY)
    ends = (steps.local_instant(one, until.replace(fold=fold), case.zone) for one in days for fold in (0, 1))
    return next(end for end in ends if end > at)
