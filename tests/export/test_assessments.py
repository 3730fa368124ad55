"""The assessments, row by row, against what was written down by hand beside the facts of tests/export/trial.py."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.conftest import definitions

INSTRUMENTS = ("c30", "br23", "lmc21")
ITEMS = {"c30": 30, "br23": 23, "lmc21": 21}
TIMEPOINTS = ("baseline", "m03", "m06", "m12", "m18", "m24", "m36")
LATER = ("m12", "m18", "m24", "m36")

# (status, reason) of baseline, m03, m06; then what m12 to m36 are
STATES: dict[str, tuple[str, str, str, str]] = {
    "GOT-001": ("missed_unexplained", "late", "upcoming", "upcoming"),
    "GOT-002": ("completed", "completed", "not_expected trial_withdrawal", "not_expected trial_withdrawal"),
    "GOT-003": ("completed", "missed_unexplained", "not_expected trial_withdrawal", "not_expected trial_withdrawal"),
    "GOT-004": ("missed_unexplained", "missed_unexplained", "missed pro_stop_in_window", "not_expected pro_stop"),
    "KAR-001": ("missed_unexplained", "completed", "completed", "upcoming"),
    "KAR-002": ("missed_unexplained", "completed", "missed_unexplained", "upcoming"),
    "LUN-001": ("completed", "not_expected death", "not_expected death", "not_expected death"),
    "LUN-002": ("due", "unscheduled", "unscheduled", "unscheduled"),
    "LUN-003": ("completed", "due", "upcoming", "upcoming"),
    "LUN-004": ("missed_unexplained", "in_progress", "upcoming", "upcoming"),
    "LUN-005": ("missed_unexplained", "open", "upcoming", "upcoming"),
    "UME-001": ("completed", "completed", "missed too_ill", "upcoming"),
    "UME-002": ("completed", "completed", "missed_unexplained", "upcoming"),
    "UME-003": ("completed", "declined refused_this", "completed_unscorable", "upcoming"),
}
COMPLETED = {  # (completed_on, timing, days from target, study day, mode)
    ("GOT-002", "baseline"): ("2026-02-02", "in_window", "0", "-3", "self_remote"),
    ("GOT-002", "m03"): ("2026-06-01", "in_window", "27", "117", "self_remote"),
    ("GOT-003", "baseline"): ("2026-02-02", "in_window", "0", "-3", "self_remote"),
    ("KAR-001", "m03"): ("2026-07-01", "out_of_window", "57", "147", "paper"),
    ("KAR-001", "m06"): ("2026-07-20", "early", "-16", "166", "paper"),
    ("KAR-002", "m03"): ("2026-06-16", "late", "42", "132", "self_remote"),
    ("LUN-001", "baseline"): ("2026-02-02", "in_window", "0", "-3", "self_remote"),
    ("LUN-003", "baseline"): ("2026-08-20", "out_of_window", "3", "2", "paper"),
    ("UME-001", "baseline"): ("2026-02-02", "in_window", "0", "-3", "self_remote"),
    ("UME-001", "m03"): ("2026-05-05", "in_window", "0", "90", "self_remote"),
    ("UME-002", "baseline"): ("2026-02-02", "in_window", "0", "-3", "self_remote"),
    ("UME-002", "m03"): ("2026-06-10", "late", "36", "126", "self_remote"),
    ("UME-003", "baseline"): ("2026-02-05", "in_window", "3", "1", "self_remote"),
    ("UME-003", "m06"): ("2026-08-06", "in_window", "1", "183", "self_remote"),
}
REASONS = {  # health-related, avoidable, source
    ("UME-001", "m06"): ("too_ill", "Y", "N", "staff"),
    ("UME-003", "m03"): ("refused_this", "?", "N", "derived"),
    ("GOT-004", "m06"): ("pro_stop_in_window", "?", "N", "derived"),
}


@pytest.fixture
def rows(golden):
    return golden().by("assessments", "study_id", "timepoint", "instrument")


def test_there_is_a_row_for_every_planned_assessment_and_instrument_in_order(rows):
    assert list(rows) == [
        (study_id, timepoint, instrument)
        for study_id in sorted(STATES)
        for timepoint in TIMEPOINTS
        for instrument in INSTRUMENTS
    ]


def test_every_status_and_reason_is_as_written_by_hand(rows):
    found = {
        (study_id, timepoint): " ".join(filter(None, (row["status"], row["not_expected_reason"] or row["reason_code"])))
        for (study_id, timepoint, _), row in rows.items()
    }
    wanted = {}
    for study_id, (baseline, m03, m06, later) in STATES.items():
        wanted |= dict(
            zip([(study_id, point) for point in TIMEPOINTS], [baseline, m03, m06, *[later] * 4], strict=True)
        )
    assert found == wanted


def test_every_word_for_a_status_occurs_in_this_trial(rows):
    from typing import get_args

    from proapp.study.status import Shown

    assert {row["status"] for row in rows.values()} == set(get_args(Shown))


def test_what_was_sent_carries_day_timing_and_mode_and_nothing_else_does(rows):
    names = ("completed_on", "timing", "days_from_target", "study_day", "mode")
    found = {
        (study_id, timepoint): tuple(row[name] for name in names)
        for (study_id, timepoint, _), row in rows.items()
        if row["submitted_at"]
    }
    assert found == COMPLETED
    for key, row in rows.items():
        if not row["submitted_at"]:
            assert [row[name] for name in (*names[:4], "in_window", "valid", "duration_s", "scorable_scales")] == [
                ""
            ] * 8, key
        else:
            assert row["in_window"] == ("1" if row["timing"] == "in_window" else "0")


def test_a_missing_assessment_says_why_and_who_says_so(rows):
    for (study_id, timepoint, _), row in rows.items():
        found = (row["reason_code"], row["reason_health_related"], row["reason_avoidable"], row["reason_source"])
        assert found == REASONS.get((study_id, timepoint), ("", "", "", ""))


def test_the_windows_are_those_of_the_protocol(rows):
    row = rows["UME-001", "m03", "c30"]
    assert [row[name] for name in ("anchor_on", "target_on", "opens_on", "closes_on", "late_until", "target_day")] == [
        "2026-02-05", "2026-05-05", "2026-04-21", "2026-06-02", "2026-06-16", "90",
    ]  # fmt: skip
    baseline = rows["UME-001", "baseline", "c30"]
    assert (baseline["opens_on"], baseline["closes_on"], baseline["target_day"]) == ("2026-02-02", "2026-02-05", "-3")
    unknown = rows["LUN-002", "m03", "c30"]
    assert {unknown[name] for name in ("target_on", "opens_on", "closes_on", "target_day", "arm_code")} == {""}
    assert unknown["expectation"] == "pending"


def test_there_is_no_study_day_zero(rows):
    days = {int(row[name]) for row in rows.values() for name in ("target_day", "study_day") if row[name]}
    assert 0 not in days
    assert {-3, 1} <= days
    for row in rows.values():
        if row["study_day"] and row["arm_code"]:
            day, completed_on = int(row["study_day"]), date.fromisoformat(row["completed_on"])
            randomized_on = completed_on - timedelta(days=day - 1 if day > 0 else day)
            assert randomized_on in (date(2026, 2, 5), date(2026, 8, 19))


def test_item_counts_add_up_to_the_items_of_the_instrument(rows):
    counts = ("n_answered", "n_skipped", "n_cleared", "n_not_applicable", "n_not_shown", "n_not_reached")
    for (_, _, instrument), row in rows.items():
        assert int(row["n_items"]) == ITEMS[instrument]
        if row["started_at"] and row["answers_withheld"] == "0":
            assert sum(int(row[name]) for name in counts) == ITEMS[instrument]
        else:
            assert [row[name] for name in counts] == [""] * 6
    special = rows["UME-001", "m03", "c30"], rows["UME-001", "m03", "br23"], rows["UME-001", "m03", "lmc21"]
    assert [[int(row[name]) for name in counts] for row in special] == [
        [28, 1, 1, 0, 0, 0],
        [20, 1, 0, 1, 1, 0],
        [20, 0, 0, 0, 0, 1],
    ]


def test_what_is_still_being_written_is_counted_but_not_scored(rows):
    row = rows["LUN-004", "m03", "c30"]
    assert (row["n_answered"], row["n_not_reached"], row["scorable_scales"], row["mode"]) == (
        "2",
        "28",
        "",
        "self_remote",
    )
    assert (row["submitted_at"], row["auto_submitted"], row["language"]) == ("", "", "sv")


def test_one_answer_of_thirty_scores_nothing(rows):
    row = rows["UME-003", "m06", "c30"]
    assert (row["valid"], row["scorable_scales"], row["n_scales"]) == ("0", "0", "15")


def test_the_facts_of_a_response_set_are_carried(rows):
    sent = rows["UME-001", "m03", "br23"]
    pack = definitions()[1]["br23"]
    assert (sent["started_at"], sent["submitted_at"]) == ("2026-05-05T08:00:00Z", "2026-05-05T08:10:00Z")
    assert (sent["duration_s"], sent["respondent"], sent["language"]) == ("600", "self", "sv")
    assert (sent["pack_version"], sent["pack_hash"]) == (pack.version, pack.content_hash)
    auto = rows["KAR-002", "m03", "c30"]
    assert (auto["auto_submitted"], auto["duration_s"], auto["language"]) == ("1", "", "mixed")
    assert rows["KAR-001", "m03", "c30"]["duration_s"] == ""  # on paper, nobody knows


def test_of_two_response_sets_the_first_completed_is_exported_and_both_are_counted(rows):
    row = rows["KAR-001", "m06", "c30"]
    assert (row["n_response_sets"], row["mode"], row["completed_on"]) == ("2", "paper", "2026-07-20")
    assert rows["UME-001", "m06", "c30"]["n_response_sets"] == "0"


def test_who_left_the_trial_decides_about_the_answers(rows):
    withheld = {key[:2] for key, row in rows.items() if row["answers_withheld"] == "1"}
    assert withheld == {("GOT-002", "m03"), ("GOT-003", "baseline")}
    kept = rows["GOT-002", "baseline", "c30"]
    assert (kept["answers_withheld"], kept["n_answered"]) == ("0", "30")


def test_participants_are_one_row_each_with_what_became_of_them(golden):
    rows = golden().by("participants", "study_id")
    status = {study_id: (row["status"], row["status_on"]) for (study_id,), row in rows.items()}
    assert status == {
        "GOT-001": ("on_study", "2026-07-15"),
        "GOT-002": ("withdrawn", "2026-07-01"),
        "GOT-003": ("withdrawn", "2026-07-01"),
        "GOT-004": ("stopped", "2026-08-10"),
        "KAR-001": ("on_study", "2026-02-05"),
        "KAR-002": ("on_study", "2026-02-05"),
        "LUN-001": ("died", "2026-04-01"),
        "LUN-002": ("enrolled", "2026-11-20"),
        "LUN-003": ("on_study", "2026-08-19"),
        "LUN-004": ("on_study", "2026-08-28"),
        "LUN-005": ("on_study", "2026-08-28"),
        "UME-001": ("on_study", "2026-02-05"),
        "UME-002": ("on_study", "2026-02-05"),
        "UME-003": ("on_study", "2026-02-05"),
    }
    assert list(status) == sorted(status)
    one = rows[("UME-001",)]
    counts = ("n_planned", "n_expected", "n_due", "n_completed", "n_accepted", "n_missed")
    assert [one[name] for name in counts] == ["7", "7", "3", "2", "2", "1"]
    assert (one["surgery_on"], one["first_completed_on"], one["last_completed_on"]) == (
        "2026-03-01", "2026-02-02", "2026-05-05",
    )  # fmt: skip
    assert [rows[("UME-003",)][name] for name in counts] == ["7", "7", "3", "2", "1", "1"]
    assert [rows[("LUN-001",)][name] for name in counts] == ["7", "1", "1", "1", "1", "0"]
    assert (rows[("GOT-002",)]["data_use"], rows[("GOT-002",)]["data_use_until"]) == ("keep_until", "2026-05-31")
    assert (rows[("LUN-002",)]["randomized_on"], rows[("LUN-002",)]["arm_code"]) == ("", "")


def test_everything_sent_or_closed_is_a_finished_participant(golden):
    later = golden(date(2029, 12, 31)).by("participants", "study_id")
    assert (later[("UME-001",)]["status"], later[("UME-001",)]["status_on"]) == ("finished", "")
