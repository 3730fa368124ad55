"""Time to deterioration of a score: when a patient got worse than at the start, and whether for good.

Of a participant's scores on one scale, with worsening and improvement by the scale's direction:
    first  the first assessment that is worse than the baseline by at least the threshold
    def1   the first such assessment after which none is better than the baseline by at least the threshold
    def2   the first such assessment after which all are still worse than the baseline by at least the threshold
    def3   the first such assessment after which none is better by at least the threshold than at that assessment
An event at the last assessment counts. Definitions: Anota et al., Qual Life Res 2015;24:5-18, and the documentation of
the R package QoLR, with one difference, which is meant: equal to the threshold counts as reached in every comparison.

Where no event came, the time ends at the last assessment, also of somebody who died: how the patient was between the
two is not known. With death as an event it ends with the death. Who has no score at the start is left out
(`no_baseline`); who has none afterwards stays under observation for one day (`no_follow_up`).
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, get_args

from proapp.instruments.scoring import reaches

Definition = Literal["first", "def1", "def2", "def3"]
DeathRule = Literal["censored", "event"]
CensorReason = Literal["last_assessment", "death", "no_follow_up", "no_baseline"]

DEFINITIONS: tuple[Definition, ...] = get_args(Definition)
DEATH_RULES: tuple[DeathRule, ...] = get_args(DeathRule)
THRESHOLDS = (5, 10)  # points of 100
DAYS_PER_MONTH = 30.4375


class Course(NamedTuple):
    """One participant's scores on one scale. `baseline` is None where there is none; `later` holds (day, score) by
    ascending day, without missing ones. Days are counted from randomisation; `death_day` is None for who lives."""

    baseline: float | None
    later: Sequence[tuple[int, float]]
    death_day: int | None
    high_is: Literal["good", "bad"]


class TimeToDeterioration(NamedTuple):
    """`event` is None, as are the days, for who is left out; `n_assessments` counts the scores the course has."""

    definition: Definition
    threshold: int
    death_rule: DeathRule
    event: bool | None
    days: int | None
    censor_reason: CensorReason | None
    n_assessments: int

    @property
    def months(self) -> float | None:
        return None if self.days is None else self.days / DAYS_PER_MONTH


def times_to_deterioration(course: Course) -> Iterator[TimeToDeterioration]:
    """Every definition with every threshold and both rules for death, in that order."""
    for definition in DEFINITIONS:
        for threshold in THRESHOLDS:
            day = deteriorated_on(course, definition, threshold)
            for rule in DEATH_RULES:
                yield TimeToDeterioration(definition, threshold, rule, *_end(course, day, rule), _used(course))


def _used(course: Course) -> int:
    return len(course.later) + (course.baseline is not None)


def _end(course: Course, day: int | None, rule: DeathRule) -> tuple[bool | None, int | None, CensorReason | None]:
    """(event, days, why the observation ended without one)."""
    if course.baseline is None:
        return None, None, "no_baseline"
    if day is not None:
        return True, day, None
    if rule == "event" and course.death_day is not None:
        return True, course.death_day, None
    if not course.later:
        return False, 1, "no_follow_up"
    return False, course.later[-1][0], "last_assessment" if course.death_day is None else "death"


def deteriorated_on(course: Course, definition: Definition, threshold: float) -> int | None:
    """The day of the deterioration, or None."""
    if course.baseline is None:
        return None
    sign = 1 if course.high_is == "good" else -1
    start = sign * course.baseline
    values = [sign * value for _, value in course.later]  # more is better now
    for place, value in enumerate(values):
        if reaches(start - value, threshold) and _lasts(definition, start, value, values[place + 1 :], threshold):
            return course.later[place][0]
    return None


def _lasts(definition: Definition, start: float, value: float, after: list[float], threshold: float) -> bool:
    if definition == "first":
        return True
    if definition == "def1":
        return not any(reaches(one - start, threshold) for one in after)
    if definition == "def2":
        return all(reaches(start - one, threshold) for one in after)
    return not any(reaches(one - value, threshold) for one in after)
