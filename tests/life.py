"""A cohort's life of fourteen months, invented from a seed, and the messages it must get: worked out here a second time,
plainly, hour by hour, from the rules as a protocol would state them. Nothing of the policy's own code is asked, so that
a mistake there cannot hide here.

Everything happens at half past the hour; the clock ticks on the hour.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from proapp.study.model import Study, TimePoint
from proapp.study.schedule import Anchors, plan
from tests.conftest import definitions

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)

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


class Happening(NamedTuple):
    at: datetime
    what: str
    timepoint: str = ""
    value: Any = None


@dataclass
class Person:
    id: int
    study_id: str
    site: str
    channel: str  # sms | email | letter
    consent_on: date
    randomized_on: date
    arm: str
    happenings: list[Happening] = field(default_factory=list)


class Step(NamedTuple):
    """What must have left: a message handed over (or possibly handed over) at that hour; a letter put in the list."""

    study_id: str
    timepoint: str
    step: str
    channel: str
    at: datetime


@cache
def study() -> Study:
    """The shipped study with one more time point, which collides with another (so that the cap of a day is reached),
    and one site that lives an hour behind the others."""
    shipped, _ = definitions()
    extra = shipped.timepoint("m03").model_copy(
        update={"code": "x03", "days": 3, "before_days": 0, "after_days": 20, "grace_days": 0}
    )
    sites = tuple(
        site.model_copy(update={"time_zone": "Europe/London"}) if site.code == "LUN" else site for site in shipped.sites
    )
    said = {name: getattr(shipped, name) for name in type(shipped).model_fields}
    return Study.model_validate({**said, "timepoints": (*shipped.timepoints, extra), "sites": sites})


def cohort(number: int, *, seed: int, days: int) -> list[Person]:
    """`number` participants, enrolled over the first third of the time."""
    chance = random.Random(seed)
    return [_person(one, chance, days) for one in range(1, number + 1)]


def _person(number: int, chance: random.Random, days: int) -> Person:
    consent_on = (BEGIN + timedelta(days=chance.randrange(1, max(days // 3, 3)))).date()
    site = chance.choice(["UME", "GOT", "KAR", "LIN", "LUN", "UPP"])
    one = Person(
        id=number,
        study_id=f"{site}-{number:03}",
        site=site,
        channel=chance.choices(["sms", "email", "letter"], [7, 2, 1])[0],
        consent_on=consent_on,
        randomized_on=consent_on + timedelta(days=chance.randrange(1, 15)),
        arm=chance.choice(["SURG", "ONC"]),
    )
    enrolled, *more = _happenings(one, chance, BEGIN + timedelta(days=days))
    later = sorted((each for each in more if each.at > enrolled.at), key=lambda each: each.at)
    one.happenings = [enrolled, *later]
    return one


def _happenings(one: Person, chance: random.Random, end: datetime) -> Iterator[Happening]:
    zone = study().zone(one.site)
    yield Happening(_at(one.consent_on, 8, zone), "enrolled")
    yield Happening(_at(one.randomized_on, 11, zone), "randomized")
    for window in plan(study(), Anchors(one.consent_on, one.randomized_on, one.arm)):
        assert window.opens_on
        yield from _about(one, window.timepoint, window.opens_on, chance, zone)
    span = (end - BEGIN).days

    def some_day() -> datetime:
        return _at(one.consent_on + timedelta(days=chance.randrange(1, span)), chance.randrange(24), zone)

    if chance.random() < 0.15:
        yield Happening(some_day(), chance.choice(["death", "pro_stop", "trial_withdrawal"]))
    if chance.random() < 0.05:
        yield Happening(some_day(), "lost_to_follow_up")
    for _ in range(chance.choice([0, 0, 1, 2])):
        yield Happening(some_day(), "paused", value=chance.randrange(1, 25))
    if one.channel != "letter" and chance.random() < 0.3:
        wrong = some_day()
        yield Happening(wrong, "wrong_number")
        if chance.random() < 0.7:
            mended = wrong + timedelta(hours=chance.randrange(1, 400))
            yield Happening(mended, "contact", value=chance.choice(["sms", "email"]))


def _about(one: Person, timepoint: str, opens_on: date, chance: random.Random, zone: ZoneInfo) -> Iterator[Happening]:
    """What the participant does about one assessment: answers, says no (and thinks better of it), asks for later."""

    def within(days: int) -> datetime:
        return _at(opens_on + timedelta(days=chance.randrange(days)), chance.randrange(6, 23), zone)

    fate = chance.random()
    if fate < 0.5:
        yield Happening(within(45), "answered", timepoint)
    elif fate < 0.6:
        at = within(30)
        yield Happening(at, "declined", timepoint)
        if chance.random() < 0.5:
            yield Happening(at + timedelta(hours=chance.randrange(1, 100)), "decline_undone", timepoint)
    if one.channel != "letter" and chance.random() < 0.25:
        at = within(35)
        local = at.astimezone(zone)
        if local.hour < 17 and chance.random() < 0.5:
            yield Happening(at, "later", timepoint, _local(local.date(), 18, zone))
        else:
            yield Happening(at, "later", timepoint, _local(local.date() + DAY, 10, zone))


def _local(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return _local(day, hour, zone) + timedelta(minutes=30)


# --- the messages it must get ---------------------------------------------------------------------------------------


@dataclass
class _Asked:
    """One assessment as it is known at an hour."""

    timepoint: TimePoint
    opens_on: date | None = None
    target_on: date | None = None
    last_on: date | None = None  # on which anything is sent about it
    closes_on: date | None = None
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
    stopped: bool = False
    wrong: bool = False
    pauses: list[tuple[date, date]] = field(default_factory=list)
    last_day: date | None = None  # on which an electronic message went


def hours_of(days: int, at: Callable[[datetime], bool] = lambda _: True) -> list[datetime]:
    """Every hour at which the clock ticks: all, unless `at` picks some."""
    return [hour for hour in (BEGIN + number * HOUR for number in range(days * 24 + 1)) if at(hour)]


def expected(people: list[Person], hours: list[datetime]) -> list[Step]:
    """Every message, hour by hour: what a careful person with the study file and a calendar would have sent."""
    about = study()
    left = {one.id: list(one.happenings) for one in people}
    known = {
        one.id: _Known(one, about.zone(one.site), {tp.code: _Asked(tp) for tp in about.timepoints}, one.channel)
        for one in people
    }
    sent: list[Step] = []
    for hour in hours:
        for one in people:
            while left[one.id] and left[one.id][0].at <= hour:
                _learn(known[one.id], left[one.id].pop(0), about)
            sent += _in_this_hour(known[one.id], hour)
    return sent


def _learn(known: _Known, news: Happening, about: Study) -> None:
    one = known.person
    if news.what in ("enrolled", "randomized"):
        anchors = Anchors(one.consent_on, one.randomized_on if news.what == "randomized" else None, one.arm)
        for window in plan(about, anchors):
            asked = known.asked[window.timepoint]
            asked.opens_on, asked.target_on = window.opens_on, window.target_on
            asked.closes_on = asked.last_on = window.closes_on
            if asked.timepoint.kind == "baseline" and window.closes_on:
                asked.last_on = window.closes_on - DAY
    elif news.what in ("answered", "declined", "decline_undone"):
        asked = known.asked[news.timepoint]
        if news.what == "answered":
            asked.over = True
        else:
            asked.declined = news.what == "declined"
    elif news.what == "later":
        known.asked[news.timepoint].wish = news.value
    elif news.what == "paused":
        day = news.at.astimezone(known.zone).date()
        known.pauses.append((day, day + timedelta(days=news.value)))
    elif news.what == "wrong_number":
        known.wrong = True
    elif news.what == "contact":
        known.wrong, known.channel = False, news.value
    else:
        known.stopped = True  # death, stop, withdrawal, lost to follow-up


def _in_this_hour(known: _Known, hour: datetime) -> list[Step]:
    local = hour.astimezone(known.zone)
    electronic = known.channel != "letter"
    if known.stopped or (electronic and (known.wrong or not 8 <= local.hour < 20)):
        return []
    today = local.date()
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
            moment = _local(due, 0 if known.channel == "letter" else 10, known.zone)
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
