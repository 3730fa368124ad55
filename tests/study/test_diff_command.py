"""`proapp study diff` on two files, as somebody at a terminal meets it. With a database: tests/services."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
from click.testing import CliRunner

from proapp.cli import main
from tests.study.amending import NEW_TIMEPOINT
from tests.study.conftest import SMALL

NUMBER = ('number = "1"', 'number = "2"')
WIDER = ("after_days = 28\ngrace_days = 14", "after_days = 35\ngrace_days = 14")


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.delenv("PROAPP_PACKS_DIR", raising=False)
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(SMALL, encoding="utf-8")

    def ran(*arguments, changes=(NUMBER, WIDER), text=SMALL):
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        new.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(main, ["study", "diff", str(old), str(new), *map(str, arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return ran


@pytest.fixture
def dates(tmp_path):
    file = tmp_path / "dates.txt"
    file.write_text("randomized_on\n2026-01-10\n2025-01-10\n", encoding="utf-8")
    return file


def test_the_table_says_what_changes_and_for_whom(run, dates):
    result = run("--dates", dates, "--active-from", "2026-03-01")
    assert result.exit_code == 0
    assert "SMALL: 1 -> 2" in result.output
    assert "  timepoints[m03].after_days: 28 -> 35" in result.output
    assert "Participants concerned: 2 of 2" in result.output  # of the second, the surgery that may still come
    assert (
        "randomised 2026-01-10\n  m03          move         2026-03-27/2026-04-10/2026-05-08/2026-05-22 -> 2026-03-27/2026-04-10/2026-05-15/2026-05-29"
        in result.output
    )
    assert "randomised 2025-01-10" not in result.output


def test_csv_has_one_line_for_each_thing(run, dates):
    rows = list(
        csv.DictReader(StringIO(run("--dates", dates, "--active-from", "2026-03-01", "--format", "csv").output))
    )
    assert {(row["place"], row["old"], row["new"]) for row in rows if not row["participant"]} == {
        ("number", "1", "2"),
        ("timepoints[m03].after_days", "28", "35"),
    }
    moved = [row for row in rows if row["effect"] == "move"]
    assert [(row["participant"], row["place"], row["anchor_mismatch"]) for row in moved] == [
        ("randomised 2026-01-10", "m03", "0")
    ]


def test_json_is_the_canonical_diff_with_its_hash(run, dates):
    once, again = (run("--dates", dates, "--format", "json").output for _ in range(2))
    assert once == again
    said = json.loads(once)
    assert (said["from"]["number"], said["to"]["number"]) == ("1", "2")
    assert len(said["diff_hash"]) == 64
    assert said["study"] == [["version", "number", "1", "2"], ["windows", "timepoints[m03].after_days", 28, 35]]
    assert said["counts"]["move"] == 2  # the file's own day lies before both


def test_without_dates_the_participants_are_invented(run):
    result = run(text=SMALL + NEW_TIMEPOINT, changes=[NUMBER])
    assert result.exit_code == 0
    assert "timepoints[m09]: added: {" in result.output
    assert "are added" in result.output
    assert "would have come too early and are not asked for" in result.output


def test_every_fault_of_both_files_is_named_as_check_does(run, tmp_path):
    result = run(changes=[('kind = "event"', 'kind = "evnt"'), ("months = 3", "months = -1")])
    assert result.exit_code == 1
    places = [line.split(": ")[1] for line in result.output.splitlines()]
    assert places == ["timepoints[m03].months", "timepoints[op1].kind"]
    assert all(line.startswith(f"{tmp_path}/new.toml: ") for line in result.output.splitlines())


def test_a_file_that_cannot_follow_says_why(run):
    result = run(changes=[('code = "baseline"', 'code = "start"')])
    assert result.exit_code == 1
    assert "timepoints[start].code: the baseline keeps its code" in result.output
    assert "number: is the number of a version that exists" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--database", "--dates", "x.txt"], "either --database or --dates"),
        (["--active-from", "soon"], "is not a date"),
        (["--dates", "absent.txt"], "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_said(run, arguments, sentence):
    result = run(*arguments)
    assert result.exit_code != 0
    assert sentence in result.output
