"""Where in the plan to look for messages that may go now: for each step the days on which its assessments' date must
lie. It narrows a search in a table of any size to those with something due; `follow_up.decide` decides about them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from proapp.study.model import Reminder, ReminderBase, Study, TimePoint
from proapp.study.steps import ONE_DAY, is_allowed, is_sending_day, local_instant, messages

Reached = Literal["electronically", "by_letter", "all"]


class DueStep(NamedTuple):
    """The step `step` on `channel` may be due in assessments of `timepoint` whose `base` date lies from `first` to
    `last`, for participants who chose that way of contact.

    For the base `closes` that date is the last day on which anything is sent about the assessment: `closes_on`, the day
    before it for a baseline, or `extension_until` where that is later.
    """

    timepoint: str
    step: str
    channel: str
    base: ReminderBase
    first: date
    last: date
    reached: Reached


def due_steps(study: Study, *, now: datetime, since: datetime | None = None) -> tuple[DueStep, ...]:
    """All that may have something to send at `now`, at whatever site. None of the electronic ones while it is night, or
    a day without messages, at every site.

    With `since`, the moment of the last search, only steps whose hour has come in between: whoever asks every minute
    has seen the others. Without it also what was missed, or held up and is free again.
    """
    zones = sorted({study.zone(), *(study.zone(site.code) for site in study.sites)}, key=str)
    return tuple(
        found
        for timepoint in study.timepoints
        for reminder in messages(timepoint)
        for found in _of_step(study, timepoint, reminder, zones, now, since)
    )


def may_send(study: Study, *, now: datetime, zone: ZoneInfo) -> bool:
    """True if a message may go out at `now` as far as the hour and the day there are concerned."""
    local = now.astimezone(zone)
    return is_sending_day(local.date(), study.follow_up) and not study.follow_up.is_quiet(local.time())


def _of_step(
    study: Study, timepoint: TimePoint, reminder: Reminder, zones: list[ZoneInfo], now: datetime, since: datetime | None
) -> Iterator[DueStep]:
    about = (timepoint.code, reminder.key, reminder.channel, reminder.relative_to)
    counted = timedelta(days=reminder.days)
    useful = timedelta(days=study.follow_up.useful_days)
    if reminder.channel != "letter":
        awake = [zone for zone in zones if may_send(study, now=now, zone=zone)]
        span = _days(awake, reminder.at or study.follow_up.send_at, now, since, useful)
        if span:
            first, last = _nominal(study, *span, "sms")
            yield DueStep(*about, first - counted, last - counted, "electronically")
    if reminder.channel in ("message", "letter"):
        at = reminder.at if reminder.channel == "letter" and reminder.at else time()
        span = _days(zones, at, now, since, useful)
        if span:
            first, last = _nominal(study, *span, "letter")
            yield DueStep(
                *about, first - counted, last - counted, "all" if reminder.channel == "letter" else "by_letter"
            )


def _days(
    zones: list[ZoneInfo], at: time, now: datetime, since: datetime | None, back: timedelta
) -> tuple[date, date] | None:
    """The days on which a step of that wall-clock time may have fallen due and still be waiting; None if there are none
    since the last search."""
    instants = [_latest(zone, at, now) for zone in zones]
    if since is not None:
        instants = [(day, instant) for day, instant in instants if instant > since]
        back = timedelta()
    if not instants:
        return None
    days = [day for day, _ in instants]
    return min(days) - back, max(days)


def _latest(zone: ZoneInfo, at: time, now: datetime) -> tuple[date, datetime]:
    """The last day on which that time has come there, and the instant at which it came."""
    day = now.astimezone(zone).date()
    if local_instant(day, at, zone) > now:
        day -= ONE_DAY
    return day, local_instant(day, at, zone)


def _nominal(study: Study, first: date, last: date, via: str) -> tuple[date, date]:
    """The protocol's own days of steps that fall due from `first` to `last`: those moved over free days too."""
    policy = study.follow_up
    while not is_allowed(first - ONE_DAY, via, policy):
        first -= ONE_DAY
    while not is_allowed(last + ONE_DAY, via, policy):
        last += ONE_DAY
    return first, last
