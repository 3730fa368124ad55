"""Times to deterioration against the definitions, written out a second time in exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proapp.instruments.deterioration import (
    DAYS_PER_MONTH,
    DEATH_RULES,
    DEFINITIONS,
    THRESHOLDS,
    Course,
    deteriorated_on,
    times_to_deterioration,
)

PF2 = {n: [(1 - (Fraction(total, n) - 1) / 3) * 100 for total in range(n, 4 * n + 1)] for n in (3, 4, 5)}
VALUES = sorted({value for values in PF2.values() for value in values})


def as_scored(total: int, n: int) -> float:
    return (1 - (total / n - 1) / 3) * 100


def exactly(definition, threshold, start, later, sign):
    """The definitions of Anota 2015 word by word; `later` is [(day, Fraction)]."""
    worse = [sign * (start - value) >= threshold for _, value in later]
    for i, (day, value) in enumerate(later):
        rest = later[i + 1 :]
        if (
            worse[i]
            and {
                "first": lambda: True,
                "def1": lambda rest=rest: max([sign * (one - start) for _, one in rest], default=-999) < threshold,
                "def2": lambda i=i: sum(worse[i + 1 :]) == len(worse) - i - 1,
                "def3": lambda rest=rest, value=value: not [1 for _, one in rest if sign * (one - value) >= threshold],
            }[definition]()
        ):
            return day
    return None


scores = st.sampled_from(VALUES)


@given(start=scores, after=st.lists(scores, max_size=7), good=st.booleans())
@example(start=PF2[5][1], after=[PF2[4][2]], good=True)
def test_every_definition_agrees_with_exact_fractions_whatever_the_course(start, after, good):
    later = list(zip(range(30, 1000, 30), after, strict=False))
    course = Course(float(start), [(d, float(v)) for d, v in later], None, "good" if good else "bad")
    for definition in DEFINITIONS:
        for threshold in THRESHOLDS:
            expected = exactly(definition, threshold, start, later, 1 if good else -1)
            assert deteriorated_on(course, definition, threshold) == expected, (definition, threshold)


@pytest.mark.parametrize(
    ("points", "five", "four"),
    [(10, 6, 6), (10, 9, 6), (10, 11, 10), (10, 14, 10), (10, 16, 14), (10, 19, 14)]
    + [(5, 7, 5), (5, 8, 7), (5, 12, 9), (5, 13, 11), (5, 17, 13), (5, 18, 15)],
)
def test_a_tie_of_physical_functioning_counts_as_reached_whichever_way_the_floats_fall(points, five, four):
    high, low = sorted((as_scored(five, 5), as_scored(four, 4)), reverse=True)
    assert abs(high - low - points) < 1e-9
    assert deteriorated_on(Course(high, [(90, low)], None, "good"), "first", points) == 90
    assert deteriorated_on(Course(low, [(90, high)], None, "bad"), "first", points) == 90
    # and as an improvement: back to the start, from as low
    assert deteriorated_on(Course(high, [(90, low), (180, high)], None, "good"), "def3", points) is None
    assert deteriorated_on(Course(low, [(90, low - points), (180, high)], None, "good"), "def1", points) is None


# the course of a functioning scale after 80, and the day (in order) of first, def1, def2, def3 at 10 points
COURSES = [
    ([75, 72], [None, None, None, None]),
    ([70, 80], [1, 1, None, None]),
    ([70, 75, 70], [1, 1, 3, 1]),
    ([70, 90, 60], [1, 3, 3, 3]),
    ([60, 70, 70], [1, 1, 1, 2]),
    ([60, 90], [1, None, None, None]),
    ([70], [1, 1, 1, 1]),
    ([50, 60, 69], [1, 1, 1, 2]),
]


@pytest.mark.parametrize(("after", "days"), COURSES)
def test_courses_worked_out_by_hand(after, days):
    course = Course(80.0, [(day, float(value)) for day, value in enumerate(after, start=1)], None, "good")
    assert [deteriorated_on(course, definition, 10) for definition in DEFINITIONS] == days


def outcome(course, rule):
    (one,) = (
        one
        for one in times_to_deterioration(course)
        if (one.definition, one.threshold, one.death_rule) == ("first", 10, rule)
    )
    return one.event, one.days, one.censor_reason, one.n_assessments


@pytest.mark.parametrize(
    ("course", "censored", "event"),
    [
        (Course(80, [(90, 60)], 100, "good"), (True, 90, None, 2), (True, 90, None, 2)),
        (Course(80, [(90, 80)], None, "good"), (False, 90, "last_assessment", 2), (False, 90, "last_assessment", 2)),
        (Course(80, [(90, 80)], 100, "good"), (False, 90, "death", 2), (True, 100, None, 2)),
        (Course(80, [], None, "good"), (False, 1, "no_follow_up", 1), (False, 1, "no_follow_up", 1)),
        (Course(80, [], 40, "good"), (False, 1, "no_follow_up", 1), (True, 40, None, 1)),
        (Course(None, [(90, 20)], 100, "good"), (None, None, "no_baseline", 1), (None, None, "no_baseline", 1)),
    ],
)
def test_where_no_deterioration_came_the_time_ends_as_the_rule_for_death_says(course, censored, event):
    assert outcome(course, "censored") == censored
    assert outcome(course, "event") == event


def test_every_combination_comes_once_and_months_are_of_30_4375_days():
    every = list(times_to_deterioration(Course(80.0, [(90, 60.0)], None, "good")))
    keys = [(one.definition, one.threshold, one.death_rule) for one in every]
    assert keys == [(d, t, r) for d in DEFINITIONS for t in THRESHOLDS for r in DEATH_RULES]
    assert {one.months for one in every} == {90 / DAYS_PER_MONTH}
    assert DAYS_PER_MONTH == 365.25 / 12
