"""The three packs that come with proapp: structure against tables typed here again, wording complete and fit to read."""

import re

import pytest

from tests.instruments.exact import DEFINITIONS, GATES, ITEMS, SUMMARY_BAD, SUMMARY_GOOD, highest, numbers

PACKS = sorted(ITEMS)
LANGUAGES = ["en", "sv"]
KINDS = {"QL2": "global"}
# Functional by meaning, but worded so that a high answer is good: scored with the symptom formula.
POSITIVELY_WORDED = {"BRSEF", "BRSEE"}
FOUR_WEEKS = {"c30": set(), "br23": {44, 45, 46}, "lmc21": {51}}
NO_RECALL = {"c30": {1, 2, 3, 4, 5}, "br23": set(), "lmc21": set()}


@pytest.mark.parametrize("pack", PACKS)
def test_items_have_their_printed_numbers_and_response_codes(packs, pack):
    instrument = packs[pack]
    assert list(instrument.numbers) == numbers(pack)
    for number in instrument.numbers:
        top = highest(pack, number)
        assert instrument.choices(number).codes == tuple(range(1, top + 1))
        assert instrument.choices(number).layout == ("tiles" if top == 7 else "list")


@pytest.mark.parametrize("pack", PACKS)
def test_scales_are_those_of_the_definition(packs, pack):
    instrument = packs[pack]
    assert [scale.code for scale in instrument.scales] == list(DEFINITIONS[pack])
    for scale in instrument.scales:
        items, lowers, needed, good = DEFINITIONS[pack][scale.code]
        assert list(scale.items) == items
        assert scale.formula == ("function" if lowers else "symptom")
        assert scale.needs == needed
        assert scale.high_is == ("good" if good else "bad")
        assert scale.kind == KINDS.get(scale.code, "function" if good else "symptom")
    functions = {scale.code for scale in instrument.scales if scale.kind == "function" and scale.formula == "symptom"}
    assert functions == (POSITIVELY_WORDED if pack == "br23" else set())


@pytest.mark.parametrize("pack", PACKS)
def test_gates_are_those_of_the_definition(packs, pack):
    gates = {number: (gate.item, gate.above) for number, gate in packs[pack].gates}
    assert gates == {gated: (gate, 1) for gated, gate in GATES[pack].items()}


@pytest.mark.parametrize("pack", PACKS)
def test_recall_blocks_are_those_of_the_definition(packs, pack):
    for item in packs[pack].items:
        if item.number in NO_RECALL[pack]:
            assert item.recall is None
        else:
            assert item.recall == ("past-four-weeks" if item.number in FOUR_WEEKS[pack] else "past-week")


def test_only_the_core_has_a_summary_of_thirteen_scales(packs):
    summary = packs["c30"].summary
    assert (list(summary.function_scales), list(summary.symptom_scales)) == (SUMMARY_GOOD, SUMMARY_BAD)
    assert [pack for pack in PACKS if packs[pack].summary] == [pack for pack in PACKS if packs[pack].core] == ["c30"]


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_pack_says_that_it_is_neither_validated_nor_from_eortc(packs, pack, language):
    instrument = packs[pack]
    assert not instrument.validated
    assert instrument.licence.kind == "original"
    notice = instrument.wording[language].notice
    assert re.search("not been validated|inte validerat", notice)
    assert re.search("not an EORTC|inte ett EORTC", notice)


def test_the_liver_module_says_whom_it_was_validated_in(packs):
    assert "colorectal" in packs["lmc21"].population
    assert "breast cancer is outside its validation population" in packs["lmc21"].population


@pytest.mark.parametrize("pack", PACKS)
def test_every_text_exists_in_both_languages_and_is_nowhere_the_same(packs, pack):
    instrument = packs[pack]
    assert sorted(instrument.languages) == sorted(instrument.wording) == LANGUAGES
    texts = {language: dict(flat(instrument.wording[language].model_dump())) for language in LANGUAGES}
    assert texts["en"].keys() == texts["sv"].keys()
    assert [place for place, text in texts["en"].items() if text is not None and text == texts["sv"][place]] == []
    for number in instrument.numbers:
        assert ("items", number) in texts["sv"]
        assert ("short", number) in texts["sv"]


def flat(value, above=()):
    if not isinstance(value, dict):
        yield above, value
        return
    for key, inner in value.items():
        yield from flat(inner, (*above, key))


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_items_are_single_short_questions_and_no_two_are_the_same(packs, pack, language):
    wording = packs[pack].wording[language]
    assert len(set(wording.items.values())) == len(set(wording.short.values())) == len(packs[pack].items)
    for number, text in wording.items.items():
        assert len(text) <= 125, number
        assert text.endswith("?"), number
        assert text.count("?") == 1, number
        assert len(wording.short[number]) <= 40, number


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_names_no_disease(packs, pack, language):
    wording = packs[pack].wording[language]
    assert not re.search(
        "cancer|tum|metast|bröst|breast|lever|liver", f"{wording.title} {wording.introduction}", re.IGNORECASE
    )


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_lists_label_every_code_and_tiles_only_their_ends(packs, pack, language):
    for name, choices in packs[pack].responses.items():
        labels = packs[pack].wording[language].responses[name]
        assert tuple(labels) == choices.labelled == (choices.codes if choices.layout == "list" else (1, 7))
        assert len(set(labels.values())) == len(labels)
