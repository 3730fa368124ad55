import pytest

from proapp.instruments.answers import Given, InvalidAnswer, applicability, parse_answer


@pytest.mark.parametrize(("raw", "code"), [("1", 1), ("4", 4), (" 2 ", 2), ("3\n", 3)])
def test_a_code_is_read_with_blanks_around_it(c30, raw, code):
    assert parse_answer(c30, 1, raw) == code


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "blank"), ("", "blank"), ("  ", "blank"),
        ("x", "not_a_number"), ("1.0", "not_a_number"), ("+1", "not_a_number"), ("-1", "not_a_number"), ("1 2", "not_a_number"),
        ("²", "not_a_number"), ("٣", "not_a_number"), ("0x1", "not_a_number"), ("1_0", "not_a_number"),
        ("0", "out_of_range"), ("5", "out_of_range"), ("99", "out_of_range"), ("01", "out_of_range"), ("9" * 5000, "out_of_range"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_instrument_item_value_and_reason(c30, raw, reason):
    with pytest.raises(InvalidAnswer) as caught:
        parse_answer(c30, 1, raw)
    error = caught.value
    assert (error.instrument, error.item, error.value, error.reason) == ("c30", 1, raw, reason)


def test_each_item_has_its_own_codes(c30):
    assert parse_answer(c30, 29, "7") == 7
    with pytest.raises(InvalidAnswer):
        parse_answer(c30, 28, "7")


def test_an_item_of_another_instrument_is_unknown(c30, br23):
    assert parse_answer(br23, 31, "1") == 1
    with pytest.raises(InvalidAnswer) as caught:
        parse_answer(c30, 31, "1")
    assert caught.value.reason == "unknown_item"
    assert "c30.31" in str(caught.value)


def test_only_an_answer_carries_a_code():
    assert Given("answered", 3).code == 3
    assert Given("skipped").code is None
    for kind, code in (("answered", None), ("skipped", 1), ("cleared", 2)):
        with pytest.raises(ValueError, match="has a code"):
            Given(kind, code)


@pytest.mark.parametrize(("gate", "gated"), [(34, 35), (45, 46)])
@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], "not_asked"), ([None], "not_asked"), ([1], "not_applicable"), ([2], "asked"), ([4], "asked")],
)
def test_a_gated_item_is_asked_when_its_gate_is_answered_above_one(br23, gate, gated, codes, expected):
    state = applicability(br23, dict.fromkeys([gate], *codes) if codes else {})
    assert state[gated] == expected
    assert {state[number] for number in br23.numbers if number not in (35, 46)} == {"asked"}


def test_every_item_without_a_gate_is_asked_in_the_order_of_the_pack(c30):
    assert applicability(c30, {}) == dict.fromkeys(range(1, 31), "asked")
    assert list(applicability(c30, {})) == list(c30.numbers)
