"""Answers that look like people: each invented participant has a burden per scale that drifts from time to time.

A random walk per scale, a constant of the person, an operation that costs three months and then pays, and the months
before a death. Codes come from the burden by the direction of the scale, so scores move as a reader expects.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from proapp.instruments.answers import Given
from proapp.instruments.model import Instrument, Scale

# Mean burden (0 none, 1 the worst) where it differs from the usual of its kind; codes as in the shipped packs.
USUAL = {"function": 0.24, "symptom": 0.20, "global": 0.40}
BURDEN = {"FA": 0.42, "PA": 0.30, "SL": 0.34, "NV": 0.10, "DY": 0.22, "DI": 0.12, "CO": 0.20, "FI": 0.18, "SF": 0.30}
OPERATION = ((0, 0.0), (3, 0.16), (6, 0.04), (12, -0.04), (18, -0.06), (24, -0.06), (36, -0.04))
DRUGS_ALONE = ((0, 0.0), (3, 0.03), (6, 0.05), (12, 0.06), (18, 0.07), (24, 0.08), (36, 0.09))
SKIPS = 0.008
PRIVATE_SKIPS = 0.10  # questions about sexuality are left out more often
PRIVATE = frozenset({"BRSEF", "BRSEE", "LMC_SX"})


class Trajectory:
    """One person's burden over the trial. Deterministic for a given `rng`; call `answers` in order of time."""

    def __init__(self, rng: random.Random, arm: str) -> None:
        self._rng = rng
        self._operated = arm == "SURG"
        self._person = rng.gauss(0, 0.10)
        self._walk: dict[str, float] = {}

    def answers(
        self, instrument: Instrument, *, months: int, near_the_end: bool = False
    ) -> Iterator[tuple[int, Given]]:
        """(item, what was given) in the order asked; items behind a closed gate do not come."""
        shift = self._person + _effect(OPERATION if self._operated else DRUGS_ALONE, months) + 0.2 * near_the_end
        levels = {scale.code: self._level(instrument, scale) + shift for scale in instrument.scales}
        scale_of = {number: scale for scale in instrument.scales for number in scale.items}
        gates, codes = dict(instrument.gates), dict[int, int]()
        for number in instrument.numbers:
            gate = gates.get(number)
            if gate is not None and codes.get(gate.item, 0) <= gate.above:
                continue
            scale = scale_of[number]
            if self._rng.random() < (PRIVATE_SKIPS if scale.code in PRIVATE else SKIPS):
                yield number, Given("skipped")
                continue
            codes[number] = self._code(instrument, scale, number, levels[scale.code])
            yield number, Given("answered", codes[number])

    def _level(self, instrument: Instrument, scale: Scale) -> float:
        """The burden of one scale before the common shift: it moves a little each time."""
        key = f"{instrument.code} {scale.code}"
        if key not in self._walk:
            self._walk[key] = BURDEN.get(scale.code, USUAL[scale.kind]) + self._rng.gauss(0, 0.08)
        self._walk[key] += self._rng.gauss(0, 0.04)
        return self._walk[key]

    def _code(self, instrument: Instrument, scale: Scale, number: int, burden: float) -> int:
        choices = instrument.choices(number)
        level = min(max(burden + self._rng.gauss(0, 0.09), 0.0), 0.999)
        step = int(level * (choices.span + 1))
        return choices.lowest + step if _high_is_burden(scale) else choices.highest - step


def _high_is_burden(scale: Scale) -> bool:
    """Whether the higher code is the worse answer: so in functional scales (which are inverted) and in symptoms."""
    return scale.formula == "function" or scale.high_is == "bad"


def _effect(course: tuple[tuple[int, float], ...], months: int) -> float:
    """The value of the course at `months`, between its points on a straight line."""
    for (month, value), (later, next_value) in zip(course, course[1:], strict=False):
        if months <= later:
            return value + (next_value - value) * (months - month) / (later - month)
    return course[-1][1]
