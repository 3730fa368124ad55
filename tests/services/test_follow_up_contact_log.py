from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, ContactAttempt
from proapp.services import contact_log, follow_up
from proapp.services.audit import Actor
from proapp.services.contact_log import Note
from proapp.services.errors import NotFound, Refused

UME = frozenset({"UME"})
NURSE = Actor("staff", 1, "nurse")
TODAY = date(2026, 11, 23)


@pytest.fixture
def anna(people: Any) -> int:
    """Three months were due on 12 November and close on 10 December; a late answer is taken until 24 December."""
    people.staff_id("berit")
    person = people.participant("UME-001", randomized_on=date(2026, 8, 12))
    people.answered(person, "baseline", submitted_at=datetime(2026, 8, 1, 9, tzinfo=UTC), codes={})
    return int(person)


def log(session: Any, runtime: Any, noted: Note, assessment_id: int | None = None, **more: Any) -> int:
    more = {"study": runtime.study, "sites": UME, "study_id": "UME-001", "actor": NURSE, "now": runtime.clock(), **more}
    return contact_log.log(session, assessment_id=assessment_id, noted=noted, **more)


def postpone(session: Any, runtime: Any, until: date, why: str = "On holiday", **more: Any) -> int:
    more = {"study": runtime.study, "sites": UME, "study_id": "UME-001", "actor": NURSE, "now": runtime.clock(), **more}
    return contact_log.postpone(session, until=until, why=why, **{"assessment_id": None, **more})


def rows(session: Any) -> list[Any]:
    return list(session.scalars(select(ContactAttempt).order_by(ContactAttempt.id)))


def test_a_call_is_kept_with_one_event_of_the_trail(session: Any, runtime: Any, people: Any, anna: int) -> None:
    about = people.assessment_id(anna, "m03")
    made = log(session, runtime, Note("phone", "no_answer", "  Rang twice ", date(2026, 11, 25)), about)
    (row,) = rows(session)
    assert (row.id, row.participant_id, row.assessment_id, row.method, row.outcome) == (
        made,
        anna,
        about,
        "phone",
        "no_answer",
    )
    assert (row.note, row.next_on, row.recorded_by_id) == ("Rang twice", date(2026, 11, 25), 1)
    (event,) = session.scalars(select(AuditEvent))
    assert (event.action, event.entity_id, event.site_code, event.chain) == (
        "contact.logged",
        str(made),
        "UME",
        f"p{anna}",
    )
    assert json.loads(event.details)["has_note"] is True
    assert "Rang" not in event.details


def test_the_same_press_twice_is_one_contact(session: Any, runtime: Any, anna: int, clock: Any) -> None:
    first = log(session, runtime, Note("phone", "no_answer"))
    assert log(session, runtime, Note("phone", "no_answer")) == first
    clock.forward(minutes=2)
    assert log(session, runtime, Note("phone", "no_answer")) != first
    assert log(session, runtime, Note("phone", "left_message")) != first
    assert len(rows(session)) == 3


def test_a_foreign_participant_and_a_foreign_assessment_are_not_there(
    session: Any, runtime: Any, people: Any, anna: int
) -> None:
    other = people.participant("UME-002", randomized_on=date(2026, 8, 12))
    far = people.participant("LUN-001", randomized_on=date(2026, 8, 12))
    for study_id, about in (
        ("LUN-001", None), ("UME-999", None), ("UME-001", people.assessment_id(other, "m03")),
        ("UME-001", people.assessment_id(far, "m03")), ("UME-001", 99999),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            log(session, runtime, Note("phone", "no_answer"), about, study_id=study_id)
    assert rows(session) == []


@pytest.mark.parametrize(
    ("noted", "code"),
    [
        (Note("pigeon", "no_answer"), "unknown_method"),
        (Note("none", "postponed"), "unknown_method"),
        (Note("phone", "postponed"), "unknown_outcome"),
        (Note("phone", ""), "unknown_outcome"),
        (Note("phone", "no_answer", "x" * 501), "reason_too_long"),
        (Note("phone", "no_answer", None, TODAY), "next_on_past"),
        (Note("phone", "no_answer", None, date(2027, 3, 1)), "next_on_too_far"),
    ],
)
def test_what_makes_no_sense_is_refused(session: Any, runtime: Any, anna: int, noted: Note, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        log(session, runtime, noted)
    assert refusal.value.code == code
    assert rows(session) == []


def test_nobody_can_put_a_row_away_beyond_the_last_day_to_answer(
    session: Any, runtime: Any, people: Any, anna: int
) -> None:
    about = people.assessment_id(anna, "m03")
    with pytest.raises(Refused) as refusal:
        log(session, runtime, Note("phone", "no_answer", None, date(2026, 12, 11)), about)
    assert (refusal.value.code, refusal.value.params) == ("next_on_after_window", {"latest": date(2026, 12, 10)})
    assert log(session, runtime, Note("phone", "no_answer", None, date(2026, 12, 10)), about)


def test_in_the_grace_period_the_last_day_is_that_of_the_grace(
    session: Any, runtime: Any, people: Any, anna: int, clock: Any
) -> None:
    clock.set(datetime(2026, 12, 15, 9, tzinfo=UTC))
    assert log(
        session, runtime, Note("phone", "no_answer", None, date(2026, 12, 24)), people.assessment_id(anna, "m03")
    )


def test_a_postponement_needs_a_day_and_a_reason(session: Any, runtime: Any, people: Any, anna: int) -> None:
    for until, why, code in ((date(2026, 11, 25), " ", "reason_required"), (TODAY, "On holiday", "next_on_past")):
        with pytest.raises(Refused) as refusal:
            postpone(session, runtime, until, why)
        assert refusal.value.code == code
    postpone(session, runtime, date(2026, 11, 25), assessment_id=people.assessment_id(anna, "m03"))
    (row,) = rows(session)
    assert (row.method, row.outcome, row.note) == ("none", "postponed", "On holiday")
    session.commit()
    with runtime.reading() as reading:
        work = follow_up.work(reading, study=runtime.study, sites=UME, now=runtime.clock())
    assert work.total == 0


def test_the_suggested_day_is_two_working_days_ahead_and_never_after_the_window(
    session: Any, runtime: Any, people: Any, anna: int
) -> None:
    assert contact_log.suggested_next(None, today=TODAY) == date(2026, 11, 25)
    assert contact_log.suggested_next(None, today=date(2026, 11, 27)) == date(2026, 12, 1)  # a Friday
    one = contact_log.find_assessment(
        session, study=runtime.study, sites=UME, assessment_id=people.assessment_id(anna, "m03"), now=runtime.clock()
    )
    assert contact_log.suggested_next(one, today=date(2026, 12, 9)) == date(2026, 12, 10)
