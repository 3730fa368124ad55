"""The migrations make what the models say, in both directions, with data in the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select

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
def test_every_revision_goes_down_and_up_again_with_data_in_it(people, engine):
    person = people.participant(randomized_on=date(2026, 8, 20))
    people.answered(person, "baseline", submitted_at=datetime(2026, 8, 19, 9, tzinfo=UTC))
    steps = revisions()
    for revision in reversed(["base", *steps[:-1]]):
        downgrade(engine, revision)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    for revision in steps:
        upgrade(engine, revision)
    assert current_revision(engine) == head_revision()
    with writing_sessions(engine).begin() as session:
        session.add(
            Participant(
                study_id="UME-002", site_code="UME", language="sv", enrolled_at=datetime(2026, 1, 1, tzinfo=UTC)
            )
        )


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
