"""Why somebody was reminded, or was not, on a given day: in words that a nurse reads."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from proapp.db.models import Message, PatientRequest

RANDOMISED = date(2026, 8, 12)  # three months: target 12 November, window 29 October to 10 December
BEFORE = datetime(2026, 8, 1, 9, tzinfo=UTC)
PAGE = "/staff/participants/UME-001/follow-up"


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    """UTC; Stockholm is an hour ahead in November."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def anna(people: Any) -> int:
    person = people.participant("UME-001", randomized_on=RANDOMISED)
    people.answered(person, "baseline", submitted_at=BEFORE, codes={})
    return int(person)


def message(people: Any, person: int, step: str, state: str, moment: datetime, **more: Any) -> int:
    assessment = people.assessment_id(person, "m03")
    steps = {one.key: one.channel for one in people.runtime.study.timepoint("m03").reminders}
    row = {
        "key": f"reminder:{assessment}:{step}:{steps[step]}", "kind": "reminder", "participant_id": person,
        "assessment_id": assessment, "step": step, "channel": "sms", "due_at": moment, "queued_at": moment,
        "next_try_at": moment, "state": state, "attempts": 1, **more,
    }  # fmt: skip
    with people.runtime.writing.begin() as session:
        return session.execute(insert(Message).values(row).returning(Message.id)).scalar_one()


def text(browser: Any, day: str = "") -> str:
    page = browser.get(f"{PAGE}?day={day}" if day else PAGE)
    assert page.status_code == 200
    return str(page.get_data(as_text=True))


def test_a_message_that_was_delivered_is_told_with_its_times(people: Any, anna: int) -> None:
    message(people, anna, "opens+0", "delivered", at(29, 9, month=10), handed_over_at=at(29, 9, 1, 10),
            settled_at=at(29, 9, 2, 10))  # fmt: skip
    page = text(people.staff("berit"), "2026-10-29")
    assert "On the day the window opens" in page
    assert "Delivered" in page
    assert "Handed over Thu 29 Oct 2026 10:01." in page
    assert "As it was known at the end of that day." in page
    assert "<h1>Reminders to UME-001</h1>" in page


def test_what_is_planned_is_told_and_why_nothing_went(people: Any, anna: int) -> None:
    page = text(people.staff("berit"))
    assert "7 days before the window closes" in page
    assert "Planned" in page
    people.answered(anna, "m03", submitted_at=people.runtime.clock())
    assert "The questionnaire is answered." in text(people.staff("berit"))


def test_a_day_is_told_with_what_was_known_then(people: Any, anna: int) -> None:
    people.answered(anna, "m03", submitted_at=people.runtime.clock())
    assert "The questionnaire is answered" not in text(people.staff("berit"), "2026-11-20")
    assert "The questionnaire is answered" in text(people.staff("berit"), "2026-11-23")


def test_a_pause_and_a_wish_hold_messages_up(people: Any, anna: int) -> None:
    people.event(anna, "contact_pause", date(2026, 11, 23), until="2026-12-05")
    assert "contact is paused" in text(people.staff("berit"))


def test_a_message_possibly_sent_is_sent_again_by_hand(people: Any, anna: int, runtime: Any) -> None:
    sent = message(people, anna, "target+3", "possibly_sent", at(16, 9), settled_at=at(16, 9, 5))
    berit = people.staff("berit")
    assert "may not have gone out" in berit.get("/staff/work").get_data(as_text=True)
    page = text(berit, "2026-11-16")
    assert "it may have been sent, or not" in page
    answer = berit.post(f"/staff/messages/{sent}/send-again?day=2026-11-16")
    assert answer.headers["Location"] == f"{PAGE}?day=2026-11-16"
    assert "in the queue again" in berit.follow().get_data(as_text=True)
    with runtime.reading() as session:
        assert session.scalar(select(Message.state)) == "queued"
    berit.post(f"/staff/messages/{sent}/send-again")
    assert "already on its way" in berit.follow().get_data(as_text=True)


def test_who_may_only_read_cannot_send_again(people: Any, anna: int) -> None:
    sent = message(people, anna, "target+3", "possibly_sent", at(16, 9), settled_at=at(16, 9, 5))
    mona = people.staff("mona")
    assert "Send again" not in text(mona, "2026-11-16")
    assert mona.post(f"/staff/messages/{sent}/send-again").status_code == 403


def test_charlie_finds_neither_page_nor_message_of_another_site(people: Any, anna: int, runtime: Any) -> None:
    sent = message(people, anna, "target+3", "failed", at(16, 9), settled_at=at(16, 9, 5))
    charlie = people.staff("charlie")
    assert charlie.get(PAGE).status_code == 404
    assert charlie.post(f"/staff/messages/{sent}/send-again").status_code == 404
    assert charlie.post("/staff/messages/987654/send-again").status_code == 404
    with runtime.reading() as session:
        assert session.scalar(select(Message.state)) == "failed"


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "0001-01-01", "9999-12-31", ""])
def test_a_day_that_makes_no_sense_is_today(people: Any, anna: int, day: str) -> None:
    assert "Monday 23 November 2026" in text(people.staff("berit"), day)


@pytest.mark.parametrize("day", ["2000-01-01", "2026-08-13", "2031-12-01", "2199-12-31"])
def test_a_day_far_away_is_no_error(people: Any, anna: int, day: str) -> None:
    text(people.staff("berit"), day)


def test_neither_number_nor_address_is_on_the_page(people: Any, anna: int) -> None:
    assert "070" not in text(people.staff("mona"))


def test_the_page_takes_a_fixed_number_of_statements(people: Any, anna: int, statements: list[str]) -> None:
    berit = people.staff("berit")
    counts = []
    for number in (1, 40):
        for i in range(number):
            with people.runtime.writing.begin() as session:
                session.execute(
                    insert(PatientRequest),
                    {"participant_id": anna, "type": "call_me", "payload": {},
                     "recorded_at": people.runtime.clock() - timedelta(hours=i)},
                )  # fmt: skip
        statements.clear()
        text(berit)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 22


def test_a_letter_that_was_cancelled_says_why(people: Any, anna: int) -> None:
    moment = at(13, 9)
    message(people, anna, "target+3", "cancelled", moment, channel="letter", state_reason="too_late",
            settled_at=at(20, 9))  # fmt: skip
    page = text(people.staff("berit"))
    assert "Cancelled Fri 20 Nov 2026 10:00, because it would come too late to be of use." in page


def test_a_step_for_the_nurse_on_a_day_that_is_over(people: Any, anna: int, clock: Any) -> None:
    clock.forward(days=4)
    assert "On the worklist: call." in text(people.staff("berit"))
    assert "It was on the worklist: call." in text(people.staff("berit"), "2026-11-25")
