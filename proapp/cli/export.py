"""`proapp export`: the data sets as a zip file, the same that the export page gives."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime

if TYPE_CHECKING:
    from proapp.export.bundle import Bundle
    from proapp.runtime import Runtime


class Day(click.ParamType):
    """A calendar day as people write it: 2027-03-29."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            if isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        return self.fail(f'"{value}" is not a date; write one such as 2027-03-29.', param, ctx)


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The zip file to write; replaced if it exists."
)
@click.option("--cutoff", type=Day(), help="The last local day that counts (default: today).")
def export(out: Path, cutoff: date | None) -> None:
    """Write participants, assessments, items, scores and compliance to FILE.zip, with codebook and manifest.

    The file appears whole or not at all, readable by its owner only. Equal data and an equal cut-off give equal bytes;
    while the cut-off day lasts, more data may come. The export is noted in the audit trail.
    """
    from proapp.export.cut import Unexportable

    _require_place(out)
    with open_runtime() as runtime:
        try:
            _export(runtime, out, cutoff)
        except Unexportable as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{out} cannot be written: {error.strerror}.") from error


def _require_place(out: Path) -> None:
    if out.is_dir():
        raise click.BadParameter(f"{out} is a folder; name a file in it.", param_hint="--out")
    if not out.parent.is_dir():
        raise click.BadParameter(f"the folder {out.parent} does not exist.", param_hint="--out")


def _export(runtime: Runtime, out: Path, cutoff: date | None) -> None:
    from proapp.clock import local_date
    from proapp.export.bundle import bundle
    from proapp.export.snapshot import snapshot

    today = local_date(runtime.clock(), runtime.study.zone())
    cut_off = cutoff or today
    if cut_off > today:
        raise click.BadParameter(f"{cut_off} is still to come; the last day that can be exported is {today}.",
                                 param_hint="--cutoff")  # fmt: skip
    with (
        snapshot(runtime.engine) as session,
        bundle(
            session, study=runtime.study, instruments=runtime.instruments, cut_off=cut_off, beside=out.parent
        ) as made,
    ):
        session.rollback()  # the reading is over: nothing is held while the audit trail is written
        _note(runtime, made)
        made.path.chmod(0o600)
        os.replace(made.path, out)
    _tell(made, out, today)


def _note(runtime: Runtime, made: Bundle) -> None:
    """In the audit trail before the file has its name: an export nobody knows of cannot be."""
    from proapp.services import exporting
    from proapp.services.audit import COMMAND_LINE
    from proapp.study.versions import as_of

    definitions = exporting.definitions(as_of(runtime.study, made.cut_off), runtime.instruments)
    remembered = exporting.Made(made.cut_off, made.sha256, made.bytes, made.rows, definitions)
    with runtime.writing.begin() as session:
        exporting.record(session, remembered, actor=COMMAND_LINE, now=runtime.clock())


def _tell(made: Bundle, out: Path, today: date) -> None:
    for file in made.files:
        rows = "" if file.rows is None else f"{file.rows} rows"
        click.echo(f"{file.path:24} {rows:>14} {file.bytes:>12} bytes")
    click.echo(f"cut-off {made.cut_off}; {out}; SHA-256 {made.sha256}")
    if made.cut_off == today:
        click.echo("Today is not over: the same cut-off may give more later today.", err=True)
