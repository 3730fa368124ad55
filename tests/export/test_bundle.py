"""The zip file: what is in it, that it can be checked, and that nothing in it could name a person."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from proapp.db.models import ContactAttempt, Participant, ResponseSet, StaffUser
from proapp.export.bundle import bundle
from proapp.export.cut import NOT_VALIDATED, Unexportable
from proapp.export.snapshot import snapshot
from proapp.services import audit
from proapp.services.audit import COMMAND_LINE, Entry
from proapp.services.exporting import Asked
from tests.conftest import definitions
from tests.export.trial import CONSENT, CUT_OFF, at

TABLES = (
    "assessments",
    "compliance",
    "contacts",
    "corrections",
    "deterioration",
    "items_long",
    "items_wide",
    "participants",
    "scores_long",
    "scores_wide",
)
FILES = (
    "README.txt",
    "SHA256SUMS",
    "codebook.csv",
    *(f"data/{table}.{kind}" for table in TABLES for kind in ("csv", "json")),
    "manifest.json",
)


def test_one_folder_holds_every_file_in_order_and_every_sum_is_right(golden):
    made = golden()
    assert made.archive.namelist() == [f"BreCLIM-2_2026-11-22/{name}" for name in FILES]
    sums = dict(reversed(line.split("  ")) for line in made.files["SHA256SUMS"].decode().splitlines())
    assert sorted(sums) == sorted(set(FILES) - {"SHA256SUMS"})
    for name, sum_ in sums.items():
        assert hashlib.sha256(made.files[name]).hexdigest() == sum_


def test_no_member_of_the_zip_tells_time_or_machine(golden):
    for member in golden().archive.infolist():
        assert member.date_time == (1980, 1, 1, 0, 0, 0)
        assert (member.create_system, member.extra, member.comment) == (3, b"", b"")
        assert member.compress_type == 0


def test_the_manifest_counts_every_file_and_names_every_version(golden):
    study, instruments = definitions()
    made = golden()
    manifest = made.manifest
    assert manifest["cut_off"] == "2026-11-22"
    assert manifest["time_zone"] == "Europe/Stockholm"
    assert manifest["study"]["content_hash"] == study.content_hash
    for code, said in manifest["instruments"].items():
        pack = instruments[code]
        assert (said["version"], said["content_hash"]) == (pack.version, pack.content_hash)
        assert said["algorithm"] == pack.algorithm_version
        assert said["notice"] == NOT_VALIDATED
    files = {file["path"]: file for file in manifest["files"]}
    assert sorted(files) == sorted(set(FILES) - {"SHA256SUMS", "manifest.json"})
    for path, file in files.items():
        content = made.files[path]
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        if path.endswith(".csv"):
            rows = made.table(Path(path).stem)
            assert (file["rows"], file["columns"]) == (len(rows), len(content.split(b"\r\n")[0].split(b",")))


def test_the_keys_named_in_the_manifest_tell_rows_apart(golden):
    made = golden()
    for name, key in made.manifest["keys"].items():
        assert made.by(name, *key) or name == "contacts"  # nobody was called in this trial


def test_not_validated_is_said_in_readme_manifest_and_codebook(golden):
    made = golden()
    assert made.files["README.txt"].decode().count(NOT_VALIDATED) == 3
    assert made.files["manifest.json"].decode().count(NOT_VALIDATED) == 3
    notices = {
        row["column"]: row["notice"] for row in made.table("codebook") if row["table"] in ("items_wide", "scores_wide")
    }
    for column in ("c30_q01", "br23_q31", "lmc21_q51", "pf2", "pf2_n", "c30summary", "lmc_sx"):
        assert notices[column] == NOT_VALIDATED


def test_the_definitions_of_the_rates_are_in_the_readme_in_full(trial, export):
    from proapp.study.compliance import DEFINITIONS

    words = " ".join(export().files["README.txt"].decode().split())
    for definition in (*DEFINITIONS["en"], *DEFINITIONS["sv"]):
        assert definition in words


def test_the_codebook_describes_every_column_of_every_table_in_its_order(golden):
    made = golden()
    described: dict[str, list[str]] = {}
    for row in made.table("codebook"):
        described.setdefault(row["table"], []).append(row["column"])
        assert row["label_en"]
        assert row["label_sv"]
    for name, columns in described.items():
        path = "codebook.csv" if name == "codebook" else f"data/{name}.csv"
        assert made.files[path].split(b"\r\n")[0].decode().split(",") == columns
    assert len(described) == 11


def test_every_code_in_the_data_is_in_the_codebook(golden):
    made = golden()
    values = {
        (row["table"], row["column"]): {pair.split("=")[0] for pair in row["values"].split("; ")}
        for row in made.table("codebook")
        if row["values"] and row["type"] in ("code", "integer") and row["table"] != "codebook"
    }
    assert len(values) > 100
    for (table, column), known in values.items():
        assert {row[column] for row in made.table(table)} - {""} <= known, (table, column)


def test_cells_are_empty_only_where_the_codebook_says_when(golden):
    made = golden()
    never = [(row["table"], row["column"]) for row in made.table("codebook") if not row["empty_when"]]
    for table, column in never:
        if table != "codebook" and column != "arm_code":
            assert "" not in {row[column] for row in made.table(table)}, (table, column)


def test_nothing_that_names_a_person_and_no_note_is_in_any_file(trial, export, runtime):
    """Everything free or personal that the database can hold is filled with a word to look for."""
    with runtime.writing.begin() as session:
        staff = StaffUser(
            email="canary-mail@example.org", name="CANARY-NAME", role="nurse", created_at=at(CONSENT), language="sv"
        )
        session.add(staff)
        session.flush()
        session.execute(
            insert(ContactAttempt).values(
                participant_id=trial.id_of("UME-001"),
                method="phone",
                outcome="no_answer",
                note="CANARY-CALL",
                at=at(CONSENT),
                recorded_by_id=staff.id,
            )
        )
        entry = Entry("test.done", "test", 1, {"note": "CANARY-AUDIT"}, reason="CANARY-WHY")
        audit.record(session, entry, actor=COMMAND_LINE, now=at(CONSENT), participant_id=trial.id_of("UME-001"))
    trial.reason(
        trial.id_of("UME-002"), "m06", "forgot", date(2026, 10, 1), note="CANARY-REASON", recorded_by_id=staff.id
    )
    trial.event(trial.id_of("UME-003"), "off_treatment", date(2026, 9, 1))
    made = export()
    assert (
        made.by("assessments", "study_id", "timepoint", "instrument")["UME-002", "m06", "c30"]["reason_code"]
        == "forgot"
    )
    everything = made.content.lower()
    for word in (b"canary", b"example.org", b"701740605", b"HYPERLINK:".lower(), b"-m03-self"):
        assert word not in everything, word


def test_an_empty_study_gives_headers_and_not_an_error(export):
    made = export()
    rows = {file["path"]: file.get("rows") for file in made.manifest["files"]}
    assert rows["data/compliance.csv"] == 7 * 3
    empty = [f"data/{table}.csv" for table in TABLES if table != "compliance"]
    assert [rows[path] for path in empty] == [0] * 9
    for path in empty:
        assert made.files[path].startswith(b"study_id,site_code,arm_code,")
        assert made.files[path].endswith(b"\r\n")
    assert {row["completion_rate"] for row in made.table("compliance")} == {""}


def test_a_label_of_the_study_file_that_looks_like_a_formula_is_guarded(runtime, trial, tmp_path):
    points = [
        point.model_copy(update={"label": {"en": "=1+1", "sv": "=1+1"}}) if point.code == "m03" else point
        for point in runtime.study.timepoints
    ]
    study = runtime.study.model_copy(update={"timepoints": tuple(points)})
    with (
        snapshot(runtime.engine) as session,
        bundle(session, study=study, instruments=runtime.instruments, asked=Asked(CUT_OFF), beside=tmp_path) as made,
    ):
        content = made.path.read_bytes()
    assert b",'=1+1," in content
    assert b",=1+1," not in content


def test_answers_that_fit_no_instrument_stop_the_export_and_leave_nothing(runtime, trial, export, tmp_path):
    trial.answer(trial.id_of("UME-002"), "m06", date(2026, 8, 5), {("c30", 99): 1})
    with pytest.raises(Unexportable) as caught:
        export()
    assert (caught.value.code, caught.value.study_id, caught.value.instrument) == ("other_version", "UME-002", "c30")
    assert [path for path in tmp_path.iterdir() if "export" in path.name] == []


def test_an_instrument_that_is_not_installed_any_more_is_named(runtime, trial, export):
    set_id = trial.answer(trial.id_of("UME-002"), "m06", date(2026, 8, 5), {("c30", 1): 1})
    with runtime.writing.begin() as session:
        session.execute(update(ResponseSet).where(ResponseSet.id == set_id).values(packs={"c30": {}, "br45": {}}))
    with pytest.raises(Unexportable, match="UME-002, m06: the answers were given to br45, which is not installed"):
        export()


def test_study_ids_are_sorted_by_code_point_whatever_the_collation(runtime, export):
    ids = ["UMEA", "UME-B", "ume-c", "KAR-001", "GOT-010", "GOT-009"]  # a language would skip hyphen and case
    with runtime.writing.begin() as session:
        for study_id in ids:
            session.add(Participant(study_id=study_id, site_code=study_id[:3], language="sv", enrolled_at=at(CONSENT)))
    assert [row["study_id"] for row in export().table("participants")] == sorted(ids)


def test_the_manifest_is_json_with_a_fixed_order(golden):
    text = golden().files["manifest.json"].decode()
    assert json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n" == text
