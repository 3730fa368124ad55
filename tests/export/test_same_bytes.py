"""Equal data and an equal cut-off give equal bytes: on another day, engine or machine, and after later facts."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from proapp.db.models import Answer, Installation, ResponseSet
from proapp.db.session import make_engine
from proapp.runtime import Runtime
from proapp.services import event_corrections
from proapp.services.audit import Actor
from tests.conftest import SECRET
from tests.export.conftest import Exporter
from tests.export.trial import CUT_OFF, Trial, at, every_state, pattern

KARIN = Actor("staff", None, "coordinator")


def test_the_same_cut_gives_the_same_bytes_at_any_time(trial, export, clock):
    first = export().content
    clock.forward(days=400)
    assert export().content == first


def test_facts_after_the_cut_off_change_nothing(trial, export, runtime, clock):
    """As of then, evaluated now, equals as of then, evaluated then: for a cut in the middle of every story."""
    cuts = [CUT_OFF, date(2026, 6, 5), date(2026, 2, 3)]
    before = [export(cut).content for cut in cuts]
    _life_goes_on(trial, runtime)
    assert [export(cut).content for cut in cuts] == before
    assert export(date(2027, 3, 1)).content != before[0]


def _life_goes_on(trial: Trial, runtime: Any) -> None:
    """Deaths, corrections, answers, reasons and new people, all recorded after the cut-off (some about days before)."""
    full, later = pattern(runtime.instruments, 1), CUT_OFF + timedelta(days=1)
    trial.event(trial.id_of("UME-001"), "death", date(2026, 11, 1), recorded_on=later)
    trial.event(trial.id_of("UME-003"), "trial_withdrawal", later, data_use="delete_if_lawful")
    trial.reason(trial.id_of("UME-002"), "m06", "unreachable", later)
    trial.reason(trial.id_of("UME-001"), "m06", "forgot", later)  # another reason than the one before
    trial.decline(trial.id_of("LUN-005"), "m03", later)
    trial.answer(trial.id_of("LUN-003"), "m03", later, full)
    trial.answer(trial.id_of("KAR-001"), "baseline", later, full, mode="paper", completed_on=date(2026, 2, 4))
    trial.speaks(trial.id_of("UME-001"), "en", later)
    trial.member("UME-009", "ONC", consent_on=later, randomized_on=later + timedelta(days=1))
    with runtime.writing.begin() as session:
        wrong = event_corrections.randomization(session, study_id="LUN-005", sites=None)
        event_corrections.put_right(
            session,
            study=runtime.study,
            study_id="LUN-005",
            sites=None,
            correction=event_corrections.Correction(wrong.id, date(2026, 8, 27)),
            reason="typed wrongly",
            actor=KARIN,
            now=at(later, 15),
            approved=True,
        )


def test_a_submission_just_before_midnight_counts_and_one_just_after_does_not(runtime, trial, export, clock):
    """23:59:59 and 00:00:00 in Stockholm, where 22 November ends at 23:00 UTC."""
    for study_id, sent_at in (
        ("LUN-003", datetime(2026, 11, 22, 22, 59, 59, tzinfo=UTC)),
        ("LUN-005", datetime(2026, 11, 22, 23, 0, tzinfo=UTC)),
    ):
        with runtime.writing.begin() as session:
            row = ResponseSet(
                assessment_id=trial.assessment(trial.id_of(study_id), "m03"),
                mode="self_remote",
                respondent="self",
                protocol_version="example 1",
                packs={code: {} for code in runtime.study.instruments},
                started_at=sent_at - timedelta(minutes=5),
                submitted_at=sent_at,
                completed_on=CUT_OFF,
                receipt=study_id,
                answered_items=1,
                valid=False,
            )
            session.add(row)
            session.flush()
            session.execute(
                insert(Answer).values(
                    response_set_id=row.id, instrument="c30", item=1, kind="answered", code=1, language="sv",
                    recorded_at=sent_at - timedelta(minutes=1), actor="patient",
                )
            )  # fmt: skip
    rows = export().by("assessments", "study_id", "timepoint", "instrument")
    assert rows["LUN-003", "m03", "c30"]["status"] == "completed_unscorable"
    assert rows["LUN-005", "m03", "c30"]["status"] == "in_progress"


def test_of_a_sitting_that_goes_on_after_the_cut_off_only_the_answers_before_it_count(runtime, trial, export):
    before = export().by("assessments", "study_id", "timepoint", "instrument")["LUN-004", "m03", "c30"]
    with runtime.writing.begin() as session:
        set_id = session.scalar(
            select(ResponseSet.id).where(ResponseSet.assessment_id == trial.assessment(trial.id_of("LUN-004"), "m03"))
        )
        values = {"kind": "answered", "code": 2, "language": "en", "recorded_at": at(CUT_OFF + timedelta(days=1))}
        rows = [{"response_set_id": set_id, "instrument": "c30", "item": item, "actor": "patient"} for item in (3, 4)]
        session.execute(insert(Answer), [{**row, **values} for row in rows])
    after = export().by("assessments", "study_id", "timepoint", "instrument")["LUN-004", "m03", "c30"]
    assert after == before
    later = export(CUT_OFF + timedelta(days=1)).by("assessments", "study_id", "timepoint", "instrument")
    assert later["LUN-004", "m03", "c30"]["n_answered"] == "4"
    assert later["LUN-004", "m03", "c30"]["language"] == "mixed"


@pytest.fixture
def elsewhere(runtime: Runtime, sqlite_template: Path, tmp_path: Path) -> Iterator[Runtime]:
    """Another database, on SQLite, whose row ids are other than those of the first."""
    path = tmp_path / "elsewhere.sqlite3"
    shutil.copy(sqlite_template, path)
    other = replace(runtime, engine=make_engine(f"sqlite:///{path}"))
    Trial(other).member("UPP-001", consent_on=date(2027, 5, 1))  # enrolled after the cut-off; takes the first ids
    yield other
    other.close()


def test_another_database_with_the_same_facts_gives_the_same_bytes(trial, export, elsewhere, tmp_path):
    every_state(elsewhere)
    assert Exporter(elsewhere, tmp_path)().content == export().content


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_time_zone_hash_seed_day_and_folder_of_the_process_leave_no_trace(trial, runtime, database_url, tmp_path):
    with runtime.writing.begin() as session:
        session.execute(insert(Installation).values(name="kind", value="demo"))
    hashes = set()
    for number, (zone, seed, today) in enumerate(
        [
            ("UTC", "0", "2026-11-23"),
            ("Pacific/Auckland", "1", "2027-02-01"),
            ("America/Los_Angeles", "77", "2030-07-01"),
        ]
    ):
        folder = tmp_path / f"machine{number}"
        folder.mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "TZ": zone,
            "PYTHONHASHSEED": seed,
            "LC_ALL": "C.UTF-8",
            "PROAPP_DATABASE_URL": database_url,
            "PROAPP_SECRET_KEY": SECRET,
            "PROAPP_CONTACT_KEYS": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
            "PROAPP_DEMO": "1",
            "PROAPP_TODAY": today,
        }
        done = subprocess.run(
            [sys.executable, "-m", "proapp", "export", "--out", "out.zip", "--cutoff", "2026-11-22"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        sha256 = hashlib.sha256((folder / "out.zip").read_bytes()).hexdigest()
        assert sha256 in done.stdout
        hashes.add(sha256)
    assert len(hashes) == 1
