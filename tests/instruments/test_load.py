"""One tiny pack, broken in one way at a time: every fault is caught, placed, and said in a sentence."""

import shutil

import pytest

from proapp.instruments.load import BUILT_IN, load_pack, load_packs
from proapp.instruments.problems import DefinitionError, Problem
from tests.instruments.tiny import STRUCTURE, WORDING


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "instrument.toml").write_text(STRUCTURE, encoding="utf-8")
    for language in ("sv", "en"):
        (folder / f"wording.{language}.toml").write_text(WORDING, encoding="utf-8")
    return folder


def change(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def problems(folder):
    with pytest.raises(DefinitionError) as caught:
        load_pack(folder)
    return caught.value.problems


def found(folder):
    return [(problem.path, problem.sentence) for problem in problems(folder)]


def test_the_tiny_pack_is_good(tiny):
    pack = load_pack(tiny)
    assert (pack.code, pack.numbers, pack.minutes) == ("tiny", (1, 2, 3), 1.5)
    assert pack.wording["sv"].items[2] == "two?"
    assert pack.responses["four"].layout == "list"


STRUCTURE_FAULTS = {
    # header
    "unknown key": ("minutes = 1.5", "minuts = 1.5", ("minuts", "is not a known key"), ("minutes", "is missing")),
    "number for text": ('version = "1.0"', "version = 1.0", ("version", "must be a text")),
    "text for number": ("minutes = 1.5", 'minutes = "1.5"', ("minutes", "must be a number")),
    "text for true": ("core = false", 'core = "no"', ("core", "must be true or false")),
    "no time at all": ("minutes = 1.5", "minutes = 0", ("minutes", "must be greater than 0.0")),
    "endless": ("minutes = 1.5", "minutes = inf", ("minutes", "Input should be a finite number")),
    "a date": ('version = "1.0"', "core_since = 2027-01-01\nversion = '1.0'", ("core_since", "is not a known key")),
    "pack code": ('code = "tiny"', 'code = "Tiny Pack"', ("code", "is empty or has characters that are not allowed here")),
    "empty text": ('source = "Invented for a test."', 'source = " "', ("source", "is empty or has characters that are not allowed here")),
    "language twice": ('["sv", "en"]', '["sv", "en", "sv"]', ("languages", '"sv" is named twice')),
    "no language list": ('languages = ["sv", "en"]', 'languages = "sv"', ("languages", "must be a list")),
    "licence kind": ('kind = "original"', 'kind = "free"', ("licence.kind", 'must be "original" or "licensed"')),
    "licence missing": ('[licence]\nkind = "original"\nholder = "nobody"\n', "", ("licence", "is missing")),
    "licence no table": ('[licence]\nkind = "original"\nholder = "nobody"\n', 'licence = "MIT"\n', ("licence", "must be a table")),
    "licence without agreement": (
        'kind = "original"', 'kind = "licensed"',
        ("licence.reference", "is missing; a licensed pack must name the licence agreement it is used under"),
    ),
    # response sets
    "gap in codes": ("codes = [1, 2, 3, 4]\n", "codes = [1, 2, 3, 5, 4]\n", ("responses.four.codes", "are not in ascending order")),
    "codes not contiguous": ("codes = [1, 2, 3, 4]\n", "codes = [1, 2, 4]\n", ("responses.four.codes", "are not contiguous; scoring needs steps of one without a gap")),
    "code twice": ("codes = [1, 2, 3, 4]\n", "codes = [1, 2, 3, 3, 4]\n", ("responses.four.codes", "code 3 is there twice")),
    "a single code": ("codes = [1, 2, 3, 4]\n", "codes = [1]\n", ("responses.four.codes", "must have at least 2 entries")),
    "half a code": ("codes = [1, 2, 3, 4]\n", "codes = [1, 2.5]\n", ("responses.four.codes.1", "must be a whole number")),
    "layout": ('layout = "tiles"', 'layout = "slider"', ("responses.seven.layout", 'must be "list" or "tiles"')),
    "unused response set": ('responses = "seven"', 'responses = "four"', ("responses.seven", "is used by no item")),
    # items
    "item twice": ("number = 2", "number = 1", ("items.1", "is there twice; every item needs its own number")),
    "concept twice": ('concept = "two"', 'concept = "one"', ("items", 'concept "one" is there twice; every item needs its own')),
    "item key": ('concept = "two"', 'concpt = "two"', ("items.2.concept", "is missing"), ("items.2.concpt", "is not a known key")),
    "item number zero": ("number = 3", "number = 0", ("items.0.number", "must be at least 1")),
    "item without number": ("number = 2\n", "", ("items[2].number", "is missing")),
    "unknown response set": ('concept = "two"\nresponses = "four"', 'concept = "two"\nresponses = "five"', ("items.2.responses", 'there is no response set "five"')),
    "gate on unknown item": ("item = 1, above", "item = 9, above", ("items.2.gate.item", "there is no item 9")),
    "gate on later item": ("item = 1, above", "item = 3, above", ("items.2.gate.item", "item 3 is not asked before item 2")),
    "gate on itself": ("item = 1, above", "item = 2, above", ("items.2.gate.item", "item 2 is not asked before item 2")),
    "gate always open": ("above = 1", "above = 0", ("items.2.gate.above", "with 0 the answer to item 1 makes no difference")),
    "gate never open": ("above = 1", "above = 4", ("items.2.gate.above", "with 4 the answer to item 1 makes no difference")),
    "gate key": ("above = 1", "over = 1", ("items.2.gate.above", "is missing"), ("items.2.gate.over", "is not a known key")),
    # scales
    "item in no scale": ("items = [1, 2]", "items = [1]", ("items.2", "belongs to no scale")),
    "item in two scales": ("items = [3]", "items = [3, 2]", ("items.2", "belongs to more than one scale: AB, CD")),
    "scale names unknown item": ("items = [1, 2]", "items = [1, 2, 8]", ("scales.AB.items", "there is no item 8")),
    "item twice in a scale": ("items = [1, 2]", "items = [1, 2, 2]", ("scales.AB.items", "item 2 is there twice")),
    "scale without items": ("items = [3]", "items = []", ("scales.CD.items", "must have at least 1 entries")),
    "mixed response sets": ("items = [1, 2]", "items = [1, 2, 3]", ("scales.AB.items", "do not all have the same response codes, so they cannot be averaged")),
    "scale twice": ('code = "CD"', 'code = "AB"', ("scales.AB", "is there twice; every scale needs its own code")),
    "direction": ('high_is = "bad"', 'high_is = "good"', ("scales.CD.high_is", '"good" does not fit a scale of kind "symptom"')),
    "count column clash": ('code = "CD"', 'code = "AB_N"', ("scales.AB_N", "is also the column that counts the answers of AB")),
    "scale key": ('kind = "symptom"', 'sort = "symptom"', ("scales.CD.kind", "is missing"), ("scales.CD.sort", "is not a known key")),
    # summary
    "summary names unknown scale": ('function_scales = ["AB"]', 'function_scales = ["AB", "XY"]', ("summary.function_scales", "there is no scale XY")),
    "summary direction": (
        'function_scales = ["AB"]\nsymptom_scales = ["CD"]', 'function_scales = ["CD"]\nsymptom_scales = ["AB"]',
        ("summary.function_scales", "a high CD does not mean good, so it belongs to the other list"),
        ("summary.symptom_scales", "a high AB does not mean bad, so it belongs to the other list"),
    ),
    "summary code": ('code = "ALL"', 'code = "AB"', ("summary.code", '"AB" is already the code of a scale')),
    "summary of nothing": ('function_scales = ["AB"]\nsymptom_scales = ["CD"]', "function_scales = []\nsymptom_scales = []", ("summary", "names no scales")),
    "scale twice in summary": ('["AB"]', '["AB", "AB"]', ("summary", "AB is there twice")),
    "summary key": ('function_scales = ["AB"]', "", ("summary.function_scales", "is missing")),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURE_FAULTS)
def test_a_fault_of_the_structure_is_found(tiny, name):
    old, new, *expected = STRUCTURE_FAULTS[name]
    change(tiny / "instrument.toml", old, new)
    assert set(expected) <= set(found(tiny))


WORDING_FAULTS = {
    "title": ('title = "T"\n', "", ("title", "has no wording in this language")),
    "introduction": ('introduction = "I"\n', "", ("introduction", "has no wording in this language")),
    "notice of a pack that is not validated": ('notice = "N"\n', "", ("notice", "has no wording in this language")),
    "summary": ('summary = "S"\n', "", ("summary", "has no wording in this language")),
    "item": ('2 = "two?"\n', "", ("items.2", "has no wording in this language")),
    "short": ('2 = "two"\n', "", ("short.2", "has no wording in this language")),
    "response label": ('3 = "c"\n', "", ("responses.four.3", "has no wording in this language")),
    "end of the tiles": ('7 = "high"\n', "", ("responses.seven.7", "has no wording in this language")),
    "recall": ('week = "This week."\n', "", ("recalls.week", "has no wording in this language")),
    "scale": ('CD = "cd"\n', "", ("scales.CD", "has no wording in this language")),
    "empty text": ('"two?"', '"  "', ("items.2", "must be a text that is not empty")),
    "number for text": ('"two?"', "2", ("items.2", "must be a text that is not empty")),
    "unknown key": ('title = "T"', 'title = "T"\nsubtitle = "s"', ("subtitle", "is worded here, but instrument.toml has no use for it")),
    "unknown item": ('2 = "two?"', '2 = "two?"\n9 = "nine?"', ("items.9", "is worded here, but instrument.toml has no use for it")),
    "label inside the tiles": ('7 = "high"', '4 = "middle"\n7 = "high"', ("responses.seven.4", "is worded here, but instrument.toml has no use for it")),
    "text for a table": ('[recalls]\nweek = "This week."\n', "", ("recalls.week", "has no wording in this language")),
}  # fmt: skip


@pytest.mark.parametrize("name", WORDING_FAULTS)
@pytest.mark.parametrize("language", ["sv", "en"])
def test_a_fault_of_the_wording_is_found_in_its_file(tiny, name, language):
    old, new, expected = WORDING_FAULTS[name]
    file = tiny / f"wording.{language}.toml"
    change(file, old, new)
    assert problems(tiny) == (Problem(str(file), *expected),)


def test_a_notice_is_free_to_have_or_not_once_the_pack_is_validated(tiny):
    change(tiny / "instrument.toml", "validated = false", "validated = true")
    assert load_pack(tiny).wording["en"].notice == "N"
    change(tiny / "wording.en.toml", 'notice = "N"\n', "")
    assert load_pack(tiny).wording["en"].notice is None


def test_a_licensed_pack_with_its_agreement_is_good(tiny):
    change(tiny / "instrument.toml", 'kind = "original"', 'kind = "licensed"\nreference = "Agreement 1"')
    assert load_pack(tiny).licence.reference == "Agreement 1"


def test_a_language_without_a_file_and_a_file_without_a_language_are_found(tiny):
    (tiny / "wording.en.toml").rename(tiny / "wording.fi.toml")
    missing, stray = problems(tiny)
    assert (missing.file, missing.sentence) == (
        str(tiny / "wording.en.toml"),
        "cannot be read: No such file or directory",
    )
    assert (stray.file, stray.sentence) == (
        str(tiny / "wording.fi.toml"),
        "is a language that instrument.toml does not list in languages",
    )


@pytest.mark.parametrize("name", ["instrument.toml", "wording.sv.toml"])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"code = \n", "is not valid TOML: "),
        (b"a = 1\na = 2\n", "is not valid TOML: "),
        ("titel = 'åäö'".encode("latin-1"), "is not UTF-8 text (byte 10); save the file as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_and_not_a_traceback(tiny, name, content, sentence):
    (tiny / name).write_bytes(content)
    (only,) = problems(tiny)
    assert only.file == str(tiny / name)
    assert only.sentence.startswith(sentence)


def test_a_folder_without_a_pack_is_a_problem(tmp_path):
    (only,) = problems(tmp_path)
    assert str(only) == f"{tmp_path / 'instrument.toml'}: cannot be read: No such file or directory"


@pytest.mark.parametrize("section", ["items", "scales", "responses"])
@pytest.mark.parametrize("value", ["", "{name} = 3\n", "{name} = []\n", "{name} = [3]\n", "{name} = {{ four = 3 }}\n"])
def test_sections_of_the_wrong_shape_are_problems_and_not_tracebacks(tiny, section, value):
    lines, kept, dropping = STRUCTURE.splitlines(), [], False
    for line in lines:
        if line.startswith("["):
            dropping = line.strip("[]").split(".")[0] == section
        kept += [] if dropping else [line]
    text = value.format(name=section) + "\n".join(kept)
    (tiny / "instrument.toml").write_text(text, encoding="utf-8")
    assert any(path.startswith(section) for path, _ in found(tiny))


def test_an_empty_file_names_everything_that_is_missing(tiny):
    (tiny / "instrument.toml").write_text("", encoding="utf-8")
    missing = {path for path, sentence in found(tiny) if sentence.startswith("is missing")}
    assert missing >= {"code", "version", "languages", "licence", "items", "responses", "scales"}


def test_all_problems_of_all_files_are_reported_at_once(tiny):
    change(tiny / "instrument.toml", "minutes = 1.5", "minuts = 1.5")
    change(tiny / "instrument.toml", 'concept = "two"', 'concept = "two"\nhint = "x"')
    change(tiny / "instrument.toml", "items = [3]", "items = [7]")
    change(tiny / "wording.sv.toml", 'title = "T"\n', "")
    change(tiny / "wording.en.toml", 'AB = "ab"\n', "")
    assert found(tiny) == [
        ("minutes", "is missing"),
        ("minuts", "is not a known key"),
        ("items.2.hint", "is not a known key"),
        ("scales.CD.items", "there is no item 7"),
        ("items.3", "belongs to no scale"),
        ("title", "has no wording in this language"),
        ("scales.AB", "has no wording in this language"),
    ]


def test_a_broken_entry_causes_no_complaints_about_what_leans_on_it(tiny):
    change(tiny / "instrument.toml", 'concept = "one"', 'concept = "one"\nhint = "x"')
    change(tiny / "instrument.toml", 'formula = "symptom"', 'formula = "sum"')
    change(tiny / "instrument.toml", 'layout = "tiles"', 'layout = "dial"')
    assert [path for path, _ in found(tiny) if not path.startswith("responses.seven.")] == [
        "items.1.hint",
        "scales.CD.formula",
    ]


# -- several packs -----------------------------------------------------------------------------------------------------


def test_a_later_folder_replaces_the_pack_of_the_same_code(tiny, tmp_path):
    other = tmp_path / "mounted"
    shutil.copytree(tiny, other / "tiny-licensed")
    change(other / "tiny-licensed" / "wording.sv.toml", '"T"', '"Licensed"')
    shutil.copytree(BUILT_IN / "c30", tmp_path / "mine" / "c30")
    (tmp_path / "mine" / ".git").mkdir()
    (tmp_path / "mine" / "__pycache__").mkdir()
    (tmp_path / "mine" / "README").write_text("x")
    shutil.copytree(tiny, tmp_path / "mine" / "tiny")
    packs = load_packs(tmp_path / "mine", other)
    assert sorted(packs) == ["c30", "tiny"]
    assert packs["tiny"].wording["sv"].title == "Licensed"


def test_the_same_code_twice_in_one_folder_is_a_problem(tiny):
    shutil.copytree(tiny, tiny.parent / "tiny2")
    with pytest.raises(DefinitionError, match='"tiny" is already the code of another pack'):
        load_packs(tiny.parent)


def test_the_problems_of_all_packs_and_folders_come_together(tiny, tmp_path):
    change(tiny / "instrument.toml", "minutes = 1.5", "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DefinitionError) as caught:
        load_packs(tmp_path, tmp_path / "nowhere")
    assert [problem.file for problem in caught.value.problems] == [
        str(tmp_path / "empty" / "instrument.toml"),
        str(tiny / "instrument.toml"),
        str(tmp_path / "nowhere"),
    ]
    assert str(caught.value).count("\n") == 2


# -- the hash ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "retype",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "# a comment\n" + text,
        lambda text: text.replace(" = ", "="),
        lambda text: "\ufeff" + text,
    ],
    ids=["line endings", "comment", "spacing", "byte order mark"],
)
def test_the_hash_does_not_depend_on_how_the_files_are_typed(tiny, retype):
    before = load_pack(tiny).content_hash
    for file in tiny.iterdir():
        file.write_bytes(retype(file.read_text(encoding="utf-8")).encode())
    assert load_pack(tiny).content_hash == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("wording.sv.toml", '"two?"', '"two ?"'),
        ("wording.en.toml", '"d"', '"e"'),
        ("instrument.toml", "above = 1", "above = 2"),
        ("instrument.toml", "items = [1, 2]", "items = [2, 1]"),
        ("instrument.toml", 'version = "1.0"', 'version = "1.1"'),
    ],
)
def test_the_hash_changes_with_any_word_or_number(tiny, name, old, new):
    before = load_pack(tiny).content_hash
    assert len(before) == 64
    change(tiny / name, old, new)
    assert load_pack(tiny).content_hash != before


def test_the_hash_knows_which_language_says_what(tiny):
    change(tiny / "wording.sv.toml", '"T"', '"X"')
    before = load_pack(tiny).content_hash
    change(tiny / "wording.sv.toml", '"X"', '"T"')
    change(tiny / "wording.en.toml", '"T"', '"X"')
    assert load_pack(tiny).content_hash != before
