from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from proapp.db.models import AssessmentEvent, AuditEvent, ContactAttempt, MissedReason
from proapp.services import contact_log, missing
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused

UME = frozenset({"UME"})
NURSE = Actor("staff", 1, "nurse")


@pytest.fixture
def anna(people: Any) -> int:
    """Three months were missed (closed 29 September, grace to 13 October); six months are due on 1 December."""
    people.staff_id("berit")
    person = people.participant("UME-001", randomized_on=date(2026, 6, 1))
    people.answered(person, "baseline", submitted_at=datetime(2026, 5, 30, 9, tzinfo=UTC), codes={})
    return int(person)


def context(runtime: Any, **more: Any) -> dict[str, Any]:
    return {"study": runtime.study, "sites": UME, "actor": NURSE, "now": runtime.clock(), **more}


def shown(session: Any, runtime: Any, assessment_id: int) -> str:
    return str(find(session, runtime, assessment_id).state.shown)


def find(session: Any, runtime: Any, assessment_id: int) -> Any:
    found = {"study": runtime.study, "sites": UME, "assessment_id": assessment_id, "now": runtime.clock()}
    return contact_log.find_assessment(session, **found)


def reasons(session: Any) -> list[tuple[Any, ...]]:
    rows = session.scalars(select(MissedReason).order_by(MissedReason.id))
    return [(row.code, row.health_related, row.avoidable, row.note) for row in rows]


def test_the_reason_turns_the_red_off(session: Any, runtime: Any, people: Any, anna: int) -> None:
    missed = people.assessment_id(anna, "m03")
    assert shown(session, runtime, missed) == "missed_unexplained"
    missing.record_reason(session, assessment_id=missed, code="too_ill", note=" In bed ", **context(runtime))
    assert shown(session, runtime, missed) == "missed"
    assert reasons(session) == [("too_ill", "Y", "N", "In bed")]
    (event,) = session.scalars(select(AuditEvent))
    details = json.loads(event.details)
    assert (event.action, details["code"], details["previous"], details["has_note"]) == (
        "missed_reason.recorded",
        "too_ill",
        None,
        True,
    )


def test_a_flag_counts_only_where_the_reason_leaves_it_open(session: Any, runtime: Any, people: Any, anna: int) -> None:
    missed = people.assessment_id(anna, "m03")
    missing.record_reason(
        session, assessment_id=missed, code="hospitalised", health_related="N", avoidable="Y", **context(runtime)
    )
    missing.record_reason(
        session, assessment_id=missed, code="forgot", health_related="N", avoidable="N", **context(runtime)
    )
    missing.record_reason(session, assessment_id=missed, code="unknown", **context(runtime))
    assert [row[:3] for row in reasons(session)] == [
        ("hospitalised", "Y", "Y"),
        ("forgot", "N", "Y"),
        ("unknown", "?", "?"),
    ]


def test_the_newest_reason_counts_and_the_same_again_adds_nothing(
    session: Any, runtime: Any, people: Any, anna: int
) -> None:
    missed = people.assessment_id(anna, "m03")
    for code in ("forgot", "too_ill", "too_ill"):
        missing.record_reason(session, assessment_id=missed, code=code, **context(runtime))
    assert [row[0] for row in reasons(session)] == ["forgot", "too_ill"]
    assert find(session, runtime, missed).reason.code == "too_ill"
    assert len(list(session.scalars(select(AuditEvent)))) == 2


@pytest.mark.parametrize("code", ["registered_after_window", "death_in_window", "death", "amendment", "", "because"])
def test_reasons_that_only_the_system_gives_are_refused(
    session: Any, runtime: Any, people: Any, anna: int, code: str
) -> None:
    with pytest.raises(Refused, match="unknown_reason"):
        missing.record_reason(session, assessment_id=people.assessment_id(anna, "m03"), code=code, **context(runtime))


