"""The link in a message: it leads to the PIN and past nothing, any number of times, until what it is about is over."""

from __future__ import annotations

import io
import logging
from datetime import date, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from proapp import logs
from proapp.db.models import ActivationCode, Assessment, AuditEvent, AuthSession, Message, PatientPin
from proapp.services.vault import LINK_LENGTH, token_hash
from proapp.web.guard import PATIENT_COOKIE
from tests.messages import new_number
from tests.people import PIN


@pytest.fixture
def anna(people: Any) -> int:
    return people.participant("UME-001", randomized_on=date(2026, 8, 23), language="en")  # m03 is open


@pytest.fixture
def link_to(runtime: Any, people: Any) -> Any:
    """A message about an assessment that went out with a personal link; returns the token."""

    def send(participant_id: int, timepoint: str = "m03", state: str = "sent") -> str:
        token, now = runtime.vault.new_link_token(), runtime.clock()
        with runtime.writing.begin() as session:
            session.add(
                Message(
                    key=f"reminder:{token}",
                    kind="reminder",
                    participant_id=participant_id,
                    assessment_id=people.assessment_id(participant_id, timepoint),
                    step="opens+0",
                    channel="sms",
                    due_at=now,
                    queued_at=now,
                    state=state,
                    next_try_at=now,
                    link_hash=token_hash(token),
                )
            )
        return token

    return send


def follow(browser: Any, token: str) -> Any:
    browser.get("/l")
    return browser.post("/l", {"link": token})


def give_pin(browser: Any, pin: str = PIN) -> Any:
    browser.get("/pin")
    return browser.post("/pin", {"pin": pin})


def shown_after(browser: Any, page: Any) -> tuple[int, str, str]:
    """Status, address, and the words of the page it leads to, without its form token."""
    told = (page.status_code, page.headers.get("Location", ""))
    text = browser.follow().get_data(as_text=True)
    return (*told, text[text.index("<main") : text.index("</main>")].split('name="csrf_token"')[0])


def test_a_link_leads_to_the_pin_and_then_to_its_assessment_any_number_of_times(people, anna, link_to, browsers):
    token = link_to(anna)
    for _ in range(2):
        phone = browsers()
        assert follow(phone, token).headers["Location"] == "/pin"
        assert give_pin(phone).headers["Location"] == f"/assessment/{people.assessment_id(anna, 'm03')}"
        assert phone.follow().status_code == 200
        phone.post("/sign-out")


def test_the_token_is_long_enough_and_kept_as_a_hash_only(runtime, anna, link_to):
    token = link_to(anna)
    assert len(token) == LINK_LENGTH
    assert 31**LINK_LENGTH > 2**128
    with runtime.reading() as session:
        assert session.scalar(select(Message.link_hash)) == token_hash(token)


def test_looking_ahead_uses_nothing_up(runtime, anna, link_to, browser, statements):
    token = link_to(anna)
    statements.clear()
    for method in ("GET", "HEAD", "GET"):
        assert browser.client.open("/l", method=method, base_url="https://localhost").status_code == 200
    assert statements == []
    assert follow(browser, token).headers["Location"] == "/pin"


def test_the_link_alone_opens_nothing(anna, link_to, browser):
    follow(browser, link_to(anna))
    for address in ("/home", "/contact", "/calendar.ics"):
        assert browser.get(address).headers["Location"] == "/pin"
    assert give_pin(browser, "9999").status_code == 422
    assert browser.get("/home").headers["Location"] == "/pin"


def test_the_link_chooses_no_pin_although_an_unused_code_is_waiting(runtime, anna, link_to, browser):
    """A new sheet was printed for a forgotten PIN: only whoever has the paper may choose another."""
    with runtime.writing.begin() as session:
        session.add(
            ActivationCode(
                participant_id=anna,
                lookup="x",
                code_hash="x",
                created_at=runtime.clock(),
                expires_at=runtime.clock() + timedelta(days=14),
            )
        )
    runtime.clock.forward(minutes=5)
    follow(browser, link_to(anna))
    assert "Enter your PIN" in browser.get("/pin").get_data(as_text=True)
    assert browser.post("/pin", {"pin": "2580", "again": "2580"}).status_code == 422


def test_the_session_of_the_link_ends_with_the_pin(runtime, anna, link_to, browser):
    follow(browser, link_to(anna))
    before = browser.client.get_cookie(PATIENT_COOKIE).value
    give_pin(browser)
    with runtime.reading() as session:
        row = session.scalar(select(AuthSession).where(AuthSession.token_hash == token_hash(before)))
        assert (row.kind, row.end_reason) == ("patient_link", "signed_in")
    assert browser.client.get_cookie(PATIENT_COOKIE).value != before


def test_a_phone_that_is_known_needs_no_second_cookie(runtime, people, anna, link_to, browser):
    token = link_to(anna)
    follow(browser, token)
    give_pin(browser)
    browser.post("/sign-out")
    assert follow(browser, token).headers["Location"] == "/pin"
    assert browser.client.get_cookie(PATIENT_COOKIE) is None
    assert give_pin(browser).headers["Location"] == f"/assessment/{people.assessment_id(anna, 'm03')}"


