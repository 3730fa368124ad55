"""Runs a cohort's life against real workers: the clock goes from hour to hour, what happens to the participants is
written through the services, partly while the workers tick, the study is amended in the middle, the gateway behaves as
gateways do, and now and then a worker is killed, at a moment it does not choose or in the middle of handing a message
over."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from sqlalchemy import select

from proapp.db.models import Assessment, DeliveryReceipt, Message, Participant
from proapp.runtime import Runtime
from tests.conftest import MovableClock
from tests.life import Happening, Person
from tests.life_expected import Expected, Step
from tests.life_facts import SILENCING, Ward
from tests.life_gateway import Sink
from tests.life_worker import runtime_of, serve

MOST_ROUNDS = 20
AGAIN_AFTER = (3, 6, 9)  # minutes: a message that was put off twice has gone then


class Worker(NamedTuple):
    process: BaseProcess
    orders: Connection


Pending = list[tuple[Happening, Person]]


@dataclass
class Outcome:
    """`sent` as the outbox tells it, `possibly` those of them that are possibly sent, `failed` those given up;
    `handed_over` counts what reached the gateway, by reference."""

    sent: list[Step]
    possibly: list[Step]
    failed: list[Step]
    handed_over: Counter[str]
    references: dict[str, Step]  # of every row about an assessment
    kills: int
    kills_while_sending: int
    put_off: int
    reports: int
    facts: int
    facts_refused: Counter[str]
    steps: int
    seconds: float


class Crew:
    """The workers; whoever is killed is replaced. All are forked from one process that has imported everything already
    and has no threads: to import it anew for each takes longer than what they do."""

    def __init__(self, url: str, port: int, number: int) -> None:
        self.given = url, port
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.life_worker"])
        self.workers = [self._start() for _ in range(number)]
        self.kills = 0
        self.moment: datetime | None = None  # what the workers' clock shows

    def _start(self) -> Worker:
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=serve, args=(theirs, *self.given), daemon=True)
        process.start()
        theirs.close()
        assert ours.recv() == "ready"
        return Worker(process, ours)

    def at(self, hour: datetime, kill: Callable[[], None] | None = None) -> None:
        """Let all of them do the hour at once, and again until there is nothing more to do. `kill` is called once they
        have begun."""
        self.moment = hour
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

    def meanwhile(self, act: Callable[[], None]) -> None:
        """Do something while all of them go once more through the hour that they are done with, and all that there is."""
        if self.moment is None:
            act()
            return
        for one in self.workers:
            self._tell(one, self.moment, anew=True)
        act()
        if any([self._hear(number) for number in range(len(self.workers))]):
            self.at(self.moment)  # a busy database held one of them up

    def kill_one(self, chance: random.Random) -> None:
        """At a moment that it does not choose."""
        time.sleep(chance.random() * 0.03)
        self.workers[chance.randrange(len(self.workers))].process.kill()

    def _tell(self, one: Worker, hour: datetime, *, anew: bool = False) -> None:
        with contextlib.suppress(OSError):  # killed a moment ago; heard below
            one.orders.send((hour, anew))

    def _hear(self, number: int) -> int | None:
        one = self.workers[number]
        try:
            return int(one.orders.recv())
        except (EOFError, OSError):
            one.process.join()
            assert one.process.exitcode == -signal.SIGKILL, "a worker died by itself"
        self.kills += 1
        one.orders.close()
        self.workers[number] = self._start()
        return None

    def stop(self) -> None:
        for one in self.workers:
            one.process.kill()
            one.process.join()
            one.orders.close()


def run(
    url: str,
    people: list[Person],
    hours: list[datetime],
    *,
    seed: int,
    kills: int,
    amended: Mapping[str, date],
    workers: int = 3,
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Live through it, the clock ticking at `hours`. `kills` are spread at random over the hours in which messages go
    out; every other one strikes in the middle of handing over. Sites work by the amended study from their day on."""
    chance, clock = random.Random(seed), MovableClock(hours[0])
    runtime = runtime_of(url, clock)
    ward, sink = Ward(runtime, clock), Sink(runtime)
    crew = Crew(url, sink.port, workers)
    likely = [hour for hour in hours[len(hours) // 10 :] if hour.hour in (8, 9)]
    doomed = dict.fromkeys(sorted(chance.sample(likely, min(kills, len(likely)))))
    left = sorted(((happening, one) for one in people for happening in one.happenings), key=lambda each: each[0].at)
    decided_at = datetime.combine(min(amended.values()), hours[0].timetz()) - timedelta(days=1, hours=12)
    begun = time.perf_counter()
    try:
        for number, hour in enumerate(hours):
            happened = [each for each in left if each[0].at <= hour]
            left = left[len(happened) :]
            _happen(happened, ward, sink, crew)
            if hours[max(number - 1, 0)] < decided_at <= hour:
                ward.amend(amended, decided_at)
            _tick(hour, sink, crew, _kill(hour, list(doomed), sink, crew, chance))
            if number % 500 == 499:
                seconds = time.perf_counter() - begun
                progress(
                    f"{hour:%Y-%m-%d}: {seconds:.0f} s, {sum(sink.handed_over.values())} messages, {crew.kills} kills"
                )
        crew.at(hours[-1] + timedelta(minutes=15))  # what the last one killed left behind
        return _outcome(runtime, ward, sink, crew, len(hours), time.perf_counter() - begun)
    finally:
        crew.stop()
        sink.shutdown()
        sink.server_close()
        runtime.close()


def _happen(happened: Pending, ward: Ward, sink: Sink, crew: Crew) -> None:
    """What only silences is written while the workers tick, up to the first that may have something sent."""
    silencing = list(takewhile(lambda each: each[0].what in SILENCING, happened))
    if silencing:
        crew.meanwhile(lambda: _write(silencing, ward, sink))
    _write(happened[len(silencing) :], ward, sink)


def _write(happened: Pending, ward: Ward, sink: Sink) -> None:
    for news, one in happened:
        ward.do(one, news)
        if news.what == "address_dies":
            sink.dead.add(one.study_id)
        elif news.what == "contact":
            sink.dead.discard(one.study_id)


def _kill(
    hour: datetime, doomed: list[datetime], sink: Sink, crew: Crew, chance: random.Random
) -> Callable[[], None] | None:
    if hour not in doomed:
        return None
    if doomed.index(hour) % 2:
        return lambda: crew.kill_one(chance)
    sink.kill_next.set()
    return None


def _tick(hour: datetime, sink: Sink, crew: Crew, kill: Callable[[], None] | None) -> None:
    """The hour, and the minutes after it until everything has gone that was put off."""
    sink.hour = hour
    crew.at(hour, kill)
    for minutes in AGAIN_AFTER:
        if sink.waiting:
            crew.at(hour + timedelta(minutes=minutes))
    sink.report_the_rest()


def _outcome(runtime: Runtime, ward: Ward, sink: Sink, crew: Crew, steps: int, seconds: float) -> Outcome:
    query = (
        select(Message, Participant.study_id, Assessment.timepoint)
        .join(Participant, Participant.id == Message.participant_id)
        .join(Assessment, Assessment.id == Message.assessment_id)
        .order_by(Message.id)
    )
    found: dict[str, list[Step]] = {"sent": [], "possibly_sent": [], "failed": []}
    references = {}
    with runtime.reading() as session:
        for row, study_id, timepoint in session.execute(query):
            at = row.queued_at if row.channel == "letter" else row.handed_over_at or row.next_try_at
            step = Step(study_id, timepoint, row.step, row.channel, at.replace(minute=0, second=0, microsecond=0))
            if row.channel == "letter" or row.state in ("sent", "delivered", "possibly_sent"):
                found["sent"].append(step)
            if row.state in ("possibly_sent", "failed"):
                found[row.state].append(step)
            if row.reference is not None:
                references[row.reference] = step
        reports = len(session.scalars(select(DeliveryReceipt.id)).all())
    return Outcome(
        found["sent"], found["possibly_sent"], found["failed"], sink.handed_over, references, crew.kills,
        len(sink.killed), sum(sink.put_off.values()), reports, ward.done, ward.refused, steps, seconds,
    )  # fmt: skip


def wrong(lived: Outcome, wanted: Expected) -> list[str]:
    """Everything that is not as it should be: what is missing and what is too much, what came twice, what was lost, and
    more possibly sent messages than workers were killed."""
    # Who is killed before he hears that an address exists no more leaves one that is possibly sent.
    unknown = Counter(wanted.refused) & Counter(lived.possibly)
    lines = differences((Counter(lived.sent) - unknown).elements(), wanted.sent)
    lines += [f"refused: {line}" for line in differences(lived.failed, (Counter(wanted.refused) - unknown).elements())]
    lines += [f"handed over {number} times" for number in lived.handed_over.values() if number > 1]
    reached = {lived.references[one] for one in lived.handed_over if one in lived.references}
    electronic = {one for one in lived.sent if one.channel != "letter"}
    lines += [f"lost, and nobody can see it: {step}" for step in electronic - reached - set(lived.possibly)]
    if len(lived.possibly) > lived.kills:
        lines.append(f"{len(lived.possibly)} possibly sent after {lived.kills} kills")
    return lines


def differences(found: Iterable[Step], wanted: Iterable[Step]) -> list[str]:
    """What is there and should not be, and the other way round."""
    have, want = Counter(found), Counter(wanted)
    lines = [f"too much: {step}" for step in (have - want).elements()]
    return sorted([*lines, *(f"missing: {step}" for step in (want - have).elements())])
