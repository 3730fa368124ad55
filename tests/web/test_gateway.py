"""Reports of gateways: any order, early, twice, forged, malformed; and nothing of them in a log."""

from __future__ import annotations

import io
import itertools
import logging
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from proapp import logs
from proapp.db.models import Contact, DeliveryReceipt, Message, SignInAttempt
from proapp.gateway_settings import GatewaySettings
from proapp.services import outbox
from tests.messages import new_number
from tests.people import faults

USER, PASSWORD = "receipts", "r0s1t2-long-and-random-0123456789"
MOBILE = "+46701740605"


@pytest.fixture
def settings(settings: Any) -> Any:
    return replace(settings, gateways=GatewaySettings(receipt_user=USER, receipt_password=PASSWORD))


@pytest.fixture
def post(app: Any) -> Any:
    """Report as the gateway does: no cookie, no form token, Basic auth."""

    def send(path: str, *, login: str | None = f"{USER}:{PASSWORD}", **kwargs: Any) -> Any:
        headers = {"Authorization": "Basic " + b64encode(login.encode()).decode()} if login is not None else {}
        client = app.test_client(use_cookies=False)
        return client.post(path, base_url="https://localhost", headers=headers, **kwargs)

    return send


@pytest.fixture
def elks(post: Any) -> Any:
    def send(reference: str, status: str, **more: Any) -> Any:
        form = {"id": reference, "status": status, "to": MOBILE, "from": "Kliniken", "delivered": "2026-11-23T09:00:05"}
        return post("/receipts/46elks", data=form, **more)

    return send


@pytest.fixture
def message(runtime: Any, people: Any) -> int:
    """A test message that a worker has just claimed."""
    anna, now = people.participant("UME-001"), runtime.clock()
    with runtime.writing.begin() as session:
        row = Message(
            key=f"test:{anna}:1",
            kind="test",
            participant_id=anna,
            channel="sms",
            due_at=now,
            queued_at=now,
            state="sending",
            claimed_by="w1",
            next_try_at=now,
        )
        session.add(row)
        session.flush()
        return row.id


def hand_over(runtime: Any, message: int, reference: str = "s1", gateway: str = "46elks") -> None:
    with runtime.writing.begin() as session:
        assert outbox.handed_over(
            session, message, worker="w1", gateway=gateway, provider_ref=reference, now=runtime.clock()
        )


def known(runtime: Any, message: int) -> tuple[str, int]:
    with runtime.reading() as session:
        return session.get(Message, message).state, len(session.scalars(select(DeliveryReceipt)).all())


def test_a_delivery_is_kept_once_however_often_it_is_told(runtime, message, elks):
    hand_over(runtime, message)
    for _ in range(3):
        page = elks("s1", "delivered")
        assert (page.status_code, page.data) == (204, b"")
    assert known(runtime, message) == ("delivered", 1)
    with runtime.reading() as session:
        assert session.scalar(select(Contact.verified_at)) == runtime.clock()
        assert session.scalar(select(DeliveryReceipt.at)) == datetime(2026, 11, 23, 9, 0, 5, tzinfo=UTC)


def test_a_report_that_comes_before_our_own_commit_is_taken_up(runtime, message, elks):
    assert elks("s1", "delivered").status_code == 204
    assert known(runtime, message) == ("sending", 1)
    hand_over(runtime, message)
    assert known(runtime, message) == ("delivered", 1)


@pytest.mark.parametrize("order", list(itertools.permutations(["created", "delivered", "failed"])))
@pytest.mark.parametrize("handed_over_after", [0, 2])
def test_in_any_order_what_was_delivered_stays_delivered(runtime, message, elks, order, handed_over_after):
    for number, status in enumerate((*order, order[0])):
        if number == handed_over_after:
            hand_over(runtime, message)
        assert elks("s1", status).status_code == 204
    assert known(runtime, message) == ("delivered", 3)


def test_twenty_reports_at_the_same_moment_are_kept_once_each(runtime, message, elks):
    hand_over(runtime, message)
    together = threading.Barrier(20)

    def report(number: int) -> int:
        together.wait(10)
        return elks("s1", ("delivered", "failed")[number % 2]).status_code

    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(report, range(20)))
    assert set(answers) <= {204, 503}  # a database that is busy says so, and the gateway comes again
    assert elks("s1", "delivered").status_code == 204
    assert elks("s1", "failed").status_code == 204
    assert known(runtime, message) == ("delivered", 2)
    with runtime.reading() as session:
        assert list(faults(session)) == []


def test_a_failure_is_seen_where_the_contact_is(runtime, message, elks):
    hand_over(runtime, message)
    elks("s1", "failed")
    assert known(runtime, message) == ("failed", 1)
    with runtime.reading() as session:
        assert session.scalar(select(Contact.undeliverable_at)) == runtime.clock()


def test_any_other_gateway_reports_in_json(runtime, message, post):
    hand_over(runtime, message, "77", "http")
    assert post("/receipts/http", json={"id": 77, "status": "failed", "reason": "unknown_address"}).status_code == 204
    assert known(runtime, message) == ("failed", 1)
    body = '{"id": "77", "status": "delivered", "at": "2026-11-23T10:00:00+01:00"}'
    assert post("/receipts/http", data=body).status_code == 204  # some forget to say that it is JSON
    assert known(runtime, message) == ("delivered", 2)


def test_the_reference_of_another_gateway_is_another_message(runtime, message, post):
    hand_over(runtime, message, "s1", "46elks")
    assert post("/receipts/http", json={"id": "s1", "status": "delivered"}).status_code == 204
    assert known(runtime, message) == ("sent", 1)


