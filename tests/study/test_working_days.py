from __future__ import annotations

from datetime import date, timedelta

import pytest

from proapp.study.working_days import (
    easter_sunday,
    free_day,
    holidays,
    horizon,
    is_public_holiday,
    is_working_day,
    public_holidays,
    working_days_after,
)


@pytest.mark.parametrize(
    "easter",
    [
        date(2019, 4, 21),
        date(2024, 3, 31),
        date(2025, 4, 20),
        date(2026, 4, 5),
        date(2027, 3, 28),
        date(2038, 4, 25),
        date(2285, 3, 22),
    ],
)
def test_easter_is_on_its_sunday(easter):
    assert easter_sunday(easter.year) == easter


def test_the_holidays_of_2026():
    assert sorted(day for day in holidays(2026) if day.weekday() < 5) == [
        date(2026, 1, 1),
        date(2026, 1, 6),
        date(2026, 4, 3),
        date(2026, 4, 6),
        date(2026, 5, 1),
        date(2026, 5, 14),
        date(2026, 6, 19),
        date(2026, 12, 24),
        date(2026, 12, 25),
        date(2026, 12, 31),
    ]


@pytest.mark.parametrize("year", range(2019, 2040))
def test_midsummer_eve_is_the_friday_from_19_to_25_june(year):
    eves = [day for day in holidays(year) if day.month == 6 and day.day >= 19]
    assert len(eves) == 1
    assert eves[0].weekday() == 4
    assert eves[0].day <= 25


def test_weekends_and_holidays_are_no_working_days():
    assert is_working_day(date(2026, 4, 2))
    assert not is_working_day(date(2026, 4, 3))
    assert not is_working_day(date(2026, 4, 4))
    assert not is_working_day(date(2026, 4, 6))
    assert is_working_day(date(2026, 4, 7))


@pytest.mark.parametrize(
    ("today", "last"),
    [
        (date(2026, 11, 23), date(2026, 11, 25)),  # Monday: Tuesday and Wednesday
        (date(2026, 11, 26), date(2026, 11, 30)),  # Thursday: Friday, the weekend, Monday
        (date(2026, 11, 27), date(2026, 12, 1)),
        (date(2026, 4, 2), date(2026, 4, 8)),  # Maundy Thursday: Tuesday and Wednesday after Easter
        (date(2026, 12, 23), date(2026, 12, 29)),
    ],
)
def test_the_horizon_counts_working_days_only(today, last):
    assert horizon(today, 2) == last


def test_the_horizon_takes_the_free_days_that_follow_along():
    wednesday = date(2026, 11, 25)
    assert horizon(wednesday, 2) == date(2026, 11, 29)
    assert horizon(wednesday, 0) == wednesday
    assert horizon(date(2026, 11, 27), 0) - date(2026, 11, 27) == timedelta(days=2)


@pytest.mark.parametrize(
    ("day", "number", "then"),
    [
        (date(2026, 11, 23), 0, date(2026, 11, 23)),
        (date(2026, 11, 23), 3, date(2026, 11, 26)),
        (date(2026, 11, 27), 1, date(2026, 11, 30)),
        (date(2026, 4, 1), 2, date(2026, 4, 7)),  # over Easter
    ],
)
def test_working_days_are_counted_on_from_a_day(day, number, then):
    assert working_days_after(day, number) == then


def test_the_public_holidays_of_2026():
    assert {day: name for day, name in sorted(public_holidays(2026).items())} == {
        date(2026, 1, 1): "new_year",
        date(2026, 1, 6): "epiphany",
        date(2026, 4, 3): "good_friday",
        date(2026, 4, 5): "easter_sunday",
        date(2026, 4, 6): "easter_monday",
        date(2026, 5, 1): "may_day",
        date(2026, 5, 14): "ascension",
        date(2026, 5, 24): "whit_sunday",
        date(2026, 6, 6): "national_day",
        date(2026, 6, 20): "midsummer_day",
        date(2026, 10, 31): "all_saints",
        date(2026, 12, 25): "christmas_day",
        date(2026, 12, 26): "boxing_day",
    }


@pytest.mark.parametrize(
    ("midsummer", "all_saints"),
    [
        (date(2025, 6, 21), date(2025, 11, 1)),
        (date(2027, 6, 26), date(2027, 11, 6)),
        (date(2028, 6, 24), date(2028, 11, 4)),
    ],
)
def test_midsummer_day_and_all_saints_are_saturdays(midsummer, all_saints):
    found = {name: day for day, name in public_holidays(midsummer.year).items()}
    assert (found["midsummer_day"], found["all_saints"]) == (midsummer, all_saints)


def test_an_eve_is_no_public_holiday_though_clinics_close():
    for eve in (date(2026, 6, 19), date(2026, 12, 24), date(2026, 12, 31)):
        assert not is_public_holiday(eve)
        assert not is_working_day(eve)
        assert free_day(eve) == "eve"
    assert free_day(date(2026, 4, 3)) == "good_friday"
    assert free_day(date(2026, 4, 2)) is None


@pytest.mark.parametrize("year", range(2019, 2040))
def test_every_public_holiday_is_a_day_off(year):
    assert not [day for day in public_holidays(year) if is_working_day(day)]
