"""`proapp audit`: walk the trail and say the first bad row of each chain; print the heads to keep somewhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from proapp.services.audit import Fault
    from proapp.services.audit_review import Anchor


@click.group()
def audit() -> None:
    """Check the audit trail."""


@audit.command()
def heads() -> None:
    """Print the last event of every chain; keep it where the database's owner cannot reach."""
    from proapp.services import audit as trail
    from proapp.services.audit_review import anchor_lines

    with open_runtime() as runtime, runtime.reading() as session:
        click.echo(f"# proapp audit heads {runtime.clock():%Y-%m-%dT%H:%M:%SZ}")
        for line in anchor_lines(trail.heads(session)):
            click.echo(line)


@audit.command()
@click.option(
    "--anchor",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file made by `proapp audit heads`: also finds a chain cut off at its end or written anew.",
)
def verify(anchor: Path | None) -> None:
    """Walk every event of every chain. Status 1 and the first bad row of each chain when something is wrong."""
    from proapp.services import audit_review

    anchors = _read(anchor) if anchor else []
    with open_runtime() as runtime, runtime.reading() as session:
        told: set[str] = set()
        for fault in _faults(session, anchors):
            if fault.chain not in told or fault.seq == 0:
                click.echo(_sentence(fault))
            told.add(fault.chain)
        if told:
            click.echo(f"NOT intact: faults in {len(told)} place{'s' if len(told) > 1 else ''}.")
            raise SystemExit(1)
        events, chains = audit_review.size(session)
        click.echo(f"intact: {events} events in {chains} chains")


def _faults(session: Session, anchors: list[Anchor]) -> Iterator[Fault]:
    from proapp.services import audit_review

    yield from audit_review.faults(session)
    yield from audit_review.against_anchors(session, anchors)


def _read(path: Path) -> list[Anchor]:
    from proapp.services.audit_review import BadAnchors, read_anchors

    try:
        return read_anchors(path.read_text(encoding="utf-8").splitlines())
    except (BadAnchors, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _sentence(fault: Fault) -> str:
    if fault.seq == 0:
        return f"{fault.chain}: {fault.sentence}"
    row = f" (row {fault.event_id})" if fault.event_id is not None else ""
    return f"{fault.chain}: event {fault.seq}{row} {fault.sentence}"
