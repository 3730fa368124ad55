"""Each fault of a study file is told with its place and one sentence, and all of them at once."""

from __future__ import annotations

import pytest

from proapp.instruments.load import BUILT_IN
from proapp.instruments.problems import DefinitionError
from proapp.study.load import BRECLIM2, check_files, load_study

M03 = 'code = "m03"'
BROKEN = [
    # shape
    (('number = "1"', 'number = "1"\ncolour = "red"'), "colour: is not a known key"),
    (("before_days = 14\nafter_days = 28\ngrace_days", "befor_days = 14\nafter_days = 28\ngrace_days"), "timepoints[m03].befor_days: is not a known key"),
    (('number = "1"\n', ""), "number: is missing"),
    (('number = "1"', "number = 1"), "number: must be a text"),
    (('number = "1"', 'number = " "'), "number: must not be empty"),
    (('number = "1"', f'number = "{"9" * 41}"'), "number: is longer than 40 characters"),
    (("demo = true", 'demo = "yes"'), "demo: must be true or false"),
    (("months = 6", 'months = "6"'), "timepoints[m06].months: must be a whole number"),
    (("months = 6", "months = 6.5"), "timepoints[m06].months: must be a whole number"),
    (("months = 6", "months = -6"), "timepoints[m06].months: must be at least 0"),
    (("months = 6", "months = 6000"), "timepoints[m06].months: must be at most 600"),
    (("approved_on = 2019-11-01", 'approved_on = "2019-02-30"'), "approved_on: is not a date; write it as in 2019-12-02"),
    (("approved_on = 2019-11-01", "approved_on = 2019"), "approved_on: must be a date such as 2019-12-02"),
    (("approved_on = 2019-11-01", "approved_on = 2019-11-01T10:00:00"), "approved_on: is not a date; write it as in 2019-12-02"),
    (("Europe/Stockholm", "Europe/Umea"), 'time_zone: "Europe/Umea" is not a time zone; write one such as Europe/Stockholm'),
    (('phone = "0980-319 201"', 'phone = ""'), 'sites[UME].phone: "" is not a telephone number a patient could ring'),
    (('phone = "0980-319 201"', 'phone = "(- - - - -)"'), 'sites[UME].phone: "(- - - - -)" is not a telephone number a patient could ring'),
    (("[A-Z]{3}-[0-9]{3}", "[A-Z"), "id_pattern: is not a regular expression: unterminated character set at position 0"),
    (('kind = "event"', 'kind = "visit"'), "timepoints[op1].kind: must be 'baseline', 'scheduled', 'event' or 'unscheduled'"),
    (('channel = "sms"', 'channel = "pigeon"'), "timepoints[m03].reminders[1].channel: must be 'message', 'sms', 'email', 'letter', 'task' or 'digest'"),
    (('instruments = ["c30", "br23"]', "instruments = []"), "timepoints[m03].instruments: must have at least one entry"),
    (('instruments = ["c30", "br23"]', 'instruments = "c30"'), "timepoints[m03].instruments: must be a list"),
    (('safety = { sv = "Ring oss", en = "Call us" }', 'safety = "Ring oss"'), "safety: must be a table with one text for each language"),
    ((M03, 'code = "3 m"'), "timepoints[3 m].code: has characters, or a length, that are not allowed here (allowed: ^[a-z][a-z0-9_]{0,15}$)"),
    ((M03, 'code = ""'), "timepoints[2].code: has characters, or a length, that are not allowed here (allowed: ^[a-z][a-z0-9_]{0,15}$)"),
    (("title = { sv", "title = { SV"), "title.SV: has characters, or a length, that are not allowed here (allowed: ^[a-z]{2}$)"),
    # header and wording
    (("effective_from = 2019-12-01", "effective_from = 2019-10-01"), "effective_from: is 2019-10-01, before the approval on 2019-11-01"),
    (('id_example = "UME-001"', 'id_example = "UME-1"'), 'id_example: "UME-1" is not written as id_pattern asks'),
    (("demo = true", "demo = true\nexample = true"), "note: is missing; a study that is an example says in its note what is to be replaced"),
    (('languages = ["sv", "en"]', 'languages = ["sv", "en", "sv"]'), "languages: names sv more than once"),
    (('sv = "Kirurgi", ', ""), "arms[SURG].label.sv: is missing; every text is needed in every language of the study"),
    (('hours = { sv = "vardagar"', 'hours = { fi = "arkisin", sv = "vardagar"'), "sites[UME].hours.fi: is not one of the study's languages"),
    (('code = "UME"', 'code = "UME"\nopened_on = 2020-02-01\nclosed_on = 2020-01-01'), "sites[UME].closed_on: is 2020-01-01, before the site opened on 2020-02-01"),
    # codes
    (('code = "ONC"', 'code = "surg"'), 'arms: the code "surg" is used 2 times'),
    (('code = "m06"', 'code = "m03"'), 'timepoints: the code "m03" is used 2 times'),
    # time points
    (('kind = "baseline"\nanchor = "consent"', 'kind = "scheduled"\nanchor = "consent"'), 'timepoints: has no time point of kind "baseline"; there must be exactly one'),
    (('kind = "scheduled"\nanchor = "randomization"\nmonths = 6', 'kind = "baseline"\nanchor = "consent"\nmonths = 6'), "timepoints[m06].kind: is a second baseline; there must be exactly one"),
    (('kind = "baseline"\nanchor', 'kind = "baseline"\nmonths = 1\nanchor'), "timepoints[baseline].months: must be left out: the baseline opens with consent and closes with randomisation"),
    (('kind = "baseline"\nanchor', 'kind = "baseline"\narms = ["SURG"]\nanchor'), "timepoints[baseline].arms: must be left out: no arm is known before randomisation"),
    (('arms = ["SURG"]', 'arms = ["KIR"]'), 'timepoints[op1].arms: names "KIR", which is not an arm of the study'),
    (('anchor = "surgery"', 'anchor = "randomization"'), 'timepoints[op1].anchor: is "randomization", but a time point of kind "event" needs surgery or progression'),
    (("days = 30", "days = 6"), "timepoints[op1].before_days: opens the window before the anchor itself"),
    (('kind = "event"\nanchor = "surgery"\ndays = 30\nbefore_days = 7', 'kind = "unscheduled"\nanchor = "manual"\ndays = 30'), "timepoints[op1].days: must be left out: it opens on the day that staff choose"),
    # neighbours
    (("months = 6", "months = 3"), "timepoints[m06].months: is not after m03, the time point before it; put them in order of time"),
    (("grace_days = 14", "grace_days = 48"), "timepoints[m06]: the window opens before that of m03 is over; with its grace they overlap by 2 days"),
    (("grace_days = 14", "grace_days = 47"), "timepoints[m06]: the window opens before that of m03 is over; with its grace they overlap by 1 day"),
    (("after_days = 28\ninstruments", "after_days = 80\ninstruments"), "timepoints[m06]: the window is 95 days long, longer than the 89 days that can lie between m03 and m06"),
    # reminders
    (("days = -7, channel", "days = 1, channel"), "timepoints[m03].reminders[1]: would go out 1 day after the window closes"),
    (('relative_to = "closes", days = -7', 'relative_to = "opens", days = 45'), "timepoints[m03].reminders[1]: would go out 3 days after the window closes"),
    (('relative_to = "closes", days = -7', 'relative_to = "target", days = -15'), "timepoints[m03].reminders[1]: would go out before the window opens"),
    (('kind = "baseline"', 'kind = "baseline"\nreminders = [{ relative_to = "closes", days = -1, channel = "sms" }]'), "timepoints[baseline].reminders[1]: counts from the closing of the baseline, which nobody knows before randomisation"),
    (('kind = "baseline"', 'kind = "baseline"\nreminders = [{ relative_to = "opens", days = -1, channel = "sms" }]'), "timepoints[baseline].reminders[1]: would go out before the window opens"),
    (('days = -7, channel = "sms" }', 'days = -7, channel = "sms" }, { relative_to = "closes", days = -7, channel = "sms" }'), "timepoints[m03].reminders[2]: says the same as a reminder before it"),
    # instruments
    (('"br23"', '"br42"'), 'timepoints[m03].instruments: names "br42", but there is no pack of that code'),
    (('"br23"', '"c30"'), 'timepoints[m03].instruments: names "c30" 2 times'),
    (("demo = true\n", ""), 'timepoints[baseline].instruments: names "c30", a pack without a licence reference; only a study with demo = true may use it'),
    (("demo = true", "demo = false"), 'timepoints[m03].instruments: names "br23", a pack without a licence reference; only a study with demo = true may use it'),
    (('languages = ["sv", "en"]', 'languages = ["sv", "en", "fi"]'), 'timepoints[baseline].instruments: names "c30", which has no wording in fi'),
]  # fmt: skip


