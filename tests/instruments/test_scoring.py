import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proapp.instruments.answers import InvalidAnswer, applicability
from proapp.instruments.load import BUILT_IN, load_packs
from proapp.instruments.model import Gate, Item
from proapp.instruments.scoring import reaches, score, score_columns
from tests.instruments.exact import DEFINITIONS, ITEMS, exact_scores, highest, numbers

PACKS = load_packs(BUILT_IN)


def by_code(instrument, codes):
    return {each.code: each for each in score(instrument, codes)}


def matrix(instrument, *respondents):
    rows = [[codes.get(number) or np.nan for number in instrument.numbers] for codes in respondents]
    return np.array(rows, dtype=np.float64).reshape(-1, len(instrument.numbers))


# -- one definition, two executors, and the fractions ------------------------------------------------------------------


@st.composite
def respondents(draw):
    pack = draw(st.sampled_from(sorted(ITEMS)))
    code = [st.none() | st.integers(1, highest(pack, number)) for number in numbers(pack)]
    rows = draw(st.lists(st.tuples(*code), min_size=1, max_size=6))
    return pack, [dict(zip(numbers(pack), row, strict=True)) for row in rows]


@settings(deadline=None, max_examples=150)
@given(respondents())
def test_row_and_columns_agree_to_the_last_bit_and_with_exact_fractions(case):
    pack, rows = case
    columns = score_columns(PACKS[pack], matrix(PACKS[pack], *rows))
    for place, codes in enumerate(rows):
        exact = exact_scores(pack, codes)
        results = by_code(PACKS[pack], codes)
        assert list(results) == list(columns) == list(exact)
        for name, result in results.items():
            value, answered = columns[name][0][place], columns[name][1][place]
            assert result.answered == answered
            assert (None if math.isnan(value) else value) == result.value
            expected, counted = exact[name]
            assert (result.value is None) == (expected is None)
            assert expected is None or abs(Fraction(result.value) - expected) < Fraction(1, 10**9)
            assert counted in (None, answered)


@pytest.mark.parametrize("pack", sorted(ITEMS))
def test_every_scale_runs_from_0_to_100_and_says_which_end_is_good(pack):
    lowest = by_code(PACKS[pack], dict.fromkeys(numbers(pack), 1))
    top = by_code(PACKS[pack], {number: highest(pack, number) for number in numbers(pack)})
    for name, (_, lowers, _, good) in DEFINITIONS[pack].items():
        assert top[name].value == (0 if lowers else 100)
        if name not in ("BRHL", "BRSEE"):  # closed by their gates when everything is answered with 1
            assert lowest[name].value == (100 if lowers else 0)
        assert top[name].high_is == ("good" if good else "bad")


def test_scores_come_in_pack_order_with_the_algorithm_version_and_the_summary_last(c30):
    results = score(c30, {})
    assert [each.code for each in results] == [*DEFINITIONS["c30"], "C30SUMMARY"]
    assert {each.algorithm_version for each in results} == {c30.algorithm_version}


# -- the half rule -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pack", "name"), [(pack, name) for pack, scales in DEFINITIONS.items() for name in scales], ids=lambda each: each
)
def test_a_scale_is_scored_from_half_of_its_items_and_not_from_fewer(pack, name):
    items, _, needed, _ = DEFINITIONS[pack][name]
    for answered in range(len(items) + 1):
        result = by_code(PACKS[pack], dict.fromkeys(items[:answered], 2))[name]
        if answered < needed:
            assert (result.value, result.outcome) == (None, "missing")
        else:
            assert result.value is not None
            assert result.outcome == ("complete" if answered == len(items) else "prorated")
        assert (result.answered, result.applicable, result.n_items) == (answered, len(items), len(items))


def test_the_mean_is_taken_over_the_answered_items(c30):
    results = by_code(c30, {1: 1, 2: 2, 3: 4, 10: 3, 12: 4, 29: 7})
    assert results["PF2"].value == pytest.approx(100 * (1 - (7 / 3 - 1) / 3))
    assert results["FA"].value == pytest.approx(100 * 2.5 / 3)
    assert results["QL2"].value == 100


def test_nothing_answered_is_missing_everywhere_and_never_a_number(c30):
    for result in score(c30, dict.fromkeys(c30.numbers)):
        assert (result.value, result.answered, result.outcome) == (None, 0, "missing")
    for values, _ in score_columns(c30, matrix(c30, {})).values():
        assert np.isnan(values).all()


