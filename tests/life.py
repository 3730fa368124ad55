"""A cohort's life of fourteen months, invented from a seed: who takes part, what happens to them, and the study, which
is amended in the middle at some of its sites. The messages that they must get are worked out in tests.life_expected.

Everything happens at half past the hour; the clock ticks on the hour.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from proapp.study.load import BRECLIM2
from proapp.study.model import Study
from proapp.study.schedule import Anchors, plan

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)

SHIPPED = BRECLIM2.read_text(encoding="utf-8")
MONTH = """
[[timepoints]]
code = "{code}"
label = {{ sv = "{code}", en = "{code}" }}
kind = "scheduled"
anchor = "consent"
months = {months}
before_days = 0
after_days = 20
instruments = ["c30"]
reminders = [
    {{ relative_to = "opens", days = 0, channel = "message" }},
    {{ relative_to = "target", days = 3, channel = "message" }},
    {{ relative_to = "closes", days = -7, channel = "message" }},
]
"""


def _changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


M03, M06 = ('[[timepoints]]\ncode = "m03"', '[[timepoints]]\ncode = "m06"')
# The shipped study with one more time point, which collides with another (so that the cap of a day is reached), and one
# site that lives an hour behind the others.
FIRST = _changed(
    SHIPPED,
    ('code = "LUN"\n', 'code = "LUN"\ntime_zone = "Europe/London"\n'),
    (M06, MONTH.format(code="x03", months=3) + "\n" + M06),
)
_STEP = """relative_to = "target", days = {days}, channel = "message" }},
    {{ relative_to = "closes", days = -7"""  # of x03 only
# Its amendment: a window that opens earlier, another day for a reminder, a time point more, and a site that closes.
CLOSING, CLOSES_ON = "GOT", date(2026, 4, 8)
SECOND = _changed(
    FIRST,
    ('number = "example 1"', 'number = "2"'),
    ("months = 6\nbefore_days = 14", "months = 6\nbefore_days = 28"),
    (_STEP.format(days=3), _STEP.format(days=5)),
    (M03, MONTH.format(code="n02", months=2) + "\n" + M03),
    (f'code = "{CLOSING}"\n', f'code = "{CLOSING}"\nclosed_on = {CLOSES_ON}\n'),
)


ENDS = ("death", "pro_stop", "trial_withdrawal")


class Happening(NamedTuple):
    """`value`: of a pause its days, of a wish its moment, of another contact its channel. An address that dies is known
    to nobody but the gateway."""

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


@cache
def study(text: str = FIRST) -> Study:
    return Study.of(tomllib.loads(text))


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
    one.happenings = [enrolled, *_as_it_can_be(later, study().zone(site))]
    return one


def _as_it_can_be(happenings: list[Happening], zone: ZoneInfo) -> Iterator[Happening]:
    """Nothing happens in the trial after it was left, and a pause does not begin in another."""
    paused_until = date.min
    for news in happenings:
        if news.what == "paused":
            day = news.at.astimezone(zone).date()
            if day <= paused_until:
                continue
            paused_until = day + timedelta(days=news.value)
        yield news
        if news.what in ENDS:
            return


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
        yield Happening(some_day(), chance.choice(ENDS))
    if chance.random() < 0.05:
        yield Happening(some_day(), "lost_to_follow_up")
    for _ in range(chance.choice([0, 0, 1, 2])):
        yield Happening(some_day(), "paused", value=chance.randrange(1, 25))
    if one.channel != "letter" and chance.random() < 0.45:
        wrong = some_day()
        yield Happening(wrong, chance.choice(["wrong_number", "address_dies"]))
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
            yield Happening(at, "later", timepoint, instant(local.date(), 18, zone))
        else:
            yield Happening(at, "later", timepoint, instant(local.date() + DAY, 10, zone))


def instant(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return instant(day, hour, zone) + timedelta(minutes=30)


def hours_of(days: int, at: Callable[[datetime], bool] = lambda _: True) -> list[datetime]:
    """Every hour at which the clock ticks: all, unless `at` picks some."""
    return [hour for hour in (BEGIN + number * HOUR for number in range(days * 24 + 1)) if at(hour)]


def amendment(people: list[Person], days: int, *, seed: int) -> dict[str, date]:
    """Three sites that work by the amended study from some day in the middle on, not all from the same; the one that it
    closes is among them."""
    chance = random.Random(seed)
    sites = [CLOSING, *chance.sample(sorted({one.site for one in people} - {CLOSING}), 2)]
    return {site: (BEGIN + timedelta(days=days * 6 // 10 + chance.randrange(10))).date() for site in sites}
