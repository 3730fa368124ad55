"""The clock of the house: a process of its own that calls the sweep once a minute, and nothing else.

APScheduler only ticks. All truth about what is due lies in the tables, so the worker may die, be late, or run twice:
the services it calls give the same rows. `proapp tick` does by hand what this does by the clock.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import datetime

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from proapp import logs
from proapp.clock import system_clock
from proapp.runtime import Runtime
from proapp.services.sweep import Report, sweep

log = structlog.get_logger()
EVERY_SECONDS = 60


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
            )
            if not dry_run:
                session.commit()
        yield report
        after = report.after


def sweep_once(runtime: Runtime) -> None:
    """The job: never raises, because the next minute does what this one could not. Log lines name rows by id only."""
    try:
        for report in portions(runtime, now=runtime.clock()):
            for found in report.submitted:
                log.info("sweep.submitted", response_set=found.response_set_id, timepoint=found.timepoint)
            for failure in report.failed:
                log.error("sweep.failed", response_set=failure.response_set_id, error_type=failure.error)
    except Exception as error:  # a locked or absent database is tried again in a minute
        log.error("sweep.interrupted", error_type=type(error).__name__)


def run(runtime: Runtime) -> None:
    """Tick until told to stop (SIGTERM or Ctrl-C); a sweep that is running is finished first.

    The signals are waited for, not handled: an exception raised by a handler can be lost in somebody's destructor.
    """
    logs.configure(runtime.settings.log_level)
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before any thread is made, so that all of them leave it to us
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
    )
    scheduler.add_job(
        sweep_once, "interval", [runtime], id="sweep", seconds=EVERY_SECONDS, next_run_time=system_clock()
    )
    scheduler.start()
    log.info("worker.started", every_seconds=EVERY_SECONDS)
    signal.sigwait(stop)
    scheduler.shutdown(wait=True)
    log.info("worker.stopped")
