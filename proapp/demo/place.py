"""Where a demonstration lives: a file of its own under var/demo, keys of its own, never a database that holds more.

The keys come from the seed, so that the same demonstration is the same database everywhere. They protect nobody: there
is nobody in it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.orm import Session

from proapp.config import Settings
from proapp.db.migrate import current_revision, head_revision, upgrade
from proapp.db.models import Base
from proapp.db.session import UnsafeDatabase, make_engine
from proapp.demo.build import build
from proapp.runtime import SHIPPED_STUDY, load_definitions
from proapp.services import installation

FOLDER = Path("var") / "demo"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Which demonstration: `today` is the day it shows, `shifted` whether its clock has to be moved there."""

    today: date
    shifted: bool
    participants: int
    seed: int
    database_url: str
    base_url: str

    def environment(self) -> dict[str, str]:
        """The settings for the web face, the worker and every command on this database."""
        settings = {
            "PROAPP_DEMO": "1",
            "PROAPP_DATABASE_URL": self.database_url,
            "PROAPP_SECRET_KEY": _secret(self.seed, "secret key").hex(),
            "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(_secret(self.seed, "contact key")).decode(),
            "PROAPP_BASE_URL": self.base_url,
            "PROAPP_LOG_LEVEL": "WARNING",
        }
        return settings | ({"PROAPP_TODAY": self.today.isoformat()} if self.shifted else {})

    def settings(self) -> Settings:
        return Settings(
            database_url=self.database_url,
            secret_key=_secret(self.seed, "secret key").hex(),
            contact_keys=(_secret(self.seed, "contact key"),),
            base_url=self.base_url,
            demo=True,
            today=self.today if self.shifted else None,
            log_level="WARNING",
        )


def _secret(seed: int, purpose: str) -> bytes:
    return hashlib.sha256(f"proapp demonstration {seed} {purpose}".encode()).digest()


def file_of(today: date, participants: int, seed: int) -> Path:
    """The file of a demonstration, in the folder one is in."""
    return (FOLDER / f"breclim2-{today}-{participants}-{seed}.sqlite3").absolute()


def write_environment(demonstration: Demonstration, path: Path) -> None:
    """The settings as a file for a shell, so that any other command can be tried on the demonstration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"export {name}='{value}'" for name, value in demonstration.environment().items()]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_environment(path: Path) -> Mapping[str, str]:
    """What `write_environment` wrote. Raises OSError when no demonstration was made here."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.removeprefix("export ").split("=", 1) for line in lines)
    return {name: value.strip("'") for name, value in pairs}


def discard_old(path: Path) -> bool:
    """Delete our own file where it is a demonstration of another version; returns whether it did."""
    if not path.exists():
        return False
    engine = make_engine(f"sqlite:///{path}")
    try:
        old = _is_demonstration(engine) and current_revision(engine) != head_revision()
    finally:
        engine.dispose()
    if old:
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    return old


def make(demonstration: Demonstration) -> bool:
    """Make the demonstration unless it is there already; returns whether it was made now.

    Raises UnsafeDatabase when the database holds anything that is not a demonstration of this version.
    """
    engine = make_engine(demonstration.database_url)
    try:
        if not _is_empty(engine):
            _require_demonstration(engine)
            return False
        upgrade(engine)
        settings = demonstration.settings()
        study, instruments = load_definitions(settings)
        with engine.execution_options(proapp_write=True).begin() as connection:
            build(
                connection,
                study=study,
                study_text=SHIPPED_STUDY.read_text(encoding="utf-8"),
                instruments=instruments,
                secret_key=settings.secret_key,
                contact_keys=settings.contact_keys,
                today=demonstration.today,
                participants=demonstration.participants,
                seed=demonstration.seed,
            )
        return True
    finally:
        engine.dispose()


def _is_empty(engine: Engine) -> bool:
    """No tables at all, or ours at this version without a row in any of them (as an interrupted start leaves them)."""
    tables = set(inspect(engine).get_table_names())
    if not tables:
        return True
    if tables != {*Base.metadata.tables, "alembic_version"} or current_revision(engine) != head_revision():
        return False
    with engine.connect() as connection:
        return not any(connection.scalar(select(func.count()).select_from(one)) for one in Base.metadata.sorted_tables)


def _require_demonstration(engine: Engine) -> None:
    if not _is_demonstration(engine):
        raise UnsafeDatabase(
            "This database holds something that is not a demonstration. It was left as it is; name another one."
        )
    if current_revision(engine) != head_revision():
        raise UnsafeDatabase("This demonstration was made by another version of proapp; name another database.")


def _is_demonstration(engine: Engine) -> bool:
    if "installation" not in inspect(engine).get_table_names():
        return False
    with Session(engine) as session:
        return installation.kind(session) == "demo"
