"""`proapp export`: the data sets as a zip file, the same that the export page gives."""

from __future__ import annotations

import os
import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from proapp.cli.export_verify import verify
from proapp.cli.support import open_runtime, pseudonyms_of

if TYPE_CHECKING:
    from proapp.export.bundle import Bundle
    from proapp.export.pseudonyms import Pseudonyms
    from proapp.runtime import Runtime
    from proapp.services.audit import Actor
    from proapp.services.exporting import Asked


NO_SUBMISSION = (
    "the submission profile is SDTM, ADaM and Define-XML, which proapp does not write yet; the profile analysis holds "
    "the same data."
)
NAMES = {
    "name_needed": "the cut needs a name.",
    "name_too_long": "a name has at most {longest} characters.",
    "name_taken": 'there is a cut with the name "{name}" already.',
}
REFUSALS = {
    "cut_off_in_future": (
        "--cutoff",
        "{cutoff} is still to come; the last day that can be exported is {today}.",
    ),
    "as_of_in_future": ("--as-of", "{as_of} is still to come."),
    "as_of_before_cut_off": ("--as-of", "{as_of} is before {cut_off}: nobody knew then what happens on that day."),
    "site_needed": ("--site", "the profile site needs a site, as in --site UME."),
    "site_unknown": ("--site", "{site} is not a site of the study file."),
    "site_of_no_use": ("--site", "only the profile site holds one site; the others hold all."),
    "archive_has_arms": ("--without-arms", "the archive holds everything, the arms too."),
    "archive_has_ids": ("--pseudonym-key", "the archive holds everything, the study's own ids too."),
}


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


