"""`proapp keys`: fresh secrets for the environment, printed and kept nowhere."""

from __future__ import annotations

import base64
import secrets

import click

from proapp.cli.support import open_runtime


@click.group(invoke_without_command=True)
@click.pass_context
def keys(context: click.Context) -> None:
    """Print a fresh PROAPP_SECRET_KEY and PROAPP_CONTACT_KEYS.

    Keep both apart from the database and its backups. Without the contact key no contact data can be read again.
    """
    if context.invoked_subcommand is not None:
        return
    click.echo(f"PROAPP_SECRET_KEY={secrets.token_urlsafe(48)}")
    click.echo(f"PROAPP_CONTACT_KEYS={base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}")


@keys.command()
def reseal() -> None:
    """Seal all contact data and second factors anew under the first of PROAPP_CONTACT_KEYS.

    To change the key: put the new one in front of the old one, restart, run this, then take the old one away. It may be
    interrupted and run again.
    """
    from proapp.services import contacts, staff_sign_in
    from proapp.services.audit import COMMAND_LINE
    from proapp.services.vault import CannotOpen

    with open_runtime() as runtime, runtime.writing() as session:
        now, vault = runtime.clock(), runtime.vault
        try:
            people = contacts.reseal_all(session, vault=vault, actor=COMMAND_LINE, now=now)
            staff = staff_sign_in.reseal_all(session, vault=vault, actor=COMMAND_LINE, now=now)
        except CannotOpen as error:
            raise click.ClickException(f"{error} was sealed with a key that is not in PROAPP_CONTACT_KEYS.") from error
        session.commit()
    click.echo(f"sealed anew: {people} contacts, {staff} second factors")
