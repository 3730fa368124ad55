"""Messages per second through the outbox, with one worker and with three; and whether a gateway that hangs slows the
saving of answers."""

from __future__ import annotations

import base64
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, insert, select

from proapp.clock import system_clock
from proapp.db.models import Assessment, Contact, Message, Participant, ParticipantEvent
from proapp.delivery import queue_due
from proapp.runtime import Runtime
from proapp.services import outbox
from proapp.services.audit import COMMAND_LINE
from proapp.study.schedule import Anchors, plan
from tests.bench.databases import installed
from tests.bench.servers import ROOT, SECRET, House, Visitor, house
from tests.conftest import START, MovableClock
from tests.messages import OPENED_TODAY

MESSAGES = 400  # fewer than the study may send in a day
SAVES = 400


def measure(folder: Path) -> None:
    for engine, workers in (("postgresql", 1), ("postgresql", 3), ("sqlite", 1)):
        throughput(folder, engine, workers)
    hanging(folder)


def throughput(folder: Path, engine: str, workers: int) -> None:
    """Reminders, each decided about anew before it goes, to a gateway that answers at once."""
    with installed(engine, folder, MovableClock(START), cap_study=1_000_000) as runtime:
        _same_day(runtime, MESSAGES)
        queued = sum(1 for _ in queue_due(runtime, now=START))
        crew = [_start(runtime.settings.database_url) for _ in range(workers)]
        begun = time.perf_counter()
        for one in crew:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        sent = [int(one.communicate()[0]) for one in crew]
        seconds = time.perf_counter() - begun
        with runtime.reading() as session:
            states = dict(session.execute(select(Message.state, func.count()).group_by(Message.state)).all())
    print(
        f"outbox, {engine}, {workers} worker{'s' if workers > 1 else ''}: {queued} messages in {seconds:.1f} s, "
        f"{queued / seconds:.0f} a second (by worker {sent}; {states})",
        flush=True,
    )


def _start(url: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.bench.outbox_worker", url, START.isoformat()]
    one = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert one.stdout is not None
    assert one.stdout.readline() == "ready\n"
    return one


def _same_day(runtime: Runtime, number: int) -> None:
    """Participants randomised on one day, whose first reminder is due at the same hour."""
    study, numbers = runtime.study, range(1, number + 1)
    planned = plan(study, Anchors(OPENED_TODAY - timedelta(7), OPENED_TODAY, study.arms[0].code))
    names = ("anchor_on", "target_on", "opens_on", "closes_on", "late_until")
    tables = {
        Participant: [
            {"id": one, "study_id": f"UME-{one:04}", "site_code": "UME", "language": "sv", "enrolled_at": START}
            for one in numbers
        ],
        Contact: [
            {
                "participant_id": one,
                "sealed": runtime.vault.seal({"mobile": "+46701740605", "email": None}, bound_to=f"contact:{one}"),
                "channel": "sms",
                "updated_at": START - timedelta(90),
            }
            for one in numbers
        ],
        ParticipantEvent: [
            {
                "participant_id": one,
                "type": "randomized",
                "effective_on": OPENED_TODAY,
                "payload": {"arm": study.arms[0].code},
                "recorded_at": START,
            }
            for one in numbers
        ],
        Assessment: [
            {
                "participant_id": one,
                "timepoint": each.timepoint,
                "occurrence": 1,
                "protocol_version": study.number,
                "planned_at": START,
                **{name: getattr(each, name) for name in names},
            }
            for one in numbers
            for each in planned
        ],
    }
    with runtime.writing.begin() as session:
        for table, values in tables.items():
            session.execute(insert(table), values)


# --- a gateway that hangs ---------------------------------------------------------------------------------------------


def hanging(folder: Path) -> None:
    """Milliseconds of saving an answer on SQLite, while a worker's gateway answers and while it hangs."""
    (folder / "hanging").mkdir()
    with house(folder / "hanging") as ours, _black_hole() as port:
        one, number = ours.visitor()
        one.get(f"/assessment/{number}")
        one.post(f"/assessment/{number}", who="self")
        one.get(one.location)
        times: dict[bool, list[float]] = {False: [], True: []}
        for with_worker in (False, True) * 3:
            with _worker(ours, port, runs=with_worker):
                times[with_worker] += _saves(one, number)
        for with_worker, label in ((False, "no worker"), (True, "a worker whose gateway hangs")):
            print(
                f"saving an answer, {label}: median {statistics.median(times[with_worker]):.1f} ms, "
                f"p95 {statistics.quantiles(times[with_worker], n=20)[-1]:.1f} ms ({len(times[with_worker])} saves)",
                flush=True,
            )


def _saves(one: Visitor, number: int) -> list[float]:
    times = []
    for count in range(SAVES + 50):
        begun = time.perf_counter()
        one.post(f"/assessment/{number}/c30/{count % 28 + 1}", answer=str(count % 4 + 1), do="save")
        times.append((time.perf_counter() - begun) * 1000)
    return times[50:]


@contextmanager
def _black_hole() -> Iterator[int]:
    """Takes connections, and says nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def take() -> None:
        while True:
            try:
                held.append(server.accept()[0])
            except OSError:
                return

    threading.Thread(target=take, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()
    for one in held:
        one.close()


@contextmanager
def _worker(ours: House, port: int, *, runs: bool) -> Iterator[None]:
    """A worker with messages to send all the while; each of them hangs for ten seconds."""
    if not runs:
        yield
        return
    now = system_clock()
    for _ in range(20):
        ours.made += 1
        person = ours.people.participant(f"GOT-{ours.made:03}", activated=False)
        about = {"kind": "test", "channel": "sms", "participant_id": person, "site_code": "GOT"}
        with ours.runtime.writing.begin() as session:
            outbox.queue(session, key=f"test:{person}:1", due_at=now, now=now, actor=COMMAND_LINE, **about)
    environment = {
        **os.environ,
        "PROAPP_DATABASE_URL": ours.runtime.settings.database_url,
        "PROAPP_SECRET_KEY": SECRET,
        "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(b"k" * 32).decode(),
        "PROAPP_DEMO": "1",
        "PROAPP_SMS_GATEWAY": "http",
        "PROAPP_HTTP_URL": f"http://127.0.0.1:{port}/",
        "PROAPP_HTTP_BODY": '{"to": "{to}", "text": "{text}"}',
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "proapp", "worker"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_sending(ours.runtime)
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_sending(runtime: Runtime) -> None:
    for _ in range(600):
        with runtime.reading() as session:
            if session.scalar(select(Message.id).where(Message.state == "sending")) is not None:
                return
        time.sleep(0.05)
    raise RuntimeError("the worker did not begin")
