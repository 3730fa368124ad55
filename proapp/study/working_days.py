"""Swedish working days, computed: a window that closes on Easter Monday has to be rung about on Maundy Thursday."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType

FIXED = ((1, 1), (1, 6), (5, 1), (6, 6), (12, 24), (12, 25), (12, 26), (12, 31))  # with the eves clinics close on


def easter_sunday(year: int) -> date:
    """Western Easter of a Gregorian year (the algorithm published anonymously in Nature, 20 April 1876)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap, century_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - correction + 15) % 30
    quarter, quarter_rest = divmod(rest, 4)
    weekday = (32 + 2 * century_rest + 2 * quarter - epact - quarter_rest) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


@lru_cache
def holidays(year: int) -> frozenset[date]:
    """Days other than Saturdays and Sundays on which Swedish clinics are closed: public holidays, and the eves of
    midsummer, Christmas and New Year. (All Saints' and Midsummer Day are Saturdays, Whit Sunday is a Sunday.)"""
    easter = easter_sunday(year)
    moving = {easter + timedelta(days=days) for days in (-2, 1, 39)}  # Good Friday, Easter Monday, Ascension
    midsummer_eve = next(day for day in (date(year, 6, number) for number in range(19, 26)) if day.weekday() == 4)
    return frozenset({date(year, month, day) for month, day in FIXED} | moving | {midsummer_eve})


def is_working_day(day: date) -> bool:
    return day.weekday() < 5 and day not in holidays(day.year)


def working_days_after(day: date, number: int) -> date:
    """The `number`th working day after `day`."""
    while number:
        day += timedelta(days=1)
        number -= is_working_day(day)
    return day


@lru_cache
def horizon(today: date, working_days: int) -> date:
    """The last day with at most that many working days after `today` up to and including it."""
    day = today
    while True:
        following = day + timedelta(days=1)
        working_days -= is_working_day(following)
        if working_days < 0:
            return day
        day = following


@lru_cache
def public_holidays(year: int) -> Mapping[date, str]:
    """Swedish public holidays other than ordinary Sundays, as the act on public holidays (1989:253) lists them, with
    what they are called here. The eves on which clinics close are none: a message may go out then, though nobody
    answers the telephone."""
    easter = easter_sunday(year)
    moving = {"good_friday": -2, "easter_sunday": 0, "easter_monday": 1, "ascension": 39, "whit_sunday": 49}
    fixed = {"new_year": (1, 1), "epiphany": (1, 6), "may_day": (5, 1), "national_day": (6, 6)}
    fixed |= {"christmas_day": (12, 25), "boxing_day": (12, 26)}
    found = {easter + timedelta(days=days): name for name, days in moving.items()}
    found |= {date(year, month, day): name for name, (month, day) in fixed.items()}
    found |= {_saturday_from(date(year, 6, 20)): "midsummer_day", _saturday_from(date(year, 10, 31)): "all_saints"}
    return MappingProxyType(found)


def _saturday_from(day: date) -> date:
    """Midsummer Day is the Saturday from 20 to 26 June, All Saints' Day that from 31 October to 6 November."""
    return day + timedelta(days=(5 - day.weekday()) % 7)


def is_public_holiday(day: date) -> bool:
    return day in public_holidays(day.year)


def free_day(day: date) -> str | None:
    """What the day is called if it is a public holiday, "eve" if it is none and clinics are closed all the same."""
    name = public_holidays(day.year).get(day)
    return name or ("eve" if day in holidays(day.year) else None)
