"""Which row of a plan belongs to which planned assessment: by time point and occurrence. Where a time point repeats
with an event, the occurrences are numbered by the days of the events, whatever the order in which they were recorded,
except that what somebody has begun to answer stays with its own event: answers are never bound to another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from proapp.study.model import TimePoint
from proapp.study.schedule import PlannedAssessment
from proapp.study.versions import Chain, Wanted

Earlier = Mapping[tuple[str, date], frozenset[date]]
NOTHING_EARLIER: Earlier = {}


class Row(NamedTuple):
    """An assessment as it stands. `opened`: somebody has begun to answer it, so that dates and version stay."""

    planned: PlannedAssessment
    version: str | None
    cancelled: str | None = None
    opened: bool = False
    completed_on: date | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.planned.timepoint, self.planned.occurrence


class Pair(NamedTuple):
    """A row and what is planned for it; None where there is no such row yet, or nothing planned any more."""

    row: Row | None
    wanted: Wanted | None


def meaning(chain: Chain, code: str) -> TimePoint | None:
    """The time point as the newest version that has it describes it; None if no version has it."""
    known = (study.timepoints_by_code.get(code) for _, study in reversed(chain))
    return next((timepoint for timepoint in known if timepoint is not None), None)


def pair(chain: Chain, rows: Iterable[Row], wanted: Iterable[Wanted], earlier: Earlier = NOTHING_EARLIER) -> list[Pair]:
    """Every row and every planned assessment, each once.

    `earlier` (study.events.earlier_days) tells on which days the events were recorded before they were put right.
    """
    by_code: dict[str, list[Row]] = defaultdict(list)
    planned: dict[str, list[Wanted]] = defaultdict(list)
    for row in rows:
        by_code[row.planned.timepoint].append(row)
    for one in wanted:
        planned[one.planned.timepoint].append(one)
    found: list[Pair] = []
    for code in dict.fromkeys((*planned, *by_code)):
        timepoint = meaning(chain, code)
        if timepoint is not None and timepoint.kind == "event":
            found += _by_event(timepoint.anchor, by_code[code], planned[code], earlier)
        else:
            found += _by_occurrence(by_code[code], planned[code])
    return found


def _by_occurrence(rows: Iterable[Row], wanted: Iterable[Wanted]) -> Iterator[Pair]:
    left = {row.planned.occurrence: row for row in rows}
    for one in wanted:
        yield Pair(left.pop(one.planned.occurrence, None), one)
    for row in left.values():
        yield Pair(row, None)


def _by_event(anchor: str, rows: Sequence[Row], wanted: Sequence[Wanted], earlier: Earlier) -> Iterator[Pair]:
    """What was begun goes with its event; the events that are left take the free numbers in the order of their days."""
    left = list(wanted)
    for row in (row for row in rows if row.opened):
        own = _own(anchor, row, left, earlier)
        if own is not None:
            left.remove(own)
        yield Pair(row, _as(own, row.planned.occurrence) if own else None)
    taken = {row.planned.occurrence for row in rows if row.opened}
    if taken and all(one.planned.anchor_on is None for one in left):
        left = []  # nothing has happened that would be waited for
    numbers = (number for number in range(1, len(rows) + len(wanted) + 1) if number not in taken)
    yield from _by_occurrence(
        (row for row in rows if not row.opened),
        [_as(one, number) for one, number in zip(left, numbers, strict=False)],
    )


def _as(wanted: Wanted, occurrence: int) -> Wanted:
    return wanted._replace(planned=wanted.planned._replace(occurrence=occurrence))


def _own(anchor: str, row: Row, left: Sequence[Wanted], earlier: Earlier) -> Wanted | None:
    """What is planned for the event that `row` was opened for, also when the event's date was put right since."""
    for one in left:
        if one.planned.anchor_on is not None and one.planned.anchor_on == row.planned.anchor_on:
            return one
    for one in left:
        if one.planned.anchor_on is not None and row.planned.anchor_on in earlier.get(
            (anchor, one.planned.anchor_on), ()
        ):
            return one
    return None
