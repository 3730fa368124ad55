"""Two versions of a study side by side: every difference once, in one order, with one hash."""

from __future__ import annotations

import json
from datetime import date

import pytest

from proapp.study.diff import SENTENCES, Diff, Person, amendment, obstacles, study_changes
from proapp.study.schedule import Anchors
from proapp.study.versions import Activation, Amended, chain, combine, in_force, knows, numbered, versions
from tests.study.amending import NEW_TIMEPOINT, parse, rows_of
from tests.study.conftest import SMALL

OLD = parse(SMALL)
NUMBER = ('number = "1"', 'number = "2"')


def told(*changes: tuple[str, str], text: str = SMALL):
    return {(one.area, one.place): (one.old, one.new) for one in study_changes(OLD, parse(text, *changes))}


def test_a_file_against_itself_says_nothing():
    assert study_changes(OLD, parse(SMALL)) == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (NUMBER, {("version", "number"): ("1", "2")}),
        (("grace_days = 14", "grace_days = 7"), {("windows", "timepoints[m03].grace_days"): (14, 7)}),
        (("months = 6", "months = 7"), {("timepoints", "timepoints[m06].months"): (6, 7)}),
        (('["c30", "br23"]', '["c30"]'), {("instruments", "timepoints[m03].instruments"): (["c30", "br23"], ["c30"])}),
        (('en = "3 m"', 'en = "Month 3"'), {("texts", "timepoints[m03].label.en"): ("3 m", "Month 3")}),
        (("days = -7,", "days = -5,"), {("reminders", "timepoints[m03].reminders"): (["closes-7 sms"], ["closes-5 sms"])}),
        (('"0980-319 201"', '"0980-319 202"'), {("sites", "sites[UME].phone"): ("0980-319 201", "0980-319 202")}),
        (('"Surgery"', '"Operation"'), {("arms", "arms[SURG].label.en"): ("Surgery", "Operation")}),
        (("demo = true", "demo = true\ndeath_before = \"opens\""), {("rules", "death_before"): ("target", "opens")}),
    ],
)  # fmt: skip
def test_each_kind_of_change_has_its_place_and_its_area(change, expected):
    assert told(change) == expected


def test_a_time_point_more_and_one_less_are_told_whole():
    new = told(text=SMALL + NEW_TIMEPOINT)
    assert list(new) == [("timepoints", "timepoints[m09]")]
    old, value = new["timepoints", "timepoints[m09]"]
    assert old is None
    assert value["months"] == 9
    back = study_changes(parse(SMALL + NEW_TIMEPOINT), OLD)
    assert [(one.place, one.new) for one in back] == [("timepoints[m09]", None)]


def test_another_order_of_the_time_points_is_told():
    turned = OLD.model_copy(update={"timepoints": (OLD.timepoints[0], *reversed(OLD.timepoints[1:]))})
    assert [one.place for one in study_changes(OLD, turned)] == ["timepoints"]


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ([], {"number"}),
        ([NUMBER], set()),
        ([NUMBER, ('code = "SMALL"', 'code = "OTHER"')], {"code"}),
        ([NUMBER, ("demo = true", "demo = false")], {"demo"}),
        ([NUMBER, ('code = "baseline"', 'code = "start"')], {"timepoints[start].code"}),
        ([NUMBER, ('anchor = "surgery"', 'anchor = "progression"')], {"timepoints[op1].anchor"}),
        ([NUMBER, ('kind = "event"', 'kind = "scheduled"')], {"timepoints[op1].kind"}),
        ([NUMBER, ('code = "ONC"', 'code = "MED"')], {"arms[ONC]"}),
        ([NUMBER, ('code = "UME"', 'code = "UMU"')], {"sites[UME]"}),
    ],
)
def test_what_would_take_the_meaning_from_rows_is_an_obstacle(changes, places):
    found = obstacles(OLD, parse(SMALL, *changes))
    assert {one.place for one in found} == places
    assert {one.code for one in found} <= SENTENCES.keys()


