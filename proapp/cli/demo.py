"""`proapp demo`: an invented trial to look around in, and the sign-ins for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime

if TYPE_CHECKING:
    from proapp.demo.place import Demonstration
    from proapp.demo.sign_ins import PatientSignIn, StaffSignIn

DAY = click.DateTime(["%Y-%m-%d"])
LARGEST = 20_000


@click.command()
@click.option("--today", type=DAY, help="The day the trial is shown on (default: today).")
@click.option("--participants", type=click.IntRange(1, LARGEST), default=200, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31), default=1, show_default=True, help="Another seed, other people.")
@click.option("--no-serve", is_flag=True, help="Only make the database.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--database", help="Where to make it (default: a file under var/demo).")
def demo(today: datetime | None, participants: int, seed: int, no_serve: bool, port: int, database: str | None) -> None:
    """Make an invented BreCLIM-2 and serve it at 127.0.0.1.

    The same day, number and seed make the same database; one that is there already is used again, with what was
    answered in it. A database that holds anything else is left alone.
    """
    from proapp.demo import serve

    chosen = _chosen(today.date() if today else None, participants, seed, port, database)
    try:
        if not no_serve:
            serve.require_free(port)
        _make(chosen)
        if no_serve:
            _tell(chosen)
        else:
            with serve.serving(port, serve.child_environment(chosen.environment())) as served:
                _tell(chosen)
                raise SystemExit(served.stay())
    except serve.CannotServe as error:
        raise click.ClickException(str(error)) from error
    except (KeyboardInterrupt, serve.Stopped):
        raise SystemExit(0) from None
    click.echo(f"Settings for other commands on it: . {_shell_file()}")


@click.command("demo-code")
@click.argument("email")
def demo_code(email: str) -> None:
    """Print the present one-time number of EMAIL, a member of the demonstration's staff.

    It is about the demonstration started last in this folder, or the one the environment names.
    """
    from proapp.config import read_settings
    from proapp.demo import place, sign_ins
    from proapp.services.errors import NotFound

    environment: Mapping[str, str] = os.environ
    if "PROAPP_DATABASE_URL" not in os.environ:
        try:
            environment = {**os.environ, **place.read_environment(_shell_file())}
        except OSError:
            raise click.ClickException("no demonstration was made here; run: proapp demo") from None
    settings = read_settings(environment)
    if not settings.demo:
        raise click.ClickException("one-time numbers are printed for a demonstration only.")
    with open_runtime(settings=settings) as runtime, runtime.reading() as session:
        try:
            click.echo(sign_ins.one_time_code(session, runtime, email=email, now=runtime.clock()))
        except NotFound:
            raise click.ClickException(f"nobody in the demonstration has the address {email}.") from None


def _chosen(today: date | None, participants: int, seed: int, port: int, database: str | None) -> Demonstration:
    from zoneinfo import ZoneInfo

    from proapp.clock import local_date, system_clock
    from proapp.demo import place

    present = local_date(system_clock(), ZoneInfo("Europe/Stockholm"))
    day = today or present
    file = place.file_of(day, participants, seed)
    if not database and place.discard_old(file):
        click.echo("The demonstration that was here came from another version of proapp; it is made anew.")
    url = database or f"sqlite:///{file}"
    return place.Demonstration(day, day != present, participants, seed, url, f"http://127.0.0.1:{port}")


def _make(chosen: Demonstration) -> None:
    from proapp.db.session import UnsafeDatabase
    from proapp.demo import place

    click.echo(f"An invented BreCLIM-2 of {chosen.participants} participants as of {chosen.today} …")
    try:
        made = place.make(chosen)
    except UnsafeDatabase as error:
        raise click.ClickException(str(error)) from error
    place.write_environment(chosen, _shell_file())
    click.echo("made." if made else "is there already; what was answered in it is kept.")


def _shell_file() -> Path:
    from proapp.demo import place

    return place.FOLDER / "environment.sh"


def _tell(chosen: Demonstration) -> None:
    from proapp.demo import people, sign_ins

    with open_runtime(settings=chosen.settings()) as runtime, runtime.writing.begin() as session:
        now = runtime.clock()
        sign_ins.forget_future_steps(session, now=now)
        patients = list(sign_ins.patients(session, runtime, seed=chosen.seed, now=now))
        staff = list(sign_ins.staff(session, runtime, now=now))
    click.echo(f"\nPatients      {chosen.base_url}/")
    for patient in patients:
        click.echo(_patient(patient))
    click.echo(f"\nStaff         {chosen.base_url}/staff/     password of all: {people.PASSWORD}")
    for person in staff:
        click.echo(_person(person))
    click.echo(
        "\nThe number changes every half minute: proapp demo-code EMAIL prints the present one (in .venv/bin), or put\n"
        "the secret into an authenticator app. Everybody is invented. Ctrl-C ends both processes.\n"
        f"Other commands on this database: . {_shell_file()} && .venv/bin/proapp tick --dry-run"
    )


def _patient(patient: PatientSignIn) -> str:
    what = "has a questionnaire to answer" if patient.pin else "has just got the sheet and chooses a PIN"
    pin = f"   PIN {patient.pin}" if patient.pin else ""
    return f"  {patient.study_id} {what}\n    {patient.link}\n    code {patient.code}{pin}"


def _person(person: StaffSignIn) -> str:
    role = f"{person.role}, {person.site}" if person.site else person.role
    return f"  {role:<26} {person.email:<32} number {person.code}   secret {person.secret}"
