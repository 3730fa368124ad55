"""A read-only view of the database that stands still while an export is written, and stops nobody from writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from proapp.db.session import reading_sessions


@contextmanager
def snapshot(engine: Engine) -> Iterator[Session]:
    """A session in which every statement sees the same moment, on SQLite (WAL) and PostgreSQL alike."""
    with reading_sessions(engine)() as session:
        if engine.dialect.name == "postgresql":
            session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
        yield session
