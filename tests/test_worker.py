"""The worker as real processes on both databases: two at once, killed in the middle, away for days."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from click.testing import CliRunner
from sqlalchemy import func, select

from proapp import worker
from proapp.cli import main
from proapp.db.models import AuditEvent, Installation, ResponseSet
from proapp.delivery import Rounds
from proapp.services.health import WORKER
from proapp.services.sweep import last_run
from tests.crowd import reachable_crowd
from tests.messages import OPENED_TODAY, rows
from tests.people import People, faults

RANDOMIZED = date(2021, 1, 15)  # every window is long over, whatever day the tests are run
LEFT = datetime(2021, 4, 20, 18, 30, tzinfo=UTC)
BACKLOG = 130  # more than one portion


@pytest.fixture
def environment(runtime: Any) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROAPP_")}
    settings = runtime.settings
    return kept | {
        "PROAPP_DATABASE_URL": settings.database_url,
        "PROAPP_SECRET_KEY": settings.secret_key,
        "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(settings.contact_keys[0]).decode(),
        "PROAPP_BASE_URL": settings.base_url,
    }


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `proapp …` processes; none outlives the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "proapp", *words]
        running.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
        return running[-1]

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
            process.communicate()


def backlog(runtime: Any, number: int) -> None:
    people = People(runtime, None, lambda *_: None)
    codes = {"c30": {item: 2 for item in range(1, 31)}}
    for one in range(1, number + 1):
        person = people.participant(f"UME-{one:03}", randomized_on=RANDOMIZED, activated=False)
        people.answered(person, "m03", codes=codes, started_at=LEFT)


def submitted(runtime: Any) -> int:
    with runtime.reading() as session:
        query = select(func.count()).select_from(ResponseSet).where(ResponseSet.submitted_at.is_not(None))
        return int(session.scalar(query) or 0)


def alive(runtime: Any) -> int:
    """Workers that have ticked to the end."""
    with runtime.reading() as session:
        signs = select(func.count()).select_from(Installation).where(Installation.name.startswith(WORKER))
        return int(session.scalar(signs) or 0)


def wait_until(happens: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def assert_each_once(runtime: Any, number: int) -> None:
    """Every set is submitted with one event of its own and a receipt nobody else has; the chains hold."""
    with runtime.reading() as session:
        rows = session.scalars(select(ResponseSet)).all()
        told = Counter(
            session.scalars(select(AuditEvent.entity_id).where(AuditEvent.action == "response_set.submitted"))
        )
        assert len(rows) == number
        assert all(row.submitted_at and row.auto_submitted and row.completed_on == LEFT.date() for row in rows)
        assert len({row.receipt for row in rows}) == number
        assert told == Counter(str(row.id) for row in rows)
        # The answers of these participants were written without events; the chain itself must be whole.
        assert not [fault for fault in faults(session) if "answer is stored" not in fault.sentence]


def test_two_workers_at_once_submit_each_set_once(runtime: Any, start: Callable[..., Any]):
    backlog(runtime, BACKLOG)
    workers = [start("worker") for _ in range(2)]
    wait_until(lambda: submitted(runtime) == BACKLOG)
    wait_until(lambda: alive(runtime) == 2)  # on a busy machine the second may come when all is done
    for one in workers:
        one.send_signal(signal.SIGTERM)
    said = [one.communicate(timeout=30)[0] for one in workers]
    assert [one.returncode for one in workers] == [0, 0]
    assert "sweep.failed" not in "".join(said)
    assert "sweep.interrupted" not in "".join(said)
    assert_each_once(runtime, BACKLOG)


def test_a_worker_killed_in_the_middle_leaves_nothing_half_done(
    runtime: Any, start: Callable[..., Any], environment: dict[str, str]
):
    backlog(runtime, BACKLOG)
    one = start("worker")
    wait_until(lambda: submitted(runtime) > 0)
    one.kill()
    one.communicate()
    with runtime.reading() as session:
        told = session.scalar(
            select(func.count()).select_from(AuditEvent).where(AuditEvent.action == "response_set.submitted")
        )
    assert submitted(runtime) == told
    done = subprocess.run(
        [sys.executable, "-m", "proapp", "tick"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert_each_once(runtime, BACKLOG)


def test_a_worker_ends_cleanly_when_told_to(runtime: Any, start: Callable[..., Any]):
    def swept() -> bool:
        with runtime.reading() as session:
            return last_run(session) is not None

    one = start("worker")
    wait_until(swept)
    one.send_signal(signal.SIGTERM)
    said = one.communicate(timeout=30)[0]
    assert one.returncode == 0
    assert "worker.stopped" in said


def test_a_worker_that_was_away_for_days_makes_up_for_it(runtime: Any, clock: Any):
    backlog(runtime, 2)
    clock.forward(days=3)
    worker.tick_once(runtime)
    assert_each_once(runtime, 2)
    worker.tick_once(runtime)
    assert_each_once(runtime, 2)


def test_a_job_that_fails_is_logged_by_the_kind_of_error_only(runtime: Any, monkeypatch: pytest.MonkeyPatch):
    def broken(*_args: Any, **_options: Any) -> Any:
        raise ValueError("anna@example.org answered 4")

    monkeypatch.setattr(worker, "sweep", broken)
    with structlog.testing.capture_logs() as lines:
        worker.tick_once(runtime)
    assert lines == [{"event": "sweep.interrupted", "error_type": "ValueError", "log_level": "error"}]


# --- by hand --------------------------------------------------------------------------------------------------------


@pytest.fixture
def tick(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(main, ["tick", *words])


def test_a_dry_run_lists_what_would_be_done(runtime: Any, tick: Callable[..., Any]):
    backlog(runtime, 2)
    said = tick("--dry-run").output
    assert "would submit UME-001 m03 (response set 1)" in said
    assert said.endswith("would submit: 2\nwould queue: 0\n")
    assert submitted(runtime) == 0


def test_as_of_a_day_before_the_end_there_is_nothing_to_do(runtime: Any, tick: Callable[..., Any]):
    backlog(runtime, 1)
    assert tick("--as-of", "2021-05-01").output == "submitted: 0\n"
    assert tick("--as-of", "2021-06-30T12:00").output.endswith("submitted: 1\n")


def test_a_moment_to_come_is_only_looked_at(tick: Callable[..., Any]):
    refused = tick("--as-of", "2999-01-01")
    assert refused.exit_code == 1
    assert "--dry-run" in refused.output
    assert tick("--as-of", "2999-01-01", "--dry-run").exit_code == 0


def test_what_is_no_moment_is_refused_in_a_sentence(tick: Callable[..., Any]):
    said = tick("--as-of", "tomorrow")
    assert said.exit_code == 1
    assert "is not a moment such as" in said.output


def test_a_failure_ends_with_status_1_and_names_the_row(runtime: Any, tick: Callable[..., Any]):
    people = People(runtime, None, lambda *_: None)
    person = people.participant("UME-001", randomized_on=RANDOMIZED, activated=False)
    people.answered(person, "m03", codes={"c30": {1: 9}}, started_at=LEFT)
    said = tick()
    assert said.exit_code == 1
    assert "FAILED response set 1: InvalidAnswer" in said.output


# --- reminders by hand ------------------------------------------------------------------------------------------------


@pytest.fixture
def demonstration(runtime: Any, tick: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`proapp tick` on a demonstration, whose clock --as-of may move."""
    monkeypatch.setenv("PROAPP_DEMO", "1")
    with runtime.writing.begin() as session:
        session.add(Installation(name="kind", value="demo"))
    return tick


