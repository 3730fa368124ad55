"""`proapp tick`: by hand what the worker does by the clock, and beforehand what it would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proapp.runtime import Runtime
    from proapp.services.message_list import Told
    from proapp.services.reminding import Due
    from proapp.services.sweep import Report


@click.command()
@click.option("--as-of", "moment", metavar="MOMENT", help="Decide as of this moment (ISO 8601; the study's time zone).")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--queue-only", is_flag=True, help="Hand nothing over; the worker will.")
def tick(moment: str | None, dry_run: bool, queue_only: bool) -> None:
    """Submit what was begun and left and can no longer be answered, queue the reminders that are due, and hand over
    what waits, once.

    In a demonstration --as-of is the clock: step through a month with it, and what is written carries that moment. In
    a real trial what is written carries the present time, a moment still to come is only for a dry run, and one that is
    past sends no message.
    """
    from proapp.logs import only_warnings

    with open_runtime() as runtime, only_warnings():
        now = runtime.clock()
        as_of = _moment(moment, runtime) if moment else now
        if moment and runtime.settings.demo:
            runtime, now = replace(runtime, clock=lambda: as_of), as_of
        if as_of > now and not dry_run:
            raise click.ClickException("--as-of is still to come; see what would be done then with --dry-run.")
        failed = _dry_run(runtime, now, as_of) if dry_run else _run(runtime, now, as_of, queue_only)
    if failed:
        raise SystemExit(1)


def _moment(text: str, runtime: Runtime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(f'"{text}" is not a moment such as 2027-03-29T12:00.') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=runtime.study.zone())


def _dry_run(runtime: Runtime, now: datetime, as_of: datetime) -> bool:
    from proapp.delivery import queue_due
    from proapp.worker import portions

    reports = list(portions(runtime, now=now, as_of=as_of, dry_run=True))
    _tell_submitted(reports, "would submit")
    _tell_due(queue_due(runtime, now=as_of, dry_run=True))
    return any(report.failed for report in reports)


def _run(runtime: Runtime, now: datetime, as_of: datetime, queue_only: bool) -> bool:
    from proapp.amending import keep_up
    from proapp.delivery import composers, deliver_once, queue_digests, queue_due, worker_name
    from proapp.gateways.build import build
    from proapp.services.message_list import told_since
    from proapp.services.sweep import note_run
    from proapp.worker import portions

    behind = fell_behind(runtime := keep_up(runtime), now) if as_of == now else False
    reports = list(portions(runtime, now=now, as_of=as_of))
    _tell_submitted(reports, "submitted")
    if as_of == now:
        for _ in queue_due(runtime, now=now):
            pass
        queue_digests(runtime, now=now)
        gateways, worker = build(runtime.settings), worker_name()
        while not queue_only and deliver_once(runtime, gateways, worker=worker, composers=composers(runtime)):
            pass
        with runtime.reading() as session:
            _tell_messages(told_since(session, now=now))
        _tell_receiver(runtime, now, queue_only)
    with runtime.writing.begin() as session:
        note_run(session, now)
    return behind or any(report.failed for report in reports)


def _tell_receiver(runtime: Runtime, now: datetime, queue_only: bool) -> None:
    """What closed, to the other system where one is named."""
    from proapp.webhook import queue_closed, receiver, tell

    to = receiver(runtime.settings)
    if to is None:
        return
    queued = queue_closed(runtime, now=now)
    told, failed = (0, 0) if queue_only else tell(runtime, to)
    click.echo(f"webhook queued: {queued}, told: {told}, failed: {failed}")


def fell_behind(runtime: Runtime, now: datetime) -> bool:
    """Name the sites at which a version should have begun and could not; whether there are any."""
    from proapp.services.activation import overdue

    with runtime.reading() as session:
        behind = overdue(session, study=runtime.study, now=now)
    for number, site, _ in behind:
        click.echo(f"FAILED version {number} could not begin at {site}", err=True)
    return bool(behind)


def _tell_submitted(reports: list[Report], verb: str) -> None:
    for report in reports:
        for found in report.submitted:
            click.echo(f"{verb} {found.study_id} {found.timepoint} (response set {found.response_set_id})")
        for failure in report.failed:
            click.echo(f"FAILED response set {failure.response_set_id}: {failure.error}", err=True)
    click.echo(f"{verb}: {sum(len(report.submitted) for report in reports)}")


def _tell_due(found: Iterable[Due]) -> None:
    lines = [f"{due.case.study_id} {due.case.timepoint} {due.decision.step} ({due.decision.via})" for due in found]
    for line in lines:
        click.echo(f"would queue {line}")
    click.echo(f"would queue: {len(lines)}")


def _tell_messages(told: Iterable[Told]) -> None:
    """One line for each message that something happened to, and how many of each."""
    numbers: Counter[str] = Counter()
    for one in told:
        numbers[one.what] += 1
        why = f": {one.why}" if one.why else ""
        click.echo(f"{one.what} {one.study_id} {one.timepoint} {one.step} ({one.channel}){why}")
    counted = [f"{what}: {number}" for what, number in sorted(numbers.items())]
    click.echo(", ".join(counted) if counted else "messages: 0")
