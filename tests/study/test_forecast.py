from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proapp.study.forecast import Enrolled, evenly, forecast, reminders
from proapp.study.schedule import Anchors, PlannedAssessment, plan
from proapp.study.steps import is_sending_day
from proapp.study.working_days import is_working_day
from tests.study.reminded import STOCKHOLM

FIRST = date(2026, 1, 15)


def test_the_upper_bound_counts_every_step_of_everybody(breclim2):
    people = [Enrolled("UME", FIRST), Enrolled("UME", FIRST), Enrolled(None, FIRST)]
    load = forecast(breclim2, people)
    assert {monday.weekday() for monday, _ in load} == {0}
    for site, heads in (("UME", 2), ("", 1)):
        mine = [week for (_, where), week in load.items() if where == site]
        assert sum(week.calls for week in mine) == heads * 6
        assert sum(week.messages for week in mine) == heads * 6 * 3


def test_who_has_answered_is_neither_written_to_nor_rung(breclim2):
    load = forecast(breclim2, [Enrolled("UME", FIRST)] * 8, answering=0.5)
    assert sum(week.messages for week in load.values()) == pytest.approx(8 * 6 * (1 + 0.5 + 0.25))
    assert sum(week.calls for week in load.values()) == pytest.approx(8 * 6 * 0.25)
    everybody = forecast(breclim2, [Enrolled("UME", FIRST)], answering=1)
    assert (sum(week.messages for week in everybody.values()), sum(week.calls for week in everybody.values())) == (6, 0)


def test_an_arm_has_its_own_time_points(small):
    both = forecast(small, [Enrolled("UME", FIRST)])
    assert sum(week.messages for week in both.values()) == 1  # m03 has one step; what follows surgery is not foreseen


def test_a_step_without_a_date_or_for_nobody_is_left_out(breclim2):
    assert reminders(breclim2, PlannedAssessment("m03"), zone=STOCKHOLM) == ()


@given(st.integers(1, 500), st.integers(1, 60))
def test_participants_come_evenly(number, months):
    days = [person.randomized_on for person in evenly("UME", number, first=FIRST, months=months)]
    assert days == sorted(days)
    assert len(days) == number
    assert days[0] >= FIRST
    gaps = Counter((later - earlier).days for earlier, later in zip(days, days[1:], strict=False))
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


@given(st.integers(0, 1500).map(lambda days: FIRST + timedelta(days=days)))
def test_of_a_participant_who_answers_nothing_every_step_has_its_day(breclim2, randomized_on):
    for window in plan(breclim2, Anchors(None, randomized_on, "ONC")):
        found = reminders(breclim2, window, zone=STOCKHOLM)
        assert len(found) == (5 if window.opens_on else 0)
        for one in found:
            assert window.opens_on <= one.due_on <= window.closes_on
            assert one.goes
            assert is_working_day(one.due_on) or (
                one.channel == "message" and is_sending_day(one.due_on, breclim2.follow_up)
            )
