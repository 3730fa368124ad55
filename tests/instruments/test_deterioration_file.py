"""`proapp deterioration PACK IN.csv -o OUT.csv`: what comes out, and what is refused in words."""

from __future__ import annotations

import csv

import pytest
from click.testing import CliRunner

from proapp.cli.deterioration import deterioration

HEADER = "participant,day,death_day,PF2,FA\n"
TWO = HEADER + "A,-3,,80,20\nA,90,,70,25\nA,180,200,75,\nB,0,,,0\nB,92,,50,10\n"


@pytest.fixture
def run(tmp_path):
    def run_(text, pack="c30", *more):
        (tmp_path / "in.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return CliRunner().invoke(
            deterioration, [pack, str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.csv"), *more]
        )

    return run_


@pytest.fixture
def rows(run, tmp_path):
    def rows_(text, pack="c30", delimiter=","):
        done = run(text, pack)
        assert done.exit_code == 0, done.output
        with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter=delimiter))

    return rows_


def one(rows, participant, scale, definition="first", threshold="10", death="censored"):
    key = {"participant": participant, "scale": scale, "definition": definition, "threshold": threshold}
    (found,) = (row for row in rows if row.items() >= (key | {"death_rule": death}).items())
    return [found[name] for name in ("event", "days", "months", "censor_reason", "n_assessments")]


def test_one_row_for_each_participant_scale_definition_threshold_and_rule(rows):
    found = rows(TWO)
    assert list(found[0]) == [
        "participant", "scale", "definition", "threshold", "death_rule",
        "event", "days", "months", "censor_reason", "n_assessments",
    ]  # fmt: skip
    assert len(found) == 2 * 2 * 4 * 2 * 2
    assert one(found, "A", "PF2") == ["1", "90", repr(90 / 30.4375), "", "3"]
    assert one(found, "A", "PF2", "def2") == ["0", "180", repr(180 / 30.4375), "death", "3"]
    assert one(found, "A", "PF2", "def2", death="event") == ["1", "200", repr(200 / 30.4375), "", "3"]
    assert one(found, "A", "FA", threshold="5") == ["1", "90", repr(90 / 30.4375), "", "2"]  # more fatigue is worse
    assert one(found, "B", "PF2") == ["", "", "", "no_baseline", "1"]
    assert one(found, "B", "FA") == ["1", "92", repr(92 / 30.4375), "", "2"]


def test_without_a_day_0_the_days_may_be_study_days(rows):
    found = rows(HEADER + "A,1,,80,\nA,90,,60,\n")
    assert one(found, "A", "PF2") == ["1", "90", repr(90 / 30.4375), "", "2"]
    found = rows(HEADER + "A,1,,80,\nA,90,,60,\nB,0,,80,\n")
    assert one(found, "A", "PF2")[3] == "no_baseline"


def test_the_last_score_before_randomisation_is_the_baseline_and_rows_may_come_in_any_order(rows):
    found = rows(HEADER + "A,90,,70,\nA,-20,,100,\nA,0,,80,\n")
    assert one(found, "A", "PF2")[:2] == ["1", "90"]
    found = rows(HEADER + "A,90,,70,\nA,-20,,75,\nA,0,,,\n")
    assert one(found, "A", "PF2")[0] == "0"


def test_the_summary_score_the_modules_and_what_proapp_score_writes_are_read(rows):
    header = "day;participant;death_day;PF2_N;pf2;C30SUMMARY;note\r\n"
    found = rows(header + '0;"Ö 1";;5;80;70;"a;b"\r\n90;"Ö 1";;5;80;60.0;\r\n', delimiter=";")
    assert {row["scale"] for row in found} == {"PF2", "C30SUMMARY"}
    assert one(found, "Ö 1", "C30SUMMARY")[0] == "1"
    found = rows("participant,day,death_day,BRSEF\nA,0,,50\nA,9,,30\n", "br23")
    assert one(found, "A", "BRSEF")[0] == "1"  # worded positively: less is worse


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        ("participant,day,PF2\n", "there is no column death_day"),
        ("participant,day,death_day,q1\n", "no column with a score of c30: QL2, PF2"),
        ("participant,day,death_day,PF2,pf2\n", 'two columns named "PF2"'),
        (HEADER + "A,0,,80\n", "row 2 has 4 cells, but the first row names 5"),
        (HEADER + ",0,,80,\n", 'row 2, column participant: "" is not a participant'),
        (HEADER + "A,,,80,\n", 'row 2, column day: "" is not a whole number of days'),
        (HEADER + "A,2026-01-01,,80,\n", 'row 2, column day: "2026-01-01" is not a whole number'),
        (HEADER + "A,0,x,80,\n", "row 2, column death_day"),
        (HEADER + "A,0,,101,\n", 'row 2, column PF2: "101" is not a score from 0 to 100'),
        (HEADER + "A,0,,nan,\n", 'row 2, column PF2: "nan" is not a score'),
        (HEADER + 'A,0,,"33,3",\n', 'column PF2: "33,3" is not a score from 0 to 100, with a decimal point'),
        (HEADER + "A,0,,1,\nA,0,,2,\n", "rows 2 and 3 are both of participant A, day 0"),
        (HEADER + "A,0,90,1,\nA,9,91,2,\n", "row 3, column death_day: 91, but 90 in an earlier row of A"),
        (HEADER + "A,0,,1,\nA,99,90,2,\n", "row 3: an assessment of A on day 99, after the death on day 90"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words_and_nothing_is_written(run, tmp_path, text, sentence):
    done = run(text)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert "nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_an_unknown_pack_and_the_file_itself_as_target_are_refused(run, tmp_path):
    assert "there is no pack" in run(TWO, "c99").stderr
    (tmp_path / "in.csv").write_text(TWO)
    same = str(tmp_path / "in.csv")
    done = CliRunner().invoke(deterioration, ["c30", same, "-o", same])
    assert done.exit_code == 1
    assert (tmp_path / "in.csv").read_text() == TWO
