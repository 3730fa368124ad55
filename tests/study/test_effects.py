"""What an amendment or a corrected anchor does to each assessment: generated where it must always hold, chosen where it
is to be seen."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proapp.study.diff import Person, amendment, correction, following
from proapp.study.effects import DERIVED, effects
from proapp.study.pairing import Row
from proapp.study.schedule import Anchors, PlannedAssessment, plan
from proapp.study.versions import AMENDMENT, InForce, plan_in_force
from tests.study.amending import NEW_TIMEPOINT, amended, applied, days, parse, people, rows_of
from tests.study.conftest import SMALL

FIRST = InForce(date.min, parse(SMALL))
RANDOMIZED = Anchors(date(2026, 1, 1), date(2026, 1, 10), "ONC")  # m03: 10 April, m06: 10 July


def by_code(found):
    return {one.timepoint: one for one in found}


@settings(max_examples=150, deadline=None)
@given(st.data(), people(), days, st.sets(st.sampled_from(["baseline", "m03", "m06", "op1"])))
def test_what_is_applied_is_the_plan_of_the_new_version_and_what_is_opened_stays(data, anchors, active_from, opened):
    new = data.draw(amended(SMALL))
    rows = rows_of(FIRST.study, anchors, opened.__contains__)
    found = effects((FIRST, InForce(active_from, new)), rows, anchors, against=new)
    after = {row.key: row for row in applied(rows, found)}
    before = {row.key: row for row in rows}
    by_new = {(one.timepoint, one.occurrence): one for one in plan(new, anchors)}
    for key, row in after.items():
        was = before.get(key)
        if was and was.opened:
            assert row == was
        elif was and was.planned.late_until and was.planned.late_until < active_from:
            assert row == was, "what was over before stays with the version it was over under"
        elif row.cancelled:
            assert row.cancelled in DERIVED
            assert row.planned == PlannedAssessment(*key)
            assert key not in by_new or by_new[key].late_until < active_from
        else:
            assert row.planned == by_new[key]
            assert row.version == "2"
    assert by_new.keys() <= after.keys()


@settings(max_examples=150, deadline=None)
@given(st.data(), people(), days, st.integers(0, 200), st.sets(st.sampled_from(["baseline", "m03", "m06"])))
def test_applied_twice_is_applied_once(data, anchors, active_from, later, opened):
    second, third = data.draw(amended(SMALL)), data.draw(amended(SMALL, "3"))
    chain = (FIRST, InForce(active_from, second), InForce(active_from + timedelta(days=later), third))
    rows = rows_of(FIRST.study, anchors, opened.__contains__)
    once = applied(rows, effects(chain, rows, anchors))
    again = effects(chain, once, anchors)
    assert not [one for one in again if one.changes]
    assert applied(once, again) == once


@settings(max_examples=150, deadline=None)
@given(st.data(), people(), days, st.integers(0, 200))
def test_two_amendments_one_after_the_other_are_as_good_as_both_at_once(data, anchors, active_from, later):
    """So that neither the order in which things become known nor a late worker changes the plan."""
    second, third = data.draw(amended(SMALL)), data.draw(amended(SMALL, "3"))
    chain = (FIRST, InForce(active_from, second), InForce(active_from + timedelta(days=later), third))
    rows = rows_of(FIRST.study, anchors)
    first = applied(rows, effects(chain[:2], rows, anchors))
    stepwise = {row.key: row for row in applied(first, effects(chain, first, anchors))}
    at_once = {row.key: row for row in applied(rows, effects(chain, rows, anchors))}
    asked = {key for key, row in stepwise.items() if not row.cancelled}
    assert asked == {key for key, row in at_once.items() if not row.cancelled}
    assert {key: stepwise[key] for key in asked} == {key: at_once[key] for key in asked}


@settings(max_examples=100, deadline=None)
@given(people(), people())
def test_a_corrected_anchor_gives_the_plan_of_the_right_one(wrong, right):
    rows = rows_of(FIRST.study, wrong)
    after = applied(rows, effects((FIRST,), rows, right))
    assert {row.planned for row in after if not row.cancelled} == set(plan(FIRST.study, right))


def test_a_new_window_moves_what_nobody_has_opened_and_flags_what_was_answered():
    new = parse(SMALL, ('number = "1"', 'number = "2"'), ("after_days = 28\ngrace_days = 14", "after_days = 2"))
    rows = rows_of(FIRST.study, RANDOMIZED)
    m03 = next(row for row in rows if row.planned.timepoint == "m03")
    rows[rows.index(m03)] = m03._replace(opened=True, completed_on=date(2026, 4, 20))
    found = by_code(effects((FIRST, InForce(date(2026, 4, 21), new)), rows, RANDOMIZED, against=new))
    assert (found["m03"].kind, found["m03"].anchor_mismatch, found["m03"].version) == ("keep_pinned", True, "1")
    assert found["m03"].new == m03.planned
    assert (found["m06"].kind, found["m06"].version) == ("keep", "2")
    assert not found["m06"].anchor_mismatch


@pytest.mark.parametrize(
    ("active_from", "kind"),
    [(date(2026, 1, 11), "add"), (date(2026, 10, 24), "add"), (date(2026, 10, 25), "not_asked")],
)
def test_a_time_point_whose_window_was_over_is_not_asked_for(active_from, kind):
    """m09 would have been 10 October with 14 days on either side."""
    new = parse(SMALL + NEW_TIMEPOINT, ('number = "1"', 'number = "2"'))
    found = by_code(effects((FIRST, InForce(active_from, new)), rows_of(FIRST.study, RANDOMIZED), RANDOMIZED))
    assert found["m09"].kind == kind
    assert found["m09"].cancelled == (AMENDMENT if kind == "not_asked" else None)


def test_a_time_point_that_is_gone_is_cancelled_unless_it_was_over_or_opened():
    second = parse(SMALL, ('number = "1"', 'number = "2"'))
    new = second.model_copy(update={"timepoints": tuple(one for one in second.timepoints if one.code != "m06")})
    rows = rows_of(FIRST.study, RANDOMIZED)
    waiting = by_code(effects((FIRST, InForce(date(2026, 8, 7), new)), rows, RANDOMIZED))["m06"]
    over = by_code(effects((FIRST, InForce(date(2026, 8, 8), new)), rows, RANDOMIZED))["m06"]
    assert (waiting.kind, waiting.cancelled, waiting.new.target_on) == ("remove", AMENDMENT, None)
    assert (over.kind, over.version, over.changes) == ("keep", "1", False)
    opened = [row._replace(opened=True) for row in rows]
    assert by_code(effects((FIRST, InForce(date(2026, 8, 7), new)), opened, RANDOMIZED))["m06"].kind == "keep_pinned"


def test_a_cancelled_time_point_that_comes_back_is_asked_for_again():
    second = parse(SMALL, ('number = "1"', 'number = "2"'))
    gone = second.model_copy(update={"timepoints": tuple(one for one in second.timepoints if one.code != "m06")})
    back = parse(SMALL, ('number = "1"', 'number = "3"'))
    chain = (FIRST, InForce(date(2026, 2, 1), gone), InForce(date(2026, 3, 1), back))
    rows = rows_of(FIRST.study, RANDOMIZED)
    without = applied(rows, effects(chain[:2], rows, RANDOMIZED))
    again = by_code(effects(chain, without, RANDOMIZED))["m06"]
    assert (again.kind, again.cancelled, again.new.target_on) == ("add", None, date(2026, 7, 10))


def test_a_corrected_anchor_keeps_an_opened_one_with_the_version_it_was_opened_with():
    wide = parse(SMALL, ('number = "1"', 'number = "2"'), ("after_days = 28", "after_days = 40"))
    chain = following((FIRST,), wide, date(2026, 4, 1))
    rows = [
        row._replace(opened=row.planned.timepoint == "m03", completed_on=date(2026, 4, 1))
        for row in applied(
            rows_of(FIRST.study, RANDOMIZED), effects(chain, rows_of(FIRST.study, RANDOMIZED), RANDOMIZED)
        )
    ]
    rows = [row._replace(version="1", planned=plan(FIRST.study, RANDOMIZED)[1]) if row.opened else row for row in rows]
    same = by_code(effects(chain, rows, RANDOMIZED))["m03"]
    assert (same.kind, same.anchor_mismatch) == ("keep", False), "its own version has not changed"
    later = by_code(
        correction(chain, Person("UME-001", "UME", rows, RANDOMIZED._replace(randomized_on=date(2026, 2, 10))))
        .participants[0]
        .effects
    )
    assert (later["m03"].kind, later["m03"].anchor_mismatch) == ("keep_pinned", True)
    assert later["m06"].kind == "move"


def test_rows_that_no_version_plans_are_left_alone():
    strange = Row(PlannedAssessment("gone", 1, None, date(2026, 5, 1)), "0")
    extra = Row(PlannedAssessment("extra", 2, None, date(2026, 5, 1)), "1")
    found = by_code(effects((FIRST,), [*rows_of(FIRST.study, RANDOMIZED), strange, extra], RANDOMIZED))
    assert not found["gone"].changes
    assert not found["extra"].changes


def test_each_site_has_its_day():
    new = parse(SMALL, ('number = "1"', 'number = "2"'), ("after_days = 28", "after_days = 40"))
    rows = rows_of(FIRST.study, RANDOMIZED)
    people = [Person("UME-001", "UME", rows, RANDOMIZED), Person("LUN-001", "LUN", rows, RANDOMIZED)]
    found = amendment(FIRST.study, FIRST.study, new, people, {"UME": date(2026, 2, 1)})
    assert [one.study_id for one in found.participants] == ["UME-001"]
    assert found.counts["move"] == 2


def test_the_plan_of_one_version_is_the_plan():
    assert [one.planned for one in plan_in_force((FIRST,), RANDOMIZED)] == list(plan(FIRST.study, RANDOMIZED))
