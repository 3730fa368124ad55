"""Engines and sessions.

SQLite runs in WAL with synchronous=FULL, so that an answer acknowledged is an answer on disk. A session that writes
takes its lock at the start (BEGIN IMMEDIATE): waiting in line beats finding out at the end. PostgreSQL refuses to serve
when its commits would be acknowledged before they are durable.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

BUSY_MILLISECONDS = 5000
BETWEEN_TRIES = 0.0003  # seconds


class UnsafeDatabase(Exception):
    """The database would lose acknowledged answers, or is not at the version this program was written for."""


def make_engine(url: str) -> Engine:
    """An engine for `url` (sqlite:///path or postgresql://…). Opens no connection yet."""
    parsed = make_url(url)
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    # hide_parameters: a failing statement must not put an answer or a contact into a log line.
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"check_same_thread": False}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        event.listen(engine, "checkin", _leave_nothing_open)
        return engine
    return create_engine(parsed, pool_size=5, max_overflow=5, pool_timeout=5, pool_pre_ping=True, hide_parameters=True)


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event decides how a transaction starts
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_MILLISECONDS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Asked of the driver itself: through SQLAlchemy it would cost as much as a question."""
    driver: Any = connection.connection.dbapi_connection
    if not connection.get_execution_options().get("proapp_write", False):
        driver.execute("BEGIN")
        return
    try:
        _take_the_lock(driver)
    except sqlite3.OperationalError as error:  # somebody else holds the lock for longer than anybody should wait
        raise OperationalError("BEGIN IMMEDIATE", None, error) from error


def _take_the_lock(driver: sqlite3.Connection) -> None:
    """SQLite itself would wait 1, 2, 5, 10, 15 … milliseconds from try to try, and an answer is saved in one."""
    ends = time.monotonic() + BUSY_MILLISECONDS / 1000
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= ends:
                    raise
                time.sleep(BETWEEN_TRIES)
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")


def _leave_nothing_open(connection: sqlite3.Connection | None, _record: Any) -> None:
    """After a commit that failed (a full disk) SQLAlchemy puts the connection back as it is: with the writer's lock."""
    if connection is not None and connection.in_transaction:
        connection.rollback()


def writing(engine: Engine) -> Engine:
    """The same engine, whose transactions take the writer's lock at their beginning."""
    return engine.execution_options(proapp_write=True)


def reading_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, autoflush=False, expire_on_commit=False)


def writing_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(writing(engine), expire_on_commit=False)


def connection_of(database: Session | Connection) -> Connection:
    """The connection under a session, or the connection itself: what every answer travels does without the session."""
    return database if isinstance(database, Connection) else database.connection()


def require_durable(engine: Engine) -> None:
    """Raise UnsafeDatabase where a commit could be acknowledged before it is on disk."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            _require(connection, "PRAGMA synchronous", {"2", "3"}, "synchronous must be FULL")
        else:
            for name in ("synchronous_commit", "fsync", "full_page_writes"):
                allowed = {"on", "remote_apply", "remote_write"} if name == "synchronous_commit" else {"on"}
                _require(connection, f"SHOW {name}", allowed, f"{name} must be on")


def _require(connection: Connection, question: str, allowed: set[str], sentence: str) -> None:
    found = str(connection.execute(text(question)).scalar())
    if found not in allowed:
        raise UnsafeDatabase(
            f"The database setting {sentence}, but is {found}: acknowledged answers could be lost. "
            "Change it for this database and start again."
        )
