"""Numbered migrations, run by `proapp db` and never at start-up: no version alters a trial's data by surprise."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from proapp.db.session import UnsafeDatabase

MIGRATIONS = Path(__file__).with_name("migrations")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    with _writing(engine).begin() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    with _writing(engine).begin() as connection:
        command.downgrade(_config(connection), revision)


def _writing(engine: Engine) -> Engine:
    return engine.execution_options(proapp_write=True)


def current_revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def require_head(engine: Engine) -> None:
    """Raise UnsafeDatabase unless the database is at the revision this program was written for."""
    found, wanted = current_revision(engine), head_revision()
    if found != wanted:
        raise UnsafeDatabase(
            f"The database is at migration {found or 'none'} and this version needs {wanted}. "
            "Make a backup, run: proapp db upgrade"
        )