def test_the_hash_is_of_what_is_told_and_not_of_the_order_in_which_people_were_read():
    anchors = Anchors(date(2026, 1, 1), date(2026, 1, 10), "ONC")
    new = parse(SMALL, NUMBER, ("after_days = 28", "after_days = 40"))
    people = [Person(name, "UME", rows_of(OLD, anchors), anchors) for name in ("UME-001", "UME-002")]
    sites = {"UME": date(2026, 2, 1)}
    one, other = (amendment(OLD, OLD, new, order, sites) for order in (people, people[::-1]))
    assert one.canonical() == other.canonical()
    assert one.digest == other.digest
    assert amendment(OLD, OLD, new, people[:1], sites).digest != one.digest
    assert amendment(OLD, OLD, new, people, {"UME": date(2026, 2, 2)}).digest != one.digest
    assert json.loads(one.canonical())["sites"] == {"UME": "2026-02-01"}


def test_a_diff_of_nothing_has_a_hash_too():
    assert len(Diff((), ()).digest) == 64


# --- versions side by side


NEW = parse(SMALL + NEW_TIMEPOINT, NUMBER, ('"0980-319 201"', '"0980-319 202"'))


def test_without_activations_the_study_is_the_study():
    assert combine(OLD, []) is OLD
    assert (numbered(OLD, "17"), in_force(OLD, "UME"), versions(OLD)) == (OLD, OLD, (OLD,))


def test_a_site_works_by_a_version_from_its_day_on():
    study = combine(OLD, [Activation("UME", date(2026, 2, 1), NEW)])
    assert isinstance(study, Amended)
    assert in_force(study, "UME", date(2026, 1, 31)) is OLD
    assert in_force(study, "UME", date(2026, 2, 1)) is NEW
    assert in_force(study, "UME") is NEW
    assert (numbered(study, "1"), numbered(study, "2"), numbered(study, "17")) == (OLD, NEW, NEW)
    assert knows(study, "1")
    assert not knows(study, "17")
    assert study.content_hash == NEW.content_hash
    assert study.number == "2"
    assert study.site("UME").phone == "0980-319 202"


def test_a_site_that_waits_is_described_by_its_own_version():
    two = SMALL.replace(
        "[[arms]]",
        '[[sites]]\ncode = "LUN"\nname = "Lund"\nphone = "040-628 04 01"\nhours = { sv = "v", en = "w" }\n\n[[arms]]',
        1,
    )
    old, new = (
        parse(two),
        parse(two, NUMBER, ('"040-628 04 01"', '"040-628 04 02"'), ('"0980-319 201"', '"0980-319 202"')),
    )
    study = combine(old, [Activation("UME", date(2026, 2, 1), new)])
    assert (study.site("UME").phone, study.site("LUN").phone) == ("0980-319 202", "040-628 04 01")
    assert in_force(study, "LUN") is old


def test_a_time_point_that_is_gone_is_still_known_where_it_stood():
    new = parse(SMALL, NUMBER)
    new = new.model_copy(update={"timepoints": tuple(one for one in new.timepoints if one.code != "m03")})
    study = combine(OLD, [Activation("UME", date(2026, 2, 1), new)])
    assert [one.code for one in study.timepoints] == ["baseline", "m03", "m06", "op1", "extra"]
    assert chain(study, "UME")[-1].study.timepoints_by_code.keys() == {"baseline", "m06", "op1", "extra"}


def test_a_questionnaire_that_is_no_longer_asked_is_still_one_of_the_study():
    new = parse(SMALL, NUMBER, ('["c30", "br23"]', '["c30"]'))
    study = combine(OLD, [Activation("UME", date(2026, 2, 1), new)])
    assert (new.instruments, study.instruments) == (("c30",), ("c30", "br23"))


def test_a_site_that_only_the_new_version_has_works_by_that_from_the_start():
    two = SMALL.replace(
        "[[arms]]",
        '[[sites]]\ncode = "LUN"\nname = "Lund"\nphone = "040-628 04 01"\nhours = { sv = "v", en = "w" }\n\n[[arms]]',
        1,
    )
    new = parse(two, NUMBER)
    study = combine(OLD, [Activation("UME", date(2026, 2, 1), new)])
    assert in_force(study, "LUN", date(2020, 1, 1)) is new
