"""From the reminder plan to the patient's PIN: the link as it stands in the message that really left."""

from __future__ import annotations

import io
import logging
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select

import proapp
from proapp import logs
from proapp.db.models import Assessment, Message
from proapp.delivery import deliver_once, queue_due
from proapp.gateways.protocol import Accepted, Outgoing, PassingFailure, PermanentFailure, UnknownOutcome
from proapp.services import messages, outbox
from proapp.services.audit import COMMAND_LINE
from proapp.study.schedule import Anchors, plan
from tests.conftest import Browser
from tests.messages import new_number
from tests.people import PIN, People


class Recorder:
    """A gateway that keeps what it is given; `failing` times it says that it is busy."""

    name = "recorder"

    def __init__(self, failing: int = 0) -> None:
        self.sent: list[Outgoing] = []
        self.failing = failing
        self.refuses: PermanentFailure | None = None

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        self.sent.append(message)
        if self.refuses is not None:
            raise self.refuses
        if len(self.sent) <= self.failing:
            raise PassingFailure("gateway_fault")
        return Accepted(f"r{len(self.sent)}")


@pytest.fixture
def runtime(runtime: Any, request: pytest.FixtureRequest) -> Any:
    """The study with another `link` at every site, "personal" where the test does not say."""
    link = getattr(request, "param", "personal")
    study = runtime.study
    sites = tuple(site.model_copy(update={"link": link}) for site in study.sites)
    return replace(runtime, study=study.model_copy(update={"sites": sites}))


@pytest.fixture
def people(runtime: Any) -> People:
    return People(runtime, proapp.create_app(runtime=runtime), Browser)


def opening_today(runtime: Any, today: date) -> date:
    """The randomisation with which m03 opens today."""
    days = (today - timedelta(days=back) for back in range(60, 140))
    windows = lambda day: plan(runtime.study, Anchors(day, day, runtime.study.arms[0].code))  # noqa: E731
    return next(d for d in days if any(one.timepoint == "m03" and one.opens_on == today for one in windows(d)))


@pytest.fixture
def anna(people: People, runtime: Any) -> int:
    return people.participant("UME-001", randomized_on=opening_today(runtime, date(2026, 11, 23)), language="sv")


def tick(runtime: Any, gateway: Recorder) -> None:
    list(queue_due(runtime, now=runtime.clock()))
    deliver_once(runtime, {"sms": gateway, "email": gateway}, worker="w1")


def token_in(text: str) -> str:
    (token,) = re.findall(r"https://pro\.example\.org/l#([A-Z2-9]{26})(?=[\s.]|$)", text)
    return token


def follow(people: People, token: str) -> Any:
    phone = Browser(people.app)
    phone.get("/l")
    phone.post("/l", {"link": token})
    return phone


def test_the_link_that_was_sent_leads_to_the_pin_and_to_the_questionnaire(runtime, people, anna):
    gateway = Recorder()
    tick(runtime, gateway)
    (message,) = gateway.sent
    phone = follow(people, token_in(message.text))
    assert phone.page.headers["Location"] == "/pin"
    phone.get("/pin")
    phone.post("/pin", {"pin": PIN})
    with runtime.reading() as session:
        (row,) = session.scalars(select(Message))
        assert row.state == "sent"
        assert phone.page.headers["Location"] == f"/assessment/{row.assessment_id}"
        assert session.get(Assessment, row.assessment_id).timepoint == "m03"


def test_a_second_try_of_a_message_has_the_same_link(runtime, people, anna):
    gateway = Recorder(failing=1)
    tick(runtime, gateway)
    runtime.clock.forward(minutes=5)
    tick(runtime, gateway)
    refused, sent = (token_in(message.text) for message in gateway.sent)
    assert gateway.sent[0].reference == gateway.sent[1].reference
    assert refused == sent  # had the first one arrived after all, it would work too
    assert follow(people, sent).page.headers["Location"] == "/pin"


def test_after_a_corrected_number_the_link_that_is_sent_again_works(runtime, people, anna):
    gateway = Recorder()
    gateway.refuses = PermanentFailure("message_refused")
    tick(runtime, gateway)
    runtime.clock.forward(minutes=5)
    gateway.refuses = None
    new_number(runtime)
    with runtime.writing.begin() as session:
        (row,) = session.scalars(select(Message))
        messages.resend(session, row.id, sites=None, actor=COMMAND_LINE, now=runtime.clock())
    tick(runtime, gateway)
    to_stranger, to_anna = gateway.sent
    assert (to_stranger.to, to_anna.to) == ("+46701740605", "+46701740677")
    assert follow(people, token_in(to_anna.text)).page.headers["Location"] == "/pin"
    assert follow(people, token_in(to_stranger.text)).page.headers["Location"] == "/"


def test_the_link_dies_with_what_cancels_its_message(runtime, people, anna):
    gateway = Recorder(failing=1)
    tick(runtime, gateway)
    token = token_in(gateway.sent[0].text)
    with runtime.writing.begin() as session:
        outbox.cancel_for_participant(
            session, anna, reason="paused", actor=COMMAND_LINE, now=runtime.clock(), locked=False
        )
    assert follow(people, token).page.headers["Location"] == "/"


@pytest.mark.parametrize("outcome", [None, PassingFailure, PermanentFailure, UnknownOutcome, RuntimeError])
def test_no_log_line_of_a_worker_holds_an_address_a_text_or_a_link(runtime, people, anna, outcome):
    class Ending(Recorder):
        def send(self, message: Outgoing, *, timeout: float) -> Accepted:
            accepted = super().send(message, timeout=timeout)
            if outcome is RuntimeError:
                raise outcome(f"could not send to {message.to}: {message.text}")
            if outcome is not None:
                raise outcome("gateway_fault")
            return accepted

    stream, root = io.StringIO(), logging.getLogger()
    level = root.level
    logs.configure("DEBUG", stream)
    gateway = Ending()
    try:
        tick(runtime, gateway)
    finally:
        for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
            root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
    (message,) = gateway.sent
    said = stream.getvalue()
    assert "message.tried" in said
    for private in (message.to, message.to[1:], token_in(message.text), "formulär", "pro.example.org", "UME-001"):
        assert private not in said
        assert private not in repr(message)


def test_who_has_no_pin_yet_is_led_to_the_start_page(runtime, people):
    opened = opening_today(runtime, date(2026, 11, 23))
    people.participant("UME-002", randomized_on=opened, activated=False)
    gateway = Recorder()
    tick(runtime, gateway)
    assert "https://pro.example.org" in gateway.sent[0].text
    assert "/l#" not in gateway.sent[0].text


@pytest.mark.parametrize(("runtime", "has_address"), [("none", False), ("domain", True)], indirect=["runtime"])
def test_a_site_that_wants_no_personal_link_sends_none(runtime, people, anna, has_address):
    gateway = Recorder()
    tick(runtime, gateway)
    text = gateway.sent[0].text
    assert ("https://pro.example.org" in text) is has_address
    assert "#" not in text
    with runtime.reading() as session:
        assert session.scalar(select(Message.link_hash)) is None
