"""What a plan does to assessments that already have rows: the one place that decides what moves, what comes, what goes
and what stays as it is because somebody has begun to answer it. Writing the plan and looking before it is written both
ask here, so that what was approved is what is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from proapp.study.model import Study
from proapp.study.pairing import NOTHING_EARLIER, Earlier, Pair, Row, meaning, pair
from proapp.study.schedule import Anchors, PlannedAssessment, window
from proapp.study.status import AssessmentFacts, anchor_mismatch
from proapp.study.versions import AMENDMENT, Chain, Wanted, merged, plan_in_force

OTHER_ARM = "not_applicable_arm"
TAKEN_BACK = "event_taken_back"
DERIVED = frozenset({OTHER_ARM, TAKEN_BACK, AMENDMENT})
"""Reasons for cancelling that follow from the plan, and go when the assessment is planned again."""

Kind = Literal["keep", "move", "add", "remove", "not_asked", "keep_pinned"]


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
    def key(self) -> tuple[str, int]:
        return self.timepoint, self.occurrence

    @property
    def changes(self) -> bool:
        """Whether anything is written for it."""
        follows_another = self.old_version is not None and self.version != self.old_version
        return self.kind in ("move", "add", "remove", "not_asked") or follows_another


def effects(
    chain: Chain,
    rows: Sequence[Row],
    anchors: Anchors,
    *,
    earlier: Earlier = NOTHING_EARLIER,
    against: Study | None = None,
) -> tuple[Effect, ...]:
    """For every assessment that has a row or gets one, in the order of the time points.

    `against` is the version by which opened assessments are compared with what would be planned now; their own, if it
    is not given (then only the anchors can have changed). Applying the effects, and asking again, gives nothing but
    what is kept.
    """
    pairs = pair(chain, rows, plan_in_force(chain, anchors), earlier)
    found = [_effect_of(one, chain, anchors.arm, against) for one in pairs]
    points = merged([study.timepoints for _, study in chain])
    order = {timepoint.code: number for number, timepoint in enumerate(points)}
    found.sort(key=lambda one: (order.get(one.timepoint, len(order)), one.timepoint, one.occurrence))
    return tuple(found)


def _effect_of(one: Pair, chain: Chain, arm: str | None, against: Study | None) -> Effect:
    row, wanted = one
    if row is None:
        assert wanted is not None
        return _new(wanted)
    if row.opened:
        return _opened(row, wanted, chain, against)
    return _no_longer_planned(row, chain, arm) if wanted is None else _follow(row, wanted)


def _new(wanted: Wanted) -> Effect:
    planned, study, cancelled = wanted
    kind: Kind = "not_asked" if cancelled else "add"
    new = _without_dates(planned) if cancelled else planned
    return Effect(kind, new.timepoint, new.occurrence, None, new, cancelled, study.number, None)


def _without_dates(planned: PlannedAssessment) -> PlannedAssessment:
    return PlannedAssessment(planned.timepoint, planned.occurrence)


def _follow(row: Row, wanted: Wanted) -> Effect:
    cancelled = wanted.cancelled or (None if row.cancelled in DERIVED else row.cancelled)
    new = _without_dates(wanted.planned) if wanted.cancelled else wanted.planned
    return _unopened(row, new, cancelled, wanted.study.number)


def _no_longer_planned(row: Row, chain: Chain, arm: str | None) -> Effect:
    """Not asked for: a time point of the other arm, one whose event was taken back, one that the site's version has no
    longer. Left alone: one that no version knows, and an unscheduled one, which staff opened by hand."""
    code, newest = row.planned.timepoint, chain[-1].study
    timepoint = meaning(chain, code)
    if timepoint is None or timepoint.kind == "unscheduled":
        return _unopened(row, row.planned, row.cancelled, row.version)
    if not timepoint.is_for(arm):
        reason = OTHER_ARM
    elif code not in newest.timepoints_by_code:
        reason = AMENDMENT
    elif timepoint.kind == "event":
        reason = TAKEN_BACK
    else:
        return _unopened(row, row.planned, row.cancelled, row.version)
    return _unopened(row, _without_dates(row.planned), reason, newest.number)


def _unopened(row: Row, new: PlannedAssessment, cancelled: str | None, version: str | None) -> Effect:
    kind: Kind = "keep" if new == row.planned else "move"
    if cancelled != row.cancelled:
        kind = "remove" if cancelled else "add"
    return Effect(kind, *row.key, row.planned, new, cancelled, version, row.version)


def _opened(row: Row, wanted: Wanted | None, chain: Chain, against: Study | None) -> Effect:
    """Dates and version stay; only the baseline's end, the day of randomisation, still follows."""
    own = next((study for _, study in chain if study.number == row.version), chain[-1].study)
    study = against or own
    would_be = _would_be(row, wanted, study)
    new = row.planned
    if wanted is not None and own.baseline.code == row.planned.timepoint:
        new = new._replace(closes_on=wanted.planned.closes_on, late_until=wanted.planned.late_until)
    mismatch = would_be is not None and anchor_mismatch(_facts(row, own), would_be)
    differs = would_be != row.planned or (row.version is not None and study.number != row.version)
    kind: Kind = "move" if new != row.planned else "keep_pinned" if differs and row.cancelled is None else "keep"
    return Effect(kind, *row.key, row.planned, new, row.cancelled, row.version, row.version, True, mismatch)


def _would_be(row: Row, wanted: Wanted | None, study: Study) -> PlannedAssessment | None:
    """The window that `study` would give an opened assessment now; None where it would not ask for it."""
    timepoint = study.timepoints_by_code.get(row.planned.timepoint)
    if timepoint is None:
        return None
    if timepoint.kind == "unscheduled":
        return row.planned
    if wanted is None or wanted.planned.anchor_on is None:
        return _without_dates(row.planned)
    if timepoint.kind == "baseline":
        return wanted.planned
    return window(timepoint, wanted.planned.anchor_on, occurrence=row.planned.occurrence)


def _facts(row: Row, study: Study) -> AssessmentFacts:
    code, _, _, target_on, opens_on, closes_on, late_until = row.planned
    timepoint = study.timepoints_by_code.get(code)
    kind = timepoint.kind if timepoint else "scheduled"
    return AssessmentFacts(code, kind, target_on, opens_on, closes_on, late_until, completed_on=row.completed_on)
