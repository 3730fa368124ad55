"""What the participant page says of messages and of the way to the participant; and a plan as one line of history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from proapp.db.models import Contact, Message, PatientRequest
from proapp.services import audit
from proapp.services.audit import Actor, Entry

PAGE = "/staff/participants/UME-001"


@pytest.fixture
def anna(people: Any) -> int:
    return int(people.participant("UME-001", randomized_on=date(2026, 8, 12)))


def contact(runtime: Any, person: int, **values: Any) -> None:
    with runtime.writing.begin() as session:
        session.execute(update(Contact).where(Contact.participant_id == person).values(**values))


def text(people: Any, name: str = "berit") -> str:
    return str(people.staff(name).get(PAGE).get_data(as_text=True))


def test_messages_stand_at_their_time_point(people: Any, runtime: Any, anna: int) -> None:
    moment = datetime(2026, 10, 29, 9, tzinfo=UTC)
    row = {
        "key": "test", "kind": "reminder", "participant_id": anna, "assessment_id": people.assessment_id(anna, "m03"),
        "step": "opens+0", "channel": "sms", "due_at": moment, "queued_at": moment, "next_try_at": moment,
        "state": "delivered", "attempts": 1, "handed_over_at": moment, "settled_at": moment + timedelta(minutes=3),
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(Message), row)
    page = text(people)
    assert (
        "SMS · On the day the window opens · Handed over Thu 29 Oct 2026 10:00. Delivered Thu 29 Oct 2026 10:03."
        in page
    )
    assert f'href="{PAGE}/follow-up"' in page
    stina = text(people, "stina")  # reads the page, but not why somebody was reminded
    assert "Delivered" in stina
    assert "/follow-up" not in stina


def test_a_number_that_cannot_be_reached_is_told_on_top(people: Any, runtime: Any, anna: int) -> None:
    contact(runtime, anna, undeliverable_at=runtime.clock(), undeliverable_reason="recipient_refused")
    page = text(people, "mona")
    assert "Messages have not arrived since 23 November 2026." in page
    assert "the number or address does not exist" in page


def test_what_is_known_of_the_way_is_told_without_the_address(people: Any, runtime: Any, anna: int) -> None:
    assert "Not confirmed by the participant yet." in text(people, "mona")
    contact(runtime, anna, confirmed_at=runtime.clock(), verified_at=runtime.clock())
    page = text(people, "mona")
    assert "Confirmed by the participant on 23 November 2026." in page
    assert "A message has arrived, last on 23 November 2026." in page
    assert "070" not in page


def test_somebody_of_another_site_is_told_nothing_of_messages_and_the_way(people: Any, runtime: Any, anna: int) -> None:
    contact(runtime, anna, undeliverable_at=runtime.clock(), undeliverable_reason="recipient_refused")
    with runtime.writing.begin() as session:
        session.add(PatientRequest(participant_id=anna, type="call_me", payload={}, recorded_at=runtime.clock()))
    charlie = people.staff("charlie")
    for page in (PAGE, f"{PAGE}/follow-up"):
        assert charlie.get(page).status_code == 404
        assert "UME-001" not in charlie.text
        assert "Messages have not arrived" not in charlie.text


def test_a_plan_laid_at_once_is_one_line(people: Any, runtime: Any, anna: int) -> None:
    actor = Actor("staff", people.staff_id("berit"), "nurse")
    codes = ("m03", "m06", "m12")
    planned = [Entry("assessment.planned", "assessment", n, {"timepoint": code}) for n, code in enumerate(codes)]
    with runtime.writing.begin() as session:
        audit.record(session, *planned, actor=actor, now=runtime.clock(), participant_id=anna)
        alone = Entry("assessment.planned", "assessment", 9, {"timepoint": "m18"})
        later = runtime.clock() + timedelta(hours=1)
        audit.record(session, alone, actor=actor, now=later, participant_id=anna)
    page = text(people)
    assert "<summary>3 time points planned</summary>" in page
    assert "<li>3 months: planned" in page
    assert "18 months: planned" in page


def test_what_a_participant_asked_for_is_told_on_top(people: Any, runtime: Any, anna: int) -> None:
    with runtime.writing.begin() as session:
        session.add(PatientRequest(participant_id=anna, type="call_me", payload={}, recorded_at=runtime.clock()))
    assert "Asked on 23 November 2026 to be called by the clinic." in text(people)
    berit = people.staff("berit")
    berit.post(f"{PAGE}/log-contact", {"method": "phone", "outcome": "reached_will_answer"})
    assert "to be called by the clinic" not in text(people)
    people.event(anna, "pro_stop", date(2026, 11, 23), source="patient")
    assert "Said on the phone on 23 November 2026: no more questionnaires." not in text(people)  # rung since


def test_somebody_without_contact_details_is_served_and_gets_some(people: Any) -> None:
    people.participant("UME-002", randomized_on=date(2026, 8, 12), channel=None)
    berit, page = people.staff("berit"), "/staff/participants/UME-002"
    assert berit.get(page).status_code == 200
    assert "No number or address is recorded." in berit.get(f"{page}/log-contact").get_data(as_text=True)
    assert berit.get(f"{page}/contact").status_code == 200
    given = {"channel": "sms", "mobile": "070-174 06 15", "email": ""}
    assert berit.post(f"{page}/contact", given).status_code == 303
    assert "070-174 06 15" in berit.get(page).get_data(as_text=True)
