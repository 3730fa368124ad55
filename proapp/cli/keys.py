"""`proapp keys`: fresh secrets for the environment, printed and kept nowhere."""

from __future__ import annotations

import base64
import secrets

import click


@click.command()
def keys() -> None:
    """Print a fresh PROAPP_SECRET_KEY and PROAPP_CONTACT_KEYS.

    Keep both apart from the database and its backups. Without the contact key no contact data can be read again.
    """
    click.echo(f"PROAPP_SECRET_KEY={secrets.token_urlsafe(48)}")
    click.echo(f"PROAPP_CONTACT_KEYS={base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}")
