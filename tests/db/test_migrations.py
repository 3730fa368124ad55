"""The migrations make what the models say, in both directions, with data in the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect, select, types

from proapp.db.migrate import _config, current_revision, downgrade, head_revision, require_head, upgrade
from proapp.db.models import APPEND_ONLY, AuditEvent, Base, Participant
from proapp.db.session import UnsafeDatabase, writing_sessions


def revisions():
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))]


def test_the_head_of_the_migrations_equals_the_models(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_revisions_are_numbered_in_a_row():
    assert revisions() == [f"{number:04d}" for number in range(1, len(revisions()) + 1)]


@pytest.mark.alters_database
def test_every_revision_goes_up_and_down_with_data_in_it(engine):
    """A row in each table that a revision has is there unchanged at the next one, and at the one before."""
    steps = ["base", *revisions()]
    downgrade(engine, "base")
    for number, revision in enumerate(steps[1:], start=1):
        before = everything(engine)
        upgrade(engine, revision)
        assert unchanged(before, everything(engine)), revision
        fill(engine, number)
    assert current_revision(engine) == head_revision()
    at_head = everything(engine)
    assert all(at_head.values()), "every table has rows"
    for revision in reversed(steps[1:-1]):
        before = everything(engine)
        downgrade(engine, revision)
        assert unchanged(before, everything(engine)), revision
    downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}


def tables(connection):
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def fill(engine, number):
    """A row in each table, every column filled, all of them numbered alike."""
    with engine.execution_options(proapp_write=True).begin() as connection:
        for table in tables(connection):
            connection.execute(table.insert().values({column.name: value(column, number) for column in table.columns}))


def value(column, number):
    if column.foreign_keys:
        (target,) = column.foreign_keys
        return None if target.column.table is column.table else number
    kind = column.type.as_generic(allow_nulltype=True)
    if isinstance(kind, types.Boolean):
        return True
    if isinstance(kind, types.Integer):
        return number
    if isinstance(kind, types.DateTime):
        return datetime(2026, 1, number, 9, 30, tzinfo=UTC if column.type.timezone else None)
    if isinstance(kind, types.Date):
        return date(2026, 1, number)
    if isinstance(kind, types.Time):
        return time(9, number)
    if isinstance(kind, types.LargeBinary):
        return bytes([number])
    if isinstance(kind, types.JSON):
        return {"number": number}
    assert isinstance(kind, types.String), column
    return f"{number}{column.name}"[: kind.length]


def everything(engine):
    """Table → its rows, each a dictionary."""
    with engine.connect() as connection:
        return {
            table.name: [
                dict(row) for row in connection.execute(table.select().order_by(*table.primary_key)).mappings()
            ]
            for table in tables(connection)
        }


def unchanged(before, after):
    """Whether the rows of each table that is on both sides are the same, in the columns that are on both sides."""
    for name in before.keys() & after.keys():
        assert len(before[name]) == len(after[name]), name
        for one, other in zip(before[name], after[name], strict=True):
            shared = one.keys() & other.keys()
            assert {key: one[key] for key in shared} == {key: other[key] for key in shared}, name
    return True


@pytest.mark.alters_database
def test_a_database_at_another_revision_is_not_served(engine):
    downgrade(engine, "base")
    with pytest.raises(UnsafeDatabase, match="proapp db upgrade"):
        require_head(engine)


def test_moments_come_back_aware_and_in_utc(engine):
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    with writing_sessions(engine).begin() as session:
        session.add(Participant(study_id="UME-002", site_code="UME", language="sv", enrolled_at=moment))
    with writing_sessions(engine)() as session:
        assert session.scalars(select(Participant.enrolled_at)).one() == moment


def test_a_naive_moment_is_never_stored(session):
    session.add(Participant(study_id="UME-002", site_code="UME", language="sv", enrolled_at=datetime(2026, 1, 1)))  # noqa: DTZ001 the mistake under test
    with pytest.raises(Exception, match="without a time zone"):
        session.flush()


def test_the_guarded_tables_are_those_of_the_models():
    assert AuditEvent.__tablename__ in APPEND_ONLY
    assert set(APPEND_ONLY) <= set(Base.metadata.tables)
