"""Time to deterioration, one row per participant, scale, definition, threshold and rule for death, counted from
randomisation. What the definitions mean is in instruments/deterioration.py and docs/deterioration.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Literal, get_args

from proapp.export.cases import Person
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut
from proapp.export.keys import (
    PARTICIPANT_KEY,
    instrument_column,
    participant_cells,
    participant_columns,
    scale_codes,
    scale_label,
)
from proapp.instruments.deterioration import CensorReason, Course, times_to_deterioration
from proapp.instruments.model import Instrument

_LEFT_OUT = "no baseline: left out"
_REASONS = meanings(
    last_assessment="no event up to the last assessment",
    death="died; observed up to the last assessment",
    no_follow_up="a baseline and nothing after it: one day",
    no_baseline="no score to count from: left out",
)
assert {code for code, _ in _REASONS} == set(get_args(CensorReason))


def table(cut: Cut) -> Table:
    scales = tuple((code, scale_label(one, code, "en")) for one in cut.used for code in scale_codes(one))
    return Table(
        "deterioration",
        "one participant who was randomised, one score, one definition, threshold and rule for death",
        (*PARTICIPANT_KEY, "instrument", "scale_code", "definition", "threshold", "death_rule"),
        (
            *participant_columns(cut),
            instrument_column(cut),
            Column("scale_code", "code", "Scale", "Skala", scales),
            Column("definition", "code", "Definition of the deterioration", "Definition av försämringen",
                   meanings(first="first worsening", def1="then never better than at the start by the threshold",
                            def2="then always worse than at the start by the threshold",
                            def3="then never better by the threshold than at the worsening"),
                   derivation="worsening: change_good of scores_long reaches -threshold (tolerance 1e-9)"),
            Column("threshold", "integer", "Points that count", "Antal poäng som räknas"),
            Column("death_rule", "code", "What a death is", "Hur dödsfall räknas",
                   meanings(censored="the end of observation", event="an event")),
            Column("event", "flag", "Deteriorated, or died where death is an event",
                   "Försämrad, eller död där dödsfall räknas", empty=_LEFT_OUT),
            Column("days", "integer", "Days from randomisation to the event or the end of observation",
                   "Dagar från lottning till händelse eller slut på uppföljning",
                   derivation="ended_on - randomized_on; 1 where nothing came after the baseline", empty=_LEFT_OUT),
            Column("months", "number", "The same in months", "Detsamma i månader", derivation="days / 30.4375",
                   empty=_LEFT_OUT),
            Column("censor_reason", "code", "Why there is no event", "Varför ingen händelse", _REASONS,
                   empty="event is 1"),
            Column("ended_on", "date", "Day of the event or the end of observation",
                   "Dag för händelse eller slut på uppföljning", empty=_LEFT_OUT),
            Column("n_assessments", "integer", "Scores used, the baseline included",
                   "Antal poäng som använts, startvärdet inräknat"),
        ),
    )  # fmt: skip


def rows(person: Person, cut: Cut) -> Iterator[tuple[Cell, ...]]:
    """Nothing for who was not randomised: there is no day to count from."""
    randomized_on = person.member.facts.randomized_on
    if randomized_on is None:
        return
    who = participant_cells(person.member)
    for instrument in cut.used:
        for code, course in _courses(person, instrument, randomized_on).items():
            for one in times_to_deterioration(course):
                ended_on = None if one.days is None else randomized_on + timedelta(days=one.days)
                yield (
                    *who, instrument.code, code, one.definition, one.threshold, one.death_rule, one.event, one.days,
                    one.months, one.censor_reason, ended_on, one.n_assessments,
                )  # fmt: skip


def _courses(person: Person, instrument: Instrument, randomized_on: date) -> dict[str, Course]:
    """Scale → what was scored after randomisation, by day; of two on one day the one that comes first in the plan."""
    died_on = person.member.facts.died_on
    death_day = (died_on - randomized_on).days if died_on else None
    later: dict[str, dict[int, float]] = {code: {} for code in scale_codes(instrument)}
    high_is: dict[str, Literal["good", "bad"]] = {scale.code: scale.high_is for scale in instrument.scales}
    for case in person.cases:
        completed_on = case.expected.facts.completed_on
        if not case.sent or completed_on is None or completed_on <= randomized_on:
            continue
        day = (completed_on - randomized_on).days
        for part in case.parts:
            if part.instrument.code == instrument.code:
                for one in part.scores:
                    if one.value is not None:
                        later[one.code].setdefault(day, one.value)
    baseline = person.baseline or {}
    return {
        code: Course(
            baseline.get((instrument.code, code)), sorted(scores.items()), death_day, high_is.get(code, "good")
        )
        for code, scores in later.items()
    }
