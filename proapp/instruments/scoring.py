"""From answers to scores: one definition of the scales, two executors.

`score` serves one respondent inside a request, `score_columns` whole files and exports. Both follow the same order of
operations, so they agree to the last bit; tests hold them together, and both against exact fractions.

The formulas are those of the EORTC scoring manual as implemented by PROscorer, QoLR and the EORTC's SAS macro. With RS
the mean of the answered items, and codes from `lowest` with range `span`:
    function   (1 - (RS - lowest) / span) * 100        symptom, global   (RS - lowest) / span * 100
A scale is scored when at least half of its items are answered (half rule); the summary score only when all its scales
are present. A missing score is missing: never 0, never a number that stands for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from proapp.instruments.answers import InvalidAnswer
from proapp.instruments.model import Gate, Instrument

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]
    Flags = NDArray[np.bool_]

Outcome = Literal["complete", "prorated", "missing", "not_applicable"]

# Reversing items first or inverting the mean differ by up to 3e-14, and PF2 from 5 against 4 answered items can tie
# exactly at 5 or 10 points: differences of scores are compared with this tolerance, never with ==.
TOLERANCE = 1e-9


class Score(NamedTuple):
    """One score of one respondent, in full precision (0 to 100); `value` is None when missing or not applicable.

    For a scale, `answered` of `applicable` of `n_items` items; for a summary the same counted in scales. `complete`:
    everything applicable was answered. `prorated`: scored from fewer by the half rule. `missing`: too few.
    `not_applicable`: a gate closed every item.
    """

    code: str
    value: float | None
    answered: int
    applicable: int
    n_items: int
    outcome: Outcome
    high_is: Literal["good", "bad"]
    algorithm_version: str


@dataclass(frozen=True, slots=True)
class _ScalePlan:
    """A scale with all lookups done: item numbers and columns, and what the formula needs."""

    code: str
    items: tuple[int, ...]
    columns: tuple[int, ...]
    needs: int
    inverted: bool
    lowest: int
    span: int
    high_is: Literal["good", "bad"]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What both executors read: scales in pack order, gates, legal codes, and the parts of the summary score."""

    scales: tuple[_ScalePlan, ...]
    gates: tuple[tuple[int, Gate], ...]
    legal: dict[int, frozenset[int]]
    summary_code: str | None
    summary_parts: tuple[tuple[str, bool], ...]  # (scale, whether it counts as 100 - x)


@lru_cache(maxsize=64)
def _plan(instrument: Instrument) -> _Plan:
    summary = instrument.summary
    return _Plan(
        scales=tuple(_scale_plans(instrument)),
        gates=instrument.gates,
        legal={item.number: frozenset(instrument.choices(item.number).codes) for item in instrument.items},
        summary_code=summary.code if summary else None,
        summary_parts=tuple(
            [(code, False) for code in summary.function_scales] + [(code, True) for code in summary.symptom_scales]
        )
        if summary
        else (),
    )


def _scale_plans(instrument: Instrument) -> Iterator[_ScalePlan]:
    for scale in instrument.scales:
        choices = instrument.choices(scale.items[0])
        yield _ScalePlan(
            code=scale.code,
            items=scale.items,
            columns=tuple(instrument.positions[number] for number in scale.items),
            needs=scale.needs,
            inverted=scale.formula == "function",
            lowest=choices.lowest,
            span=choices.span,
            high_is=scale.high_is,
        )


def score(instrument: Instrument, codes: Mapping[int, int | None]) -> tuple[Score, ...]:
    """All scores of one respondent: the scales in pack order, then the summary score if the pack has one.

    `codes` maps item numbers to answered codes; an absent item or None is missing. Answers behind a closed gate are
    ignored. Raises InvalidAnswer for a code or an item that the instrument does not have.
    """
    plan = _plan(instrument)
    answers = _legal_answers(instrument, plan, codes)
    closed = _closed(plan, answers)
    for number in closed:
        answers.pop(number, None)
    version = instrument.algorithm_version
    scores = [_scale_score(scale, answers, closed, version) for scale in plan.scales]
    if plan.summary_code is not None:
        scores.append(_summary_score(plan, plan.summary_code, scores, version))
    return tuple(scores)


def _legal_answers(instrument: Instrument, plan: _Plan, codes: Mapping[int, int | None]) -> dict[int, int]:
    answers = {}
    for number, code in codes.items():
        if number not in plan.legal:
            raise InvalidAnswer(instrument.code, number, code, "unknown_item")
        if code is None:
            continue
        if code not in plan.legal[number]:
            raise InvalidAnswer(instrument.code, number, code, "out_of_range")
        answers[number] = code
    return answers


def _closed(plan: _Plan, answers: Mapping[int, int]) -> set[int]:
    """The items behind a closed gate; a gate without an answer closes nothing."""
    closed: set[int] = set()
    for number, gate in plan.gates:
        code = answers.get(gate.item)
        if gate.item in closed or (code is not None and code <= gate.above):
            closed.add(number)
    return closed


