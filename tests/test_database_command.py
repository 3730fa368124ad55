"""`proapp db`: made, marked, migrated and taken back, and never mixed up with a demonstration."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from proapp.cli import main
from proapp.db.migrate import current_revision, head_revision
from proapp.db.models import AuditEvent, Participant, StudyVersion
from proapp.runtime import SHIPPED_STUDY
from proapp.services import installation


@pytest.fixture
def db(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("PROAPP_DATABASE_URL", runtime.settings.database_url)
    monkeypatch.setenv("PROAPP_SECRET_KEY", runtime.settings.secret_key)
    monkeypatch.setenv("PROAPP_CONTACT_KEYS", base64.urlsafe_b64encode(runtime.settings.contact_keys[0]).decode())
    return lambda *words: CliRunner().invoke(main, ["db", *words])


def test_upgrade_marks_the_database_and_keeps_the_study_once(runtime: Any, db: Callable[..., Any]):
    for _ in range(2):
        said = db("upgrade")
        assert said.exit_code == 0, said.output
        assert said.output == f"The database is at migration {head_revision()} and is live.\n"
    with runtime.reading() as session:
        assert installation.kind(session) == "live"
        (version,) = session.scalars(select(StudyVersion)).all()
        assert version.content_hash == runtime.study.content_hash
        assert 'code = "BreCLIM-2"' in version.text
        assert session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)).all() == [
            "installation.marked",
            "study.recorded",
        ]


@pytest.mark.parametrize(("first", "second"), [("0", "1"), ("1", "0")])
def test_what_is_live_never_becomes_a_demonstration_nor_the_other_way_round(
    db: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, first: str, second: str
):
    monkeypatch.setenv("PROAPP_DEMO", first)
    assert db("upgrade").exit_code == 0
    monkeypatch.setenv("PROAPP_DEMO", second)
    refused = db("upgrade")
    assert refused.exit_code == 1
    assert "name another database" in refused.output


@pytest.mark.alters_database
def test_down_and_up_again(runtime: Any, db: Callable[..., Any]):
    assert db("downgrade", "base").exit_code == 1  # nobody said yes
    assert current_revision(runtime.engine) == head_revision()
    assert db("downgrade", "base", "--yes").output == "The database is at migration none.\n"
    assert db("current").output == f"none (this version needs {head_revision()})\n"
    assert db("upgrade").exit_code == 0
    assert db("current").output == f"{head_revision()} (this version needs {head_revision()})\n"
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(StudyVersion)) == 1


def test_a_revision_nobody_knows_is_refused_in_a_sentence(db: Callable[..., Any]):
    refused = db("downgrade", "4711", "--yes")
    assert refused.exit_code == 1
    assert "4711" in refused.output
    assert "Traceback" not in refused.output


def test_another_study_file_is_an_amendment_once_somebody_takes_part(
    runtime: Any, db: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    assert db("upgrade").exit_code == 0
    other = tmp_path / "study.toml"
    text = SHIPPED_STUDY.read_text(encoding="utf-8")
    other.write_text(text.replace('number = "example 1"', 'number = "2"'), encoding="utf-8")
    monkeypatch.setenv("PROAPP_STUDY", str(other))
    assert db("upgrade").exit_code == 0, "nobody takes part yet"
    other.write_text(text.replace('number = "example 1"', 'number = "3"'), encoding="utf-8")
    with runtime.writing.begin() as session:
        session.add(Participant(study_id="UME-001", site_code="UME", language="sv", enrolled_at=runtime.clock()))
    refused = db("upgrade")
    assert refused.exit_code == 1
    assert "approved by a second person" in refused.output
    with runtime.reading() as session:
        assert session.scalars(select(StudyVersion.number).order_by(StudyVersion.id)).all() == ["example 1", "2"]
