"""What has to change in the rows of a plan so that they say what the plan says. Pure: no table is read or written.

A row belongs to a planned assessment by time point and occurrence. Where a time point repeats with an event, the
occurrences are numbered by the days of the events, whatever the order in which they were recorded, except that what
somebody has begun to answer stays with its own event: answers are never bound to another one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from proapp.study.events import Event, anchors, earlier_days
from proapp.study.model import Study
from proapp.study.schedule import Anchors, PlannedAssessment, plan
from proapp.study.status import AssessmentFacts, anchor_mismatch

OTHER_ARM = "not_applicable_arm"
TAKEN_BACK = "event_taken_back"
REVIVED = frozenset({OTHER_ARM, TAKEN_BACK})  # reasons that go when the assessment is planned again
Earlier = Mapping[tuple[str, date], frozenset[date]]
NOTHING_EARLIER: Earlier = {}


@dataclass(frozen=True, slots=True)
class Dates:
    """The five dates of an assessment, local to the site; all None while the anchor is unknown."""

    anchor_on: date | None = None
    target_on: date | None = None
    opens_on: date | None = None
    closes_on: date | None = None
    late_until: date | None = None

    @classmethod
    def of(cls, planned: PlannedAssessment) -> Dates:
        return cls(planned.anchor_on, planned.target_on, planned.opens_on, planned.closes_on, planned.late_until)


NO_DATES = Dates()


@dataclass(frozen=True, slots=True)
class Stored:
    """An assessment as it stands. `opened`: somebody has begun to answer it, so that its dates stay."""

    id: int
    timepoint: str
    occurrence: int
    dates: Dates
    cancelled_reason: str | None
    opened: bool
    completed_on: date | None  # the day of its first finished response set
    planned_at: datetime | None = None  # when its dates were last set


@dataclass(frozen=True, slots=True)
class Change:
    """What replanning does to one assessment. `old` is None for one that is new."""

    assessment_id: int | None
    timepoint: str
    occurrence: int
    old: Dates | None
    new: Dates
    cancelled_reason: str | None
    opened: bool
    planned_at: datetime | None = None  # when the old dates were set


@dataclass(frozen=True, slots=True)
class Move:
    """What an event, or a corrected date, does to one assessment. `old` has no dates for one that is new or had none.

    `moves` is False for one that is opened and keeps its dates; `mismatch` says that its answers would count
    differently in the window it would have now. `cancelled` says that it is no longer asked for.
    """

    timepoint: str
    occurrence: int
    old: Dates
    new: Dates
    moves: bool
    mismatch: bool
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A row and what is planned for it; None where there is no such row yet, or nothing planned any more."""

    row: Stored | None
    planned: PlannedAssessment | None


def changes(
    study: Study, stored: Sequence[Stored], anchors: Anchors, earlier: Earlier = NOTHING_EARLIER
) -> tuple[Change, ...]:
    """What must change for the rows to say what the plan says; nothing when they already do.

    `earlier` (study.events.earlier_days) tells on which days the events were recorded before they were put right.
    """
    pairs = pair(study, stored, anchors, earlier)
    new = [_new(one.planned) for one in pairs if one.row is None and one.planned is not None]
    kept = [_follow(study, one.row, one.planned) for one in pairs if one.row and one.planned]
    gone = [_cancel(study, one.row, anchors.arm) for one in pairs if one.row and one.planned is None]
    return (*new, *(change for change in (*kept, *gone) if change is not None))


def moves(study: Study, stored: Sequence[Stored], events: Iterable[Event]) -> tuple[Move, ...]:
    """In the study's order, every assessment whose dates would differ after `events`, with those that keep theirs."""
    every = list(events)
    known, earlier = anchors(every), earlier_days(every)
    by_key = {(one.timepoint, one.occurrence): one for one in changes(study, stored, known, earlier)}
    found = [
        move
        for one in pair(study, stored, known, earlier)
        if (move := _move(study, one, by_key.get(_key(one)))) is not None
    ]
    order = {timepoint.code: number for number, timepoint in enumerate(study.timepoints)}
    return tuple(sorted(found, key=lambda move: (order.get(move.timepoint, len(order)), move.occurrence)))


def pair(study: Study, stored: Sequence[Stored], anchors: Anchors, earlier: Earlier = NOTHING_EARLIER) -> list[Pair]:
    """Every row and every planned assessment, each once."""
    rows: dict[str, list[Stored]] = defaultdict(list)
    wanted: dict[str, list[PlannedAssessment]] = defaultdict(list)
    for row in stored:
        rows[row.timepoint].append(row)
    for planned in plan(study, anchors):
        wanted[planned.timepoint].append(planned)
    found: list[Pair] = []
    for code in dict.fromkeys((*wanted, *rows)):
        timepoint = study.timepoints_by_code.get(code)
        if timepoint is not None and timepoint.kind == "event":
            found += _by_event(timepoint.anchor, rows[code], wanted[code], earlier)
        else:
            found += _by_occurrence(rows[code], wanted[code])
    return found


