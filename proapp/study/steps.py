"""The steps of a reminder plan and the moments they fall due: the protocol's days, moved to days on which messages go
out or the clinic works, at wall-clock times that stay what they are when the clocks change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple, Protocol

from proapp.study.model import WEEKDAYS, Channel, FollowUp, Kind, Reminder, ReminderBase, Study, TextKind, TimePoint
from proapp.study.working_days import is_public_holiday, is_working_day

ELECTRONIC = ("sms", "email")
FOR_STAFF = ("letter", "task", "digest")  # somebody at the clinic has to act on them, on a day it works
LAST_DAYS = 10  # a step so many days before the close, or fewer, says that it is the last
LONGEST_SHIFT = 31  # no row of holidays is as long; a plan that finds no day within it has none
ONE_DAY = timedelta(days=1)


class Dated(Protocol):
    """The window of an assessment as the steps see it."""

    @property
    def kind(self) -> Kind: ...
    @property
    def target_on(self) -> date | None: ...
    @property
    def opens_on(self) -> date | None: ...
    @property
    def closes_on(self) -> date | None: ...
    @property
    def extension_until(self) -> date | None: ...


class Due(NamedTuple):
    """A step with its day: `nominal_on` as the protocol counts it, `due_on` the day it falls due after all, at the
    instant `due_at`. All None while the date it counts from is unknown; `due_on` and `due_at` are None too where the
    window has no day on which it may go."""

    reminder: Reminder
    nominal_on: date | None
    due_on: date | None
    due_at: datetime | None

    @property
    def key(self) -> str:
        return self.reminder.key

    @property
    def channel(self) -> Channel:
        return self.reminder.channel


class DueRange(NamedTuple):
    """Assessments of `timepoint` whose `base` date lies from `first` to `last` may have a step due. For the base
    `closes` that date is `closes_on` or, where it is later, `extension_until`."""

    timepoint: str
    base: ReminderBase
    first: date
    last: date


def is_sending_day(day: date, policy: FollowUp) -> bool:
    """True if messages may go out on that day."""
    return WEEKDAYS[day.weekday()] in policy.weekdays and (policy.public_holidays or not is_public_holiday(day))


def last_day(window: Dated) -> date | None:
    """The last day on which anything is sent about it: of the window, or of its extension; never in the grace period
    as such. A baseline is over with the day before randomisation. None while unknown."""
    if window.closes_on is None:
        return None
    if window.kind == "baseline":
        return window.closes_on - ONE_DAY
    return max(window.closes_on, window.extension_until or date.min)


def due(window: Dated, reminder: Reminder, *, via: str, study: Study, zone: tzinfo) -> Due:
    """When that step falls due for somebody whom it reaches by `via` (sms, email, letter, task or digest)."""
    base = base_date(window, reminder.relative_to)
    if base is None:
        return Due(reminder, None, None, None)
    nominal = base + timedelta(days=reminder.days)
    day = _moved(nominal, window, via, study.follow_up)
    if day is None:
        return Due(reminder, nominal, None, None)
    return Due(reminder, nominal, day, local_instant(day, _time_of_day(reminder, via, study.follow_up), zone))


def base_date(window: Dated, base: ReminderBase) -> date | None:
    """The date that steps relative to `base` are counted from; the close moves with an extension."""
    if base == "opens":
        return window.opens_on
    return window.target_on if base == "target" else last_day(window)


def _time_of_day(reminder: Reminder, via: str, policy: FollowUp) -> time:
    """What staff are to do stands from the morning on, unless the step says otherwise."""
    if via in ELECTRONIC:
        return reminder.at or policy.send_at
    return reminder.at if reminder.at is not None and reminder.channel in FOR_STAFF else time()


def _moved(nominal: date, window: Dated, via: str, policy: FollowUp) -> date | None:
    """The first allowed day from `nominal` on; if that is past the close, the last allowed one before."""
    closes = last_day(window) or date.max
    for day in (nominal + timedelta(days=number) for number in range(LONGEST_SHIFT)):
        if day > closes:
            break
        if is_allowed(day, via, policy):
            return day
    opens, last = window.opens_on or nominal, min(nominal, closes)
    for day in (last - timedelta(days=number) for number in range(LONGEST_SHIFT)):
        if day < opens:
            return None
        if is_allowed(day, via, policy):
            return day
    return None


def is_allowed(day: date, via: str, policy: FollowUp) -> bool:
    """True if `via` is used on that day: messages on sending days, what staff do on working days."""
    return is_sending_day(day, policy) if via in ELECTRONIC else is_working_day(day)


def local_instant(day: date, wall_clock: time, zone: tzinfo) -> datetime:
    """That wall-clock time there, in UTC. Of a time that comes twice the first; a skipped one is as much later as the
    clock is put forward."""
    return datetime.combine(day, wall_clock, tzinfo=zone).astimezone(UTC)


def text_kind(step: str) -> TextKind:
    """Which wording belongs to a step of that key: shortly before the close, the one that says so."""
    counted = re.fullmatch(r"closes[-+]([0-9]+)", step)
    return "last" if counted and int(counted[1]) <= LAST_DAYS else "reminder"


def messages(timepoint: TimePoint) -> tuple[Reminder, ...]:
    """The steps meant for the participant."""
    return tuple(reminder for reminder in timepoint.reminders if reminder.channel not in ("task", "digest"))


def due_ranges(study: Study, *, now: datetime, useful_days: int | None = None) -> tuple[DueRange, ...]:
    """Where to look for messages that may be due at `now`, in whatever time zone a site is. There may be several ranges
    for one time point and base; they don't overlap.

    What is missed longer than `useful_days` (the policy's, unless told) is not in them; nor are tasks and digests,
    which are worked out when somebody looks, nor what patients asked for themselves.
    """
    policy = study.follow_up
    days = policy.useful_days if useful_days is None else useful_days
    zones = {study.zone(), *(study.zone(site.code) for site in study.sites)}
    local = sorted(now.astimezone(zone).date() for zone in zones)
    first, last = _nominal_span(local[0] - timedelta(days=days), local[-1], policy)
    return tuple(found for timepoint in study.timepoints for found in _ranges(timepoint, first, last))


def _nominal_span(first_due: date, last_due: date, policy: FollowUp) -> tuple[date, date]:
    """The nominal days of steps that may fall due from `first_due` to `last_due`: those moved over free days too."""
    firsts, lasts = [], []
    for via in ("sms", "letter"):
        first, last = first_due, last_due
        while not is_allowed(first - ONE_DAY, via, policy):
            first -= ONE_DAY
        while not is_allowed(last + ONE_DAY, via, policy):
            last += ONE_DAY
        firsts.append(first)
        lasts.append(last)
    return min(firsts), max(lasts)


def _ranges(timepoint: TimePoint, first: date, last: date) -> Iterator[DueRange]:
    bases: dict[ReminderBase, set[int]] = {}
    for reminder in messages(timepoint):
        bases.setdefault(reminder.relative_to, set()).add(reminder.days)
    for base, counts in bases.items():
        found: list[DueRange] = []
        for days in sorted(map(timedelta, counts), reverse=True):
            if found and first - days <= found[-1].last:
                found[-1] = found[-1]._replace(last=last - days)
            else:
                found.append(DueRange(timepoint.code, base, first - days, last - days))
        yield from found
