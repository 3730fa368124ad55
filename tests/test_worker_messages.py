"""Messages through real `proapp worker` processes and a real socket: several at once, killed while handing over, and a
gateway that hangs while patients answer."""

from __future__ import annotations

import base64
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from proapp.clock import system_clock
from proapp.delivery import deliver_once
from proapp.gateway_settings import GatewaySettings
from proapp.gateways.build import build
from proapp.services import outbox
from proapp.services.audit import COMMAND_LINE
from tests.messages import OPENED_TODAY, Memory, rows
from tests.people import People

MESSAGES = 16


class Provider(ThreadingHTTPServer):
    """Takes messages, and takes its time about it; where it is told to hang, until it is let go."""

    daemon_threads = True

    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.seconds = seconds
        self.taken: Counter[str] = Counter()
        self.reached, self.let_go = threading.Event(), threading.Event()
        self.let_go.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed hangs up."""


class _Take(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        provider: Provider = self.server  # type: ignore[assignment]
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        provider.taken[said["reference"]] += 1
        provider.reached.set()
        provider.let_go.wait(60)
        time.sleep(provider.seconds)
        body = json.dumps({"id": f"provider-{said['reference'][:8]}"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider(seconds=0.15)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(runtime: Any, provider: Provider) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts `proapp worker` processes that send through the provider; none outlives the test."""
    settings, given = runtime.settings, through(provider)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROAPP_")} | {
        "PROAPP_DATABASE_URL": settings.database_url,
        "PROAPP_SECRET_KEY": settings.secret_key,
        "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(settings.contact_keys[0]).decode(),
        "PROAPP_BASE_URL": settings.base_url,
        "PROAPP_SMS_GATEWAY": given.sms,
        "PROAPP_HTTP_URL": given.http_url,
        "PROAPP_HTTP_BODY": given.http_body,
        "PROAPP_HTTP_REFERENCE": given.http_reference,
    }
    running: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "proapp", "worker"]
        running.append(
            subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def queue_tests(runtime: Any, number: int) -> None:
    """Test messages, which go at any hour: the workers live by the real clock."""
    people = People(runtime, None, lambda *_: None)
    now = system_clock() - timedelta(minutes=1)
    for one in range(1, number + 1):
        person = people.participant(f"UME-{one:03}", activated=False)
        with runtime.writing.begin() as session:
            about = {"kind": "test", "channel": "sms", "participant_id": person, "site_code": "UME"}
            outbox.queue(session, key=f"test:{person}:1", due_at=now, now=now, actor=COMMAND_LINE, **about)


def states(runtime: Any) -> Counter[str]:
    return Counter(row.state for row in rows(runtime))


def wait_until(happens: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_two_workers_of_which_one_is_killed_hand_over_each_message_once(
    runtime: Any, provider: Provider, start: Callable[[], subprocess.Popen[str]]
):
    queue_tests(runtime, MESSAGES)
    first, second = start(), start()
    wait_until(lambda: len(provider.taken) >= 4)
    first.kill()
    first.wait()
    wait_until(lambda: not states(runtime)["queued"] and states(runtime)["sending"] <= 1)
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=30) == 0
    assert set(provider.taken.values()) == {1}, "the provider was given a message twice"
    left = states(runtime)["sending"]
    assert left <= 1
    assert states(runtime)["sent"] == MESSAGES - left
    assert len(provider.taken) >= MESSAGES - left

    # Whoever comes later does not send it: it may have gone. It is seen, and counted.
    memory = Memory()
    later = replace(runtime, clock=lambda: system_clock() + outbox.LEASE + timedelta(minutes=1))
    assert deliver_once(later, memory.both(), worker="later") == 0
    assert memory.given == []
    assert states(runtime)["possibly_sent"] == left


def test_a_worker_killed_while_the_provider_has_the_message_leaves_one_possibly_sent(
    runtime: Any, provider: Provider, start: Callable[[], subprocess.Popen[str]]
):
    provider.seconds = 30
    queue_tests(runtime, 3)
    one = start()
    wait_until(lambda: sum(provider.taken.values()) == 1)
    one.kill()
    one.wait()
    assert states(runtime) == {"sending": 1, "queued": 2}
    memory = Memory()
    later = replace(runtime, clock=lambda: system_clock() + outbox.LEASE + timedelta(minutes=1))
    assert deliver_once(later, memory.both(), worker="later") == 2
    assert states(runtime) == {"possibly_sent": 1, "sent": 2}
    assert not provider.taken.keys() & {message.reference for message in memory.given}


ROUNDS, SAVES = 6, 5


def test_answers_are_saved_as_fast_while_a_gateway_hangs(runtime: Any, people: People, provider: Provider):
    """The real gateway, on a real socket. Nothing is locked meanwhile, neither the participant's rows nor (on SQLite) the database. Saves with and without
    take turns, so that a busy machine slows both: what is compared is how they lie to one another."""
    anna = people.participant(randomized_on=OPENED_TODAY)
    assessment = people.assessment_id(anna, "m03")
    phone = people.patient(anna)
    phone.get(f"/assessment/{assessment}")
    phone.post(f"/assessment/{assessment}", {"who": "self"})

    def saves(number: int) -> list[float]:
        taken = []
        for item in range(number * SAVES + 1, (number + 1) * SAVES + 1):
            begun = time.perf_counter()
            page = phone.post(f"/assessment/{assessment}/c30/{item}", {"answer": "2", "do": "save"})
            taken.append(time.perf_counter() - begun)
            assert page.status_code in (200, 204, 303), page.status_code
        return taken

    saves(0)  # what is made once, at the first
    quiet: list[float] = []
    meanwhile: list[float] = []
    for number in range(ROUNDS):
        quiet += saves(number)
        with hanging(runtime, anna, number, provider) as sender:
            meanwhile += saves(number)
            assert sender.is_alive(), "the gateway was to hang all the while"
    assert states(runtime) == {"sent": ROUNDS}
    usual = statistics.median(quiet)
    assert statistics.median(meanwhile) < 1.75 * usual
    assert p95(meanwhile) < max(2 * p95(quiet), 5 * usual)


def p95(taken: list[float]) -> float:
    return sorted(taken)[int(len(taken) * 0.95)]


@contextmanager
def hanging(runtime: Any, participant_id: int, number: int, provider: Provider) -> Iterator[threading.Thread]:
    """A message to this very participant, at a gateway that does not answer until the end."""
    now = runtime.clock()
    with runtime.writing.begin() as session:
        about = {"kind": "test", "channel": "sms", "participant_id": participant_id, "site_code": "UME"}
        outbox.queue(session, key=f"test:{number}", due_at=now, now=now, actor=COMMAND_LINE, **about)
    gateways = build(replace(runtime.settings, gateways=through(provider)))
    provider.let_go.clear()
    provider.reached.clear()
    sender = threading.Thread(target=deliver_once, args=(runtime, gateways), kwargs={"worker": f"w{number}"})
    sender.start()
    try:
        assert provider.reached.wait(30)
        yield sender
    finally:
        provider.let_go.set()
        sender.join(30)


def through(provider: Provider) -> GatewaySettings:
    return GatewaySettings(
        sms="http",
        http_url=f"http://127.0.0.1:{provider.server_address[1]}/messages",
        http_body='{"to": "{to}", "text": "{text}", "reference": "{reference}"}',
        http_reference="id",
    )
