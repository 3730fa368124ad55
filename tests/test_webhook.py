"""Another system hears that an assessment is closed: signed, once for each outcome, again until it is taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from click.testing import CliRunner
from pytest_httpserver import HTTPServer
from sqlalchemy import select
from werkzeug import Request, Response

import proapp
from proapp import webhook, worker
from proapp.cli import main
from proapp.db.models import AssessmentEvent, AuditEvent, WebhookEvent
from proapp.gateways.webhook import Receiver
from proapp.runtime import Runtime
from proapp.services import webhook_events
from tests.crowd import crowd
from tests.openapi import faults as not_described
from tests.people import People

ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SECRET = "webhook-secret-of-the-tests-0123456789"
SENT = datetime(2026, 11, 20, 9, tzinfo=UTC)
LONG_AGO = date(2026, 8, 20)  # m03 is open until December, the baseline is over


@pytest.fixture
def anna(people: People) -> int:
    """Her baseline is missed, her three-month assessment sent."""
    anna = people.participant("UME-001", randomized_on=LONG_AGO)
    people.answered(anna, "m03", codes={"c30": {1: 4}}, started_at=SENT, submitted_at=SENT)
    return anna


@pytest.fixture
def queue(runtime: Runtime) -> Callable[..., int]:
    looked = webhook.Looked()
    return lambda fresh=False: webhook.queue_closed(
        runtime, now=runtime.clock(), looked=webhook.Looked() if fresh else looked
    )


def bodies(runtime: Runtime) -> list[Any]:
    with runtime.reading() as session:
        return [json.loads(body) for body in session.scalars(select(WebhookEvent.body).order_by(WebhookEvent.id))]


def outcomes(runtime: Runtime) -> list[tuple[str, str]]:
    return [(one["data"]["timepoint"], one["data"]["status"]) for one in bodies(runtime)]


def states(runtime: Runtime) -> list[tuple[str, int]]:
    with runtime.reading() as session:
        found = session.execute(select(WebhookEvent.state, WebhookEvent.attempts).order_by(WebhookEvent.id))
        return [tuple(row) for row in found]


def trail(runtime: Runtime) -> list[str]:
    with runtime.reading() as session:
        told = select(AuditEvent.action).where(AuditEvent.entity == "webhook_event").order_by(AuditEvent.id)
        return list(session.scalars(told))


# --- what is told


def test_what_was_sent_and_what_ran_out_is_queued_once(runtime, anna, queue):
    assert queue() == 2
    assert sorted(outcomes(runtime)) == [("baseline", "missed"), ("m03", "completed")]
    assert queue() == queue(fresh=True) == 0
    assert trail(runtime) == ["webhook.queued"] * 2


def test_what_another_worker_has_queued_meanwhile_is_passed_over(runtime, anna):
    with runtime.reading() as session:
        [found] = webhook_events.look(session, study=runtime.study, now=runtime.clock(), since=None)
    for expected in (2, 0):
        with runtime.writing.begin() as session:
            assert webhook_events.queue(session, found, vault=runtime.vault, now=runtime.clock()) == expected
    assert trail(runtime) == ["webhook.queued"] * 2


@ONE_ENGINE
def test_an_event_says_who_when_and_how_and_nothing_else(runtime, anna, queue):
    queue()
    document = (
        proapp.create_app(runtime=runtime)
        .test_client()
        .get("/api/v1/openapi.json", base_url="https://localhost")
        .get_json()
    )
    schema = document["webhooks"]["assessment.closed"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for body in bodies(runtime):
        assert list(not_described(body, schema, document)) == []
    [told] = [one for one in bodies(runtime) if one["data"]["timepoint"] == "m03"]
    assert told["data"] == {
        "study_id": "UME-001", "site": "UME", "timepoint": "m03", "occurrence": 1, "status": "completed",
    }  # fmt: skip
    assert told["type"] == "assessment.closed"


@ONE_ENGINE
def test_what_is_open_begun_not_expected_or_to_come_is_not_told(runtime, people, queue):
    begun = people.participant("UME-002", randomized_on=date(2026, 5, 1), consent_on=date(2026, 4, 20))
    people.answered(begun, "m03", codes={"c30": {1: 2}}, started_at=datetime(2026, 8, 2, 9, tzinfo=UTC))
    dead = people.participant("UME-003", randomized_on=date(2026, 5, 1), consent_on=date(2026, 4, 20))
    people.event(dead, "death", date(2026, 5, 2))
    queue()
    told = {(one["data"]["study_id"], one["data"]["timepoint"]) for one in bodies(runtime)}
    assert told == {("UME-002", "baseline"), ("UME-003", "baseline")}


@ONE_ENGINE
def test_a_decline_is_told_when_it_can_no_longer_be_taken_back(runtime, people, queue, clock):
    anna = people.participant("UME-001", randomized_on=LONG_AGO)
    with runtime.writing.begin() as session:
        about = people.assessment_id(anna, "m03")
        session.add(AssessmentEvent(assessment_id=about, type="declined", recorded_at=clock()))
    queue()
    assert ("m03", "declined") not in outcomes(runtime)
    clock.forward(days=60)
    queue()
    assert ("m03", "declined") in outcomes(runtime)


@ONE_ENGINE
def test_what_is_answered_after_all_is_told_once_more(runtime, people, anna, queue):
    queue()
    people.answered(anna, "baseline", codes={}, started_at=SENT, submitted_at=runtime.clock(), valid=False)
    assert queue() == 1
    assert outcomes(runtime)[-1] == ("baseline", "completed_unscorable")
    ids = [one["id"] for one in bodies(runtime)]
    assert len(set(ids)) == 3


@ONE_ENGINE
def test_a_look_after_a_week_away_misses_nothing_and_a_first_look_goes_through_all(runtime, people, queue, clock):
    people.participant("UME-001", randomized_on=LONG_AGO)
    assert queue() == 1
    clock.set(datetime(2027, 1, 20, 9, tzinfo=UTC))
    queue()
    later = len(outcomes(runtime))
    assert queue(fresh=True) == len(outcomes(runtime)) - later
    assert [one for one in outcomes(runtime) if one == ("m03", "missed")] == [("m03", "missed")]


@ONE_ENGINE
def test_the_number_of_statements_of_a_look_does_not_grow_with_the_participants(runtime, statements):
    counts = []
    for numbers in (range(1, 2), range(2, 40)):
        crowd(runtime, numbers)
        statements.clear()
        with runtime.reading() as session:
            found = webhook_events.look(session, study=runtime.study, now=runtime.clock(), since=None)
            assert sum(map(len, found)) > 0
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 12


# --- how it is told


@pytest.fixture
def heard(httpserver: HTTPServer) -> Iterator[list[Request]]:
    """What the receiver got; it answers with the statuses of `httpserver.statuses`, and then 200."""
    got: list[Request] = []
    httpserver.statuses = []

    def take(request: Request) -> Response:
        request.get_data()
        got.append(request)
        return Response(status=httpserver.statuses.pop(0) if httpserver.statuses else 204)

    httpserver.expect_request("/hook").respond_with_handler(take)
    yield got
    httpserver.check_assertions()


@pytest.fixture
def to(httpserver: HTTPServer) -> Receiver:
    return Receiver(httpserver.url_for("/hook"), SECRET)


def test_each_event_is_told_once_and_signed(runtime, anna, queue, heard, to):
    queue()
    assert webhook.tell(runtime, to) == (2, 0)
    assert webhook.tell(runtime, to) == (0, 0)
    for request in heard:
        parts = dict(part.split("=") for part in request.headers["Proapp-Signature"].split(","))
        assert int(parts["t"]) == int(runtime.clock().timestamp())
        signed = parts["t"].encode() + b"." + request.get_data()
        assert parts["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert request.headers["Idempotency-Key"] == request.get_json()["id"]
        assert request.headers["Content-Type"] == "application/json"
    assert states(runtime) == [("delivered", 1)] * 2
    assert trail(runtime) == ["webhook.queued"] * 2 + ["webhook.delivered"] * 2


@ONE_ENGINE
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_what_is_not_taken_is_told_again_alike_after_a_pause(
    runtime, people, queue, heard, to, httpserver, clock, status
):
    people.participant("UME-001", randomized_on=LONG_AGO)
    queue()
    httpserver.statuses = [status, status]
    assert webhook.tell(runtime, to) == (0, 1)
    assert webhook.tell(runtime, to) == (0, 0)  # not at once
    clock.forward(minutes=1)
    assert webhook.tell(runtime, to) == (0, 1)
    clock.forward(minutes=2)
    assert webhook.tell(runtime, to) == (1, 0)
    assert len({request.get_data() for request in heard}) == 1
    assert len({request.headers["Proapp-Signature"] for request in heard}) == 3
    assert states(runtime) == [("delivered", 3)]


@ONE_ENGINE
def test_an_event_that_is_never_taken_does_not_hold_up_the_others(runtime, anna, queue, heard, to, httpserver, clock):
    queue()
    httpserver.statuses = [400]
    assert webhook.tell(runtime, to) == (0, 1)
    assert webhook.tell(runtime, to) == (1, 0)


@ONE_ENGINE
def test_after_three_days_it_is_given_up_with_a_word_in_the_trail(runtime, people, queue, to, httpserver, clock):
    people.participant("UME-001", randomized_on=LONG_AGO)
    queue()
    gone = Receiver("http://127.0.0.1:9/hook", SECRET)
    assert webhook.tell(runtime, gone) == (0, 1)
    clock.forward(days=3)
    assert webhook.tell(runtime, gone) == (0, 1)
    assert states(runtime) == [("given_up", 2)]
    assert trail(runtime)[-1] == "webhook.given_up"
    clock.forward(days=1)
    assert webhook.tell(runtime, gone) == (0, 0)


def test_two_workers_never_tell_the_same_at_the_same_time_and_a_dead_ones_is_told_again(runtime, people, queue, heard, to, clock):  # fmt: skip
    people.participant("UME-001", randomized_on=LONG_AGO)
    queue()
    with runtime.writing.begin() as session:
        assert webhook_events.claim(session, now=clock()) is not None  # and then it dies
    with runtime.writing.begin() as session:
        assert webhook_events.claim(session, now=clock()) is None
    assert webhook.tell(runtime, to) == (0, 0)
    clock.forward(minutes=2)
    assert webhook.tell(runtime, to) == (1, 0)


@ONE_ENGINE
def test_no_redirect_is_followed(runtime, people, queue, to, httpserver):
    people.participant("UME-001", randomized_on=LONG_AGO)
    queue()
    httpserver.expect_request("/hook").respond_with_data(status=307, headers={"Location": httpserver.url_for("/else")})
    assert webhook.tell(runtime, to) == (0, 1)
    assert [request.path for request, _ in httpserver.log] == ["/hook"]


# --- the worker


@pytest.fixture
def environment(runtime: Runtime, to: Receiver) -> dict[str, str]:
    settings = runtime.settings
    return {name: value for name, value in os.environ.items() if not name.startswith("PROAPP_")} | {
        "PROAPP_DATABASE_URL": settings.database_url,
        "PROAPP_SECRET_KEY": settings.secret_key,
        "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(settings.contact_keys[0]).decode(),
        "PROAPP_BASE_URL": settings.base_url,
        "PROAPP_WEBHOOK_URL": to.url,
        "PROAPP_WEBHOOK_SECRET": SECRET,
    }


@ONE_ENGINE
def test_by_hand_the_same_is_done_as_by_the_clock(runtime, people, heard, environment):
    people.participant("UME-001", randomized_on=date(2021, 1, 15))
    told = [CliRunner().invoke(main, ["tick", *words], env=environment) for words in (["--queue-only"], [])]
    assert [done.exit_code for done in told] == [0, 0]
    assert ", told: 0, failed: 0" in told[0].output
    assert "webhook queued: 0, told: " in told[1].output
    assert ("delivered", 1) in states(runtime)
    assert heard


@ONE_ENGINE
def test_the_workers_job_looks_tells_and_never_raises(runtime, anna, heard, to, monkeypatch):
    looked, stopping = webhook.Looked(), threading.Event()
    worker.tell_job(runtime, to, looked, stopping)
    assert len(heard) == 2
    monkeypatch.setattr(webhook_events, "look", lambda *args, **more: 1 / 0)
    runtime.clock.forward(minutes=2)
    worker.tell_job(runtime, to, looked, stopping)


@ONE_ENGINE
def test_a_worker_of_its_own_tells_over_the_network(runtime, people, heard, to, environment):
    people.participant("UME-001", randomized_on=date(2021, 1, 15))  # long over, whatever day the tests are run
    process = subprocess.Popen(
        [sys.executable, "-m", "proapp", "worker"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        deadline = time.monotonic() + 60
        while ("delivered", 1) not in states(runtime):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[0].decode()
    assert process.returncode == 0, said
    assert "webhook.interrupted" not in said
    assert "UME-001" not in said
    assert len({request.headers["Idempotency-Key"] for request in heard}) == len(heard) > 0


@ONE_ENGINE
def test_where_no_address_is_set_nobody_is_told(runtime):
    assert webhook.receiver(runtime.settings) is None
    named = replace(runtime.settings, webhook_url="https://x.example/hook", webhook_secret=SECRET)
    assert webhook.receiver(named) == Receiver("https://x.example/hook", SECRET)
    assert SECRET not in repr(named) + repr(webhook.receiver(named))