def test_on_the_phone_of_somebody_else_it_asks_for_the_right_pin(runtime, people, anna, link_to, browser):
    eva = people.participant("UME-002", randomized_on=date(2026, 8, 23), language="en")
    with runtime.writing.begin() as session:
        session.execute(
            update(PatientPin)
            .where(PatientPin.participant_id == eva)
            .values(pin_hash=runtime.vault.slow_hash("862486"))
        )
    follow(browser, link_to(anna))
    give_pin(browser)
    browser.post("/sign-out")
    assert follow(browser, link_to(eva)).headers["Location"] == "/pin"
    assert give_pin(browser, PIN).status_code == 422
    assert give_pin(browser, "862486").headers["Location"] == f"/assessment/{people.assessment_id(eva, 'm03')}"


def test_somebody_signed_in_goes_straight_to_the_assessment(people, anna, link_to):
    phone = people.patient(anna)
    page = follow(phone, link_to(anna))
    assert page.headers["Location"] == f"/assessment/{people.assessment_id(anna, 'm03')}"


def test_a_link_not_followed_to_the_end_sends_nobody_else_astray(people, anna, link_to, browser, browsers):
    eva = people.participant("UME-002", randomized_on=date(2026, 8, 23), language="en")
    token = link_to(eva)
    follow(browser, link_to(anna))
    give_pin(browser)
    browser.post("/sign-out")  # anna's phone is known
    follow(browser, token)
    browser.client.delete_cookie(PATIENT_COOKIE, domain="localhost", path="/")
    assert give_pin(browser).headers["Location"] == "/home"


def test_unknown_malformed_and_dead_get_one_and_the_same_answer(runtime, people, anna, link_to, browsers):
    def close(assessment: str) -> None:
        with runtime.writing.begin() as session:
            session.execute(
                update(Assessment)
                .where(Assessment.id == people.assessment_id(anna, assessment))
                .values(closes_on=date(2026, 11, 1), late_until=date(2026, 11, 1))
            )

    sleeper = people.participant("UME-003", randomized_on=date(2026, 8, 23), activated=False)
    dead = {
        "unknown": runtime.vault.new_link_token(),
        "empty": "",
        "too short": "ABC",
        "too long": "A" * 5000,
        "odd": "å" * LINK_LENGTH,
        "no bytes": "\0" * LINK_LENGTH,
        "not yet open": link_to(anna, "m06"),
        "cancelled": link_to(anna, state="cancelled"),
        "queued": link_to(anna, state="queued"),
        "without a pin": link_to(sleeper),
    }
    closed = link_to(anna)
    answers = {name: _answer(browsers(), token) for name, token in dead.items()}
    close("m03")
    answers["closed"] = _answer(browsers(), closed)
    assert len(set(answers.values())) == 1, answers
    status, address, words = answers["unknown"]
    assert (status, address) == (303, "/")
    assert "That link does not open anything here" in words


def _answer(browser: Any, token: str) -> tuple[int, str, str]:
    return shown_after(browser, follow(browser, token))


def test_a_link_of_somebody_else_is_answered_like_an_unknown_one(runtime, people, anna, link_to, browsers):
    eva = people.participant("UME-009", randomized_on=date(2026, 8, 23), language="en")
    phone = people.patient(eva)
    foreign = _answer(phone, link_to(anna))
    assert foreign == _answer(phone, runtime.vault.new_link_token())
    assert foreign[0] == 303
    assert phone.get("/home").status_code == 200  # still eva


def test_a_link_dies_with_submission_decline_and_stop(runtime, people, anna, link_to, browsers):
    eva = people.participant("UME-002", randomized_on=date(2026, 8, 23), language="en")
    sent, stopped = link_to(anna), link_to(eva)
    people.answered(anna, "m03", submitted_at=runtime.clock())
    people.event(eva, "pro_stop", date(2026, 11, 22))
    for token in (sent, stopped):
        assert follow(browsers(), token).headers["Location"] == "/"


def test_a_link_dies_when_the_contact_details_change(runtime, anna, link_to, browser):
    """The message may have reached whoever has the old number now."""
    token = link_to(anna)
    runtime.clock.forward(minutes=5)
    new_number(runtime)
    assert follow(browser, token).headers["Location"] != "/pin"


def test_tries_from_one_address_are_limited(runtime, anna, link_to, browser):
    token = link_to(anna)
    browser.get("/l")
    for _ in range(60):
        assert browser.post("/l", {"link": runtime.vault.new_link_token()}).status_code == 303
    page = browser.post("/l", {"link": token})
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) > 0
    runtime.clock.forward(minutes=16)
    assert follow(browser, token).headers["Location"] == "/pin"


def test_the_trail_says_that_a_link_was_followed_and_holds_no_token(runtime, anna, link_to, browser):
    token = link_to(anna)
    follow(browser, token)
    with runtime.reading() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "patient.link_followed"))
        assert event.actor_kind == "patient"
        assert token not in event.details
        assert token_hash(token) not in event.details


def test_no_log_line_holds_a_token(anna, link_to, browsers):
    stream, root = io.StringIO(), logging.getLogger()
    level = root.level
    logs.configure("DEBUG", stream)
    try:
        alive, dead = link_to(anna), "ABCDEFGHJKMNPQRSTUVWXYZ234"
        for token in (alive, dead):
            follow(browsers(), token)
        structlog.get_logger("ours").info(f"careless {alive}")
    finally:
        for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
            root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
    assert stream.getvalue().count('"event": "request"') == 4
    for token in (alive, dead, token_hash(alive)):
        assert token not in stream.getvalue()