def _by_occurrence(rows: Iterable[Stored], wanted: Iterable[PlannedAssessment]) -> Iterator[Pair]:
    left = {row.occurrence: row for row in rows}
    for planned in wanted:
        yield Pair(left.pop(planned.occurrence, None), planned)
    for row in left.values():
        yield Pair(row, None)


def _by_event(
    anchor: str, rows: Sequence[Stored], wanted: Sequence[PlannedAssessment], earlier: Earlier
) -> Iterator[Pair]:
    """What was begun goes with its event; the events that are left take the free numbers in the order of their days."""
    left = list(wanted)
    for row in (row for row in rows if row.opened):
        own = _own(anchor, row, left, earlier)
        if own is not None:
            left.remove(own)
        yield Pair(row, own._replace(occurrence=row.occurrence) if own else None)
    taken = {row.occurrence for row in rows if row.opened}
    if taken and all(planned.anchor_on is None for planned in left):
        left = []  # nothing has happened that would be waited for
    numbers = (number for number in range(1, len(rows) + len(wanted) + 1) if number not in taken)
    yield from _by_occurrence(
        (row for row in rows if not row.opened),
        [planned._replace(occurrence=number) for planned, number in zip(left, numbers, strict=False)],
    )


def _own(anchor: str, row: Stored, left: Sequence[PlannedAssessment], earlier: Earlier) -> PlannedAssessment | None:
    """The planned assessment of the event that `row` was opened for, also when the event's date was put right since."""
    for planned in left:
        if planned.anchor_on is not None and planned.anchor_on == row.dates.anchor_on:
            return planned
    for planned in left:
        if planned.anchor_on is not None and row.dates.anchor_on in earlier.get((anchor, planned.anchor_on), ()):
            return planned
    return None


def _key(one: Pair) -> tuple[str, int]:
    known = one.row or one.planned
    assert known is not None
    return known.timepoint, known.occurrence


def _new(planned: PlannedAssessment) -> Change:
    return Change(None, planned.timepoint, planned.occurrence, None, Dates.of(planned), None, opened=False)


def _follow(study: Study, row: Stored, planned: PlannedAssessment) -> Change | None:
    dates, cancelled = Dates.of(planned), row.cancelled_reason
    if row.opened:
        return _change(row, _dates_once_opened(study, row, dates), cancelled)
    return _change(row, dates, None if cancelled in REVIVED else cancelled)


def _dates_once_opened(study: Study, row: Stored, dates: Dates) -> Dates:
    if row.timepoint != study.baseline.code:
        return row.dates
    return replace(row.dates, closes_on=dates.closes_on, late_until=dates.late_until)


def _cancel(study: Study, row: Stored, arm: str | None) -> Change | None:
    """A time point of the other arm is not asked for, nor is one whose event was taken back. One that this version of
    the study does not know is left alone, and so is an unscheduled one, which staff opened by hand."""
    timepoint = study.timepoints_by_code.get(row.timepoint)
    if timepoint is None or timepoint.kind == "unscheduled" or row.opened:
        return None
    if not timepoint.is_for(arm):
        return _change(row, NO_DATES, OTHER_ARM)
    return _change(row, NO_DATES, TAKEN_BACK) if timepoint.kind == "event" else None


def _change(row: Stored, dates: Dates, cancelled: str | None) -> Change | None:
    if (dates, cancelled) == (row.dates, row.cancelled_reason):
        return None
    return Change(row.id, row.timepoint, row.occurrence, row.dates, dates, cancelled, row.opened, row.planned_at)


def _move(study: Study, one: Pair, change: Change | None) -> Move | None:
    row, planned = one.row, one.planned
    wanted = Dates.of(planned) if planned else NO_DATES
    old = row.dates if row else NO_DATES
    if change is None and (row is None or planned is None or wanted == old):
        return None
    timepoint, occurrence = _key(one)
    return Move(
        timepoint=timepoint,
        occurrence=occurrence,
        old=old,
        new=change.new if change else old,
        moves=change is not None,
        mismatch=row is not None and row.opened and anchor_mismatch(_facts(study, row), wanted),
        cancelled=change is not None and change.cancelled_reason is not None,
    )


def _facts(study: Study, row: Stored) -> AssessmentFacts:
    dates = row.dates
    kind = study.timepoint(row.timepoint).kind
    return AssessmentFacts(
        row.timepoint,
        kind,
        dates.target_on,
        dates.opens_on,
        dates.closes_on,
        dates.late_until,
        completed_on=row.completed_on,
    )
