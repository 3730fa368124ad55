"""The times to deterioration of the bundle are those that its own scores give."""

from __future__ import annotations

import csv
from datetime import date

import pytest

from proapp.instruments.deterioration_file import deterioration_file
from tests.conftest import definitions


@pytest.mark.parametrize("pack", ["c30", "br23", "lmc21"])
def test_they_are_what_the_command_makes_of_the_scores_in_the_bundle(golden, tmp_path, pack):
    made = golden()
    people = {row["study_id"]: row for row in made.table("participants") if row["randomized_on"]}
    expected = {
        (row["participant"], row["scale"], *said(row, KEY)): said(row, VALUES)
        for row in from_files(made.table("scores_long"), people, pack, tmp_path)
    }
    found = {
        (row["study_id"], row["scale_code"], *said(row, KEY)): said(row, VALUES)
        for row in made.table("deterioration")
        if row["instrument"] == pack
    }
    answered = {key[0] for key in expected}
    assert {key: value for key, value in found.items() if key[0] in answered} == expected
    assert {value for key, value in found.items() if key[0] not in answered} == {("", "", "", "no_baseline", "0")}
    assert {key[0] for key in found} == set(people)


KEY = ("definition", "threshold", "death_rule")
VALUES = ("event", "days", "months", "censor_reason", "n_assessments")


def said(row, names):
    return tuple(row[name] for name in names)


def from_files(scores, people, pack, folder):
    """One row per participant and day, as the file command takes them."""
    by_day = {}
    for row in scores:
        # One completed a day too late is no baseline and counts as an assessment after it.
        if row["instrument"] == pack and row["study_id"] in people:
            day = days(people[row["study_id"]]["randomized_on"], row["completed_on"])
            by_day.setdefault((row["study_id"], day), {})[row["scale_code"]] = row["score"]
    codes = sorted({code for scores in by_day.values() for code in scores})
    with (folder / "in.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["participant", "day", "death_day", *codes])
        for (study_id, day), values in by_day.items():
            died_on = people[study_id]["died_on"]
            death = days(people[study_id]["randomized_on"], died_on) if died_on else ""
            writer.writerow([study_id, day, death, *(values.get(code, "") for code in codes)])
    deterioration_file(definitions()[1][pack], folder / "in.csv", folder / "out.csv")
    with (folder / "out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def days(first: str, last: str) -> int:
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def test_days_are_those_between_randomisation_and_the_end(golden):
    made = golden()
    randomized = {row["study_id"]: row["randomized_on"] for row in made.table("participants")}
    rows = made.table("deterioration")
    for row in rows:
        if row["ended_on"]:
            assert int(row["days"]) == days(randomized[row["study_id"]], row["ended_on"])
    assert {row["censor_reason"] for row in rows} >= {"", "last_assessment", "no_baseline", "no_follow_up"}
    assert {row["event"] for row in rows} == {"", "0", "1"}
