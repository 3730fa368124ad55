"""`proapp tick`: by hand what the worker does by the clock, and beforehand what it would do."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime

if TYPE_CHECKING:
    from proapp.runtime import Runtime
    from proapp.services.sweep import Report


@click.command()
@click.option("--as-of", "moment", metavar="MOMENT", help="Decide as of this moment (ISO 8601; the study's time zone).")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def tick(moment: str | None, dry_run: bool) -> None:
    """Submit what was begun and left and can no longer be answered, once.

    What is written carries the present time, whatever --as-of says. A moment still to come is only for a dry run.
    """
    from proapp.worker import portions

    with open_runtime() as runtime:
        now = runtime.clock()
        as_of = _moment(moment, runtime) if moment else now
        if as_of > now and not dry_run:
            raise click.ClickException("--as-of is still to come; see what would be done then with --dry-run.")
        reports = list(portions(runtime, now=now, as_of=as_of, dry_run=dry_run))
    _tell(reports, dry_run)
    if any(report.failed for report in reports):
        raise SystemExit(1)


def _moment(text: str, runtime: Runtime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(f'"{text}" is not a moment such as 2027-03-29T12:00.') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=runtime.study.zone())


def _tell(reports: list[Report], dry_run: bool) -> None:
    verb = "would submit" if dry_run else "submitted"
    for report in reports:
        for found in report.submitted:
            click.echo(f"{verb} {found.study_id} {found.timepoint} (response set {found.response_set_id})")
        for failure in report.failed:
            click.echo(f"FAILED response set {failure.response_set_id}: {failure.error}", err=True)
    click.echo(f"{verb}: {sum(len(report.submitted) for report in reports)}")