def test_in_a_demonstration_the_clock_may_be_stepped_through_a_month(runtime: Any, demonstration: Callable[..., Any]):
    People(runtime, None, lambda *_: None).participant("UME-001", randomized_on=OPENED_TODAY)
    said = {day: demonstration("--as-of", f"2026-{day}T10:00").output for day in ("11-22", "11-23", "11-24", "12-10")}
    assert said["11-22"] == "submitted: 0\nmessages: 0\n"
    assert said["11-23"] == "submitted: 0\nsent UME-001 m03 opens+0 (sms)\nsent: 1\n"
    assert said["11-24"] == "submitted: 0\nmessages: 0\n"
    assert said["12-10"] == "submitted: 0\nsent UME-001 m03 target+3 (sms)\nsent: 1\n"
    assert [row.handed_over_at for row in rows(runtime)] == [
        datetime(2026, 11, 23, 9, tzinfo=UTC),
        datetime(2026, 12, 10, 9, tzinfo=UTC),
    ]


def test_a_dry_run_says_which_messages_would_be_queued_and_queues_none(runtime: Any, tick: Callable[..., Any]):
    People(runtime, None, lambda *_: None).participant("UME-001", randomized_on=OPENED_TODAY)
    said = tick("--as-of", "2026-11-23T10:00", "--dry-run").output
    assert said.endswith("would queue UME-001 m03 opens+0 (sms)\nwould queue: 1\n")
    assert rows(runtime) == []


