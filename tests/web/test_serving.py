"""The web face does not start on what would harm: a demonstration's file before real participants, a faulty file."""

from __future__ import annotations

from dataclasses import replace

import pytest

import proapp
from proapp.db.session import UnsafeDatabase
from proapp.instruments.problems import DefinitionError
from proapp.services import installation


def test_a_demonstrations_study_file_is_not_served_to_real_participants(settings, runtime):
    with pytest.raises(DefinitionError, match="marked as a demonstration"):
        proapp.create_app(settings)
    with runtime.writing.begin() as session:
        installation.mark(session, demo=True)
    app = proapp.create_app(replace(settings, demo=True))
    assert app.test_client().get("/healthz").status_code == 200
    app.extensions["proapp"].close()


def test_a_faulty_study_file_is_named_with_every_problem(settings, tmp_path):
    from proapp.runtime import SHIPPED_STUDY

    faulty = tmp_path / "faulty.toml"
    faulty.write_text(
        SHIPPED_STUDY.read_text().replace('"lmc21"]', '"lmc22"]').replace("example = true", "exampel = true")
    )
    with pytest.raises(DefinitionError) as caught:
        proapp.create_app(replace(settings, study_file=faulty, demo=True))
    assert len({problem.path for problem in caught.value.problems}) >= 2


def test_demonstration_and_real_data_never_meet(settings, runtime):
    with runtime.writing.begin() as session:
        installation.mark(session, demo=False)
    with pytest.raises(UnsafeDatabase, match="not made by proapp demo"):
        proapp.create_app(replace(settings, demo=True))
