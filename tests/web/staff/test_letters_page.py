"""Letters that are due: listed for the site, noted as sent in one press, and gone from the list."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from proapp.db.models import AuditEvent, ContactAttempt, Message
from tests.crowd import crowd

DUE = date(2026, 8, 12)  # randomised on: three months later is 12 November
BEFORE = datetime(2026, 8, 1, 9, tzinfo=UTC)


def with_letter(people: Any, study_id: str = "UME-001", **more: Any) -> tuple[int, int]:
    """A participant who chose letters, with one due since yesterday: (participant, message)."""
    person = people.participant(study_id, randomized_on=DUE, channel="letter")
    people.answered(person, "baseline", submitted_at=BEFORE, codes={})
    return person, letter(people, person, people.assessment_id(person, "m03"), **more)


def letter(people: Any, person: int, assessment: int, **more: Any) -> int:
    due = people.runtime.clock() - timedelta(days=1)
    row = {
        "key": f"reminder:{assessment}:target+3:message", "kind": "reminder", "participant_id": person,
        "assessment_id": assessment, "step": "target+3", "channel": "letter", "due_at": due, "queued_at": due,
        "next_try_at": due, "state": "queued", "attempts": 0, **more,
    }  # fmt: skip
    with people.runtime.writing.begin() as session:
        return session.execute(insert(Message).values(row).returning(Message.id)).scalar_one()


def test_a_letter_that_is_due_is_listed_and_noted_as_sent_once(people: Any, runtime: Any) -> None:
    person, message = with_letter(people)
    berit = people.staff("berit")
    assert "Not answered; a letter was due on 22 November." in berit.get("/staff/work").get_data(as_text=True)
    page = berit.get("/staff/letters").get_data(as_text=True)
    assert "Letters to send (1)" in page
    assert "UME-001" in page
    for _ in range(2):
        assert berit.post(f"/staff/letters/{message}/sent").status_code == 303
    assert "No letter is due." in berit.get("/staff/letters").get_data(as_text=True)
    with runtime.reading() as session:
        (noted,) = session.scalars(select(ContactAttempt)).all()
        actions = session.scalars(select(AuditEvent.action)).all()
        assert session.scalar(select(Message.state)) == "sent"
    assert (noted.participant_id, noted.method, noted.outcome) == (person, "letter", "letter_sent")
    assert noted.assessment_id == people.assessment_id(person, "m03")
    assert sorted(actions) == ["contact.logged", "message.posted"]
    assert "Letter sent" in berit.get("/staff/participants/UME-001").get_data(as_text=True)


def test_who_answered_paused_or_died_gets_no_letter(people: Any) -> None:
    answered, _ = with_letter(people, "UME-001")
    people.answered(answered, "m03", submitted_at=people.runtime.clock())
    paused, _ = with_letter(people, "UME-002")
    people.event(paused, "contact_pause", date(2026, 11, 20), until="2026-11-23")
    died, _ = with_letter(people, "UME-003")
    people.event(died, "death", date(2026, 11, 21))
    with_letter(people, "UME-004", not_after=people.runtime.clock())
    assert "No letter is due." in people.staff("berit").get("/staff/letters").get_data(as_text=True)


def test_what_is_no_letter_cannot_be_noted_as_one(people: Any) -> None:
    _, message = with_letter(people, channel="sms")
    berit = people.staff("berit")
    berit.post(f"/staff/letters/{message}/sent")
    assert "That is not a letter." in berit.follow().get_data(as_text=True)


def test_charlie_sees_no_letter_of_another_site_and_posts_none(people: Any, runtime: Any) -> None:
    _, message = with_letter(people)
    charlie = people.staff("charlie")
    for address in ("/staff/letters", "/staff/letters?site=UME"):
        assert "UME-001" not in charlie.get(address).get_data(as_text=True)
    assert charlie.post(f"/staff/letters/{message}/sent").status_code == 404
    assert charlie.post("/staff/letters/987654/sent").status_code == 404
    with runtime.reading() as session:
        assert session.scalar(select(Message.state)) == "queued"


@pytest.mark.parametrize(("name", "may_write"), [("berit", True), ("mona", False)])
def test_who_may_only_read_is_offered_no_button(people: Any, name: str, may_write: bool) -> None:
    with_letter(people)
    assert ("Mark as sent" in people.staff(name).get("/staff/letters").get_data(as_text=True)) is may_write


def test_the_list_takes_as_many_statements_for_two_thousand_as_for_twenty(
    people: Any, runtime: Any, statements: list[str]
) -> None:
    berit = people.staff("berit")
    counts = []
    for numbers in (range(1, 21), range(21, 2001)):
        crowd(runtime, numbers)
        letter(people, numbers[0], numbers[0] * 100 + 2)
        statements.clear()
        assert berit.get("/staff/letters").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 12
