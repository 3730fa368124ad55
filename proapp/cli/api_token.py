"""`proapp api-token`: letting a machine in, and shutting it out (docs/api.md)."""

from __future__ import annotations

from datetime import datetime

import click

from proapp.cli.support import open_runtime

REFUSALS = {
    "token_name_invalid": "the name must have 1 to 80 characters",
    "scopes_needed": "say what it opens: --scope SCOPE",
    "site_unknown": "the study has no site {site}",
    "exports_of_all_sites": "an export holds every site; leave out --site or exports:read",
    "last_day_over": "the last day must not be over already",
    "reason_needed": "say why: --reason TEXT",
    "token_ended": "this token is ended already",
}
# As in services.api_tokens, which is not loaded for a --help; a test holds them together.
SCOPES = (
    "participants:read",
    "assessments:read",
    "compliance:read",
    "exports:read",
    "participants:write",
    "randomizations:write",
)


@click.group("api-token")
def api_token() -> None:
    """Tokens for machines that use the API."""


@api_token.command()
@click.option("--name", required=True, help="Who uses it, as the audit trail will name it.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="As often as needed.")
@click.option("--site", "sites", multiple=True, help="Site code, as often as needed; without it, all sites.")
@click.option("--arms", is_flag=True, help="It may see who has which arm.")
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day on which it works.")
def add(name: str, scopes: tuple[str, ...], sites: tuple[str, ...], arms: bool, until: datetime) -> None:
    """Make a token and print it, once."""
    from proapp.services import api_tokens
    from proapp.services.audit import COMMAND_LINE
    from proapp.services.errors import Refused

    with open_runtime() as runtime, runtime.writing.begin() as session:
        try:
            made = api_tokens.add(
                session,
                runtime.vault,
                study=runtime.study,
                name=name,
                scopes=scopes,
                sites=sites,
                sees_arms=arms,
                last_day=until.date(),
                actor=COMMAND_LINE,
                now=runtime.clock(),
            )
        except Refused as refused:
            raise _said(refused) from refused
    click.echo(f"Token {made.token_id}: {made.token}")
    click.echo(f"It works to the end of {made.last_day} and is not shown again.")


@api_token.command("list")
def list_() -> None:
    """Every token: number, state, last day, last use, scopes, sites, name."""
    from proapp.services import api_tokens

    with open_runtime() as runtime, runtime.reading() as session:
        for one in api_tokens.listing(session, study=runtime.study, now=runtime.clock()):
            sites = ",".join(one.sites) or "all sites"
            used = f"used {one.last_used_on}" if one.last_used_on else "never used"
            scopes = ",".join(one.scopes) + (",arms" if one.sees_arms else "")
            click.echo(f"{one.id}\t{one.state}\tuntil {one.last_day}\t{used}\t{scopes}\t{sites}\t{one.name}")


@api_token.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Kept in the audit trail.")
def end(number: int, reason: str) -> None:
    """Shut the machine out at once."""
    from proapp.services import api_tokens
    from proapp.services.audit import COMMAND_LINE
    from proapp.services.errors import NotFound, Refused

    with open_runtime() as runtime, runtime.writing.begin() as session:
        try:
            api_tokens.end(session, token_id=number, reason=reason, actor=COMMAND_LINE, now=runtime.clock())
        except NotFound as absent:
            raise click.ClickException("there is no token with that number; see: proapp api-token list") from absent
        except Refused as refused:
            raise _said(refused) from refused
    click.echo("ended; it opens nothing any more")


def _said(refused: Exception) -> click.ClickException:
    code, params = getattr(refused, "code", ""), getattr(refused, "params", {})
    return click.ClickException(REFUSALS.get(code, code).format(**params))
