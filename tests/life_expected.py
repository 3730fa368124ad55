"""The messages that a cohort must get: worked out a second time, plainly, hour by hour, from the rules as a protocol
would state them. Nothing of the policy's own code is asked, so that a mistake there cannot hide here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from proapp.study.model import Study, TimePoint
from proapp.study.schedule import Anchors, plan
from tests.life import DAY, SECOND, Happening, Person, instant, study

# Swedish public holidays that are no Sundays, and the eves on which clinics are closed, from the almanac.
PUBLIC = {
    date(2026, 1, 1), date(2026, 1, 6), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 14),
    date(2026, 6, 6), date(2026, 6, 20), date(2026, 10, 31), date(2026, 12, 25), date(2026, 12, 26),
    date(2027, 1, 1), date(2027, 1, 6), date(2027, 3, 26), date(2027, 3, 29), date(2027, 5, 1), date(2027, 5, 6),
    date(2027, 6, 26), date(2027, 11, 6), date(2027, 12, 25),
}  # fmt: skip
EVES = {
    date(2026, 6, 19), date(2026, 12, 24), date(2026, 12, 31),
    date(2027, 6, 25), date(2027, 12, 24), date(2027, 12, 31),
}  # fmt: skip


class Step(NamedTuple):
    """What must have left: a message handed over (or possibly handed over) at that hour; a letter put in the list."""

    study_id: str
    timepoint: str
    step: str
    channel: str
    at: datetime


@dataclass
class _Asked:
    """One assessment as it is known at an hour."""

    timepoint: TimePoint
    opens_on: date | None = None
    target_on: date | None = None
    last_on: date | None = None  # on which anything is sent about it
    closes_on: date | None = None
    late_until: date | None = None
    over: bool = False  # answered, or declined
    declined: bool = False
    wish: datetime | None = None
    gone: set[str] = field(default_factory=set)


@dataclass
class _Known:
    person: Person
    zone: ZoneInfo
    asked: dict[str, _Asked]
    channel: str
    about: Study
    anchors: Anchors | None = None
    stopped: bool = False
    wrong: bool = False  # known to be, because somebody noted it or the gateway said so
    dead: bool = False  # as yet known to the gateway only
    pauses: list[tuple[date, date]] = field(default_factory=list)
    last_day: date | None = None  # on which an electronic message went


class Expected(NamedTuple):
    """`sent` must have been handed over, `refused` tried and refused by the gateway for good."""

    sent: list[Step]
    refused: list[Step]


def expected(people: list[Person], hours: list[datetime], amended: Mapping[str, date]) -> Expected:
    """Every message, hour by hour: what a careful person with the study file and a calendar would have sent. `amended`
    says from which day on a site works by the amended study."""
    about = study()
    left = {one.id: list(one.happenings) for one in people}
    known = {
        one.id: _Known(
            one, about.zone(one.site), {tp.code: _Asked(tp) for tp in about.timepoints}, one.channel, about
        )
        for one in people
    }  # fmt: skip
    sent, refused = [], []
    for hour in hours:
        for one in people:
            mine = known[one.id]
            while left[one.id] and left[one.id][0].at <= hour:
                _learn(mine, left[one.id].pop(0))
            today = hour.astimezone(mine.zone).date()
            if mine.about is about and one.site in amended and amended[one.site] <= today:
                mine.about = study(SECOND)
                _plan(mine, over_before=today)
            for step in _in_this_hour(mine, hour):
                is_dead = mine.dead and step.channel != "letter"
                (refused if is_dead else sent).append(step)
                mine.wrong = mine.wrong or is_dead
    return Expected(sent, refused)


def _plan(known: _Known, *, over_before: date = date.min) -> None:
    """Windows as the site's version has them. What was over before it began, or is answered, stays as it was."""
    if known.anchors is None:
        return
    for window in plan(known.about, known.anchors):
        timepoint = known.about.timepoint(window.timepoint)
        asked = known.asked.setdefault(window.timepoint, _Asked(timepoint))
        ends = asked.late_until if asked.opens_on else window.late_until
        if asked.over or (ends is not None and ends < over_before):
            continue
        asked.timepoint, asked.opens_on, asked.target_on = timepoint, window.opens_on, window.target_on
        asked.closes_on = asked.last_on = window.closes_on
        asked.late_until = window.late_until
        if timepoint.kind == "baseline" and window.closes_on:
            asked.last_on = window.closes_on - DAY


