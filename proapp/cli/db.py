"""`proapp db`: the tables, brought to the version of this program by numbered steps, and never at start-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from proapp.runtime import Runtime


@click.group()
def db() -> None:
    """Make, migrate and ask about the database named by PROAPP_DATABASE_URL."""


@db.command()
def upgrade() -> None:
    """Bring the database to this version, say what it is (live or demonstration), and keep the text of the study file.

    Make a backup first. Running it again changes nothing.
    """
    from proapp.db.migrate import head_revision

    with open_runtime(check_database=False) as runtime:
        kind = _prepare(runtime)
        click.echo(f"The database is at migration {head_revision()} and is {kind}.")


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, yes: bool) -> None:
    """Take the database back to REVISION (such as 0001, or base for no tables at all). Make a backup first."""
    from alembic.util.exc import CommandError

    from proapp.db.migrate import current_revision
    from proapp.db.migrate import downgrade as go_back

    with open_runtime(check_database=False) as runtime:
        if not yes:
            click.confirm("Tables of later versions are lost with what they hold. Go on?", abort=True)
        try:
            go_back(runtime.engine, revision)
        except CommandError as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"The database is at migration {current_revision(runtime.engine) or 'none'}.")


@db.command()
def current() -> None:
    """Print the migration the database is at, and the one this version needs."""
    from proapp.db.migrate import current_revision, head_revision

    with open_runtime(check_database=False) as runtime:
        click.echo(f"{current_revision(runtime.engine) or 'none'} (this version needs {head_revision()})")


def _prepare(runtime: Runtime) -> str:
    from proapp.db.migrate import current_revision
    from proapp.db.migrate import upgrade as go_forward
    from proapp.db.session import UnsafeDatabase
    from proapp.services import installation

    try:
        if current_revision(runtime.engine) is not None:
            _refuse_the_other_kind(runtime)
        go_forward(runtime.engine)
        with runtime.writing.begin() as session:
            before = installation.kind(session)
            installation.mark(session, demo=runtime.settings.demo)
            _keep_study(session, runtime, newly_made=before == "new")
            return installation.kind(session)
    except UnsafeDatabase as error:
        raise click.ClickException(str(error)) from error


def _refuse_the_other_kind(runtime: Runtime) -> None:
    """Before anything is changed: a demonstration is not migrated as a live trial, nor the other way round."""
    from proapp.services import installation

    with runtime.reading() as session:
        if installation.kind(session) != "new":
            installation.require_kind(session, demo=runtime.settings.demo)


def _keep_study(session: Session, runtime: Runtime, *, newly_made: bool) -> None:
    """Record the text of the study file, and leave a trace of both in the trail."""
    from proapp.runtime import SHIPPED_STUDY
    from proapp.services import audit, installation

    now, study = runtime.clock(), runtime.study
    text = (runtime.settings.study_file or SHIPPED_STUDY).read_text(encoding="utf-8")
    entries = []
    if newly_made:
        kind = {"old": None, "new": installation.kind(session)}
        entries.append(audit.Entry("installation.marked", "installation", "kind", kind))
    if installation.record_study(session, study, text, now=now):
        details = {"code": study.code, "number": study.number}
        entries.append(audit.Entry("study.recorded", "study_version", study.content_hash[:40], details))
    audit.record(session, *entries, actor=audit.COMMAND_LINE, now=now)