# -- the summary score -------------------------------------------------------------------------------------------------


def test_the_summary_needs_all_thirteen_scales_but_neither_global_health_nor_money(c30):
    full = dict.fromkeys(range(1, 29), 2)
    assert by_code(c30, full | {28: None})["C30SUMMARY"].outcome == "complete"
    for single in (8, 11, 13, 16, 17):
        result = by_code(c30, full | {single: None})["C30SUMMARY"]
        assert (result.value, result.outcome, result.answered, result.n_items) == (None, "missing", 12, 13)


def test_the_summary_is_high_when_all_is_well(c30):
    result = by_code(c30, dict.fromkeys(range(1, 31), 1))["C30SUMMARY"]
    assert (result.value, result.high_is, result.answered, result.applicable) == (100, "good", 13, 13)
    assert c30.summary.high_is == result.high_is


def test_the_summary_weighs_scales_equally_and_not_items(c30):
    result = by_code(c30, dict.fromkeys(range(1, 31), 1) | {8: 4})["C30SUMMARY"]
    assert result.value == pytest.approx(1200 / 13)


def test_modules_have_no_summary(br23):
    assert br23.summary is None
    assert [each.code for each in score(br23, {})] == list(DEFINITIONS["br23"])


# -- gates -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gate", "gated", "name"), [(34, 35, "BRHL"), (45, 46, "BRSEE")])
@pytest.mark.parametrize("kept", [None, 3])
def test_a_closed_gate_makes_the_score_not_applicable_even_if_an_answer_is_there(br23, gate, gated, name, kept):
    codes = {gate: 1, gated: kept}
    result = by_code(br23, codes)[name]
    assert (result.value, result.outcome, result.answered, result.applicable) == (None, "not_applicable", 0, 0)
    values, answered = score_columns(br23, matrix(br23, codes))[name]
    assert (np.isnan(values[0]), answered[0]) == (True, 0)


@pytest.mark.parametrize(("gate", "gated", "name"), [(34, 35, "BRHL"), (45, 46, "BRSEE")])
@pytest.mark.parametrize("open_gate", [None, 2, 3, 4])
def test_an_open_or_unanswered_gate_keeps_the_answer(br23, gate, gated, name, open_gate):
    codes = {gate: open_gate, gated: 4}
    assert by_code(br23, codes)[name].value == 100
    assert score_columns(br23, matrix(br23, codes))[name][0][0] == 100
    assert by_code(br23, {gate: open_gate})[name].outcome == "missing"


def test_the_gate_items_count_in_their_own_scales_in_every_case(br23):
    results = by_code(br23, dict.fromkeys((31, 32, 33, 34, 36, 37, 38, 44, 45), 1))
    assert (results["BRST"].answered, results["BRST"].outcome) == (7, "complete")
    assert (results["BRSEF"].answered, results["BRSEF"].value) == (2, 0)


def test_sexual_functioning_is_good_when_high_and_uses_the_symptom_formula_once(br23):
    result = by_code(br23, {44: 4, 45: 3})["BRSEF"]
    assert (br23.scale("BRSEF").kind, br23.scale("BRSEF").formula, result.high_is) == ("function", "symptom", "good")
    assert result.value == pytest.approx(100 * 2.5 / 3)


def with_gates(instrument, **gates):
    """The instrument with the gates of these items (q35=(34, 1)) and no others."""
    wanted = {int(name[1:]): Gate(item=item, above=above) for name, (item, above) in gates.items()}
    items = [Item(**dict(item) | {"gate": wanted.get(item.number)}) for item in instrument.items]
    fields = {name: getattr(instrument, name) for name in type(instrument).model_fields}
    return type(instrument)(**fields | {"items": items, "content_hash": str(gates)})


def test_an_item_behind_an_inapplicable_item_is_inapplicable_too_for_row_and_columns(br23):
    chained = with_gates(br23, q34=(33, 1), q35=(34, 1))
    for first, second, third in product([None, 1, 2], repeat=3):
        codes = {33: first, 34: second, 35: third}
        result = by_code(chained, codes)["BRHL"]
        closed = first == 1 or second == 1
        assert (result.outcome == "not_applicable") == closed == (applicability(chained, codes)[35] == "not_applicable")
        value = score_columns(chained, matrix(chained, codes))["BRHL"][0][0]
        assert (None if np.isnan(value) else value) == result.value


