"""An acknowledged answer is on disk: the settings that make it so are checked on the app's own connections."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import create_engine, event, text

from proapp import create_app
from proapp.db.session import UnsafeDatabase, make_engine, require_durable, writing_sessions
from proapp.services.installation import mark


def test_the_engine_as_configured_is_durable(engine):
    require_durable(engine)


def test_sqlite_runs_in_wal_with_full_sync_and_foreign_keys(engine):
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
        return
    with engine.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.alters_database
def test_a_database_that_may_lose_acknowledged_answers_is_refused(engine, database_url):
    if engine.dialect.name == "sqlite":
        careless = create_engine(database_url)
        event.listen(careless, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=NORMAL"))
    else:
        with engine.begin() as connection:
            name = connection.execute(text("SELECT current_database()")).scalar()
            connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
        careless = make_engine(database_url)
    with pytest.raises(UnsafeDatabase, match="could be lost"):
        require_durable(careless)
    careless.dispose()


@pytest.fixture
def startable(settings, engine, monkeypatch):
    """Settings with which the app starts: the study that comes with proapp is served as a demonstration only."""
    monkeypatch.setattr("proapp.logs.configure", lambda _level: None)  # the log of the tests stays as it is
    with writing_sessions(engine).begin() as session:
        mark(session, demo=True)
    settings = replace(settings, demo=True)
    create_app(settings).extensions["proapp"].close()
    return settings


@pytest.mark.alters_database
@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
@pytest.mark.parametrize("setting", ["off", "local"])
def test_the_app_does_not_start_on_a_database_that_may_lose_acknowledged_answers(engine, startable, setting):
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar()
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = {setting}"))
    with pytest.raises(UnsafeDatabase, match=f"synchronous_commit must be on, but is {setting}"):
        create_app(startable)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_app_makes_sqlite_durable_itself_and_checks_that_it_is(startable, monkeypatch):
    monkeypatch.setattr(
        "proapp.db.session._prepare_sqlite",
        lambda connection, _record: connection.execute("PRAGMA synchronous=NORMAL") and None,
    )
    with pytest.raises(UnsafeDatabase, match="synchronous must be FULL"):
        create_app(startable)


def test_a_writer_takes_its_turn_at_the_start(runtime, engine):
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL locks rows, not the file")
    sent = []
    event.listen(engine, "checkout", lambda driver, _record, _proxy: driver.set_trace_callback(sent.append))
    with runtime.writing() as session:
        session.execute(text("SELECT 1"))
    with runtime.reading() as session:
        session.execute(text("SELECT 1"))
    assert [statement for statement in sent if statement.startswith("BEGIN")] == ["BEGIN IMMEDIATE", "BEGIN"]
