"""Facts cannot be changed or removed, whoever holds the connection."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import UniqueConstraint, insert, text
from sqlalchemy.exc import DBAPIError

from proapp.db.append_only import KEYS
from proapp.db.models import (
    APPEND_ONLY,
    AnswerConflict,
    ApiToken,
    ApiWrite,
    AssessmentEvent,
    Base,
    ContactAttempt,
    DeliveryReceipt,
    MissedReason,
    PatientRequest,
)
from proapp.services import audit

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def one_row_each(people, engine):
    person = people.participant(randomized_on=date(2026, 8, 20))
    answers = people.answered(person, "baseline")
    assessment = people.assessment_id(person, "m03")
    with people.runtime.writing.begin() as session:
        session.add(AssessmentEvent(assessment_id=assessment, type="declined", recorded_at=NOW))
        session.execute(
            insert(MissedReason).values(
                assessment_id=assessment,
                code="forgot",
                health_related="?",
                avoidable="Y",
                source="staff",
                recorded_at=NOW,
            )
        )
        session.add(
            AnswerConflict(
                response_set_id=answers,
                instrument="c30",
                item=1,
                kind="answered",
                code=2,
                language="sv",
                recorded_at=NOW,
                client_id="aaaaaaaa-1",
                actor="patient",
            )
        )
        session.add(ContactAttempt(participant_id=person, method="phone", outcome="no_answer", at=NOW))
        session.add(PatientRequest(participant_id=person, type="call_me", recorded_at=NOW))
        session.add(DeliveryReceipt(gateway="log", provider_ref="1", status="delivered", received_at=NOW))
        session.add(_token())
        session.flush()
        session.add(ApiWrite(token_id=1, participant_id=person, fingerprint="0" * 64, answer={}, recorded_at=NOW))
        audit.record(
            session, audit.Entry("test.written", "test", 1, {}), actor=audit.WORKER, now=NOW, participant_id=person
        )
    return engine


def _token():
    return ApiToken(
        id=1, name="Robot", token_hash="0" * 64, scopes=[], sites=None, sees_arms=False, created_at=NOW, expires_at=NOW
    )


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_update_and_delete_are_refused(one_row_each, table, verb):
    column = next(iter(Base.metadata.tables[table].columns)).name
    statement = f"UPDATE {table} SET {column} = {column}" if verb == "UPDATE" else f"DELETE FROM {table}"
    with one_row_each.connect() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() > 0
    with one_row_each.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(statement))


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_truncate_is_refused_on_postgresql(one_row_each, table):
    if one_row_each.dialect.name == "sqlite":
        assert "TRUNCATE" not in _triggers_of_sqlite(one_row_each, table)  # SQLite has no such statement
        return
    with one_row_each.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.execute(text(f"TRUNCATE {table} CASCADE"))


def _triggers_of_sqlite(engine, table):
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"), {"table": table}
        )
        return " ".join(found.scalars())


def _again(connection, table):
    """The columns and values of one stored row, as they are."""
    row = connection.execute(text(f"SELECT * FROM {table} LIMIT 1")).mappings().one()
    return dict(row)


def _insert(verb, table, values, rest=""):
    names = list(values)
    return text(f"{verb} INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)}) {rest}")


@pytest.mark.parametrize("recursive", ["OFF", "ON"])
@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_row_cannot_be_replaced(one_row_each, table, recursive):
    """Neither by its number nor by another key; whatever the connection has set, which may be nobody's of ours."""
    if one_row_each.dialect.name != "sqlite":
        return  # PostgreSQL has no REPLACE
    for key in (("id",), *KEYS.get(table, ())):
        with one_row_each.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA recursive_triggers={recursive}")
            values = _again(connection, table)
            if any(values[name] is None for name in key):
                values |= dict.fromkeys(key, values["id"])  # this row leaves the key open: another one has it
                connection.execute(_insert("INSERT", table, values), values | {"id": 99})
            if key != ("id",):
                values["id"] = 100
            with pytest.raises(DBAPIError, match="append-only"):
                connection.execute(_insert("INSERT OR REPLACE", table, values), values)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_an_upsert_changes_nothing(one_row_each, table):
    with one_row_each.connect() as connection:
        values = _again(connection, table)
        statement = _insert("INSERT", table, values, "ON CONFLICT (id) DO UPDATE SET id = excluded.id")
        for name, value in values.items():
            if isinstance(value, dict):
                values[name] = json.dumps(value)
        with pytest.raises(DBAPIError, match="append-only"):
            connection.execute(statement, values)


def test_every_key_of_a_guarded_table_is_guarded():
    for table in APPEND_ONLY:
        constraints = Base.metadata.tables[table].constraints
        unique = {tuple(one.columns.keys()) for one in constraints if isinstance(one, UniqueConstraint)}
        indexed = {tuple(one.columns.keys()) for one in Base.metadata.tables[table].indexes if one.unique}
        assert unique | indexed == set(KEYS.get(table, ())), table
        assert list(Base.metadata.tables[table].primary_key.columns.keys()) == ["id"]
