"""`proapp user`: the first administrator, and the way back in when nobody else can let one in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime

if TYPE_CHECKING:
    from proapp.runtime import Runtime
    from proapp.services.accounts import Invited

ROLES = ("nurse", "investigator", "coordinator", "monitor", "statistician", "administrator")
REFUSALS = {
    "email_invalid": "that is not an e-mail address",
    "email_taken": "there already is an account with that address; an address is never used for two people",
    "name_invalid": "the name must have 1 to 120 characters",
    "role_unknown": f"the role must be one of {', '.join(ROLES)}",
    "sites_needed": "name at least one site for this role: --site CODE",
    "site_unknown": "the study has no site {site}",
    "sites_not_used": "this role is for all sites; leave out --site",
    "reason_needed": "say why: --reason TEXT",
    "last_administrator": "this is the last administrator who can sign in; add another one first",
    "already_suspended": "this account is suspended already",
    "suspended": "this account is suspended",
}


@click.group()
def user() -> None:
    """Staff accounts."""


@user.command()
@click.option("--email", required=True, help="Also the name to sign in with.")
@click.option("--name", required=True)
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--site", "sites", multiple=True, help="Site code; for nurses and investigators, as often as needed.")
def add(email: str, name: str, role: str, sites: tuple[str, ...]) -> None:
    """Add a person and print the set-up link and code, once."""
    from proapp.services import accounts
    from proapp.services.audit import COMMAND_LINE
    from proapp.services.errors import Refused

    with open_runtime() as runtime, runtime.writing.begin() as session:
        try:
            invited = accounts.add(
                session,
                runtime.vault,
                email=email,
                name=name,
                role=role,
                sites=sites,
                known_sites=[site.code for site in runtime.study.sites],
                actor=COMMAND_LINE,
                now=runtime.clock(),
            )
        except Refused as refused:
            raise _said(refused) from refused
    _print(runtime, invited)


@user.command("list")
def list_() -> None:
    """Every account: e-mail, role, sites, state."""
    from proapp.services import account_list

    with open_runtime() as runtime, runtime.reading() as session:
        for one in account_list.listing(session, runtime.vault, now=runtime.clock()):
            click.echo(f"{one.email}\t{one.role}\t{','.join(one.sites) or '-'}\t{one.state}\t{one.name}")


@user.command()
@click.argument("email")
@click.option("--reason", required=True, help="Kept in the audit trail.")
def suspend(email: str, reason: str) -> None:
    """Shut a person out at once."""
    from proapp.services import accounts
    from proapp.services.audit import COMMAND_LINE
    from proapp.services.errors import NotFound, Refused

    with open_runtime() as runtime, runtime.writing.begin() as session:
        try:
            user_id = accounts.find_id(session, email=email)
            accounts.suspend(session, user_id=user_id, reason=reason, actor=COMMAND_LINE, now=runtime.clock())
        except NotFound as absent:
            raise click.ClickException("there is no account with that address") from absent
        except Refused as refused:
            raise _said(refused) from refused
    click.echo("suspended, and signed out everywhere")


@user.command()
@click.argument("email")
@click.option("--reason", required=True, help="Kept in the audit trail.")
def reset(email: str, reason: str) -> None:
    """Take away password and second factor, and print a new set-up link and code, once."""
    from proapp.services import accounts
    from proapp.services.audit import COMMAND_LINE
    from proapp.services.errors import NotFound, Refused

    with open_runtime() as runtime, runtime.writing.begin() as session:
        try:
            user_id = accounts.find_id(session, email=email)
            invited = accounts.reset(
                session, runtime.vault, user_id=user_id, reason=reason, actor=COMMAND_LINE, now=runtime.clock()
            )
        except NotFound as absent:
            raise click.ClickException("there is no account with that address") from absent
        except Refused as refused:
            raise _said(refused) from refused
    _print(runtime, invited)


def _said(refused: Exception) -> click.ClickException:
    code, params = getattr(refused, "code", ""), getattr(refused, "params", {})
    return click.ClickException(REFUSALS.get(code, code).format(**params))


def _print(runtime: Runtime, invited: Invited) -> None:
    from proapp.services.vault import grouped

    click.echo(f"Set-up link: {runtime.settings.base_url}/staff/set-up#{invited.code}")
    click.echo(f"Set-up code: {grouped(invited.code)}")
    click.echo(f"It works once, until {invited.expires_at:%Y-%m-%d %H:%M} UTC, and is not shown again.")
