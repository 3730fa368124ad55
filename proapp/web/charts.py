"""Score charts as plain numbers for an SVG template: small multiples, one scale each.

Directions are never mixed in one axis and no axis is turned round (Snyder et al. 2019). Time is true to scale, a missed
assessment is a gap and never a line drawn through it, and every value stands beside its point, so that a black and
white print says the same as the screen. The table below the charts holds the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 280, 150
LEFT, RIGHT, TOP, BOTTOM = 26, 14, 18, 24
LEVELS = (0, 50, 100)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time point on the axis: its day, the short name under the axis, and the long one."""

    day: date
    short: str
    label: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one scale (0 to 100) at one moment; None where the assessment was missed or cannot be scored."""

    moment: Moment
    value: float | None
    is_over: bool = True  # False: not asked for yet, so its absence is no gap


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    text_y: float
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws. `paths` are the unbroken stretches, `gaps` the x of what is missing."""

    title: str
    spoken: str
    is_symptom: bool
    paths: tuple[str, ...]
    points: tuple[Point, ...]
    gaps: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    events: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM
    top: int = TOP


def chart(
    title: str, readings: Sequence[Reading], *, is_symptom: bool, events: Sequence[tuple[date, str]] = ()
) -> Chart:
    """One scale over time; `readings` in order of time, `events` (day, name) become upright marks inside the axis."""
    days = [reading.moment.day for reading in readings]
    first, last = min(days), max(days)

    def x(day: date) -> float:
        whole = (last - first).days or 1
        return round(LEFT + 6 + (WIDTH - LEFT - RIGHT - 12) * (day - first).days / whole, 1)

    return Chart(
        title=title,
        spoken="; ".join(f"{r.moment.label} {rounded(r.value)}" for r in readings if r.value is not None),
        is_symptom=is_symptom,
        paths=tuple(_path(stretch, x) for stretch in _stretches(readings) if len(stretch) > 1),
        points=tuple(_point(r, r.value, x) for r in readings if r.value is not None),
        gaps=tuple(Tick(x(r.moment.day), r.moment.label) for r in readings if r.value is None and r.is_over),
        x_ticks=_spaced([Tick(x(r.moment.day), r.moment.short) for r in readings]),
        y_ticks=tuple(Tick(_y(level), str(level)) for level in LEVELS),
        events=tuple(Tick(x(day), name) for day, name in events if first <= day <= last),
    )


def rounded(value: float | None) -> str:
    """A whole number for reading; the full precision is in the export."""
    return "" if value is None else f"{value:.0f}"


def _y(value: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / 100, 1)


def _point(reading: Reading, value: float, x: Callable[[date], float]) -> Point:
    y = _y(value)
    above = y - 8 if y - 8 > 8 else y + 16
    return Point(x(reading.moment.day), y, above, rounded(value), reading.moment.label)


def _stretches(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Runs of neighbouring values; a missing one in between ends a run."""
    runs: list[list[Reading]] = [[]]
    for reading in readings:
        if reading.value is None:
            runs.append([])
        else:
            runs[-1].append(reading)
    return runs


def _path(stretch: Sequence[Reading], x: Callable[[date], float]) -> str:
    steps = (f"{x(one.moment.day):g} {_y(one.value):g}" for one in stretch if one.value is not None)
    return "M" + " L".join(steps)


def _spaced(ticks: Sequence[Tick], least: float = 14) -> tuple[Tick, ...]:
    """Names that would run into the one before are left out; the points are drawn all the same."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or tick.at - kept[-1].at >= least:
            kept.append(tick)
    return tuple(kept)
