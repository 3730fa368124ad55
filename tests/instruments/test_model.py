import pytest
from pydantic import ValidationError

from proapp.instruments.load import BUILT_IN, load_pack
from proapp.instruments.model import ResponseChoices, Scale


def test_items_scales_and_choices_are_found_by_number_and_code(br23):
    assert br23.item(46).gate.item == 45
    assert br23.scale("BRST").items == (31, 32, 33, 34, 36, 37, 38)
    assert br23.choices(31).codes == (1, 2, 3, 4)
    assert br23.positions[31] == 0
    with pytest.raises(KeyError):
        br23.item(1)
    with pytest.raises(KeyError):
        br23.scale("PF2")


def test_an_instrument_cannot_be_changed(c30):
    with pytest.raises(ValidationError):
        c30.code = "other"
    with pytest.raises(ValidationError):
        c30.items[0].number = 99


def test_equal_packs_are_equal_and_hash_alike_and_others_do_not(c30, br23):
    again = load_pack(BUILT_IN / "c30")
    assert again == c30
    assert hash(again) == hash(c30)
    assert len({again, c30, br23}) == 2


@pytest.mark.parametrize(("items", "needs"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (7, 4), (10, 5)])
def test_a_scale_needs_half_of_its_items_rounded_up(items, needs):
    scale = Scale(code="X", kind="symptom", formula="symptom", items=tuple(range(items)), high_is="bad")
    assert scale.needs == needs


def test_the_range_of_a_response_set_is_highest_minus_lowest():
    choices = ResponseChoices(id="eleven", codes=tuple(range(11)), layout="tiles")
    assert (choices.lowest, choices.highest, choices.span, choices.labelled) == (0, 10, 10, (0, 10))