def test_in_a_trial_a_moment_that_is_past_sends_nothing(runtime: Any, tick: Callable[..., Any]):
    People(runtime, None, lambda *_: None).participant("UME-001", randomized_on=date(2021, 1, 15))
    assert tick("--as-of", "2021-04-01T10:00").output == "submitted: 0\n"
    assert rows(runtime) == []


def test_what_is_queued_may_be_left_to_the_worker(runtime: Any, demonstration: Callable[..., Any]):
    People(runtime, None, lambda *_: None).participant("UME-001", randomized_on=OPENED_TODAY)
    assert demonstration("--as-of", "2026-11-23T10:00", "--queue-only").output.endswith("queued: 1\n")
    assert demonstration("--as-of", "2026-11-23T10:01").output.endswith("sent: 1\n")


def test_a_clock_that_is_put_back_does_not_stop_the_worker():
    """APScheduler waits until the clock shows the time of the next tick, however long that takes."""
    scheduler = BackgroundScheduler(timezone="UTC")
    begin = datetime(2027, 3, 29, 12, 0, tzinfo=UTC)
    scheduler.add_job(print, "interval", id="tick", seconds=60, next_run_time=begin + timedelta(seconds=60))
    scheduler.add_job(print, "interval", id="delivery", seconds=3, next_run_time=begin + timedelta(seconds=2))
    scheduler.start(paused=True)
    try:
        worker.keep_time(scheduler, begin)
        assert [job.next_run_time - begin for job in scheduler.get_jobs()] == [timedelta(seconds=s) for s in (2, 60)]
        back = begin - timedelta(hours=1)
        worker.keep_time(scheduler, back)
        assert [job.next_run_time for job in scheduler.get_jobs()] == [back, back]
    finally:
        scheduler.shutdown()


def test_a_tick_takes_as_many_statements_among_two_thousand_as_among_twenty(
    runtime: Any, statements: list[str], clock: Any
):
    """The whole of it: the amendments, the sweep, the reminders, the letters and the messages to staff. First the
    search through everything, then the one through what fell due since."""
    worker.tick_once(runtime, "w")  # the first of a day notes that it was
    counts = []
    for first, last in ((1, 20), (21, 2000)):
        reachable_crowd(runtime, last - first + 1, first=first)
        rounds = Rounds()
        for _ in range(2):
            clock.forward(minutes=1)
            statements.clear()
            worker.tick_once(runtime, "w", rounds)
            counts.append(len(statements))
    assert counts[:2] == counts[2:]
    assert max(counts) <= 12
