"""The windows of a plan as lines to read: dates with weekdays, month ends pointed out, what moves and what stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from flask_babel import format_date

from proapp.services.enrolment import Window
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
    """`old` and `new` are (opens, target, closes); `new` is None where the dates stay. `is_new`: there were no dates;
    `is_gone`: it is no longer asked for."""

    label: str
    old: tuple[str, str, str]
    new: tuple[str, str, str] | None
    mismatch: bool
    is_new: bool = False
    is_gone: bool = False


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
