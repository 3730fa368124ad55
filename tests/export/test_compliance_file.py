"""The compliance file against a second count from the assessments, over histories made by chance."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest

from tests.export.trial import Trial, pattern

RATES = {
    "completion_rate": "denominator_flag",
    "available_data_rate": "in_population",
    "available_data_rate_reached": "reached_flag",
}


def histories(runtime: Any, seed: int, count: int) -> None:
    """Participants to whom anything may happen at any time, in any order."""
    chance, trial = random.Random(seed), Trial(runtime)
    for number in range(1, count + 1):
        consent_on = date(2025, 9, 1) + timedelta(days=chance.randrange(400))
        randomized_on = consent_on + timedelta(days=chance.randrange(20))
        arm = chance.choice(["SURG", "ONC", "SURG", "ONC", None])
        member = trial.member(
            f"{chance.choice(['UME', 'LUN', 'GOT'])}-{number:03d}",
            arm,
            consent_on=consent_on,
            randomized_on=randomized_on,
        )
        for months, timepoint in ((0, "baseline"), (3, "m03"), (6, "m06"), (12, "m12")):
            if timepoint == "baseline" or arm:
                _something(trial, chance, runtime, member, timepoint, randomized_on, months)
        if chance.random() < 0.4:
            stop = chance.choice(["death", "pro_stop", "trial_withdrawal"])
            payload = {"data_use": "keep"} if stop == "trial_withdrawal" else {}
            trial.event(member, stop, randomized_on + timedelta(days=chance.randrange(500)), **payload)


def _something(
    trial: Trial, chance: random.Random, runtime: Any, member: int, timepoint: str, anchor: date, months: int
) -> None:
    day = anchor + timedelta(days=round(30.4 * months) + chance.randrange(-25, 70))
    kind = chance.randrange(6)
    if kind <= 2:
        sent = chance.random() < 0.85
        trial.answer(member, timepoint, day, pattern(runtime.instruments, kind), sent=sent, valid=chance.random() < 0.9)
    elif kind == 3:
        trial.decline(member, timepoint, day)
    elif kind == 4:
        trial.reason(member, timepoint, chance.choice(["too_ill", "forgot", "unknown"]), day + timedelta(days=90))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_count_and_rate_is_found_again_in_the_assessments(runtime, export, seed):
    histories(runtime, seed, 25)
    seen: Counter[str] = Counter()
    for cut_off in (date(2025, 10, 1), date(2026, 6, 30), date(2026, 11, 22), date(2028, 1, 1)):
        made = export(cut_off)
        rows = [row for row in made.table("assessments") if row["instrument"] == "c30" and row["in_population"] == "1"]
        for (timepoint, arm), said in made.by("compliance", "timepoint", "arm_code").items():
            mine = [row for row in rows if row["timepoint"] == timepoint and arm in ("all", row["arm_code"])]
            _compare(said, mine)
            seen.update(row["status"] for row in mine)
    assert {"completed", "completed_unscorable", "declined", "missed", "missed_unexplained", "not_expected"} <= set(
        seen
    )


def _compare(said: dict[str, str], mine: list[dict[str, str]]) -> None:
    count = {name: int(value) for name, value in said.items() if value.isdigit()}
    parts = ("not_reached", "pending", "not_expected", "received_valid", "received_invalid", "missing")
    assert count["population"] == sum(count[part] for part in parts) == len(mine)
    assert count["expected"] == count["not_reached"] + count["received"] + count["missing"]
    for total in ("not_expected", "missing"):
        assert count[total] == sum(value for name, value in count.items() if name.startswith(f"{total}_"))
    timings = [name for name in count if name.startswith("received_") and not name.endswith("valid")]
    assert (
        count["received"] == sum(count[name] for name in timings) == _sum(mine, lambda row: bool(row["submitted_at"]))
    )
    assert count["missing_unexplained"] == _sum(mine, lambda row: row["status"] == "missed_unexplained")
    assert count["not_expected_death"] == _sum(mine, lambda row: row["not_expected_reason"] == "death")
    assert count["expected"] == _sum(mine, lambda row: row["expected_flag"] == "1")
    accepted = _sum(mine, lambda row: row["accepted_flag"] == "1")
    assert count["accepted"] == accepted
    for rate, flag in RATES.items():
        whole = sum(row[flag] == "1" for row in mine)
        assert said[rate] == (repr(float(Fraction(accepted, whole))) if whole else "")
        assert float(said[rate] or 0) <= 1


def _sum(rows: list[dict[str, str]], wanted: Any) -> int:
    return sum(map(wanted, rows))


def test_who_is_not_randomised_by_the_cut_off_is_in_no_rate(golden):
    made = golden(date(2026, 2, 4))  # consented on 2 February, to be randomised on the 5th
    assert {row["population"] for row in made.table("compliance")} == {"0"}
    assert {row["in_population"] for row in made.table("assessments")} == {"0"}
    assert {row["denominator_flag"] for row in made.table("assessments")} == {"0"}
    assert len(made.table("participants")) == 9