@pytest.mark.parametrize("path", ["/receipts/46elks", "/receipts/http", "/receipts/smtp"])
@pytest.mark.parametrize(
    "login", [None, "", ":", f"{USER}:", f"{USER}:wrong", f":{PASSWORD}", f"{USER}:{PASSWORD} ", f"{PASSWORD}:{USER}"]
)
def test_a_forged_report_is_refused_and_changes_nothing(runtime, message, post, path, login):
    hand_over(runtime, message)
    page = post(path, login=login, data={"id": "s1", "status": "delivered"})
    assert page.status_code == 403
    assert page.mimetype == "text/plain"
    assert known(runtime, message) == ("sent", 0)


@pytest.mark.parametrize("where", ["?password=", "?token=", "?secret="])
def test_a_secret_in_the_address_lets_nobody_in(post, where):
    assert post(f"/receipts/46elks{where}{PASSWORD}", login=None).status_code == 403


def test_where_no_password_is_set_nobody_reports(runtime, app, post):
    runtime = app.extensions["proapp"]
    app.extensions["proapp"] = replace(runtime, settings=replace(runtime.settings, gateways=GatewaySettings()))
    for login in (":", None, f"{USER}:{PASSWORD}"):
        assert post("/receipts/46elks", login=login, data={"id": "s1", "status": "delivered"}).status_code == 403


def test_wrong_passwords_are_soon_not_looked_at_and_the_right_one_always_is(runtime, message, elks):
    hand_over(runtime, message)
    answers = [elks("s1", "delivered", login="a:b") for _ in range(25)]
    assert [page.status_code for page in answers] == [403] * 5 + [429] * 20
    assert int(answers[-1].headers["Retry-After"]) > 0
    with runtime.reading() as session:
        assert len(session.scalars(select(SignInAttempt)).all()) == 5  # the rest are not even written down
    assert elks("s1", "delivered").status_code == 204


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "status"),
        ({"id": "s1"}, "status"),
        ({"id": "s1", "status": "lost"}, "status"),
        ({"status": "delivered"}, "id"),
        ({"id": "", "status": "delivered"}, "id"),
        ({"id": "x" * 121, "status": "delivered"}, "id"),
        ({"id": "s\n1", "status": "delivered"}, "id"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused_with_a_sentence(runtime, post, form, said):
    page = post("/receipts/46elks", data={"to": MOBILE, **form})
    assert page.status_code == 400
    assert page.text.startswith(said)
    assert MOBILE not in page.text
    with runtime.reading() as session:
        assert session.scalar(select(DeliveryReceipt.id)) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "JSON"),
        ("nonsense", "JSON"),
        ("[]", "JSON"),
        ('{"id": "s1"}', "status"),
        ('{"id": "s1", "status": "sending"}', "status"),
        ('{"id": "s1", "status": ["delivered"]}', "status"),
        ('{"id": null, "status": "delivered"}', "id"),
        ('{"id": true, "status": "delivered"}', "id"),
        ('{"id": {"a": 1}, "status": "delivered"}', "id"),
        ('{"id": "s1", "status": "delivered", "at": "yesterday"}', "time"),
        ('{"id": "s1", "status": "delivered", "at": 5}', "time"),
        ('{"id": "s1", "status": "delivered", "at": "0001-01-01T00:00:00+14:00"}', "time"),
        ('{"id": "s1", "status": "failed", "reason": "No such number +46701740605"}', "reason"),
        ('{"id": "s1", "status": "failed", "reason": 17}', "reason"),
    ],
)
def test_json_that_makes_no_sense_is_refused_with_a_sentence(post, body, said):
    page = post("/receipts/http", data=body, content_type="application/json")
    assert page.status_code == 400
    assert said in page.text
    assert MOBILE not in page.text


def test_a_time_that_is_not_understood_loses_no_report_of_46elks(post, runtime):
    form = {"id": "s1", "status": "delivered", "delivered": "in a moment"}
    assert post("/receipts/46elks", data=form).status_code == 204
    with runtime.reading() as session:
        assert session.scalars(select(DeliveryReceipt)).one().at is None


def test_a_signed_in_browser_is_no_gateway(people, message, runtime):
    hand_over(runtime, message)
    berit = people.staff("berit")
    assert berit.post("/receipts/46elks", {"id": "s1", "status": "delivered"}).status_code == 403


def test_a_report_about_a_contact_that_was_changed_meanwhile_says_nothing_about_the_new_one(runtime, message, elks):
    hand_over(runtime, message)
    runtime.clock.forward(minutes=5)
    new_number(runtime)
    elks("s1", "delivered")
    with runtime.reading() as session:
        assert session.scalar(select(Contact.verified_at)) is None


def test_nothing_of_a_report_is_in_a_log_line(runtime, message, elks, post):
    stream, root = io.StringIO(), logging.getLogger()
    level = root.level
    logs.configure("DEBUG", stream)
    try:
        hand_over(runtime, message)
        elks("s1", "delivered")
        elks("s1", "delivered", login=f"{USER}:wrong-password")
        elks("s1", MOBILE)
        post("/receipts/http", data=f'{{"to": "{MOBILE}"')
    finally:
        for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
            root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
    written = stream.getvalue()
    assert written.count('"event": "request"') == 4
    for private in (MOBILE, MOBILE[1:], "Kliniken", PASSWORD, "wrong-password", "Basic"):
        assert private not in written
