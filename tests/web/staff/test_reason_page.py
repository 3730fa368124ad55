from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from proapp.db.models import AssessmentEvent, ContactAttempt, MissedReason
from proapp.study.reasons import MISSED_REASONS, STRUCTURAL_REASONS

BEFORE = datetime(2026, 5, 30, 9, tzinfo=UTC)


@pytest.fixture
def anna(people: Any) -> int:
    """Three months missed, six months open since 17 November."""
    person = people.participant("UME-001", randomized_on=date(2026, 6, 1))
    people.answered(person, "baseline", submitted_at=BEFORE, codes={})
    return int(person)


def reasons(runtime: Any) -> list[Any]:
    with runtime.reading() as session:
        return list(session.scalars(select(MissedReason).order_by(MissedReason.id)))


def where(people: Any, anna: int, timepoint: str = "m03") -> str:
    return f"/staff/assessments/{people.assessment_id(anna, timepoint)}/reason"


def test_two_clicks_from_the_worklist_explain_a_missed_assessment(people: Any, runtime: Any, anna: int) -> None:
    berit, page = people.staff("berit"), where(people, anna)
    worklist = berit.get("/staff/work").get_data(as_text=True)
    assert page in worklist  # the first click
    assert "Not answered by 13 October 2026, when the window closed. Say why." in worklist
    assert 'name="code" value="too_ill"' in berit.get(page).get_data(as_text=True)
    assert berit.post(page, {"code": "too_ill"}).status_code == 303  # the second
    after = berit.follow().get_data(as_text=True)
    assert "UME-001, 3 months: Felt too ill." in after
    assert f'<a href="{page}">Change</a>' in after
    assert "Say why." not in after
    assert [(row.code, row.health_related, row.avoidable, row.source) for row in reasons(runtime)] == [
        ("too_ill", "Y", "N", "staff")
    ]


def test_the_way_out_leads_to_the_participant(people: Any, anna: int) -> None:
    berit = people.staff("berit")
    for timepoint, words in (("m06", "Cancel"), ("baseline", "To the participant")):
        about = people.assessment_id(anna, timepoint)
        page = berit.get(where(people, anna, timepoint)).get_data(as_text=True)
        assert f'href="/staff/participants/UME-001#a{about}">{words}</a>' in page


def test_every_reason_given_by_hand_is_offered_and_no_other(people: Any, anna: int) -> None:
    page = people.staff("berit").get(where(people, anna)).get_data(as_text=True)
    for code, reason in MISSED_REASONS.items():
        assert (f'name="code" value="{code}"' in page) is reason.by_hand
    for code in STRUCTURAL_REASONS:
        assert f'value="{code}"' not in page


def test_flags_the_reason_leaves_open_can_be_said(people: Any, runtime: Any, anna: int) -> None:
    given = {"code": "forgot", "health_related": "N", "avoidable": "N", "note": "Told us so"}
    people.staff("berit").post(where(people, anna), given)
    (row,) = reasons(runtime)
    assert (row.health_related, row.avoidable, row.note) == ("N", "Y", "Told us so")


def test_a_second_reason_replaces_the_first_and_both_are_kept(people: Any, runtime: Any, anna: int) -> None:
    berit, page = people.staff("berit"), where(people, anna)
    for code in ("forgot", "unreachable"):
        berit.post(page, {"code": code})
    assert [row.code for row in reasons(runtime)] == ["forgot", "unreachable"]
    shown = berit.get(page).get_data(as_text=True)
    assert "Reason: Could not be reached. Health-related: not known. Avoidable: not known." in shown


@pytest.mark.parametrize("code", ["", "death", "registered_after_window"])
def test_no_reason_and_a_reason_nobody_may_give_are_refused(people: Any, runtime: Any, anna: int, code: str) -> None:
    berit = people.staff("berit")
    assert berit.post(where(people, anna), {"code": code, "note": "kept"}).status_code == 422
    assert "Choose one of the reasons." in berit.text
    assert "kept" in berit.text
    assert reasons(runtime) == []


def test_while_the_window_is_open_only_a_refusal_is_offered(people: Any, runtime: Any, anna: int) -> None:
    berit, page = people.staff("berit"), where(people, anna, "m06")
    shown = berit.get(page).get_data(as_text=True)
    assert "Will UME-001 not answer?" in shown
    assert 'name="code"' not in shown
    assert berit.post(page, {"code": "forgot"}).status_code == 422
    assert berit.post(page.replace("/reason", "/decline"), {"note": "Said so"}).status_code == 303
    assert "UME-001, 6 months: will not answer." in berit.follow().get_data(as_text=True)
    assert reasons(runtime) == []
    participant = berit.get("/staff/participants/UME-001").get_data(as_text=True)
    assert "Will answer after all" in participant
    undone = berit.post(page.replace("/reason", "/decline/undo"))
    assert undone.headers["Location"].startswith("/staff/participants/UME-001#a")
    with runtime.reading() as session:
        assert list(session.scalars(select(AssessmentEvent.type))) == ["declined", "decline_undone"]


def test_a_refusal_too_late_is_told_so(people: Any, anna: int) -> None:
    berit, page = people.staff("berit"), where(people, anna)
    assert berit.post(page.replace("/reason", "/decline"), {"note": ""}).status_code == 422
    assert "This can no longer be recorded as a refusal" in berit.text
    berit.post(page.replace("/reason", "/decline/undo"))
    assert "so the refusal stands" in berit.follow().get_data(as_text=True)


def test_what_was_answered_asks_for_no_reason(people: Any, anna: int) -> None:
    shown = people.staff("berit").get(where(people, anna, "baseline")).get_data(as_text=True)
    assert "The answers have arrived meanwhile; no reason is needed." in shown
    assert 'name="code"' not in shown


def test_what_the_contact_log_says_is_suggested_first(people: Any, runtime: Any, anna: int) -> None:
    row = {
        "participant_id": anna, "assessment_id": people.assessment_id(anna, "m03"), "method": "phone",
        "outcome": "hospitalised", "at": datetime(2026, 9, 20, 9, tzinfo=UTC),
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(ContactAttempt), row)
    shown = people.staff("berit").get(where(people, anna)).get_data(as_text=True)
    assert shown.index("As the contact log has it") < shown.index('value="hospitalised"') < shown.index(">Health<")
    assert "1 contact about this assessment" in shown


def test_charlie_gets_the_same_answer_for_foreign_and_absent(people: Any, runtime: Any, anna: int) -> None:
    charlie, page = people.staff("charlie"), where(people, anna)
    foreign, absent = charlie.get(page), charlie.get("/staff/assessments/99999/reason")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.get_data() == absent.get_data()
    for action in ("reason", "decline", "decline/undo"):
        assert charlie.post(page.replace("reason", action), {"code": "forgot"}).status_code == 404
    assert reasons(runtime) == []


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_who_may_only_read_records_no_reason(people: Any, runtime: Any, anna: int, name: str) -> None:
    who, page = people.staff(name), where(people, anna)
    assert who.get(page).status_code == 403
    for action in ("reason", "decline", "decline/undo"):
        assert who.post(page.replace("reason", action), {"code": "forgot"}).status_code == 403
    assert reasons(runtime) == []
