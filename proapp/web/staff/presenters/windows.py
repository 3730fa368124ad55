"""The windows of a plan as lines to read: dates with weekdays, month ends pointed out, what moves and what stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from flask_babel import format_date

from proapp.services.enrolment import Move, Window
from proapp.services.planning import Dates
from proapp.study.model import Study
from proapp.web.context import in_language


@dataclass(frozen=True, slots=True)
class WindowLine:
    label: str
    opens: str
    target: str
    closes: str
    late_until: str
    clamped: bool
    over: bool
    baseline: bool


@dataclass(frozen=True, slots=True)
class MoveLine:
    """`old` and `new` are (opens, target, closes); `new` is None where the dates stay."""

    label: str
    old: tuple[str, str, str]
    new: tuple[str, str, str] | None
    mismatch: bool


def short_day(value: date | None) -> str:
    """Fri 20 Nov 2026."""
    return format_date(value, "EEE d MMM y") if value else "–"


def window_lines(study: Study, windows: Iterable[Window]) -> list[WindowLine]:
    return [
        WindowLine(
            label=in_language(study.timepoint(window.planned.timepoint).label),
            opens=short_day(window.planned.opens_on),
            target=short_day(window.planned.target_on),
            closes=short_day(window.planned.closes_on),
            late_until=short_day(window.planned.late_until),
            clamped=window.clamped,
            over=window.over,
            baseline=window.planned.timepoint == study.baseline.code,
        )
        for window in windows
    ]


def move_lines(study: Study, moves: Iterable[Move]) -> list[MoveLine]:
    return [
        MoveLine(
            label=in_language(study.timepoint(move.timepoint).label),
            old=_three(move.old),
            new=_three(move.new) if move.moves else None,
            mismatch=move.mismatch,
        )
        for move in moves
    ]


def _three(dates: Dates) -> tuple[str, str, str]:
    return short_day(dates.opens_on), short_day(dates.target_on), short_day(dates.closes_on)
