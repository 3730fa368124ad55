"""Statements that go straight to the driver give what SQLAlchemy gives: the same values, the same errors."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from proapp.db.models import Assessment, AssessmentEvent, ResponseSet
from proapp.db.prepared import Prepared
from proapp.db.session import make_engine, writing

NOW = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)
SETS = ResponseSet.__table__
EVENTS = AssessmentEvent.__table__


@pytest.fixture
def answered(people):
    person = people.participant(randomized_on=date(2026, 8, 20))
    people.answered(person, "m03", codes={"c30": {1: 2}})
    return people.assessment_id(person, "m03")


def test_every_kind_of_value_comes_out_as_sqlalchemy_gives_it(answered, engine):
    query = select(SETS).where(SETS.c.assessment_id == bindparam("assessment"))
    with engine.connect() as connection:
        (row,) = connection.execute(query, {"assessment": answered}).all()
        (straight,) = Prepared(query).all(connection, {"assessment": answered})
    assert tuple(straight) == tuple(row)
    kinds = {type(value) for value in straight}
    assert {bool, datetime, dict, str, int, type(None)} <= kinds


def test_every_kind_of_value_goes_in_and_nothing_is_kept_before_the_commit(answered, engine):
    columns = [column.name for column in EVENTS.columns if column.name != "id"]
    statement = Prepared(insert(EVENTS).inline(), columns=columns)
    values = {
        "assessment_id": answered, "type": "extended", "payload": {"until": "2026-12-24", "å": None}, "reason": None,
        "recorded_at": NOW, "recorded_by_id": None,
    }  # fmt: skip
    with writing(engine).connect() as connection:
        statement.write(connection, values)
        connection.rollback()
        statement.write(connection, values)
        connection.commit()
        (row,) = connection.execute(select(EVENTS).where(EVENTS.c.type == "extended")).all()
    assert {name: getattr(row, name) for name in columns} == values


def test_values_of_the_statement_itself_are_kept_apart_from_those_of_the_call(answered, engine):
    table = Assessment.__table__
    query = Prepared(
        select(table.c.timepoint).where(table.c.id == bindparam("id"), table.c.timepoint == "m03").limit(1)
    )
    with engine.connect() as connection:
        assert [tuple(row) for row in query.all(connection, {"id": answered})] == [("m03",)]
        assert query.all(connection, {"id": answered + 1000}) == []


def test_an_error_is_sqlalchemys_own_and_holds_no_value(answered, engine):
    columns = [column.name for column in EVENTS.columns if column.name != "id"]
    statement = Prepared(insert(EVENTS).inline(), columns=columns)
    wrong = dict.fromkeys(columns) | {"assessment_id": answered, "payload": {"word": "canary"}, "recorded_at": NOW}
    with writing(engine).connect() as connection, pytest.raises(IntegrityError) as caught:
        statement.write(connection, wrong)
    assert "INSERT INTO assessment_event" in str(caught.value)
    # (PostgreSQL's own words may quote the row; no log line holds the words of an error: tests/web/test_logs.py.)
    assert caught.value.params is None
    assert caught.value.hide_parameters


def test_a_locked_database_is_told_as_everywhere(answered, engine):
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL locks rows, not the file")
    other = make_engine(str(engine.url))
    with writing(engine).connect() as holder, writing(other).connect() as waiting:
        holder.begin()
        waiting.connection.execute("PRAGMA busy_timeout=1")
        waiting.rollback()
        with pytest.raises(OperationalError, match="locked"):
            Prepared(select(SETS.c.id)).all(waiting, {})
    other.dispose()