class Moment(click.ParamType):
    """A moment as ISO 8601 has it: 2027-03-29T14:30, in the study's time zone unless it names another."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            if isinstance(value, str) and "T" in value:
                return datetime.fromisoformat(value)
        except ValueError:
            pass
        return self.fail(f'"{value}" is not a moment; write one such as 2027-03-29T14:30.', param, ctx)


@click.group(invoke_without_command=True, subcommand_metavar="[verify FILE.zip]")
@click.pass_context
@click.option("--out", type=click.Path(path_type=Path), help="The zip file to write; replaced if it exists.")
@click.option("--cutoff", type=Day(), help="The last local day that counts (default: today, or the day of --as-of).")
@click.option(
    "--as-of",
    type=Moment(),
    help="Only what was recorded before this moment (default: the end of the cut-off day, or now while it lasts).",
)
@click.option(
    "--profile",
    type=click.Choice(["analysis", "site", "submission", "archive"]),
    default="analysis",
    show_default=True,
    help="Who it is for: archive adds the audit trail, site holds one site's participants.",
)
@click.option("--site", metavar="CODE", help="The site of --profile site.")
@click.option("--without-arms", is_flag=True, help="Leave out who is in which arm (always so for a site).")
@click.option(
    "--pseudonym-key",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show other ids than the study's, made with the key in this file (one key for each recipient).",
)
@click.option("--freeze", metavar="NAME", help="Give this cut a name, signed by --signed-by with their password.")
@click.option(
    "--signed-by", metavar="EMAIL", help="Who signs: a coordinator or statistician, who is asked for the password."
)
def export(context: click.Context, out: Path | None, **given: Any) -> None:
    """Write participants, assessments, items, scores and compliance to FILE.zip, with codebook and manifest.

    The file appears whole or not at all, readable by its owner only. Equal data with the same --cutoff and --as-of give
    equal bytes. The export is noted in the audit trail.
    """
    if context.invoked_subcommand is not None:
        return
    if out is None:
        option = next(one for one in context.command.params if one.name == "out")
        raise click.MissingParameter(ctx=context, param=option)
    _write(out, **given)


export.add_command(verify)


def _write(out: Path, *, pseudonym_key: Path | None, freeze: str | None, signed_by: str | None, **given: Any) -> None:
    from proapp.export.cut import Unexportable

    _require_place(out)
    if (freeze is None) != (signed_by is None):
        raise click.UsageError("--freeze and --signed-by belong together.")
    with open_runtime() as runtime:
        try:
            pseudonyms = pseudonyms_of(pseudonym_key)
            asked = _asked(runtime, pseudonyms, **given)
            frozen = _signed(runtime, freeze, signed_by) if freeze is not None and signed_by is not None else None
            _export(runtime, out, asked, pseudonyms, frozen)
        except Unexportable as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(f"{out} cannot be written: {error.strerror}.") from error


def _require_place(out: Path) -> None:
    if out.is_dir():
        raise click.BadParameter(f"{out} is a folder; name a file in it.", param_hint="--out")
    if not out.parent.is_dir():
        raise click.BadParameter(f"the folder {out.parent} does not exist.", param_hint="--out")


def _asked(
    runtime: Runtime,
    pseudonyms: Pseudonyms | None,
    *,
    cutoff: date | None,
    as_of: datetime | None,
    profile: str,
    site: str | None,
    without_arms: bool,
) -> Asked:
    from proapp.services.errors import Refused
    from proapp.services.exporting import PROFILES, ask

    known = {one: one for one in PROFILES}
    if profile not in known:
        raise click.BadParameter(NO_SUBMISSION, param_hint="--profile")
    if as_of is not None and as_of.tzinfo is None:
        as_of = as_of.replace(tzinfo=runtime.study.zone())
    try:
        return ask(
            runtime.study, now=runtime.clock(), cut_off=cutoff, as_of=as_of, profile=known[profile], site=site,
            arms=not without_arms, key_id=pseudonyms.key_id if pseudonyms else None,
        )  # fmt: skip
    except Refused as refusal:
        option, sentence = REFUSALS[refusal.code]
        said = sentence.format(**{"cutoff": cutoff, "as_of": as_of, **refusal.params})
        raise click.BadParameter(said, param_hint=option) from refusal


class Frozen(NamedTuple):
    """A name for the cut, and whose signature is under it."""

    name: str
    signer: Actor


def _signed(runtime: Runtime, name: str, email: str) -> Frozen:
    """Before the long work: a wrong password or a name that is taken ends the command at once."""
    from proapp.services import exporting
    from proapp.services.errors import Refused
    from proapp.services.staff_sign_in import sign

    with runtime.reading() as session:
        try:
            name = exporting.new_name(session, name)
        except Refused as refusal:
            raise click.BadParameter(NAMES[refusal.code].format(**refusal.params), param_hint="--freeze") from refusal
    password = click.prompt(f"Password of {email}", hide_input=True, err=True)
    with runtime.writing.begin() as session:
        found = sign(session, runtime.vault, email=email, password=password, address=None, now=runtime.clock())
    if found.retry_at is not None:
        raise click.ClickException("too many wrong passwords; nothing was exported. Try again later.")
    if found.actor is None:
        raise click.ClickException("that is not the password of an account in use; nothing was exported.")
    if found.actor.role not in exporting.SEES_ARMS:
        raise click.ClickException("a cut is signed by a coordinator or a statistician; nothing was exported.")
    return Frozen(name, found.actor)


def _export(runtime: Runtime, out: Path, asked: Asked, pseudonyms: Pseudonyms | None, frozen: Frozen | None) -> None:
    from proapp.export.bundle import bundle
    from proapp.export.snapshot import snapshot

    with (
        snapshot(runtime.engine) as session,
        bundle(
            session,
            study=runtime.study,
            instruments=runtime.instruments,
            asked=asked,
            beside=out.parent,
            pseudonyms=pseudonyms,
        ) as made,
    ):
        session.rollback()  # the reading is over: nothing is held while the audit trail is written
        _note(runtime, made, frozen)
        made.path.chmod(0o600)
        os.replace(made.path, out)
    _tell(made, out)
    if frozen is not None:
        click.echo(f'frozen as "{frozen.name}"')


def _note(runtime: Runtime, made: Bundle, frozen: Frozen | None) -> None:
    """In the audit trail before the file has its name: an export nobody knows of cannot be."""
    from proapp.services import exporting
    from proapp.services.audit import COMMAND_LINE

    definitions = exporting.definitions(made.cut.study, runtime.instruments)
    remembered = exporting.Made(made.cut.asked, made.sha256, made.bytes, made.rows, definitions)
    with runtime.writing.begin() as session:
        exporting.record(session, remembered, actor=COMMAND_LINE, now=runtime.clock())
        if frozen is not None:
            exporting.freeze(session, remembered, name=frozen.name, signer=frozen.signer, now=runtime.clock())


def _tell(made: Bundle, out: Path) -> None:
    from proapp.export.csv_text import instant

    for file in made.files:
        rows = "" if file.rows is None else f"{file.rows} rows"
        click.echo(f"{file.path:24} {rows:>14} {file.bytes:>12} bytes")
    click.echo(f"cut-off {made.cut.day}, as of {instant(made.cut.as_of)}; {out}; SHA-256 {made.sha256}")
    if made.cut.as_of < made.cut.end:
        click.echo("The cut-off day is not over: the same cut-off may give more later.", err=True)
    if made.small:
        click.echo(f"Small groups, who could be recognised: {'; '.join(map(str, made.small))}.", err=True)
