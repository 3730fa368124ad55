"""Runs a cohort's life against real workers: the clock goes from hour to hour, what happens to the participants is
written between the hours, and now and then a worker is killed, at a moment it does not choose or in the middle of
handing a message over."""

from __future__ import annotations

import json
import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from proapp.db.models import (
    Assessment,
    AssessmentEvent,
    Contact,
    ContactAttempt,
    Message,
    Participant,
    ParticipantEvent,
    PatientRequest,
    ResponseSet,
)
from proapp.runtime import Runtime
from proapp.study.schedule import Anchors, plan
from tests.conftest import MovableClock
from tests.life import Happening, Person, Step
from tests.life_worker import runtime_of

DATES = ("anchor_on", "target_on", "opens_on", "closes_on", "late_until")
MOST_ROUNDS = 20
DEATHS = {"death", "pro_stop", "trial_withdrawal", "lost_to_follow_up"}


@dataclass
class Outcome:
    """`sent` as the outbox tells it, `possibly` those of them that are possibly sent; `handed_over` counts what reached
    the gateway, by reference."""

    sent: list[Step]
    possibly: list[Step]
    handed_over: Counter[str]
    references: dict[str, Step]  # of every row
    kills: int
    kills_while_sending: int
    steps: int
    seconds: float


class Sink(socketserver.ThreadingTCPServer):
    """The gateway's other end: counts, and kills the worker it is speaking to when told to."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.handed_over: Counter[str] = Counter()
        self.kill_next = threading.Event()
        self.killed: list[int] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed hangs up."""


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        said = json.loads(self.rfile.readline())
        sink: Sink = self.server  # type: ignore[assignment]
        sink.handed_over[said["reference"]] += 1
        if sink.kill_next.is_set():
            sink.kill_next.clear()
            os.kill(said["pid"], signal.SIGKILL)
            sink.killed.append(said["pid"])
            return
        self.wfile.write(f"ref-{said['reference']}\n".encode())