def _learn(known: _Known, news: Happening) -> None:
    one = known.person
    if news.what in ("enrolled", "randomized"):
        known.anchors = Anchors(one.consent_on, one.randomized_on if news.what == "randomized" else None, one.arm)
        _plan(known)
    elif news.what in ("answered", "declined", "decline_undone"):
        asked = known.asked[news.timepoint]
        if news.what == "answered":
            asked.over = True
        else:
            asked.declined = news.what == "declined"
    elif news.what == "later":
        if _may_wish(known, known.asked[news.timepoint], news):
            known.asked[news.timepoint].wish = news.value
    elif news.what == "paused":
        day = news.at.astimezone(known.zone).date()
        known.pauses.append((day, day + timedelta(days=news.value)))
    elif news.what == "wrong_number":
        known.wrong = True
    elif news.what == "address_dies":
        known.dead = True
    elif news.what == "contact":
        known.wrong = known.dead = False
        known.channel = news.value
    else:
        known.stopped = True  # death, stop, withdrawal, lost to follow-up


def _may_wish(known: _Known, asked: _Asked, news: Happening) -> bool:
    """A reminder is offered where one could come: to an address that is not known to be wrong, about what still waits,
    on a day on which anything goes out about it."""
    day = news.value.astimezone(known.zone).date()
    is_paused = any(first <= day <= last for first, last in known.pauses)
    is_inside = (asked.last_on is None or day <= asked.last_on) and not _is_closed(known, day)
    return not (known.wrong or asked.over or asked.declined or is_paused) and is_inside


def _is_closed(known: _Known, day: date) -> bool:
    closed_on = known.about.site(known.person.site).closed_on
    return closed_on is not None and day > closed_on


def _in_this_hour(known: _Known, hour: datetime) -> list[Step]:
    local = hour.astimezone(known.zone)
    electronic = known.channel != "letter"
    if known.stopped or (electronic and (known.wrong or not 8 <= local.hour < 20)):
        return []
    today = local.date()
    if _is_closed(known, today):
        return []
    if any(first <= today <= last for first, last in known.pauses):
        return []
    found = []
    for asked in sorted(known.asked.values(), key=lambda one: one.closes_on or date.max):  # in the plan's order
        open_now = asked.opens_on and asked.opens_on <= today and (asked.last_on is None or today <= asked.last_on)
        if not open_now or asked.over or asked.declined:
            continue
        step = _step_now(known, asked, hour, today)
        if step is not None:
            asked.gone.add(step)
            if electronic:
                known.last_day = today
            channel = known.channel
            found.append(Step(known.person.study_id, asked.timepoint.code, step, channel, hour))
    return found


def _step_now(known: _Known, asked: _Asked, hour: datetime, today: date) -> str | None:
    """The step about this assessment that goes in this hour, if any."""
    electronic = known.channel != "letter"
    wish = asked.wish if electronic else None
    if wish is not None and wish <= hour:
        name = f"later:{wish.astimezone(known.zone):%Y-%m-%dT%H}"
        wish_day = wish.astimezone(known.zone).date()
        newer = any(due > wish_day for _, due, _ in _steps(known, asked) if due <= today)
        if name not in asked.gone and not newer and today <= wish_day + timedelta(days=5):
            return name  # on any day, and whatever else has gone today
    if wish is not None and hour < wish:
        return None
    steps = _steps(known, asked)
    last = [(name, due, at) for name, due, at in steps if due <= today]
    if not last:
        return None
    name, due, at = last[-1]  # only the latest is of any use: it takes over with its day
    if name in asked.gone or hour < at or today > due + timedelta(days=5):
        return None
    if wish is not None and at <= wish:
        return None  # the wish has taken its place
    if electronic and (not _sending(today) or known.last_day == today):
        return None
    return name


def _steps(known: _Known, asked: _Asked) -> list[tuple[str, date, datetime]]:
    """(step, day, moment) of everything meant for the participant, in order."""
    found = []
    for reminder in asked.timepoint.reminders:
        if reminder.channel != "message":
            continue
        base = {"opens": asked.opens_on, "target": asked.target_on, "closes": asked.last_on}[reminder.relative_to]
        if base is None:
            continue
        nominal = base + timedelta(days=reminder.days)
        due = _moved(nominal, asked, known.channel)
        if due is not None:
            moment = instant(due, 0 if known.channel == "letter" else 10, known.zone)
            found.append((due, nominal, moment, f"{reminder.relative_to}{reminder.days:+d}"))
    return [(name, due, moment) for due, _, moment, name in sorted(found)]


def _moved(nominal: date, asked: _Asked, channel: str) -> date | None:
    fits = _working if channel == "letter" else _sending
    day = nominal
    while asked.last_on is None or day <= asked.last_on:
        if fits(day):
            return day
        day += DAY
    day = min(nominal, asked.last_on)
    while asked.opens_on is not None and day >= asked.opens_on:
        if fits(day):
            return day
        day -= DAY
    return None


def _sending(day: date) -> bool:
    return day.weekday() < 5 and day not in PUBLIC


def _working(day: date) -> bool:
    return _sending(day) and day not in EVES
