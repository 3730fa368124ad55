"""What every command that needs the database shares: a runtime from the environment, and problems said plainly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from proapp.config import Settings
    from proapp.export.pseudonyms import Pseudonyms
    from proapp.runtime import Runtime


@contextmanager
def open_runtime(
    *, check_database: bool = True, settings: Settings | None = None, serving: bool = False
) -> Iterator[Runtime]:
    """A runtime built from the environment (or from `settings`), closed afterwards. `serving`: people will meet it.

    Faulty settings, faulty files, an unsafe or unreachable database end the command with their sentences and status 1.
    """
    # Here, not above: `proapp score` must not wait for SQLAlchemy.
    from sqlalchemy.exc import OperationalError

    from proapp.config import SettingsError, read_settings
    from proapp.db.session import UnsafeDatabase
    from proapp.instruments.problems import DefinitionError
    from proapp.runtime import build_runtime

    try:
        settings = settings or read_settings(os.environ)
        runtime = build_runtime(settings, check_database=check_database, serving=serving)
    except SettingsError as error:
        raise click.ClickException("\n".join(["the settings need attention:", *error.problems])) from error
    except DefinitionError as error:
        raise click.ClickException("\n".join(str(problem) for problem in error.problems)) from error
    except UnsafeDatabase as error:
        raise click.ClickException(str(error)) from error
    except OperationalError as error:
        raise click.ClickException("the database cannot be opened; is PROAPP_DATABASE_URL right?") from error
    try:
        yield runtime
    finally:
        runtime.close()


def pseudonyms_of(file: Path | None) -> Pseudonyms | None:
    """Ids made with a key, which is the content of the file, without blanks at its ends."""
    from proapp.export.pseudonyms import Pseudonyms, WeakKey

    try:
        return Pseudonyms(file.read_bytes().strip()) if file else None
    except WeakKey as error:
        raise click.BadParameter(f"{error}: openssl rand -base64 32.", param_hint="--pseudonym-key") from error
