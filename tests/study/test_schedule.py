"""Calendar arithmetic: month ends, days of 23 and 25 hours, and plans that do not depend on how they came about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proapp.study.schedule import (
    Anchors,
    PlannedAssessment,
    add_months,
    close_instant,
    hours_in,
    is_clamped,
    open_instant,
    plan,
    study_day,
    window,
)

STOCKHOLM = ZoneInfo("Europe/Stockholm")
days = st.dates(date(2015, 1, 1), date(2040, 12, 31))


@pytest.mark.parametrize(
    ("anchor", "months", "target"),
    [
        (date(2025, 1, 31), 1, date(2025, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2025, 1, 31), 3, date(2025, 4, 30)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 36, date(2027, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2025, 11, 30), 3, date(2026, 2, 28)),
        (date(2025, 12, 31), 6, date(2026, 6, 30)),
        (date(2096, 2, 29), 48, date(2100, 2, 28)),
        (date(2025, 3, 1), 3, date(2025, 6, 1)),
        (date(2025, 7, 15), 0, date(2025, 7, 15)),
    ],
)
def test_months_are_calendar_months_clamped_to_their_end(anchor, months, target):
    assert add_months(anchor, months) == target


@given(days, st.integers(0, 60))
def test_the_target_always_lies_in_the_right_month(anchor, months):
    target = add_months(anchor, months)
    assert (target.year * 12 + target.month) - (anchor.year * 12 + anchor.month) == months
    assert target.day == anchor.day or (target.day < anchor.day and (target + timedelta(days=1)).day == 1)


def test_a_target_is_counted_from_the_anchor_and_never_from_the_visit_before(breclim2):
    """31 January + 3 months + 3 months would be 30 July."""
    planned = {item.timepoint: item for item in plan(breclim2, Anchors(date(2024, 12, 1), date(2025, 1, 31), "ONC"))}
    assert planned["m03"].target_on == date(2025, 4, 30)
    assert planned["m06"].target_on == date(2025, 7, 31)


def test_a_window_has_its_four_dates(small):
    assert window(small.timepoint("m03"), date(2025, 11, 30)) == PlannedAssessment(
        timepoint="m03",
        occurrence=1,
        anchor_on=date(2025, 11, 30),
        target_on=date(2026, 2, 28),
        opens_on=date(2026, 2, 14),
        closes_on=date(2026, 3, 28),
        late_until=date(2026, 4, 11),
    )


def test_days_are_added_after_months(small):
    timepoint = small.timepoint("m03").model_copy(update={"days": 7})
    assert window(timepoint, date(2025, 11, 30)).target_on == date(2026, 3, 7)


def test_only_a_month_end_that_was_cut_is_marked(small):
    assert is_clamped(small.timepoint("m03"), date(2025, 11, 30))
    assert not is_clamped(small.timepoint("m03"), date(2025, 11, 28))


def test_before_randomisation_the_baseline_is_open_ended_and_the_rest_has_no_dates(small):
    baseline, *others = plan(small, Anchors(date(2026, 1, 5), None))
    assert baseline == PlannedAssessment(
        "baseline", 1, date(2026, 1, 5), date(2026, 1, 5), date(2026, 1, 5), None, None
    )
    assert others == [PlannedAssessment("m03"), PlannedAssessment("m06"), PlannedAssessment("op1")]


def test_randomisation_closes_the_baseline_and_dates_the_rest(small):
    baseline, m03, _, op1 = plan(small, Anchors(date(2026, 1, 5), date(2026, 1, 12), "SURG"))
    assert (baseline.closes_on, baseline.late_until) == (date(2026, 1, 12), date(2026, 1, 12))
    assert m03.target_on == date(2026, 4, 12)
    assert op1 == PlannedAssessment("op1")


def test_an_arm_gets_its_own_time_points_only(small):
    codes = [item.timepoint for item in plan(small, Anchors(date(2026, 1, 5), date(2026, 1, 12), "ONC"))]
    assert codes == ["baseline", "m03", "m06"]


def test_an_event_dates_its_time_point(small):
    planned = plan(small, Anchors(date(2026, 1, 5), date(2026, 1, 12), "SURG", surgery_on=date(2026, 2, 1)))
    assert planned[-1].target_on == date(2026, 3, 3)


def test_time_points_may_count_from_consent_or_progression(small):
    m03 = small.timepoint("m03")
    for anchor in ("consent", "progression", "manual"):
        study = small.model_copy(update={"timepoints": (m03.model_copy(update={"anchor": anchor}),)})
        (planned,) = plan(study, Anchors(date(2026, 1, 1), None, progression_on=date(2026, 2, 1)))
        assert (
            planned.anchor_on == {"consent": date(2026, 1, 1), "progression": date(2026, 2, 1), "manual": None}[anchor]
        )


def test_without_consent_nothing_is_said_of_the_baseline(small):
    assert plan(small, Anchors(None, date(2026, 1, 12)))[0] == PlannedAssessment("baseline")


@given(consent=days, randomized=days, arm=st.sampled_from(["SURG", "ONC", None]), surgery=st.none() | days)
def test_windows_never_turn_round_and_a_second_plan_is_the_same(breclim2, small, consent, randomized, arm, surgery):
    for study in (breclim2, small):
        anchors = Anchors(consent, randomized, arm, surgery)
        planned = plan(study, anchors)
        assert planned == plan(study, anchors)
        for item in planned:
            if item.target_on is not None:
                assert item.opens_on <= item.target_on <= item.closes_on <= item.late_until


@given(randomized=days)
def test_windows_of_the_shipped_study_never_overlap(breclim2, randomized):
    planned = plan(breclim2, Anchors(randomized, randomized, "ONC"))
    for earlier, later in zip(planned[1:], planned[2:], strict=False):
        assert earlier.late_until < later.opens_on


def test_a_day_opens_and_closes_at_local_midnight():
    assert open_instant(date(2026, 1, 15), STOCKHOLM) == datetime(2026, 1, 14, 23, tzinfo=UTC)
    assert close_instant(date(2026, 7, 15), STOCKHOLM) == datetime(2026, 7, 15, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 3, 28), 24), (date(2026, 11, 1), 24)],
)
def test_days_on_which_the_clock_is_changed_are_shorter_or_longer(day, hours):
    assert hours_in(day, STOCKHOLM) == hours


def test_where_midnight_is_skipped_the_day_opens_when_the_clock_jumps():
    """Beirut went from 23:59:59 on 28 March 2020 to 01:00 on the 29th."""
    beirut = ZoneInfo("Asia/Beirut")
    assert open_instant(date(2020, 3, 29), beirut) == datetime(2020, 3, 28, 22, tzinfo=UTC)
    assert hours_in(date(2020, 3, 29), beirut) == 23


def test_half_past_midnight_in_stockholm_is_that_day_whatever_utc_says(small):
    """2025-03-01 00:30 local is 28 February in UTC; three months later that error would be three days."""
    randomized_on = datetime(2025, 2, 28, 23, 30, tzinfo=UTC).astimezone(STOCKHOLM).date()
    assert window(small.timepoint("m03"), randomized_on).target_on == date(2025, 6, 1)


def test_there_is_no_study_day_zero():
    day = date(2026, 1, 12)
    assert [study_day(day + timedelta(days=step), day) for step in (-1, 0, 1)] == [-1, 1, 2]