def _scale_score(scale: _ScalePlan, answers: Mapping[int, int], closed: set[int], version: str) -> Score:
    n_items = len(scale.items)
    total = answered = 0
    for number in scale.items:
        code = answers.get(number)
        if code is not None:
            total += code
            answered += 1
    applicable = n_items - sum(number in closed for number in scale.items) if closed else n_items
    value: float | None = None
    outcome: Outcome
    if applicable == 0:
        outcome = "not_applicable"
    elif answered < scale.needs:
        outcome = "missing"
    else:
        outcome = "complete" if answered == applicable else "prorated"
        share = (total / answered - scale.lowest) / scale.span
        value = (1 - share if scale.inverted else share) * 100
    return Score(scale.code, value, answered, applicable, n_items, outcome, scale.high_is, version)


def _summary_score(plan: _Plan, code: str, scores: list[Score], version: str) -> Score:
    values = {score.code: score.value for score in scores}
    total, present = 0.0, 0
    for part, reversed_ in plan.summary_parts:
        value = values[part]
        if value is not None:
            total += 100 - value if reversed_ else value
            present += 1
    n_scales = len(plan.summary_parts)
    complete = present == n_scales
    mean = total / n_scales if complete else None
    return Score(code, mean, present, n_scales, n_scales, "complete" if complete else "missing", "good", version)


def score_columns(instrument: Instrument, matrix: "Floats") -> dict[str, tuple["Floats", "Counts"]]:
    """The same scores for many respondents at once, as columns.

    `matrix` is float64 of shape (n, number of items), columns in the order of `instrument.numbers`, NaN for missing.
    Returns for each scale, in pack order, and then for the summary: values (n,) with NaN for missing, and the number of
    answered items (n,); for the summary, the number of scales present. Raises InvalidAnswer for any other value.
    """
    import numpy as np

    plan = _plan(instrument)
    present = [~np.isnan(matrix[:, place]) for place in range(len(instrument.numbers))]
    answers = [np.where(here, matrix[:, place], 0.0) for place, here in enumerate(present)]
    _refuse_illegal(instrument, answers, present)
    for place, shut in _closed_columns(instrument, plan, answers, present).items():
        present[place] = present[place] & ~shut
        answers[place] = np.where(shut, 0.0, answers[place])
    columns = {scale.code: _scale_columns(scale, answers, present) for scale in plan.scales}
    if plan.summary_code is not None:
        columns[plan.summary_code] = _summary_columns(plan, columns)
    return columns


def _refuse_illegal(instrument: Instrument, answers: list["Floats"], present: list["Flags"]) -> None:
    import numpy as np

    for place, number in enumerate(instrument.numbers):
        choices, column = instrument.choices(number), answers[place]
        legal = (column >= choices.lowest) & (column <= choices.highest) & (column == np.rint(column))
        wrong = present[place] & ~legal
        if wrong.any():
            raise InvalidAnswer(instrument.code, number, float(column[wrong.argmax()]), "out_of_range")


def _closed_columns(
    instrument: Instrument, plan: _Plan, answers: list["Floats"], present: list["Flags"]
) -> dict[int, "Flags"]:
    """Column place of each gated item to the rows where its gate is closed."""
    closed: dict[int, Flags] = {}
    for number, gate in plan.gates:
        place = instrument.positions[gate.item]
        shut = present[place] & (answers[place] <= gate.above)
        closed[instrument.positions[number]] = shut | closed[place] if place in closed else shut
    return closed


def _scale_columns(scale: _ScalePlan, answers: list["Floats"], present: list["Flags"]) -> tuple["Floats", "Counts"]:
    import numpy as np

    total = np.zeros(len(answers[0]))
    answered = np.zeros(len(answers[0]), dtype=np.int64)
    for place in scale.columns:
        total += answers[place]
        answered += present[place]
    share = (total / np.maximum(answered, 1) - scale.lowest) / scale.span
    values = (1 - share if scale.inverted else share) * 100
    return np.where(answered >= scale.needs, values, np.nan), answered


def _summary_columns(plan: _Plan, columns: dict[str, tuple["Floats", "Counts"]]) -> tuple["Floats", "Counts"]:
    import numpy as np

    rows = len(next(iter(columns.values()))[0])
    total, present = np.zeros(rows), np.zeros(rows, dtype=np.int64)
    for part, reversed_ in plan.summary_parts:
        values = columns[part][0]
        total += 100 - values if reversed_ else values
        present += ~np.isnan(values)
    return total / len(plan.summary_parts), present


def reaches(change: float, threshold: float) -> bool:
    """Whether a difference of scores, signed so that the direction asked about is positive, is at least `threshold`.

    Equal in real numbers counts as reached even where floats fall short of it (9.999999999999986 reaches 10).
    """
    return change >= threshold - TOLERANCE
