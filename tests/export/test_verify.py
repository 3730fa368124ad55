"""`proapp export verify`: whatever was changed in a file is found and named, and so is a database that gives another."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from proapp.cli import export as command
from proapp.cli import export_verify, main
from tests.export.conftest import Exporter
from tests.export.trial import CONSENT, CUT_OFF

Change = Callable[[dict[str, bytes]], None]


@pytest.fixture
def verify(runtime: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command on some bytes, against the database of this test or on the file alone."""

    @contextmanager
    def opened() -> Any:
        yield runtime

    monkeypatch.setattr(export_verify, "open_runtime", opened)
    monkeypatch.setattr(command, "open_runtime", opened)

    def run(content: bytes, *options: Any, alone: bool = False) -> Any:
        file = tmp_path / "file.zip"
        file.write_bytes(content)
        given = {"PROAPP_DATABASE_URL": None if alone else "sqlite://"}
        return CliRunner().invoke(main, ["export", "verify", str(file), *map(str, options)], env=given)

    return run


def changed(content: bytes, change: Change, *, sums: bool = True) -> bytes:
    """The bundle with a change made to its members; with `sums`, by somebody who mends hashes and manifest too."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        top = archive.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(files)
    if sums:
        manifest = json.loads(files["manifest.json"])
        for file in manifest["files"]:
            told = files[file["path"]]
            file["sha256"], file["bytes"] = hashlib.sha256(told).hexdigest(), len(told)
        files["manifest.json"] = json.dumps(manifest).encode()
        lines = (
            f"{hashlib.sha256(told).hexdigest()}  {path}\n" for path, told in files.items() if path != "SHA256SUMS"
        )
        files["SHA256SUMS"] = "".join(sorted(lines)).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, told in files.items():
            archive.writestr(f"{top}/{path}", told)
    return out.getvalue()


def edit(table: str, change: Callable[[list[dict[str, str]]], Any]) -> Change:
    def done(files: dict[str, bytes]) -> None:
        rows = list(csv.DictReader(io.StringIO(files[f"data/{table}.csv"].decode(), newline="")))
        names = list(rows[0])
        change(rows)
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, names, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        files[f"data/{table}.csv"] = out.getvalue().encode()

    return done


def test_an_untouched_file_is_verified_alone_and_against_the_database(trial, export, verify):
    made = export()
    alone = verify(made.content, alone=True)
    assert (alone.exit_code, alone.stdout) == (0, "verified\n")
    assert "Not compared with a database" in alone.stderr
    with_database = verify(made.content)
    assert (with_database.exit_code, with_database.output) == (0, "verified\n")


def test_a_changed_byte_is_found_by_both_lists(trial, export, verify):
    def cut(files: dict[str, bytes]) -> None:
        files["data/contacts.csv"] += b"x"
        files["more.txt"] = b"x"
        del files["README.txt"]

    done = verify(changed(export().content, cut, sums=False), alone=True)
    assert done.exit_code == 1
    assert "data/contacts.csv is not the one of SHA256SUMS." in done.stdout
    assert "data/contacts.csv is not the one of manifest.json." in done.stdout
    assert "more.txt is in the file and not in SHA256SUMS." in done.stdout
    assert "README.txt is missing." in done.stdout
    assert done.stdout.endswith("NOT verified.\n")


def test_an_answer_that_was_changed_with_its_hashes_is_found_by_the_scores(trial, export, verify):
    def other(rows: list[dict[str, str]]) -> None:
        row = next(row for row in rows if row["study_id"] == "UME-002" and row["item"] == "c30_q01")
        row["value"] = "1" if row["value"] != "1" else "4"

    content = changed(export().content, edit("items_long", other))
    alone = verify(content, alone=True)
    assert alone.exit_code == 1
    assert "UME-002, baseline, 1, c30: the score PF2 is not what its items give." in alone.stdout
    assert "data/items_long.csv: the database gives another one." in verify(content).stdout


@pytest.mark.parametrize(
    ("table", "change", "sentence"),
    [
        ("scores_long", lambda rows: rows[0].update(score="50.0"), "the score QL2 is not what its items give."),
        ("scores_long", lambda rows: rows.pop(0), "the score QL2 is missing."),
        ("items_long", lambda rows: rows[0].update(value="9"), "items_long holds an answer that the questionnaire does not"),
        ("items_long", lambda rows: rows[0].update(value="x"), "items_long holds an answer that the questionnaire does not"),
        ("scores_long", lambda rows: rows.__delitem__(slice(-16, None)), "items_long goes on with"),
    ],
)  # fmt: skip
def test_scores_that_do_not_follow_from_the_items_are_named(trial, export, verify, table, change, sentence):
    done = verify(changed(export().content, edit(table, change)), alone=True)
    assert done.exit_code == 1
    assert sentence in done.stdout


def test_a_questionnaire_that_is_not_installed_cannot_be_verified(trial, export, verify):
    def other(files: dict[str, bytes]) -> None:
        files["manifest.json"] = files["manifest.json"].replace(b'"c30": {', b'"c99": {')

    done = verify(changed(export().content, other), alone=True)
    assert done.exit_code == 1
    assert "the scores of c99 cannot be recomputed" in done.stdout


def test_a_database_in_which_history_was_changed_gives_another_file(trial, export, verify, runtime):
    content = export().content
    trial.event(trial.id_of("UME-002"), "death", date(2026, 11, 1), recorded_on=CONSENT)  # as if known before
    done = verify(content)
    assert done.exit_code == 1
    assert "data/participants.csv: the database gives another one." in done.stdout
    assert "data/contacts.csv" not in done.stdout


def test_every_profile_and_clock_is_made_again_as_it_was(trial, export, verify, tmp_path):
    key = tmp_path / "key"
    key.write_text("0123456789abcdef")
    for asked in ({"profile": "site", "site": "UME", "arms": False}, {"profile": "archive"}, {"arms": False}):
        assert verify(export(**asked).content).exit_code == 0
    keyed = export(key=b"0123456789abcdef").content
    assert verify(keyed, "--pseudonym-key", key).exit_code == 0
    assert "name it with --pseudonym-key" in verify(keyed).stdout
    assert verify(keyed).exit_code == 1


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_what_is_no_export_is_said_in_words(verify, content):
    if content is None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a/b", b"x")
        content = out.getvalue()
    done = verify(content, alone=True)
    assert done.exit_code == 1
    assert "cannot be verified" in done.stderr


def test_the_bare_command_still_asks_for_a_place(runtime, verify):
    done = CliRunner().invoke(main, ["export"])
    assert done.exit_code == 2
    assert "Missing option '--out'" in done.stderr


def test_what_the_command_wrote_it_verifies(trial, runtime, verify, tmp_path, export):
    out = tmp_path / "out.zip"
    assert CliRunner().invoke(main, ["export", "--out", str(out), "--cutoff", CUT_OFF.isoformat()]).exit_code == 0
    assert verify(out.read_bytes()).exit_code == 0
    assert Exporter(runtime, tmp_path)().content == out.read_bytes()