def test_while_an_answer_can_come_there_is_nothing_to_explain(
    session: Any, runtime: Any, people: Any, anna: int
) -> None:
    for timepoint, code in (("m06", "open"), ("m12", "not_asked"), ("baseline", "answered")):
        with pytest.raises(Refused) as refusal:
            missing.record_reason(
                session, assessment_id=people.assessment_id(anna, timepoint), code="forgot", **context(runtime)
            )
        assert refusal.value.code == code
    assert reasons(session) == []


def test_answers_about_to_be_sent_by_the_system_are_not_missing(
    session: Any, runtime: Any, people: Any, anna: int
) -> None:
    people.answered(anna, "m03", codes={"c30": {1: 1}}, started_at=datetime(2026, 9, 20, 9, tzinfo=UTC))
    assert missing.obstacle(find(session, runtime, people.assessment_id(anna, "m03"))) == "being_submitted"


def test_another_site_finds_no_assessment(session: Any, runtime: Any, people: Any, anna: int) -> None:
    missed, open_ = people.assessment_id(anna, "m03"), people.assessment_id(anna, "m06")
    lund = context(runtime, sites=frozenset({"LUN"}))
    with pytest.raises(NotFound):
        missing.record_reason(session, assessment_id=missed, code="forgot", **lund)
    with pytest.raises(NotFound):
        missing.decline(session, assessment_id=open_, note=None, **lund)
    with pytest.raises(NotFound):
        missing.undo_decline(session, assessment_id=open_, **lund)
    with pytest.raises(NotFound):
        missing.record_reason(session, assessment_id=99999, code="forgot", **context(runtime))


def test_a_refusal_told_to_the_staff_is_recorded_once_and_can_be_taken_back(
    session: Any, runtime: Any, people: Any, anna: int
) -> None:
    due = people.assessment_id(anna, "m06")
    for _ in range(2):
        missing.decline(session, assessment_id=due, note="Said so on the telephone", **context(runtime))
    assert shown(session, runtime, due) == "declined"
    (event,) = session.scalars(select(AssessmentEvent))
    assert (event.type, event.reason, event.payload, event.recorded_by_id) == (
        "declined",
        "Said so on the telephone",
        {"by": "staff"},
        1,
    )
    missing.undo_decline(session, assessment_id=due, **context(runtime))
    assert shown(session, runtime, due) == "open"
    assert [row.action for row in session.scalars(select(AuditEvent))] == [
        "assessment.declined",
        "assessment.decline_undone",
    ]


def test_a_refusal_stands_when_the_window_has_closed_and_its_reason_can_be_said_better(
    session: Any, runtime: Any, people: Any, anna: int, clock: Any
) -> None:
    due = people.assessment_id(anna, "m06")
    missing.decline(session, assessment_id=due, note=None, **context(runtime))
    clock.forward(days=90)
    with pytest.raises(Refused, match="cannot_undo_decline"):
        missing.undo_decline(session, assessment_id=due, **context(runtime))
    missing.record_reason(session, assessment_id=due, code="refused_burden", **context(runtime))
    found = find(session, runtime, due)
    assert (found.state.shown, found.state.reason_code) == ("declined", "refused_burden")


def test_what_is_over_or_not_open_cannot_be_refused(session: Any, runtime: Any, people: Any, anna: int) -> None:
    for timepoint in ("m03", "m12", "baseline"):
        with pytest.raises(Refused, match="cannot_decline"):
            missing.decline(session, assessment_id=people.assessment_id(anna, timepoint), note=None, **context(runtime))


def test_the_contact_log_suggests_reasons_newest_first(session: Any, runtime: Any, people: Any, anna: int) -> None:
    missed = people.assessment_id(anna, "m03")
    for outcome in ("no_answer", "reached_will_answer", "too_ill", "left_message"):
        row = {
            "participant_id": anna,
            "assessment_id": missed,
            "method": "phone",
            "outcome": outcome,
            "at": runtime.clock(),
        }
        session.execute(insert(ContactAttempt), row)
    assert missing.suggestions(find(session, runtime, missed)) == ("unreachable", "too_ill")
