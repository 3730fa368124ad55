"""Items against the answers that were given, scores against fractions worked out here from the published scales."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import pytest

from proapp.export.scores import change_class
from proapp.instruments.scoring import score
from tests.conftest import definitions
from tests.export.trial import pattern, special

# Written down from the published scoring, not read from the packs: items, and + for function, - for symptom formula.
C30 = {
    "QL2": ("-", 7, [29, 30]), "PF2": ("+", 4, [1, 2, 3, 4, 5]), "RF2": ("+", 4, [6, 7]), "EF": ("+", 4, [21, 22, 23, 24]),
    "CF": ("+", 4, [20, 25]), "SF": ("+", 4, [26, 27]), "FA": ("-", 4, [10, 12, 18]), "NV": ("-", 4, [14, 15]),
    "PA": ("-", 4, [9, 19]), "DY": ("-", 4, [8]), "SL": ("-", 4, [11]), "AP": ("-", 4, [13]), "CO": ("-", 4, [16]),
    "DI": ("-", 4, [17]), "FI": ("-", 4, [28]),
}  # fmt: skip
BR23 = {
    "BRBI": ("+", 4, [39, 40, 41, 42]), "BRSEF": ("-", 4, [44, 45]), "BRSEE": ("-", 4, [46]), "BRFU": ("+", 4, [43]),
    "BRST": ("-", 4, [31, 32, 33, 34, 36, 37, 38]), "BRBS": ("-", 4, [50, 51, 52, 53]), "BRAS": ("-", 4, [47, 48, 49]),
    "BRHL": ("-", 4, [35]),
}  # fmt: skip
LMC21 = {
    "LMC_NP": ("-", 4, [31, 32]), "LMC_FA": ("-", 4, [37, 43, 44]), "LMC_PA": ("-", 4, [39, 40, 42]),
    "LMC_EP": ("-", 4, [47, 48, 49, 50]), "LMC_WL": ("-", 4, [33]), "LMC_TA": ("-", 4, [34]), "LMC_DM": ("-", 4, [35]),
    "LMC_SM": ("-", 4, [36]), "LMC_PN": ("-", 4, [38]), "LMC_JA": ("-", 4, [41]), "LMC_FR": ("-", 4, [45]),
    "LMC_FE": ("-", 4, [46]), "LMC_SX": ("-", 4, [51]),
}  # fmt: skip
SCALES = {"c30": C30, "br23": BR23, "lmc21": LMC21}
GOOD = {"QL2", "PF2", "RF2", "EF", "CF", "SF", "BRBI", "BRSEF", "BRSEE", "BRFU", "C30SUMMARY"}
SUMMARY_FUNCTION, SUMMARY_SYMPTOM = ("PF2", "RF2", "EF", "CF", "SF"), ("FA", "NV", "PA", "DY", "SL", "AP", "CO", "DI")
SENT_AND_USABLE = {
    ("GOT-002", "baseline"): 0,
    ("KAR-001", "m03"): 1,
    ("KAR-001", "m06"): 2,
    ("KAR-002", "m03"): 0,
    ("LUN-001", "baseline"): 0,
    ("LUN-003", "baseline"): 0,
    ("UME-001", "baseline"): 0,
    ("UME-002", "baseline"): 1,
    ("UME-002", "m03"): 2,
    ("UME-003", "baseline"): 2,
}


def expected_score(formula: str, highest: int, values: list[int | None]) -> Fraction | None:
    answered = [value for value in values if value is not None]
    if 2 * len(answered) < len(values):
        return None
    share = (Fraction(sum(answered), len(answered)) - 1) / (highest - 1)
    return (1 - share if formula == "+" else share) * 100


@pytest.fixture
def exported(golden):
    return golden()


def test_every_answer_given_is_the_answer_exported(exported):
    found = defaultdict(dict)
    for row in exported.table("items_long"):
        if row["status"] == "answered":
            found[row["study_id"], row["timepoint"]][row["instrument"], int(row["item_no"])] = int(row["value"])
    for key, shift in SENT_AND_USABLE.items():
        answers = pattern(definitions()[1], shift)
        if answers["br23", 34] == 1:
            del answers["br23", 35]
        if answers["br23", 45] == 1:
            del answers["br23", 46]
        assert found.pop(key) == answers, key
    assert found.pop(("UME-003", "m06")) == {("c30", 1): 2}
    last = {gift[:2]: gift[3] for gift in special(definitions()[1])}
    assert found.pop(("UME-001", "m03")) == {
        key: code for key, code in last.items() if code is not None and key != ("br23", 35)
    }
    assert found == {}  # nothing of what is withheld, not sent, or not the primary set


def test_every_item_of_what_was_sent_has_a_row_and_says_what_came_of_it(exported):
    rows = [row for row in exported.table("items_long") if (row["study_id"], row["timepoint"]) == ("UME-001", "m03")]
    assert [row["item"] for row in rows] == [
        *(f"c30_q{number:02d}" for number in range(1, 31)),
        *(f"br23_q{number:02d}" for number in range(31, 54)),
        *(f"lmc21_q{number:02d}" for number in range(31, 52)),
    ]
    found = {row["item"]: row for row in rows}
    unusual = {name: row["status"] for name, row in found.items() if row["status"] != "answered"}
    assert unusual == {
        "c30_q01": "skipped",
        "c30_q08": "cleared",
        "br23_q35": "not_applicable",
        "br23_q45": "skipped",
        "br23_q46": "not_shown",
        "lmc21_q51": "not_reached",
    }
    for name, status in unusual.items():
        assert (found[name]["value"], found[name]["value_label_en"]) == ("", ""), status
    assert (found["c30_q08"]["version_no"], found["c30_q02"]["version_no"], found["c30_q03"]["version_no"]) == (
        "2", "2", "1",
    )  # fmt: skip
    never = found["lmc21_q51"]
    assert (never["version_no"], never["answered_at"], never["language"], never["entered_by"]) == ("0", "", "", "")
    assert (found["c30_q03"]["entered_by"], found["c30_q03"]["language"]) == ("patient", "sv")


def test_answers_carry_their_words(exported):
    row = next(row for row in exported.table("items_long") if row["item"] == "c30_q02" and row["value"])
    assert row["value_label_en"] == definitions()[1]["c30"].wording["en"].responses["four"][int(row["value"])]
    tiles = [row for row in exported.table("items_long") if row["item"] == "c30_q30" and row["value"] == "4"]
    assert {row["value_label_en"] for row in tiles} <= {"4"}


def test_every_score_is_the_fraction_worked_out_by_hand(exported):
    items = defaultdict(dict)
    for row in exported.table("items_long"):
        value = int(row["value"]) if row["value"] else None
        items[row["study_id"], row["timepoint"], row["instrument"]][int(row["item_no"])] = (value, row["status"])
    scores = {
        (row["study_id"], row["timepoint"], row["instrument"], row["scale_code"]): row
        for row in exported.table("scores_long")
    }
    assert len(scores) == len(items) / 3 * 37
    outcomes = set()
    for (study_id, timepoint, instrument), answers in items.items():
        exact = {}
        for scale, (formula, highest, numbers) in SCALES[instrument].items():
            row = scores.pop((study_id, timepoint, instrument, scale))
            values = [answers[number][0] for number in numbers]
            exact[scale] = expected_score(formula, highest, values)
            _same(row["score"], exact[scale])
            answered = sum(value is not None for value in values)
            applicable = sum(answers[number][1] != "not_applicable" for number in numbers)
            assert (row["n_items"], row["n_answered"]) == (str(len(numbers)), str(answered))
            assert (row["n_applicable"], row["direction"]) == (str(applicable), "good" if scale in GOOD else "bad")
            outcomes.add(row["outcome"])
            assert row["outcome"] == _outcome(answered, applicable, exact[scale])
        if instrument == "c30":
            row = scores.pop((study_id, timepoint, instrument, "C30SUMMARY"))
            parts = [exact[code] for code in SUMMARY_FUNCTION]
            parts += [None if exact[code] is None else 100 - exact[code] for code in SUMMARY_SYMPTOM]
            mean = None if None in parts else sum(parts) / Fraction(13)
            _same(row["score"], mean)
            assert row["n_answered"] == str(sum(part is not None for part in parts))
    assert scores == {}
    assert outcomes == {"complete", "prorated", "missing", "not_applicable"}


def _outcome(answered: int, applicable: int, value: Fraction | None) -> str:
    if applicable == 0:
        return "not_applicable"
    if value is None:
        return "missing"
    return "complete" if answered == applicable else "prorated"


def _same(cell: str, exact: Fraction | None) -> None:
    assert (cell == "") == (exact is None)
    if exact is not None:
        assert abs(float(cell) - float(exact)) < 1e-9
        assert repr(float(cell)) == cell


def test_changes_count_from_a_baseline_completed_before_or_on_the_day_of_randomisation(exported):
    rows = exported.table("scores_long")
    baselines = {
        (row["study_id"], row["instrument"], row["scale_code"]): row["score"]
        for row in rows
        if row["timepoint"] == "baseline" and row["study_id"] != "LUN-003"  # completed a day too late
    }
    for row in rows:
        baseline = baselines.get((row["study_id"], row["instrument"], row["scale_code"]), "")
        is_baseline = row["timepoint"] == "baseline"
        assert row["baseline_score"] == baseline
        assert row["baseline_flag"] == ("1" if is_baseline and row["study_id"] != "LUN-003" else "0")
        if is_baseline:
            assert (row["change"], row["change_good"], row["change_class_5"], row["change_class_10"]) == (
                "",
                "",
                "",
                "",
            )
        elif not (row["score"] and baseline):
            assert (row["change"], row["change_class_10"]) == ("", "unknown")
        else:
            change = float(row["score"]) - float(baseline)
            good = change if row["direction"] == "good" else -change
            assert float(row["change"]) == change
            assert float(row["change_good"]) == good
            for points in (5, 10):
                wanted = "improved" if good > points - 1e-9 else "worse" if good < -points + 1e-9 else "stable"
                assert row[f"change_class_{points}"] == wanted
    assert {row["change_class_10"] for row in rows} == {"", "unknown", "improved", "stable", "worse"}
    assert "-0.0" not in {row[name] for row in rows for name in ("score", "change", "change_good")}


# Sums of PF2 with five and with four items answered that lie exactly 10 or 5 points apart in fractions.
TIES = [(10, pair) for pair in ((6, 6), (9, 6), (11, 10), (14, 10), (16, 14), (19, 14))]
TIES += [(5, pair) for pair in ((7, 5), (8, 7), (12, 9), (13, 11), (17, 13), (18, 15))]


@pytest.mark.parametrize(("points", "sums"), TIES)
def test_a_change_of_exactly_the_threshold_is_a_change_where_floats_fall_short(points, sums):
    pack = definitions()[1]["c30"]

    def pf2(total: int, count: int) -> float:
        codes = [1] * count
        for place in range(count):
            codes[place] += min(3, total - sum(codes))
        value = score(pack, dict(zip(range(1, count + 1), codes, strict=True)))[1].value
        assert value is not None
        return value

    change = pf2(sums[1], 4) - pf2(sums[0], 5)
    assert change_class(change, points) == ("improved" if change > 0 else "worse")
    assert change_class(-change, points) == ("worse" if change > 0 else "improved")


def test_wide_tables_hold_the_same_values_as_the_long_ones(exported):
    wide, scores = (exported.by(name, "study_id", "timepoint") for name in ("items_wide", "scores_wide"))
    expected = {key[:2] for key in exported.by("assessments", "study_id", "timepoint", "instrument")}
    assert set(wide) == set(scores) == expected
    filled = 0
    for row in exported.table("items_long"):
        assert wide[row["study_id"], row["timepoint"]][row["item"]] == row["value"]
        filled += row["value"] != ""
    assert filled == sum(value != "" for row in wide.values() for name, value in row.items() if "_q" in name)
    for row in exported.table("scores_long"):
        at = scores[row["study_id"], row["timepoint"]]
        assert at[row["scale_code"].lower()] == row["score"]
        assert at[f"{row['scale_code'].lower()}_n"] == row["n_answered"]
    unanswered = scores["UME-001", "m06"]
    assert {unanswered["pf2"], unanswered["pf2_n"], unanswered["completed_on"]} == {""}
    assert unanswered["status"] == "missed"