class Crew:
    """The workers; whoever is killed is replaced."""

    def __init__(self, url: str, port: int, number: int) -> None:
        self.url, self.port = url, port
        self.workers = [self._start() for _ in range(number)]
        for one in self.workers:
            self._wait(one)
        self.kills = 0

    def _start(self) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "tests.life_worker", self.url, str(self.port)]
        root = Path(__file__).parents[1]
        return subprocess.Popen(words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def at(self, hour: datetime, kill: Callable[[], None] | None = None) -> None:
        """Let all of them do the hour at once, and again until there is nothing more to do. `kill` is called once they
        have begun."""
        for _ in range(MOST_ROUNDS):
            for one in self.workers:
                self._tell(one, hour)
            if kill is not None:
                kill()
                kill = None
            done = [self._hear(number) for number in range(len(self.workers))]
            if done == [0] * len(done):
                return
        raise AssertionError(f"there is always something to do at {hour}")

    def kill_one(self, chance: random.Random) -> None:
        """At a moment that it does not choose."""
        time.sleep(chance.random() * 0.03)
        self.workers[chance.randrange(len(self.workers))].kill()

    def _tell(self, one: subprocess.Popen[str], hour: datetime) -> None:
        assert one.stdin
        try:
            one.stdin.write(hour.isoformat() + "\n")
            one.stdin.flush()
        except BrokenPipeError:
            pass  # killed a moment ago; heard below

    def _hear(self, number: int) -> int | None:
        one = self.workers[number]
        assert one.stdout
        said = one.stdout.readline()
        if said:
            return int(said)
        one.communicate()
        assert one.returncode == -signal.SIGKILL, "a worker died by itself"
        self.kills += 1
        fresh = self._start()
        self.workers[number] = fresh
        self._wait(fresh)
        return None

    @staticmethod
    def _wait(one: subprocess.Popen[str]) -> None:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"

    def stop(self) -> None:
        for one in self.workers:
            one.kill()
            one.communicate()


def run(
    url: str,
    people: list[Person],
    hours: list[datetime],
    *,
    seed: int,
    kills: int,
    workers: int = 3,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Live through it, the clock ticking at `hours`. `kills` are spread at random over the hours in which messages go
    out; every other one strikes in the middle of handing over."""
    chance, sink = random.Random(seed), Sink()
    runtime = runtime_of(url, MovableClock())
    crew = Crew(url, sink.port, workers)
    likely = [hour for hour in hours[len(hours) // 10 :] if hour.hour in (8, 9)]
    doomed = dict.fromkeys(sorted(chance.sample(likely, min(kills, len(likely)))))
    left = sorted(((happening, one) for one in people for happening in one.happenings), key=lambda each: each[0].at)
    begun = time.perf_counter()
    try:
        for number, hour in enumerate(hours):
            happened = [each for each in left if each[0].at <= hour]
            if happened:
                left = left[len(happened) :]
                with runtime.writing.begin() as session:
                    for happening, one in happened:
                        write(session, runtime, one, happening)
            kill = None
            if hour in doomed:
                if len([each for each in doomed if each <= hour]) % 2:
                    sink.kill_next.set()
                else:
                    kill = lambda: crew.kill_one(chance)  # noqa: E731
            crew.at(hour, kill)
            if number % 500 == 499:
                seconds = time.perf_counter() - begun
                progress(
                    f"{hour:%Y-%m-%d}: {seconds:.0f} s, {sum(sink.handed_over.values())} messages, {crew.kills} kills"
                )
        crew.at(hours[-1] + timedelta(minutes=5))  # what the last one killed left behind
        return _outcome(runtime, sink, crew, len(hours), time.perf_counter() - begun)
    finally:
        crew.stop()
        sink.shutdown()
        sink.server_close()
        runtime.close()


def _outcome(runtime: Runtime, sink: Sink, crew: Crew, steps: int, seconds: float) -> Outcome:
    query = (
        select(Message, Participant.study_id, Assessment.timepoint)
        .join(Participant, Participant.id == Message.participant_id)
        .join(Assessment, Assessment.id == Message.assessment_id)
        .order_by(Message.id)
    )
    sent, possibly, references = [], [], {}
    with runtime.reading() as session:
        for row, study_id, timepoint in session.execute(query):
            at = row.queued_at if row.channel == "letter" else row.handed_over_at or row.next_try_at
            step = Step(study_id, timepoint, row.step, row.channel, at)
            if row.channel == "letter" or row.state in ("sent", "delivered", "possibly_sent"):
                sent.append(step)
            if row.state == "possibly_sent":
                possibly.append(step)
            references[runtime.vault.keyed_hash("message", row.key)[:32]] = step
    return Outcome(sent, possibly, sink.handed_over, references, crew.kills, len(sink.killed), steps, seconds)


# --- what happens to the participants -------------------------------------------------------------------------------


def write(session: Session, runtime: Runtime, one: Person, news: Happening) -> None:
    """Record it as staff or the participant would have, at its moment."""
    day = news.at.astimezone(runtime.study.zone(one.site)).date()
    if news.what == "enrolled":
        _enrol(session, runtime, one, news.at)
    elif news.what == "randomized":
        _event(session, one, "randomized", one.randomized_on, news.at, {"arm": one.arm})
        _plan(session, runtime, one, Anchors(one.consent_on, one.randomized_on, one.arm), news.at)
    elif news.what in DEATHS:
        _event(session, one, news.what, day, news.at, {})
    elif news.what == "paused":
        until = (day + timedelta(days=news.value)).isoformat()
        _event(session, one, "contact_pause", day, news.at, {"until": until})
    elif news.what == "wrong_number":
        values = {"method": "phone", "outcome": "wrong_number", "at": news.at}
        session.execute(insert(ContactAttempt).values(participant_id=one.id, **values))
    elif news.what == "contact":
        query = update(Contact).where(Contact.participant_id == one.id)
        session.execute(query.values(channel=news.value, updated_at=news.at))
    else:
        _about(session, one, news, day)


def _about(session: Session, one: Person, news: Happening, day: Any) -> None:
    query = select(Assessment.id).where(Assessment.participant_id == one.id, Assessment.timepoint == news.timepoint)
    assessment = session.scalars(query).one()
    if news.what == "answered":
        values = {"mode": "self_remote", "respondent": "self", "protocol_version": "1", "packs": {}}
        values |= {"started_at": news.at, "submitted_at": news.at, "completed_on": day, "valid": True}
        session.execute(insert(ResponseSet).values(assessment_id=assessment, **values))
    elif news.what == "later":
        values = {"type": "remind_later", "payload": {"at": news.value.isoformat()}, "recorded_at": news.at}
        session.execute(insert(PatientRequest).values(participant_id=one.id, assessment_id=assessment, **values))
    else:
        values = {"type": news.what, "payload": {"by": "patient"}, "recorded_at": news.at}
        session.execute(insert(AssessmentEvent).values(assessment_id=assessment, **values))


def _enrol(session: Session, runtime: Runtime, one: Person, at: datetime) -> None:
    about = {"study_id": one.study_id, "site_code": one.site, "language": "sv", "enrolled_at": at}
    session.execute(insert(Participant).values(id=one.id, **about))
    sealed = runtime.vault.seal(
        {"mobile": "+46701740605", "email": "someone@example.org"}, bound_to=f"contact:{one.id}"
    )
    session.execute(insert(Contact).values(participant_id=one.id, sealed=sealed, channel=one.channel, updated_at=at))
    _event(session, one, "pro_consent", one.consent_on, at, {})
    _plan(session, runtime, one, Anchors(one.consent_on, None), at)


def _event(session: Session, one: Person, type_: str, on: Any, at: datetime, payload: dict[str, Any]) -> None:
    values = {"type": type_, "effective_on": on, "payload": payload, "recorded_at": at}
    session.execute(insert(ParticipantEvent).values(participant_id=one.id, **values))


def _plan(session: Session, runtime: Runtime, one: Person, anchors: Anchors, at: datetime) -> None:
    for planned in plan(runtime.study, anchors):
        dates = {name: getattr(planned, name) for name in DATES}
        mine = (Assessment.participant_id == one.id, Assessment.timepoint == planned.timepoint)
        if session.scalar(select(Assessment.id).where(*mine)) is None:
            about = {"timepoint": planned.timepoint, "occurrence": 1, "protocol_version": runtime.study.number}
            session.execute(insert(Assessment).values(participant_id=one.id, planned_at=at, **about, **dates))
        else:
            session.execute(update(Assessment).where(*mine).values(**dates))


def differences(found: Iterable[Step], wanted: Iterable[Step]) -> list[str]:
    """What is there and should not be, and the other way round."""
    have, want = Counter(found), Counter(wanted)
    lines = [f"too much: {step}" for step in (have - want).elements()]
    return sorted([*lines, *(f"missing: {step}" for step in (want - have).elements())])
