"""What a plan does to assessments that already have rows: the one place that decides what moves, what comes, what goes
and what stays as it is because somebody has begun to answer it. Writing (services.planning) and looking before writing
(study.diff) both ask here, so that what was approved is what is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal, NamedTuple

from proapp.study.model import Kind as TimePointKind
from proapp.study.model import Study
from proapp.study.schedule import Anchors, PlannedAssessment, plan
from proapp.study.status import AssessmentFacts, anchor_mismatch
from proapp.study.versions import AMENDMENT, Chain, Wanted, merged, plan_in_force

OTHER_ARM = "not_applicable_arm"
DERIVED = frozenset({OTHER_ARM, AMENDMENT})
"""Reasons for cancelling that follow from the plan, and are taken back by it."""

Kind = Literal["keep", "move", "add", "remove", "not_asked", "keep_pinned"]
Key = tuple[str, int]


class Row(NamedTuple):
    """An assessment as it stands. `opened`: somebody has begun to answer it, so that dates and version stay."""

    planned: PlannedAssessment
    version: str | None
    cancelled: str | None = None
    opened: bool = False
    completed_on: date | None = None

    @property
    def key(self) -> Key:
        return self.planned.timepoint, self.planned.occurrence


class Effect(NamedTuple):
    """What becomes of one assessment.

    keep: nothing, or only the version it follows. move: other dates. add: a new row, or one that was cancelled is asked
    for again. remove: cancelled. not_asked: a new row, cancelled at once because its window was over before the version
    that brings it began. keep_pinned: opened, so it stays although the plan would now be another; `anchor_mismatch`
    says that its answers would then count as given at another time.
    """

    kind: Kind
    timepoint: str
    occurrence: int
    old: PlannedAssessment | None
    new: PlannedAssessment
    cancelled: str | None
    version: str | None
    old_version: str | None
    opened: bool = False
    anchor_mismatch: bool = False

    @property
    def key(self) -> Key:
        return self.timepoint, self.occurrence

    @property
    def changes(self) -> bool:
        """Whether anything is written for it."""
        follows_another = self.old_version is not None and self.version != self.old_version
        return self.kind in ("move", "add", "remove", "not_asked") or follows_another


def effects(chain: Chain, rows: Sequence[Row], anchors: Anchors, *, against: Study | None = None) -> tuple[Effect, ...]:
    """For every assessment that has a row or gets one, in the order of the time points.

    `against` is the version by which opened assessments are compared with what would be planned now; their own, if it
    is not given (then only the anchors can have changed). Applying the effects, and asking again, gives nothing but
    what is kept.
    """
    wanted = {(one.planned.timepoint, one.planned.occurrence): one for one in plan_in_force(chain, anchors)}
    known = {row.key for row in rows}
    found = [_new(one) for key, one in wanted.items() if key not in known]
    plans = _Plans(chain, anchors, against)
    for row in rows:
        found.append(_opened(row, plans) if row.opened else _unopened(row, wanted.get(row.key), chain, anchors.arm))
    points = merged([study.timepoints for _, study in chain])
    order = {timepoint.code: number for number, timepoint in enumerate(points)}
    found.sort(key=lambda one: (order.get(one.timepoint, len(order)), one.timepoint, one.occurrence))
    return tuple(found)


def _new(wanted: Wanted) -> Effect:
    planned, study, cancelled = wanted
    kind: Kind = "not_asked" if cancelled else "add"
    return Effect(kind, planned.timepoint, planned.occurrence, None, planned, cancelled, study.number, None)


def _unopened(row: Row, wanted: Wanted | None, chain: Chain, arm: str | None) -> Effect:
    if wanted is None:
        return _no_longer_planned(row, chain, arm)
    cancelled = wanted.cancelled or (None if row.cancelled in DERIVED else row.cancelled)
    return _effect(row, wanted.planned, cancelled, wanted.study.number)


def _no_longer_planned(row: Row, chain: Chain, arm: str | None) -> Effect:
    """A time point of the other arm is not asked for, nor is one that the site's version has no longer. One that no
    version knows is left alone, and so is an unscheduled one, which staff opened by hand."""
    code = row.planned.timepoint
    meant = [(study, study.timepoints_by_code[code]) for _, study in chain if code in study.timepoints_by_code]
    if not meant or meant[-1][1].kind == "unscheduled":
        return _effect(row, row.planned, row.cancelled, row.version)
    newest = chain[-1].study
    if meant[-1][0] is newest and meant[-1][1].is_for(arm):
        return _effect(row, row.planned, row.cancelled, row.version)
    ours = any(timepoint.is_for(arm) for _, timepoint in meant)
    reason = AMENDMENT if ours and meant[-1][0] is not newest else OTHER_ARM
    return _effect(row, PlannedAssessment(*row.key), reason, newest.number)


def _effect(row: Row, new: PlannedAssessment, cancelled: str | None, version: str | None) -> Effect:
    kind: Kind = "keep" if new == row.planned else "move"
    if cancelled != row.cancelled:
        kind = "remove" if cancelled else "add"
    return Effect(kind, *row.key, row.planned, new, cancelled, version, row.version)


class _Plans:
    """What would be planned for an opened assessment by the version it is compared with; each plan is made once."""

    def __init__(self, chain: Chain, anchors: Anchors, against: Study | None) -> None:
        self.chain, self.anchors, self.against = chain, anchors, against
        self.made: dict[str, dict[Key, PlannedAssessment]] = {}

    def study(self, row: Row) -> Study:
        own = next((study for _, study in self.chain if study.number == row.version), self.chain[-1].study)
        return self.against or own

    def of(self, row: Row) -> PlannedAssessment | None:
        study = self.study(row)
        if study.number not in self.made:
            planned = plan(study, self.anchors)
            self.made[study.number] = {(one.timepoint, one.occurrence): one for one in planned}
        return self.made[study.number].get(row.key)


def _opened(row: Row, plans: _Plans) -> Effect:
    """Dates and version stay; only the baseline's end, the day of randomisation, still follows."""
    study, would_be = plans.study(row), plans.of(row)
    timepoint = study.timepoints_by_code.get(row.planned.timepoint)
    new = row.planned
    kind: TimePointKind = timepoint.kind if timepoint else "scheduled"
    if kind == "baseline" and would_be is not None:
        new = row.planned._replace(closes_on=would_be.closes_on, late_until=would_be.late_until)
    mismatch = would_be is not None and anchor_mismatch(_facts(row, kind), would_be)
    differs = would_be != row.planned or study.number != row.version
    what: Kind = "move" if new != row.planned else "keep_pinned" if differs and row.cancelled is None else "keep"
    return Effect(what, *row.key, row.planned, new, row.cancelled, row.version, row.version, True, mismatch)


def _facts(row: Row, kind: TimePointKind) -> AssessmentFacts:
    _, _, _, target_on, opens_on, closes_on, late_until = row.planned
    return AssessmentFacts(
        row.planned.timepoint,
        kind,
        target_on,
        opens_on,
        closes_on,
        late_until,
        completed_on=row.completed_on,
    )
