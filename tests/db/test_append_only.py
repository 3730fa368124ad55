"""Facts cannot be changed or removed, whoever holds the connection."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from proapp.db.models import (
    APPEND_ONLY,
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
    people.answered(person, "baseline")
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
        session.add(ContactAttempt(participant_id=person, method="phone", outcome="no_answer", at=NOW))
        session.add(PatientRequest(participant_id=person, type="call_me", recorded_at=NOW))
        session.add(DeliveryReceipt(gateway="log", provider_ref="1", status="delivered", received_at=NOW))
        audit.record(
            session, audit.Entry("test.written", "test", 1, {}), actor=audit.WORKER, now=NOW, participant_id=person
        )
    return engine


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
