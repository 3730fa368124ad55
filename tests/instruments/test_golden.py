"""Row, batch and file against the golden files, and the golden files against the exact fractions they came from."""

import csv

import numpy as np
import pytest

from proapp.instruments.score_file import score_file
from proapp.instruments.scoring import score, score_columns
from tests.instruments.exact import GOLDEN, ITEMS, golden_rows, numbers

PACKS = sorted(ITEMS)
CLOSE = 1e-9


def golden(pack):
    with (GOLDEN / f"{pack}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def answers(row, pack):
    return {number: int(row[f"q{number}"]) if row[f"q{number}"] else None for number in numbers(pack)}


def score_names(row):
    return [name for name in row if not name.startswith("q") and not name.endswith("_N")]


def assert_same(value, expected, where):
    if expected == "":
        assert value is None, where
    else:
        assert value == pytest.approx(float(expected), abs=CLOSE, rel=0), where


@pytest.mark.parametrize("pack", PACKS)
def test_the_golden_file_is_what_exact_fractions_give(pack):
    with (GOLDEN / f"{pack}.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == list(golden_rows(pack))


@pytest.mark.parametrize("pack", PACKS)
def test_one_respondent_scores_as_in_the_golden_file(packs, pack):
    for place, row in enumerate(golden(pack)):
        scores = {each.code: each for each in score(packs[pack], answers(row, pack))}
        assert list(scores) == score_names(row)
        for name, result in scores.items():
            assert_same(result.value, row[name], (place, name))
            if name != "C30SUMMARY":
                assert result.answered == int(row[f"{name}_N"]), (place, name)


@pytest.mark.parametrize("pack", PACKS)
def test_columns_score_as_in_the_golden_file(packs, pack):
    rows = golden(pack)
    matrix = np.array([[code or np.nan for code in answers(row, pack).values()] for row in rows])
    columns = score_columns(packs[pack], matrix)
    assert list(columns) == score_names(rows[0])
    for name, (values, answered) in columns.items():
        for place, row in enumerate(rows):
            assert_same(None if np.isnan(values[place]) else values[place], row[name], (place, name))
            if name != "C30SUMMARY":
                assert answered[place] == int(row[f"{name}_N"]), (place, name)


@pytest.mark.parametrize("pack", PACKS)
def test_a_file_scores_as_in_the_golden_file(packs, pack, tmp_path):
    rows = golden(pack)
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [f"q{number}" for number in numbers(pack)], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    assert score_file(packs[pack], tmp_path / "in.csv", tmp_path / "out.csv") == len(rows)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        scored = list(csv.DictReader(file))
    assert list(scored[0]) == [name for name in rows[0] if not name.startswith("q")]
    for place, (result, row) in enumerate(zip(scored, rows, strict=True)):
        for name, text in result.items():
            assert_same(float(text) if text else None, row[name], (place, name))
