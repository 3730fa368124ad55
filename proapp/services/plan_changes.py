"""What has to change in the rows of a plan so that they say what the plan says: the decisions of study.effects, as
values that the tables and the second looks are made of. Pure: no table is read or written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from proapp.study.effects import Effect, effects
from proapp.study.model import Study
from proapp.study.pairing import NOTHING_EARLIER, Earlier, Row
from proapp.study.schedule import Anchors, PlannedAssessment
from proapp.study.versions import chain


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

    def plain(self) -> dict[str, date | None]:
        """By name, in this order. (dataclasses.asdict would copy each date.)"""
        return {name: getattr(self, name) for name in self.__slots__}


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
    version: str | None = None  # the version of the study that it follows; None where nobody asks about that

    def row(self) -> Row:
        planned = PlannedAssessment(self.timepoint, self.occurrence, *self.dates.plain().values())
        return Row(planned, self.version, self.cancelled_reason, self.opened, self.completed_on)


@dataclass(frozen=True, slots=True)
class Change:
    """What replanning does to one assessment. `old` is None for one that is new. `dates` is False where nothing but the
    version that it follows changes."""

    assessment_id: int | None
    timepoint: str
    occurrence: int
    old: Dates | None
    new: Dates
    cancelled_reason: str | None
    opened: bool
    planned_at: datetime | None = None  # when the old dates were set
    version: str | None = None
    old_version: str | None = None
    dates: bool = True


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


def changes(
    study: Study,
    stored: Sequence[Stored],
    anchors: Anchors,
    earlier: Earlier = NOTHING_EARLIER,
    *,
    site: str | None = None,
) -> tuple[Change, ...]:
    """What must change for the rows to say what the plan says; nothing when they already do.

    The plan is that of the versions which `site` has worked by (of the newest, if none is given). `earlier`
    (study.events.earlier_days) tells on which days the events were recorded before they were put right.
    """
    rows = {(row.timepoint, row.occurrence): row for row in stored}
    found = effects(chain(study, site or ""), [row.row() for row in stored], anchors, earlier=earlier)
    return tuple(_change(effect, rows.get(effect.key)) for effect in found if effect.changes)


def _change(effect: Effect, row: Stored | None) -> Change:
    return Change(
        assessment_id=row.id if row else None,
        timepoint=effect.timepoint,
        occurrence=effect.occurrence,
        old=row.dates if row else None,
        new=Dates.of(effect.new),
        cancelled_reason=effect.cancelled,
        opened=effect.opened,
        planned_at=row.planned_at if row else None,
        version=effect.version,
        old_version=effect.old_version,
        dates=effect.kind not in ("keep", "keep_pinned"),
    )


def moves(found: Iterable[Effect]) -> tuple[Move, ...]:
    """Of all effects, those on assessments whose dates differ then, with those that keep theirs, in the same order."""
    return tuple(_move(effect) for effect in found if effect.kind not in ("keep", "not_asked"))


def _move(effect: Effect) -> Move:
    return Move(
        timepoint=effect.timepoint,
        occurrence=effect.occurrence,
        old=Dates.of(effect.old) if effect.old else NO_DATES,
        new=Dates.of(effect.new),
        moves=effect.kind != "keep_pinned",
        mismatch=effect.anchor_mismatch,
        cancelled=effect.kind != "keep_pinned" and effect.cancelled is not None,
    )
