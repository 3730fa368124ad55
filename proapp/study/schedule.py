"""When each assessment is due: calendar arithmetic from the anchors, and nothing else. Protocol things are dates; the
instants at which a window opens and closes are built here, at the edge, from a date and a time zone, because a day in
March lasts 23 hours, one in October 25, and half past midnight in Stockholm is still yesterday in UTC."""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple, Protocol

from proapp.study.model import Study, TimePoint

DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Anchors(NamedTuple):
    """The local dates that time points are counted from; None while it has not happened (or is not known).

    `later_…` are the days, in order, on which it happened again.
    """

    consent_on: date | None
    randomized_on: date | None
    arm: str | None = None
    surgery_on: date | None = None
    progression_on: date | None = None
    later_surgeries: tuple[date, ...] = ()
    later_progressions: tuple[date, ...] = ()


class PlannedAssessment(NamedTuple):
    """One assessment as planned. Dates are None while the anchor is unknown; `closes_on` and `late_until` of the
    baseline are the day of randomisation and None until then."""

    timepoint: str
    occurrence: int = 1
    anchor_on: date | None = None
    target_on: date | None = None
    opens_on: date | None = None
    closes_on: date | None = None
    late_until: date | None = None


class Window(Protocol):
    """What planned and stored assessments have in common."""

    @property
    def opens_on(self) -> date | None: ...
    @property
    def closes_on(self) -> date | None: ...
    @property
    def late_until(self) -> date | None: ...


def add_months(day: date, months: int) -> date:
    """The same day of the month `months` later, or that month's last day where it is shorter."""
    index = day.month - 1 + months
    year, place = day.year + index // 12, index % 12
    last = 29 if place == 1 and isleap(year) else DAYS_IN_MONTH[place]
    return date(year, place + 1, min(day.day, last))


def is_clamped(timepoint: TimePoint, anchor_on: date) -> bool:
    """True if the month of the target is too short for the anchor's day, so that its last day was taken."""
    return add_months(anchor_on, timepoint.months).day != anchor_on.day


def target_date(timepoint: TimePoint, anchor_on: date) -> date:
    """Anchor + months + days; always counted from the anchor, never from the previous visit."""
    return add_months(anchor_on, timepoint.months) + timedelta(days=timepoint.days)


def window(timepoint: TimePoint, anchor_on: date, *, occurrence: int = 1) -> PlannedAssessment:
    """The dates of a time point (not a baseline) whose anchor fell on `anchor_on`."""
    target = target_date(timepoint, anchor_on).toordinal()
    closes = target + timepoint.after_days
    return PlannedAssessment(
        timepoint.code,
        occurrence,
        anchor_on,
        target_on=date.fromordinal(target),
        opens_on=date.fromordinal(target - timepoint.before_days),
        closes_on=date.fromordinal(closes),
        late_until=date.fromordinal(closes + timepoint.grace_days),
    )


def plan(study: Study, anchors: Anchors) -> tuple[PlannedAssessment, ...]:
    """Every assessment the participant is to be asked for, in the study's order.

    Each time point of the arm (of any arm, while it is unknown) gets one, without dates while its anchor is unknown.
    One of kind event gets one for each time that its anchor happened, numbered in the order of the days. Unscheduled
    time points get theirs when staff open one, from `window`.
    """
    return tuple(
        planned
        for timepoint in study.timepoints
        if timepoint.kind != "unscheduled" and timepoint.is_for(anchors.arm)
        for planned in _planned(timepoint, anchors)
    )


def _planned(timepoint: TimePoint, anchors: Anchors) -> Iterator[PlannedAssessment]:
    if timepoint.kind == "baseline":
        yield _baseline(timepoint, anchors)
        return
    days = _anchor_dates(timepoint, anchors)
    if not days:
        yield PlannedAssessment(timepoint.code)
    for number, day in enumerate(days if timepoint.kind == "event" else days[:1], start=1):
        yield window(timepoint, day, occurrence=number)


def _baseline(timepoint: TimePoint, anchors: Anchors) -> PlannedAssessment:
    """Open from consent; randomisation closes it. Without a known consent nothing can be said of it."""
    consent_on, closes_on = anchors.consent_on, anchors.randomized_on
    if consent_on is None:
        return PlannedAssessment(timepoint.code)
    if closes_on is not None:
        closes_on = max(closes_on, consent_on)  # a randomisation dated before consent must not turn the window round
    return PlannedAssessment(timepoint.code, 1, consent_on, consent_on, consent_on, closes_on, closes_on)


def _anchor_dates(timepoint: TimePoint, anchors: Anchors) -> tuple[date, ...]:
    match timepoint.anchor:
        case "randomization":
            days: tuple[date | None, ...] = (anchors.randomized_on,)
        case "surgery":
            days = (anchors.surgery_on, *anchors.later_surgeries)
        case "progression":
            days = (anchors.progression_on, *anchors.later_progressions)
        case "consent":
            days = (anchors.consent_on,)
        case _:
            days = ()
    return tuple(day for day in days if day is not None)


def open_instant(day: date, zone: tzinfo) -> datetime:
    """00:00 local time of `day`, in UTC; where the clock skips midnight, the moment it does so."""
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def close_instant(day: date, zone: tzinfo) -> datetime:
    """The local midnight that ends `day`, in UTC: a window closing on `day` is open until just before it."""
    return open_instant(day + timedelta(days=1), zone)


def hours_in(day: date, zone: tzinfo) -> float:
    """How long `day` lasts there: 24, or 23 and 25 when the clock is changed."""
    return (close_instant(day, zone) - open_instant(day, zone)).total_seconds() / 3600


def study_day(day: date, randomized_on: date) -> int:
    """Day 1 is the day of randomisation and day -1 the one before it: there is no day zero."""
    distance = (day - randomized_on).days
    return distance + 1 if distance >= 0 else distance
