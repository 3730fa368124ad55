"""The contact page says whether messages arrive, and sends one to find out."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from proapp.db.models import Contact, Message

PAGE = "/staff/participants/UME-001/contact"


@pytest.fixture
def anna(people: Any) -> int:
    return people.participant("UME-001")


def press(browser: Any) -> str:
    browser.get(PAGE)
    browser.post(f"{PAGE}/test")
    assert browser.page.headers["Location"] == PAGE
    return browser.follow().get_data(as_text=True)


@pytest.mark.parametrize("name", ["berit", "ivar", "karin"])
def test_staff_send_a_test_message(people, anna, runtime, name):
    page = press(people.staff(name))
    assert "The test message is on its way" in page
    assert "Test message: In the queue 23 November 2026 10:00" in page
    assert "Not verified</span>" in page
    with runtime.reading() as session:
        (row,) = session.scalars(select(Message))
        assert (row.kind, row.channel, row.participant_id, row.state) == ("test", "sms", anna, "queued")


def test_a_second_press_sends_no_second_message(people, anna, runtime):
    berit = people.staff("berit")
    press(berit)
    assert "A test message is on its way already" in press(berit)
    with runtime.reading() as session:
        assert len(session.scalars(select(Message)).all()) == 1


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"verified_at": 1}, "Verified</span> a message arrived 23 November 2026 10:00"),
        ({"confirmed_at": 1}, "Confirmed</span> by the participant, 23 November 2026 10:00"),
        (
            {"verified_at": 1, "undeliverable_at": 1, "undeliverable_reason": "recipient_refused"},
            "Not reached</span> the number or address does not exist, 23 November 2026 10:00",
        ),
        ({}, "Not verified</span> no message is known to have arrived"),
    ],
)
def test_both_pages_say_what_is_known(people, anna, runtime, known, said):
    values = {name: runtime.clock() if value == 1 else value for name, value in known.items()}
    if values:
        with runtime.writing.begin() as session:
            session.execute(update(Contact).values(**values))
    berit = people.staff("berit")
    for address in (PAGE, "/staff/participants/UME-001"):
        assert said in berit.get(address).get_data(as_text=True)


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("sent", None, "Test message: Handed over 23 November 2026 10:00"),
        ("failed", "message_refused", "Could not be delivered 23 November 2026 10:00: the gateway refuses the message"),
        ("cancelled", "paused", "Cancelled 23 November 2026 10:00: contact is paused"),
    ],
)
def test_the_page_says_what_became_of_the_last_one(people, anna, runtime, state, reason, said):
    berit = people.staff("berit")
    press(berit)
    with runtime.writing.begin() as session:
        session.execute(update(Message).values(state=state, state_reason=reason, settled_at=runtime.clock()))
    assert said in berit.get(PAGE).get_data(as_text=True)


def test_who_gets_letters_is_offered_no_test(people, runtime):
    people.participant("UME-001", channel="letter")
    berit = people.staff("berit")
    assert "Send a test message" not in berit.get(PAGE).get_data(as_text=True)
    berit.post(f"{PAGE}/test")
    assert "is reached by letter" in berit.follow().get_data(as_text=True)


def test_nobody_of_another_site_sends_one(people, anna, runtime):
    charlie = people.staff("charlie")
    charlie.get("/staff/participants")
    assert charlie.post(f"{PAGE}/test").status_code == 404
    with runtime.reading() as session:
        assert session.scalar(select(Message.id)) is None


def test_an_enrolment_sends_the_first_one_by_itself(people, runtime):
    berit = people.staff("berit")
    berit.get("/staff/participants/new")
    form = {
        "site_code": "UME",
        "study_id": "UME-007",
        "consent_on": "2026-11-16",
        "language": "sv",
        "channel": "sms",
        "mobile": "070-174 06 15",
        "email": "",
    }
    assert berit.post("/staff/participants/new", form).status_code == 303
    assert "Test message: In the queue" in berit.get("/staff/participants/UME-007/contact").get_data(as_text=True)


def test_what_the_participant_says_about_a_test_message_is_noted(people, anna, runtime):
    berit = people.staff("berit")
    assert "The participant says that it came" not in press(berit)
    now = runtime.clock.forward(minutes=1)
    with runtime.writing.begin() as session:
        session.execute(update(Message).values(state="sent", handed_over_at=now, next_try_at=now, gateway="smtp"))
    assert "The participant says that it came" in berit.get(PAGE).get_data(as_text=True)
    berit.post(f"{PAGE}/arrived")
    page = berit.follow().get_data(as_text=True)
    assert "Noted: the test message has arrived." in page
    assert "Verified</span>" in page
    assert "The participant says that it came" not in page


@pytest.mark.parametrize("name", ["mona", "charlie", "ada"])
def test_nobody_else_notes_it(people, anna, runtime, name):
    assert people.staff(name).post(f"{PAGE}/arrived").status_code in (403, 404)
    with runtime.reading() as session:
        assert session.scalar(select(Contact.verified_at)) is None
