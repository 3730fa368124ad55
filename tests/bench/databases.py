"""Empty, migrated databases for figures: a SQLite file, or a database of the tests' own PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from proapp.config import Settings
from proapp.db.migrate import upgrade
from proapp.db.session import make_engine
from proapp.runtime import Runtime
from proapp.services.vault import Vault
from tests.bench.servers import SECRET
from tests.conftest import MovableClock, administration, database_url_of, definitions

ENGINES = ("sqlite", "postgresql")


@contextmanager
def installed(engine_name: str, folder: Path, clock: Any = None, **changes: Any) -> Iterator[Runtime]:
    """A runtime on an empty database of that engine; `changes` are made to the study."""
    name = f"bench_{uuid.uuid4().hex[:10]}"
    if engine_name == "postgresql":
        with administration() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        url = database_url_of(name)
    else:
        url = f"sqlite:///{folder / name}.sqlite3"
    engine = make_engine(url)
    upgrade(engine)
    study, instruments = definitions()
    settings = Settings(url, SECRET, (b"k" * 32,), "https://pro.example.org")
    if changes:
        study = study.model_copy(update={"follow_up": study.follow_up.model_copy(update=changes)})
    try:
        yield Runtime(settings, study, instruments, engine, clock or MovableClock(), Vault(SECRET, (b"k" * 32,)))
    finally:
        engine.dispose()
        if engine_name == "postgresql":
            with administration() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def with_clock(runtime: Runtime, clock: Any) -> Runtime:
    return replace(runtime, clock=clock)
