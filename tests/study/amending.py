"""Material of the tests about amendments: the small study, its second version, and invented rows."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import date, timedelta

from hypothesis import strategies as st

from proapp.study.effects import Effect
from proapp.study.model import Study
from proapp.study.pairing import Row
from proapp.study.schedule import Anchors, PlannedAssessment, plan

FIRST = date(2025, 1, 1)
days = st.integers(0, 900).map(lambda number: FIRST + timedelta(days=number))


def parse(text: str, *changes: tuple[str, str]) -> Study:
    """The study of this text with changes: pairs of a text that must be there and what replaces it (everywhere)."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return Study.of(tomllib.loads(text))


def rows_of(study: Study, anchors: Anchors, opened: Callable[[str], bool] = lambda _: False) -> list[Row]:
    return [
        Row(planned, study.number, None, opened(planned.timepoint) and planned.opens_on is not None, None)
        for planned in plan(study, anchors)
    ]


def applied(rows: list[Row], effects: tuple[Effect, ...]) -> list[Row]:
    """The rows as they are once the effects are written."""
    before = {row.key: row for row in rows}
    return [
        Row(
            effect.new, effect.version, effect.cancelled, effect.opened,
            before[effect.key].completed_on if effect.key in before else None,
        )
        for effect in effects
    ]  # fmt: skip


@st.composite
def people(draw):
    """Anchors of one participant."""
    consent_on = draw(days)
    randomized_on = draw(st.none() | st.integers(0, 40).map(lambda number: consent_on + timedelta(days=number)))
    arm = draw(st.sampled_from(["SURG", "ONC"])) if randomized_on else None
    surgery_on = draw(st.none() | days) if arm == "SURG" else None
    return Anchors(consent_on, randomized_on, arm, surgery_on)


NEW_TIMEPOINT = """
[[timepoints]]
code = "m09"
label = { sv = "9 mån", en = "9 m" }
kind = "scheduled"
anchor = "randomization"
months = 9
before_days = 14
after_days = 14
instruments = ["c30"]
"""


@st.composite
def amended(draw, text: str, number: str = "2"):
    """The small study with a drawn amendment: other windows, a time point more, one less."""
    changes = [('number = "1"', f'number = "{number}"')]
    changes.append(("grace_days = 14", f"grace_days = {draw(st.integers(0, 20))}"))
    changes.append(
        (
            "before_days = 14\nafter_days = 28",
            f"before_days = {draw(st.integers(0, 20))}\nafter_days = {draw(st.integers(0, 30))}",
        )
    )
    study = parse(text + (NEW_TIMEPOINT if draw(st.booleans()) else ""), *changes)
    gone = draw(st.sampled_from([None, "m06", "op1"]))
    left = tuple(timepoint for timepoint in study.timepoints if timepoint.code != gone)
    return study.model_copy(update={"timepoints": left})


def planned(code: str, opens_on: date, target_on: date, closes_on: date, late_until: date) -> PlannedAssessment:
    return PlannedAssessment(code, 1, None, target_on, opens_on, closes_on, late_until)
