"""The scores: computed while the file is written, from the same definition that shows them on the pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from proapp.export.cases import Case, Person
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut, notice
from proapp.export.items import wide_cells, wide_columns
from proapp.export.keys import (
    ASSESSMENT_KEY,
    assessment_cells,
    assessment_columns,
    instrument_column,
    scale_codes,
    scale_label,
    scale_names,
)
from proapp.instruments.deterioration import THRESHOLDS
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import Outcome, Score, reaches

BASELINE_RULE = "last before randomization"
_CHANGE_EMPTY = "the baseline itself, or either score is missing"


def long_table(cut: Cut) -> Table:
    return Table(
        "scores_long",
        "one score of an assessment that was sent, also when it is missing",
        (*ASSESSMENT_KEY, "instrument", "scale_code"),
        (*assessment_columns(cut), instrument_column(cut), *_score_columns(cut), *_change_columns()),
    )


def _score_columns(cut: Cut) -> tuple[Column, ...]:
    scales = tuple((code, scale_label(one, code, "en")) for one in cut.used for code in scale_codes(one))
    return (
        Column("scale_code", "code", "Scale", "Skala", scales),
        Column("scale_label", "text", "Scale, in words", "Skalan i ord"),
        Column("kind", "code", "Kind of scale", "Typ av skala", meanings("function", "symptom", "global", "summary")),
        Column("direction", "code", "What a high score means", "Vad ett högt värde betyder", meanings("good", "bad")),
        Column("score", "number", "Score, 0 to 100", "Poäng, 0 till 100",
               derivation="RS = mean of the answered items; function (1 - (RS - lowest)/range) x 100, symptom and "
               "global (RS - lowest)/range x 100; summary = mean of its scales, symptom scales as 100 - score",
               empty="outcome is missing or not_applicable"),
        Column("n_items", "integer", "Items of the scale", "Frågor i skalan", derivation="of a summary: its scales"),
        Column("n_applicable", "integer", "Items that were applicable", "Tillämpliga frågor"),
        Column("n_answered", "integer", "Items answered", "Besvarade frågor", derivation="of a summary: scales scored"),
        Column("outcome", "code", "How the score came about", "Hur poängen kom till",
               meanings(complete="all applicable items answered", prorated="at least half of the items answered",
                        missing="fewer than half answered; of a summary: a scale is missing",
                        not_applicable="no item was applicable")),
        Column("algorithm_version", "text", "Version of the scoring", "Poängberäkningens version"),
        Column("completed_on", "date", "Day the participant completed it", "Dag då deltagaren svarade"),
        Column("timing", "code", "How completion lies to the window", "Svarets läge mot svarsfönstret",
               meanings("early", "in_window", "late", "out_of_window")),
    )  # fmt: skip


def _change_columns() -> tuple[Column, ...]:
    classes = meanings("improved", "stable", "worse", unknown="either score is missing")
    return (
        Column("baseline_flag", "flag", "This is the baseline", "Detta är startvärdet",
               derivation="the baseline time point, completed on the day of randomisation at the latest"),
        Column("baseline_score", "number", "Score at baseline", "Poäng vid start", derivation=BASELINE_RULE,
               empty="no baseline, or its score is missing"),
        Column("change", "number", "Change from baseline", "Förändring från start",
               derivation="score - baseline_score", empty=_CHANGE_EMPTY),
        Column("change_good", "number", "Change from baseline, positive is better",
               "Förändring från start, positivt är bättre", derivation="change, negated where a high score is bad",
               empty=_CHANGE_EMPTY),
        *(
            Column(f"change_class_{points}", "code", f"Change of at least {points} points",
                   f"Förändring med minst {points} poäng", classes,
                   derivation=f"change_good reaches {points} (tolerance 1e-9): improved; -{points}: worse",
                   empty="the baseline itself")
            for points in THRESHOLDS
        ),
    )  # fmt: skip


assert {code for code, _ in meanings("complete", "prorated", "missing", "not_applicable")} == set(get_args(Outcome))


def long_rows(person: Person, case: Case, cut: Cut) -> Iterator[tuple[Cell, ...]]:
    """Every score of an assessment that was sent."""
    if not case.sent:
        return
    before, facts = assessment_cells(case.expected), case.expected.facts
    is_baseline = case.expected.timepoint == cut.study.baseline.code
    for part in case.parts:
        instrument = part.instrument
        for one in part.scores:
            baseline = (person.baseline or {}).get((instrument.code, one.code))
            yield (
                *before,
                instrument.code,
                one.code,
                scale_label(instrument, one.code, "en"),
                _kind(instrument, one.code),
                one.high_is,
                one.value,
                one.n_items,
                one.applicable,
                one.answered,
                one.outcome,
                one.algorithm_version,
                facts.completed_on,
                case.expected.state.timing,
                is_baseline and person.baseline is not None,
                baseline,
                *_change_cells(one, None if is_baseline else baseline, is_baseline=is_baseline),
            )


def _kind(instrument: Instrument, code: str) -> str:
    scale = instrument.scales_by_code.get(code)
    return scale.kind if scale else "summary"


def _change_cells(one: Score, baseline: float | None, *, is_baseline: bool) -> tuple[Cell, ...]:
    """(change, change_good, a class per threshold)."""
    if is_baseline:
        return (None,) * (2 + len(THRESHOLDS))
    if one.value is None or baseline is None:
        return (None, None, *["unknown"] * len(THRESHOLDS))
    change = one.value - baseline
    good = change if one.high_is == "good" else 0.0 - change
    return (change, good, *(change_class(good, points) for points in THRESHOLDS))


def change_class(good: float, points: int) -> str:
    """improved, worse or stable, for a change of which positive is better."""
    if reaches(good, points):
        return "improved"
    return "worse" if reaches(-good, points) else "stable"


def wide_table(cut: Cut) -> Table:
    names = scale_names(cut.used)
    columns = [
        column
        for one in cut.used
        for code in scale_codes(one)
        for column in _wide_columns(one, code, names[one.code, code])
    ]
    return Table(
        "scores_wide",
        "one planned assessment of one participant; scores are empty where there is none (why: scores_long)",
        ASSESSMENT_KEY,
        (*wide_columns(cut), *columns),
    )


def _wide_columns(instrument: Instrument, code: str, name: str) -> tuple[Column, Column]:
    high = "good" if _high_is(instrument, code) == "good" else "bad"
    return (
        Column(
            name, "number", scale_label(instrument, code, "en"), scale_label(instrument, code, "sv"),
            derivation=f"{code}; high is {high}; as score in scores_long", empty="no score", notice=notice(instrument),
        ),
        Column(
            f"{name}_n", "integer", f"{scale_label(instrument, code, 'en')}: items answered",
            f"{scale_label(instrument, code, 'sv')}: besvarade frågor", derivation="as n_answered in scores_long",
            empty="nothing was sent", notice=notice(instrument),
        ),
    )  # fmt: skip


def _high_is(instrument: Instrument, code: str) -> str:
    scale = instrument.scales_by_code.get(code)
    return scale.high_is if scale else "good"


def wide_row(case: Case, cut: Cut) -> tuple[Cell, ...]:
    parts = {part.instrument.code: part for part in case.parts} if case.sent else {}
    cells: list[Cell] = [*wide_cells(case)]
    for instrument in cut.used:
        part = parts.get(instrument.code)
        if part is None:
            cells += [None, None] * len(scale_codes(instrument))
        else:
            cells += [cell for one in part.scores for cell in (one.value, one.answered)]
    return tuple(cells)