def test_a_scale_of_which_a_part_is_inapplicable_is_complete_when_the_rest_is_answered(br23):
    partly = with_gates(br23, q48=(47, 1), q49=(47, 1))
    arms = by_code(partly, {47: 1, 48: 2})["BRAS"]
    assert (arms.answered, arms.applicable, arms.n_items, arms.outcome) == (1, 1, 3, "missing")
    breast = by_code(with_gates(br23, q53=(47, 1)), {47: 1, 50: 1, 51: 1, 52: 1, 53: 4})["BRBS"]
    assert (breast.value, breast.answered, breast.applicable, breast.outcome) == (0, 3, 3, "complete")


# -- what is no answer is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 5, 9, 99, -1])
def test_a_code_that_does_not_exist_is_refused_with_item_and_value(c30, code):
    with pytest.raises(InvalidAnswer) as caught:
        score(c30, {4: code})
    assert (caught.value.instrument, caught.value.item, caught.value.value) == ("c30", 4, code)
    bad = matrix(c30, {1: 1}, {1: 2})
    bad[1, 3] = code
    with pytest.raises(InvalidAnswer) as caught:
        score_columns(c30, bad)
    assert (caught.value.item, caught.value.value, caught.value.reason) == (4, code, "out_of_range")


def test_half_a_code_is_refused(c30):
    bad = matrix(c30, {1: 1})
    bad[0, 0] = 1.5
    with pytest.raises(InvalidAnswer):
        score_columns(c30, bad)


def test_an_item_of_another_instrument_is_refused(c30):
    with pytest.raises(InvalidAnswer) as caught:
        score(c30, {31: 1})
    assert caught.value.reason == "unknown_item"


def test_seven_is_an_answer_to_the_overall_items_only(c30):
    assert by_code(c30, {29: 7, 30: 7})["QL2"].value == 100
    with pytest.raises(InvalidAnswer):
        score(c30, {28: 7})


def test_no_rows_give_empty_columns(c30):
    for values, answered in score_columns(c30, np.empty((0, 30))).values():
        assert (values.shape, answered.shape) == ((0,), (0,))


# -- differences -------------------------------------------------------------------------------------------------------

# PF2: sum of 5 answered items against sum of 4; in real numbers the scores differ by exactly the threshold.
TIES = {
    10: [(6, 6), (9, 6), (11, 10), (14, 10), (16, 14), (19, 14)],
    5: [(7, 5), (8, 7), (12, 9), (13, 11), (17, 13), (18, 15)],
}


def pf2(c30, total, items):
    """PF2 of a respondent whose first `items` answers add up to `total`."""
    codes = [1] * items
    for place in range(items):
        codes[place] += min(3, total - sum(codes))
    assert sum(codes) == total
    return by_code(c30, dict(enumerate(codes, start=1)))["PF2"].value


@pytest.mark.parametrize(("threshold", "five", "four"), [(size, *pair) for size in TIES for pair in TIES[size]])
def test_a_difference_that_ties_with_the_threshold_in_real_numbers_reaches_it(c30, threshold, five, four):
    difference = abs(pf2(c30, five, 5) - pf2(c30, four, 4))
    assert reaches(difference, threshold)
    assert not reaches(-difference, threshold)


def test_floats_alone_would_miss_some_of_the_ties(c30):
    missed = [
        pair
        for size, pairs in TIES.items()
        for pair in pairs
        if abs(pf2(c30, pair[0], 5) - pf2(c30, pair[1], 4)) < size
    ]
    assert missed


def test_these_are_all_ties_of_pf2(c30):
    found = {
        size: [
            (five, four)
            for five, four in product(range(5, 21), range(4, 17))
            if abs(Fraction(five, 5) - Fraction(four, 4)) * 100 / 3 == size
        ]
        for size in TIES
    }
    assert found == TIES


def test_the_next_smaller_difference_does_not_reach_the_threshold():
    assert reaches(5, 5)
    assert reaches(10 - 5e-10, 10)
    assert not reaches(10 - 1e-8, 10)
    assert not reaches(9.99, 10)
