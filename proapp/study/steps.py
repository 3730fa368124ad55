"""The steps of a reminder plan and the moments they fall due: the protocol's days, moved to days on which messages go
out or the clinic works, at wall-clock times that stay what they are when the clocks change."""

from __future__ import annotations

import re
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
    """The first allowed day from `nominal` on; if that is past the close, the last allowed one before. What is past the
    close by itself (a randomisation has ended a baseline) stays there, where nothing is sent any more."""
    closes = last_day(window) or date.max
    if nominal > closes or is_allowed(nominal, via, policy):
        return nominal
    onwards = (nominal + timedelta(days=number) for number in range(LONGEST_SHIFT))
    back = (nominal - timedelta(days=number) for number in range(LONGEST_SHIFT))
    opens = window.opens_on or nominal
    allowed_on = (day for day in onwards if day <= closes and is_allowed(day, via, policy))
    allowed_before = (day for day in back if day >= opens and is_allowed(day, via, policy))
    return next(allowed_on, None) or next(allowed_before, None)


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