def problems(path, packs):
    with pytest.raises(DefinitionError) as refused:
        load_study(path, packs)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(("change", "sentence"), BROKEN, ids=[sentence.split(":")[0] for _, sentence in BROKEN])
def test_a_faulty_file_is_refused_with_its_place_and_a_sentence(change, sentence, write, packs):
    path = write(change)
    assert f"{path}: {sentence}" in problems(path, packs)


def test_a_single_fault_is_told_once(write, packs):
    path = write(("Europe/Stockholm", "Europe/Umea"))
    assert len(problems(path, packs)) == 1


def test_all_faults_are_told_at_once_also_beyond_a_misspelt_key(write, packs):
    path = write(
        ('number = "1"', 'nummer = "1"'),
        ("months = 6", "months = 3"),
        ('code = "m03"', 'code = "m03"\ncolour = "red"'),
        ('phone = "0980-319 201"', 'phone = " "'),
        ('"br23"', '"br42"'),
        ("days = -7, channel", "days = 2, channel"),
        ('code = "ONC"', 'code = "SURG"'),
    )
    places = [line.removeprefix(f"{path}: ").split(":")[0] for line in problems(path, packs)]
    assert places == [
        "number",
        "sites[UME].phone",
        "timepoints[m03].colour",
        "nummer",
        "arms",
        "timepoints[m03].reminders[1]",
        "timepoints[m06].months",
        "timepoints[m03].instruments",
    ]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('sites = "none"', "sites: must be a list"),
        ("sites = [1]", "sites[1]: must be a table"),
        ('sites = [{ code = ["UME"] }]', "sites[1].name: is missing"),
    ],
)
def test_tables_of_the_wrong_kind_are_told_too(table, sentence, tmp_path, packs):
    path = tmp_path / "study.toml"
    path.write_text(f'{table}\ntime_zone = "Europe/Stockholm"\nlanguages = "sv"', encoding="utf-8")
    told = problems(path, packs)
    assert f"{path}: {sentence}" in told
    assert f"{path}: languages: must be a list" in told


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"code = ", "is not valid TOML"), (b'code = "\xe5"', "is not UTF-8 text"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_one_problem(content, sentence, tmp_path, packs):
    path = tmp_path / "study.toml"
    if content is not None:
        path.write_bytes(content)
    (told,) = problems(path, packs)
    assert told.startswith(f"{path}: {sentence}")


def test_a_licensed_pack_may_serve_a_real_study(write, packs):
    licence = packs["c30"].licence.model_copy(update={"kind": "licensed", "reference": "agreement 1"})
    licensed = {code: pack.model_copy(update={"licence": licence}) for code, pack in packs.items()}
    assert load_study(write(("demo = true", "demo = false")), licensed).demo is False


def test_a_site_may_have_its_own_time_zone(write, packs):
    study = load_study(write(('code = "UME"', 'code = "UME"\ntime_zone = "Europe/Helsinki"')), packs)
    assert str(study.zone("UME")) == "Europe/Helsinki"
    assert str(study.zone()) == str(study.zone("nowhere")) == "Europe/Stockholm"


def test_an_unreadable_pattern_does_not_hide_the_other_faults(write, packs):
    path = write(("[A-Z]{3}-[0-9]{3}", "[A-Z"), ("months = 6", "months = 3"))
    assert [line.split(": ")[1] for line in problems(path, packs)] == ["id_pattern", "timepoints[m06].months"]


def test_without_arms_the_windows_are_compared_all_the_same(write, packs):
    path = write(("[[arms]]", "[[arme]]"), ("months = 6", "months = 3"))
    assert (
        f"{path}: timepoints[m06].months: is not after m03, the time point before it; put them in order of time"
        in problems(path, packs)
    )


def test_check_files_knows_packs_folders_of_packs_and_study_files(write, tmp_path):
    broken = tmp_path / "packs" / "own"
    broken.mkdir(parents=True)
    (broken / "instrument.toml").write_text('code = "own"', encoding="utf-8")
    assert check_files([BUILT_IN, BUILT_IN / "c30", BUILT_IN / "c30" / "wording.sv.toml", BRECLIM2, write()]) == []
    for path in (broken, broken / "instrument.toml", tmp_path / "packs"):
        assert all("own" in problem.file for problem in check_files([path]))
        assert check_files([path])
    assert check_files([write()], packs_dir=tmp_path / "packs")
