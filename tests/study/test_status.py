"""The tables of the design, row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from proapp.study.reasons import MISSED_REASONS, STRUCTURAL_REASONS
from proapp.study.schedule import PlannedAssessment
from proapp.study.status import (
    AssessmentFacts,
    ParticipantFacts,
    abandoned,
    accepts_answers,
    anchor_mismatch,
    days_left,
    is_closing,
    is_overdue,
    may_answer,
    may_decline,
    may_undo_decline,
    sitting_deadline,
    state,
)

STOCKHOLM = ZoneInfo("Europe/Stockholm")
OPENS, TARGET, CLOSES, LATE = date(2026, 4, 1), date(2026, 4, 15), date(2026, 5, 13), date(2026, 5, 27)
DAY = timedelta(days=1)
NOON = datetime(2026, 4, 2, 10, tzinfo=UTC)
M03 = AssessmentFacts("m03", "scheduled", TARGET, OPENS, CLOSES, LATE)
STARTED = M03._replace(started_at=NOON, last_answer_at=NOON)
SUBMITTED = STARTED._replace(submitted_at=NOON, completed_on=date(2026, 4, 2), valid=True)
DECLINED = M03._replace(declined=True)
PENDING = AssessmentFacts("m03", "scheduled", None, None, None, None)
CONSENT, RANDOMIZED = date(2025, 12, 20), date(2026, 1, 15)
BASELINE = AssessmentFacts("baseline", "baseline", CONSENT, CONSENT, None, None)
BASELINE_CLOSED = BASELINE._replace(closes_on=RANDOMIZED, late_until=RANDOMIZED)
ANNA = ParticipantFacts(CONSENT, RANDOMIZED, "SURG")


def of(assessment, today, study, participant=ANNA):
    return state(assessment, participant, today=today, study=study)


PHASES = [
    (OPENS - DAY, "BEFORE", "upcoming"),
    (OPENS, "OPEN", "open"),
    (TARGET - DAY, "OPEN", "open"),
    (TARGET, "DUE", "due"),
    (CLOSES, "DUE", "due"),
    (CLOSES + DAY, "GRACE", "late"),
    (LATE, "GRACE", "late"),
    (LATE + DAY, "CLOSED", "missed_unexplained"),
]


@pytest.mark.parametrize(("today", "phase", "shown"), PHASES)
def test_with_nothing_there_the_calendar_decides(today, phase, shown, small):
    assert of(M03, today, small) == ("EXPECTED", None, "NONE", phase, shown, None, None)


@pytest.mark.parametrize(("today", "phase", "shown"), PHASES)
def test_once_begun_it_is_in_progress_until_it_closes(today, phase, shown, small):
    expected = "missed_unexplained" if phase == "CLOSED" else "in_progress"
    assert of(STARTED, today, small) == ("EXPECTED", None, "STARTED", phase, expected, None, None)


@pytest.mark.parametrize("today", [row[0] for row in PHASES])
@pytest.mark.parametrize(
    ("valid", "shown"), [(True, "completed"), (None, "completed"), (False, "completed_unscorable")]
)
def test_a_submission_stays_one_on_every_day(today, valid, shown, small):
    current = of(SUBMITTED._replace(valid=valid), today, small)
    assert (current.expectation, current.collection, current.shown, current.timing) == (
        "EXPECTED",
        "SUBMITTED",
        shown,
        "in_window",
    )


@pytest.mark.parametrize("today", [row[0] for row in PHASES])
def test_declined_is_shown_until_it_is_undone(today, small):
    current = of(DECLINED, today, small)
    assert (current.shown, current.reason_code) == ("declined", "refused_this")
    assert of(DECLINED._replace(reason_code="refused_burden"), today, small).reason_code == "refused_burden"


def test_an_unknown_anchor_is_pending_and_never_missed(small):
    assert of(PENDING, date(2040, 1, 1), small) == ("PENDING", None, "NONE", "BEFORE", "unscheduled", None, None)


def test_missed_with_a_reason_is_explained(small):
    current = of(M03._replace(reason_code="hospitalised"), LATE + DAY, small)
    assert (current.shown, current.reason_code) == ("missed", "hospitalised")


def test_a_reason_recorded_early_shows_only_once_it_is_missed(small):
    current = of(M03._replace(reason_code="hospitalised"), LATE, small)
    assert (current.shown, current.reason_code) == ("late", None)


def test_an_extension_moves_the_end_and_nothing_else(small):
    extended = M03._replace(extension_until=LATE + 5 * DAY)
    assert of(extended, LATE + 5 * DAY, small).phase == "GRACE"
    assert of(extended, LATE + 6 * DAY, small).phase == "CLOSED"
    assert of(extended, CLOSES, small).phase == "DUE"
    assert of(M03._replace(extension_until=CLOSES), LATE, small).phase == "GRACE"


@pytest.mark.parametrize(
    ("completed_on", "timing"),
    [
        (OPENS - DAY, "early"),
        (OPENS, "in_window"),
        (CLOSES, "in_window"),
        (CLOSES + DAY, "late"),
        (LATE, "late"),
        (LATE + DAY, "out_of_window"),
        (None, None),
    ],
)
def test_timing_is_that_of_the_day_the_patient_completed_it(completed_on, timing, small):
    assert of(SUBMITTED._replace(completed_on=completed_on), LATE + 90 * DAY, small).timing == timing


def test_an_answer_in_the_extension_is_late(small):
    late = SUBMITTED._replace(completed_on=LATE + DAY, extension_until=LATE + DAY)
    assert of(late, LATE + DAY, small).timing == "late"


def test_timing_of_a_submission_without_a_window_is_unknown(small):
    assert of(PENDING._replace(submitted_at=NOON, completed_on=TARGET), TARGET, small).timing is None


# --- baseline -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("baseline", "today", "shown"),
    [
        (BASELINE, CONSENT - DAY, "upcoming"),
        (BASELINE, CONSENT, "due"),
        (BASELINE, CONSENT + 900 * DAY, "due"),
        (BASELINE_CLOSED, RANDOMIZED - DAY, "due"),
        (BASELINE_CLOSED, RANDOMIZED, "missed_unexplained"),
        (BASELINE_CLOSED._replace(extension_until=LATE), RANDOMIZED + DAY, "missed_unexplained"),
    ],
)
def test_a_baseline_is_open_from_consent_to_the_day_of_randomisation(baseline, today, shown, small):
    assert of(baseline, today, small).shown == shown


@pytest.mark.parametrize(
    ("completed_on", "timing"), [(CONSENT, "in_window"), (RANDOMIZED, "in_window"), (RANDOMIZED + DAY, "out_of_window")]
)
def test_a_baseline_completed_after_randomisation_is_out_of_its_window(completed_on, timing, small):
    given = BASELINE_CLOSED._replace(submitted_at=NOON, completed_on=completed_on)
    assert of(given, RANDOMIZED + DAY, small).timing == timing


def test_an_open_ended_baseline_takes_every_day_as_in_its_window(small):
    assert of(BASELINE._replace(submitted_at=NOON, completed_on=LATE), LATE, small).timing == "in_window"


# --- death, stop, withdrawal ----------------------------------------------------------------------------------------

STOPS = [("died_on", "death"), ("stopped_on", "pro_stop"), ("withdrawn_on", "trial_withdrawal")]


@pytest.mark.parametrize(("fact", "reason"), STOPS)
def test_who_stopped_before_the_target_is_not_expected_to_answer(fact, reason, small):
    anna = ANNA._replace(**{fact: TARGET - DAY})
    for assessment in (M03, STARTED, DECLINED, M03._replace(reason_code="forgot")):
        current = of(assessment, LATE + DAY, small, anna)
        assert (current.expectation, current.not_expected_reason, current.shown) == (
            "NOT_EXPECTED",
            reason,
            "not_expected",
        )


@pytest.mark.parametrize(("fact", "reason"), STOPS)
def test_who_stopped_in_the_window_was_expected_and_has_a_reason(fact, reason, small):
    for day in (TARGET, CLOSES, LATE):
        anna = ANNA._replace(**{fact: day})
        for today in (day, LATE + DAY):
            current = of(M03, today, small, anna)
            assert current == ("EXPECTED", None, "NONE", "CLOSED", "missed", None, f"{reason}_in_window")
        assert of(M03._replace(reason_code="too_ill"), day, small, anna).reason_code == "too_ill"
        assert of(DECLINED, day, small, anna).shown == "declined"


@pytest.mark.parametrize(("fact", "reason"), STOPS)
def test_a_stop_after_the_window_explains_nothing(fact, reason, small):
    current = of(M03, LATE + 9 * DAY, small, ANNA._replace(**{fact: LATE + DAY}))
    assert (current.shown, current.reason_code) == ("missed_unexplained", None)


@pytest.mark.parametrize(("fact", "reason"), STOPS)
def test_a_submission_outranks_every_stop(fact, reason, small):
    for day in (OPENS - DAY, TARGET, LATE):
        assert of(SUBMITTED, LATE, small, ANNA._replace(**{fact: day})).shown == "completed"


@pytest.mark.parametrize(("fact", "reason"), STOPS)
def test_a_stop_ends_what_never_got_a_date(fact, reason, small):
    assert of(PENDING, TARGET, small, ANNA._replace(**{fact: TARGET})).not_expected_reason == reason


def test_a_stop_that_lies_ahead_does_not_count_yet(small):
    anna = ANNA._replace(stopped_on=TARGET)
    assert of(M03, TARGET - DAY, small, anna).shown == "open"
    assert of(M03, TARGET, small, anna).shown == "missed"


@pytest.mark.parametrize(
    ("rule", "stop", "expectation"),
    [
        ("opens", OPENS - DAY, "NOT_EXPECTED"),
        ("opens", OPENS, "EXPECTED"),
        ("target", TARGET - DAY, "NOT_EXPECTED"),
        ("target", TARGET, "EXPECTED"),
        ("closes", CLOSES - DAY, "NOT_EXPECTED"),
        ("closes", CLOSES, "EXPECTED"),
    ],
)
def test_the_study_says_which_date_a_death_must_precede(rule, stop, expectation, small):
    study = small.model_copy(update={"death_before": rule})
    assert of(M03, LATE, study, ANNA._replace(died_on=stop)).expectation == expectation


def test_an_open_ended_baseline_goes_by_its_target_under_every_rule(small):
    for rule in ("opens", "target", "closes"):
        study = small.model_copy(update={"death_before": rule})
        current = of(BASELINE, CONSENT + 9 * DAY, study, ParticipantFacts(CONSENT, died_on=CONSENT + DAY))
        assert (current.shown, current.reason_code) == ("missed", "death_in_window")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"died_on": OPENS, "stopped_on": OPENS, "withdrawn_on": OPENS}, "death"),
        ({"stopped_on": OPENS, "withdrawn_on": OPENS}, "trial_withdrawal"),
        ({"died_on": OPENS, "stopped_on": OPENS - DAY}, "pro_stop"),
        ({"died_on": OPENS - DAY, "stopped_on": OPENS}, "death"),
    ],
)
def test_the_first_stop_counts(facts, reason, small):
    assert of(M03, LATE, small, ANNA._replace(**facts)).not_expected_reason == reason


def test_another_arm_is_not_asked(small):
    op1 = M03._replace(timepoint="op1", kind="event")
    assert of(op1, TARGET, small, ANNA._replace(arm="ONC")).not_expected_reason == "not_applicable_arm"
    assert of(op1, TARGET, small).shown == "due"


def test_a_cancelled_assessment_is_not_expected(small):
    assert of(M03._replace(cancelled_reason="amendment"), TARGET, small).not_expected_reason == "amendment"


def test_a_time_point_of_an_earlier_version_keeps_its_state(small):
    assert of(M03._replace(timepoint="w04"), TARGET, small).shown == "due"


# --- what follows from the state -------------------------------------------------------------------------------------


def test_answers_may_be_begun_only_while_it_is_open_and_waited_for(small):
    for today, phase, _ in PHASES:
        open_now = phase in ("OPEN", "DUE", "GRACE")
        assert may_answer(of(M03, today, small)) is open_now
        assert may_decline(of(STARTED, today, small)) is open_now
        assert may_undo_decline(of(DECLINED, today, small)) is open_now
        assert not may_answer(of(DECLINED, today, small))
        assert not may_answer(of(SUBMITTED, today, small))
        assert not may_undo_decline(of(M03, today, small))
        assert not may_answer(of(M03, today, small, ANNA._replace(died_on=OPENS - DAY)))


def test_overdue_is_due_for_some_days_and_still_waited_for(small):
    def overdue(assessment, today):
        return is_overdue(of(assessment, today, small), assessment, today=today, study=small)

    assert [overdue(M03, TARGET + days * DAY) for days in (-1, 0, 2, 3)] == [False, False, False, True]
    assert overdue(STARTED, LATE)
    assert not overdue(M03, LATE + DAY)
    assert not overdue(SUBMITTED, LATE)
    assert not overdue(DECLINED, LATE)
    assert not overdue(PENDING, LATE)


def test_closing_means_three_days_left_or_fewer(small):
    def closing(assessment, today):
        return is_closing(of(assessment, today, small), assessment, today=today)

    assert [closing(M03, CLOSES - days * DAY) for days in (4, 3, 0)] == [False, True, True]
    assert [closing(M03, LATE - days * DAY) for days in (4, 3, 0)] == [False, True, True]
    assert not closing(M03, LATE + DAY)
    assert not closing(SUBMITTED, CLOSES)
    assert not closing(BASELINE, CLOSES)


def test_days_left_run_to_the_end_of_the_phase():
    assert [days_left(M03, today=day) for day in (OPENS - DAY, OPENS, CLOSES, CLOSES + DAY, LATE, LATE + DAY)] == [
        None,
        42,
        0,
        13,
        0,
        None,
    ]
    assert days_left(BASELINE, today=CONSENT) is None


def midnight_after(day):
    return datetime(day.year, day.month, day.day, tzinfo=STOCKHOLM).astimezone(UTC) + timedelta(hours=24)


def test_a_sitting_begun_in_time_may_go_on_for_twelve_hours_after_midnight(small):
    end = midnight_after(LATE)
    for hours, begun, new in ((-1, True, True), (0, True, False), (11.99, True, False), (12, False, False)):
        now = end + timedelta(hours=hours)
        assert accepts_answers(STARTED, ANNA, now=now, study=small, zone=STOCKHOLM) is begun
        assert accepts_answers(M03, ANNA, now=now, study=small, zone=STOCKHOLM) is new


def test_a_sitting_under_way_when_a_stop_is_recorded_is_not_cut_off(small):
    anna = ANNA._replace(stopped_on=TARGET - DAY)
    end = midnight_after(TARGET - DAY)
    assert accepts_answers(STARTED, anna, now=end, study=small, zone=STOCKHOLM)
    assert not accepts_answers(STARTED, anna, now=end + timedelta(hours=12), study=small, zone=STOCKHOLM)
    assert not accepts_answers(M03, anna, now=end, study=small, zone=STOCKHOLM)


def test_a_baseline_takes_answers_until_randomisation_and_a_sitting_half_a_day_longer(small):
    begun = BASELINE._replace(started_at=NOON)
    waiting = ParticipantFacts(CONSENT)
    later = datetime(2030, 1, 1, tzinfo=UTC)
    assert accepts_answers(BASELINE, waiting, now=later, study=small, zone=STOCKHOLM)
    assert sitting_deadline(begun, waiting, now=later, study=small, zone=STOCKHOLM) is None
    closed = begun._replace(closes_on=RANDOMIZED, late_until=RANDOMIZED)
    end = midnight_after(RANDOMIZED)
    assert accepts_answers(closed, ANNA, now=end, study=small, zone=STOCKHOLM)
    assert not accepts_answers(closed, ANNA, now=end + timedelta(hours=12), study=small, zone=STOCKHOLM)
    assert not accepts_answers(BASELINE_CLOSED, ANNA, now=end, study=small, zone=STOCKHOLM)


def test_begun_answers_without_any_end_are_neither_refused_nor_abandoned(small):
    """A baseline begun before what was later corrected to be the day of consent: not open, and without an end."""
    begun = BASELINE._replace(started_at=NOON, last_answer_at=NOON)
    early = datetime(2025, 12, 1, tzinfo=UTC)
    assert accepts_answers(begun, ParticipantFacts(CONSENT), now=early, study=small, zone=STOCKHOLM)
    assert not abandoned(begun, ParticipantFacts(CONSENT), now=early, study=small, zone=STOCKHOLM)


def test_abandoned_answers_are_submitted_when_the_sitting_grace_is_over(small):
    end = midnight_after(LATE) + timedelta(hours=12)

    def is_abandoned(assessment, participant=ANNA, now=end):
        return abandoned(assessment, participant, now=now, study=small, zone=STOCKHOLM)

    assert is_abandoned(STARTED)
    assert not is_abandoned(STARTED, now=end - timedelta(seconds=1))
    assert is_abandoned(STARTED, ANNA._replace(died_on=OPENS + DAY))
    assert not is_abandoned(STARTED._replace(last_answer_at=None))
    assert not is_abandoned(STARTED._replace(cancelled_reason="amendment"))
    assert not is_abandoned(STARTED._replace(extension_until=LATE + DAY))
    for assessment in (M03, SUBMITTED, STARTED._replace(declined=True)):
        assert not is_abandoned(assessment)


def test_a_moved_anchor_is_a_mismatch_only_where_the_timing_class_changes():
    def planned(shift):
        return PlannedAssessment("m03", 1, None, TARGET + shift, OPENS + shift, CLOSES + shift, LATE + shift)

    assert not anchor_mismatch(SUBMITTED, planned(DAY))
    assert anchor_mismatch(SUBMITTED, planned(2 * DAY))
    assert not anchor_mismatch(STARTED, planned(20 * DAY))


# --- reasons --------------------------------------------------------------------------------------------------------


def test_the_reasons_are_those_of_the_design():
    flags = {
        code: reason.health_related + reason.avoidable for code, reason in MISSED_REASONS.items() if reason.by_hand
    }
    assert flags == {
        "too_ill": "YN",
        "hospitalised": "Y?",
        "refused_this": "?N",
        "refused_burden": "Y?",
        "forgot": "?Y",
        "no_time": "NY",
        "upset_or_irrelevant": "?N",
        "language_or_cognition": "?Y",
        "technical": "NY",
        "unreachable": "??",
        "not_sent": "NY",
        "wrong_contact": "NY",
        "staff_oversight": "NY",
        "system_down": "NY",
        "wrong_instrument": "NY",
        "unknown": "??",
    }
    assert MISSED_REASONS["registered_after_window"] == ("registered_after_window", "N", "Y", False)


def test_no_structural_reason_can_be_chosen():
    assert not set(STRUCTURAL_REASONS) & set(MISSED_REASONS)
    assert all(f"{reason}_in_window" in MISSED_REASONS for _, reason in STOPS)
