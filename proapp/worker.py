"""The clock of the house: a process of its own that ticks once a minute and hands over messages every few seconds.

APScheduler only ticks. All truth about what is due lies in the tables, so the worker may die, be late, or run several
times on several machines: the services it calls give the same rows. `proapp tick` does by hand what this does by the
clock.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from proapp import amending, delivery, logs, webhook
from proapp.clock import system_clock
from proapp.delivery import Rounds
from proapp.gateways.build import build
from proapp.gateways.protocol import Gateway
from proapp.gateways.webhook import Receiver
from proapp.runtime import Runtime, refreshed
from proapp.services import installation
from proapp.services.sweep import Report, note_run, sweep

log = structlog.get_logger()
EVERY_SECONDS = 60
DELIVER_EVERY_SECONDS = 3
TELL_EVERY_SECONDS = 15


def portions(
    runtime: Runtime, *, now: datetime, as_of: datetime | None = None, dry_run: bool = False
) -> Iterator[Report]:
    """The whole sweep, portion by portion, each in a transaction of its own: what is done stays done."""
    after: int | None = 0
    while after is not None:
        # A dry run reads in a writing session too, so that it sees what the sweep would see; it leaves nothing behind.
        with runtime.writing() as session:
            report = sweep(
                session,
                study=runtime.study,
                instruments=runtime.instruments,
                vault=runtime.vault,
                now=now,
                as_of=as_of,
                dry_run=dry_run,
                after=after,
                note=False,
            )
            if not dry_run:
                session.commit()
        yield report
        after = report.after


def tick_once(runtime: Runtime, worker: str = "", rounds: Rounds | None = None) -> None:
    """The job of every minute: submits what was left, queues what is due, and notes that it came to the end.

    It never raises, because the next minute does what this one could not; neither half waits for the other. Log lines
    name rows by id only.
    """
    now = runtime.clock()
    runtime = amended(runtime)
    if sweep_once(runtime, now) & queue_once(runtime, now, rounds):
        try:
            with runtime.writing.begin() as session:
                note_run(session, now)
                if worker:
                    installation.note_worker(session, worker, now=now)
        except Exception as error:
            log.error("tick.interrupted", error_type=type(error).__name__)


def amended(runtime: Runtime) -> Runtime:
    """Sites whose day has come begin with their version of the study; the rest of the tick knows all of them."""
    try:
        return amending.keep_up(runtime)
    except Exception as error:
        log.error("amending.interrupted", error_type=type(error).__name__)
        return runtime


def sweep_once(runtime: Runtime, now: datetime) -> bool:
    try:
        for report in portions(runtime, now=now):
            for found in report.submitted:
                log.info("sweep.submitted", response_set=found.response_set_id, timepoint=found.timepoint)
            for failure in report.failed:
                log.error("sweep.failed", response_set=failure.response_set_id, error_type=failure.error)
    except Exception as error:  # a locked or absent database is tried again in a minute
        log.error("sweep.interrupted", error_type=type(error).__name__)
        return False
    return True


def queue_once(runtime: Runtime, now: datetime, rounds: Rounds | None = None) -> bool:
    try:
        for due in delivery.queue_due(runtime, now=now, rounds=rounds):
            decision = due.decision
            log.info("message.queued", assessment=due.case.assessment_id, step=decision.step, channel=decision.via)
        delivery.queue_digests(runtime, now=now)
    except Exception as error:
        log.error("reminding.interrupted", error_type=type(error).__name__)
        return False
    return True


def deliver_job(runtime: Runtime, gateways: Mapping[str, Gateway], worker: str, stopping: threading.Event) -> None:
    """The job of every few seconds; it never raises either."""
    try:
        runtime = refreshed(runtime)
        delivery.deliver_once(
            runtime, gateways, worker=worker, composers=delivery.composers(runtime), stopping=stopping.is_set
        )
    except Exception as error:
        log.error("delivery.interrupted", error_type=type(error).__name__)


def tell_job(runtime: Runtime, to: Receiver, looked: webhook.Looked, stopping: threading.Event) -> None:
    """What closed is told to another system, where one is named. It never raises either."""
    try:
        runtime, now = refreshed(runtime), runtime.clock()
        if looked.is_due(now):
            webhook.queue_closed(runtime, now=now, looked=looked)
        webhook.tell(runtime, to, stopping=stopping.is_set)
    except Exception as error:
        log.error("webhook.interrupted", error_type=type(error).__name__)


def keep_time(scheduler: BackgroundScheduler, now: datetime) -> None:
    """Where the machine's clock was put back, what was to run next lies as far ahead as that: it runs now instead."""
    for job in scheduler.get_jobs():
        if job.next_run_time is not None and job.next_run_time - now > 2 * job.trigger.interval:
            log.warning("worker.clock_put_back", job=job.id)
            job.modify(next_run_time=now)


def _keep_time(scheduler: BackgroundScheduler, stopping: threading.Event) -> None:
    while not stopping.wait(EVERY_SECONDS):
        keep_time(scheduler, system_clock())


def run(runtime: Runtime) -> None:
    """Tick until told to stop (SIGTERM or Ctrl-C); a sweep and a message under way are finished first.

    The signals are waited for, not handled: an exception raised by a handler can be lost in somebody's destructor.
    """
    logs.configure(runtime.settings.log_level)
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before any thread is made, so that all of them leave it to us
    gateways, worker, stopping = build(runtime.settings), delivery.worker_name(), threading.Event()
    # A thread for each job: a gateway that hangs does not hold up the clock.
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={name: ThreadPoolExecutor(1) for name in ("default", "delivery", "webhook")},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
    )
    begin = system_clock()
    scheduler.add_job(
        tick_once, "interval", [runtime, worker, Rounds()], id="tick", seconds=EVERY_SECONDS, next_run_time=begin
    )
    scheduler.add_job(
        deliver_job,
        "interval",
        [runtime, gateways, worker, stopping],
        id="delivery",
        executor="delivery",
        seconds=DELIVER_EVERY_SECONDS,
        next_run_time=begin + timedelta(seconds=1),
    )
    to = webhook.receiver(runtime.settings)
    if to is not None:
        scheduler.add_job(
            tell_job,
            "interval",
            [runtime, to, webhook.Looked(), stopping],
            id="webhook",
            executor="webhook",
            seconds=TELL_EVERY_SECONDS,
            next_run_time=begin + timedelta(seconds=2),
        )
    scheduler.start()
    threading.Thread(target=_keep_time, args=[scheduler, stopping], daemon=True, name="keep time").start()
    log.info("worker.started", worker=worker, every_seconds=EVERY_SECONDS, deliver_every=DELIVER_EVERY_SECONDS)
    signal.sigwait(stop)
    stopping.set()
    scheduler.shutdown(wait=True)
    log.info("worker.stopped")
