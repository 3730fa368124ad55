"""Where in the plan to look for messages that may go now: for each step the days on which its assessments' date must
lie. It narrows a search in a table of any size to those with something due; `follow_up.decide` decides about them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from proapp.study.model import Reminder, ReminderBase, Study, TimePoint
from proapp.study.steps import ONE_DAY, is_allowed, is_sending_day, messages

Reached = Literal["electronically", "by_letter", "all"]
LONGEST_LETTER = 60  # days after which nobody prints a letter that was missed


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


def due_steps(study: Study, *, now: datetime, thorough: bool = True) -> tuple[DueStep, ...]:
    """All that may have something to send at `now`, at whatever site. None of the electronic ones while it is night, or
    a day without messages, at every site.

    A letter is of use as long as its window is open, so a thorough search goes back further for letters that were
    missed (after an outage, or a long pause) than one that is made every minute.
    """
    zones = sorted({study.zone(), *(study.zone(site.code) for site in study.sites)}, key=str)
    return tuple(
        found
        for timepoint in study.timepoints
        for reminder in messages(timepoint)
        for found in _of_step(study, timepoint, reminder, zones, now, thorough)
    )


def may_send(study: Study, *, now: datetime, zone: ZoneInfo) -> bool:
    """True if a message may go out at `now` as far as the hour and the day there are concerned."""
    local = now.astimezone(zone)
    return is_sending_day(local.date(), study.follow_up) and not study.follow_up.is_quiet(local.time())


def _of_step(
    study: Study, timepoint: TimePoint, reminder: Reminder, zones: list[ZoneInfo], now: datetime, thorough: bool
) -> Iterator[DueStep]:
    about = (timepoint.code, reminder.key, reminder.channel, reminder.relative_to)
    counted = timedelta(days=reminder.days)
    locals_ = [now.astimezone(zone) for zone in zones]
    if reminder.channel != "letter":
        at = reminder.at or study.follow_up.send_at
        awake = [local for zone, local in zip(zones, locals_, strict=True) if may_send(study, now=now, zone=zone)]
        days = [local.date() if local.time() >= at else local.date() - ONE_DAY for local in awake]
        if days:
            first, last = _nominal(study, min(days) - timedelta(days=study.follow_up.useful_days), max(days), "sms")
            yield DueStep(*about, first - counted, last - counted, "electronically")
    if reminder.channel in ("message", "letter"):
        days = [local.date() for local in locals_]
        back = timedelta(days=LONGEST_LETTER if thorough else study.follow_up.useful_days)
        first, last = _nominal(study, min(days) - back, max(days), "letter")
        yield DueStep(*about, first - counted, last - counted, "all" if reminder.channel == "letter" else "by_letter")


def _nominal(study: Study, first: date, last: date, via: str) -> tuple[date, date]:
    """The protocol's own days of steps that fall due from `first` to `last`: those moved over free days too."""
    policy = study.follow_up
    while not is_allowed(first - ONE_DAY, via, policy):
        first -= ONE_DAY
    while not is_allowed(last + ONE_DAY, via, policy):
        last += ONE_DAY
    return first, last
