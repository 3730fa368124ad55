"""Each planned assessment with what came of it, at a cut-off as the plan, the site and the version of the study were
then. The statements and the facts around it are `services.cohort_rows`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db import queries
from proapp.services import versions
from proapp.services.cohort_rows import Decisions, Horizon, Scope
from proapp.services.members import Expected, Member, Reason, Responses
from proapp.study.effects import TAKEN_BACK
from proapp.study.model import Study
from proapp.study.pairing import meaning
from proapp.study.reasons import still_counts
from proapp.study.schedule import Anchors, PlannedAssessment
from proapp.study.status import AssessmentFacts, state
from proapp.study.versions import AMENDMENT, Chain, Wanted, chain, numbered, plan_in_force

# Which of two finished response sets counts when both were completed on the same day.
MODE_ORDER = ("self_remote", "self_clinic", "paper", "phone", "interview", "proxy")


def read_assessments(
    session: Session,
    scope: Scope,
    study: Study,
    horizon: Horizon,
    members: Mapping[int, Member],
    reasons: Mapping[int, Sequence[Reason]],
    decisions: Mapping[int, Decisions],
    answers: Mapping[int, tuple[int, datetime]],
    today: date,
) -> Iterable[tuple[int, Expected]]:
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(scope.limit(queries.assessments())):
        rows[row.id].append(row)
    study = versions.knowing(session, study, {group[0].protocol_version for group in rows.values()})
    named = {group[0].protocol_version: numbered(study, group[0].protocol_version) for group in rows.values()}
    kinds = {timepoint.code: timepoint.kind for timepoint in study.timepoints}
    plans: dict[int, Then] = {}
    for assessment_id, group in rows.items():
        row = group[0]
        member = members.get(row.participant_id)
        if member is None:
            continue
        sets = sorted((s for one in group if (s := _responses(one, answers, horizon))), key=_primary_first)
        decision = decisions.get(assessment_id, Decisions())
        kind = kinds.get(row.timepoint, "scheduled")
        window: Any = row
        cancelled, version = row.cancelled_reason, named[row.protocol_version]
        if horizon.cut_off is not None and (kind == "baseline" or not sets):
            if member.id not in plans:
                plans[member.id] = Then.of(study, member.site_code, member.anchors, horizon.cut_off)
            then = plans[member.id]
            window = then.window(row, kind, decision)
            cancelled, version = then.cancelled(row, kind, decision), then.version(row, version)
        if window is None:
            continue  # at the cut-off there was no such assessment yet
        reason = _newest_that_counts(
            reasons.get(assessment_id, ()),
            decision,
            late_until=window.late_until,
            enrolled_at=member.enrolled_at if kind == "baseline" else None,
            zone=study.zone(member.site_code),
        )
        # The row's own extension is the present one; at a cut-off the decisions seen tell which there was.
        extension = row.extension_until if horizon.cut_off is None else None
        extension = decision.extension_until if decision.extended else extension
        facts = _facts(row, window, kind, cancelled, sets, decision, reason, extension)
        derived = state(facts, member.facts, today=today, study=version)
        yield (
            member.id,
            Expected(
                assessment_id, member, row.timepoint, row.occurrence, version.number if not sets else
                row.protocol_version, window.anchor_on, facts, tuple(sets), reason, decision.decline_reason, derived,
            ),
        )  # fmt: skip


def _responses(row: Any, answers: Mapping[int, tuple[int, datetime]], horizon: Horizon) -> Responses | None:
    if row.set_id is None or not horizon.sees(row.started_at):
        return None
    submitted_at = row.submitted_at
    seen = submitted_at is not None and horizon.sees(submitted_at) and horizon.sees_day(row.completed_on)
    if not seen and not horizon.sees_act(row.started_at):
        return None  # begun after the cut-off; a paper form of an earlier day is entered later
    answered, last_answer_at = answers.get(row.set_id, (0, None))
    return Responses(
        id=row.set_id,
        mode=row.mode,
        respondent=row.respondent,
        protocol_version=row.set_version,
        packs=row.packs,
        started_at=row.started_at,
        submitted_at=submitted_at if seen else None,
        completed_on=row.completed_on if seen else None,
        auto_submitted=row.auto_submitted and seen,
        receipt=row.receipt if seen else None,
        answered_items=row.answered_items or 0 if seen else answered,
        valid=row.valid if seen else None,
        last_answer_at=None if seen else last_answer_at,
        device_at=row.device_at if seen else None,
        device_offset_s=row.device_offset_s if seen else None,
        clock_trusted=row.clock_trusted if seen else None,
        conflicts=row.conflicts,
    )


def _primary_first(responses: Responses) -> tuple[bool, date, int, int]:
    """Finished before unfinished, then the earliest completed, then self before interview before proxy."""
    day = responses.completed_on or local_date(responses.started_at, ZoneInfo("UTC"))
    return responses.submitted_at is None, day, MODE_ORDER.index(responses.mode), responses.id


@dataclass(frozen=True, slots=True)
class Then:
    """The plan of one participant as the anchors and the versions of the study known at the cut-off give it."""

    chain: Chain
    wanted: Mapping[tuple[str, int], Wanted]

    @classmethod
    def of(cls, study: Study, site: str, anchors: Anchors, cut_off: date) -> Then:
        then = chain(study, site, until=cut_off)
        found = plan_in_force(then, anchors)
        return cls(then, {(one.planned.timepoint, one.planned.occurrence): one for one in found})

    def window(self, row: Any, kind: str, decision: Decisions) -> PlannedAssessment | None:
        """Its dates, or those of the staff who had opened it; None if there was no such assessment yet."""
        found = self.wanted.get((row.timepoint, row.occurrence))
        if found is not None and found.cancelled is None:
            return found.planned
        if kind == "unscheduled":
            return decision.opened
        known = found is not None or meaning(self.chain, row.timepoint) is not None
        return PlannedAssessment(row.timepoint, row.occurrence) if known and row.occurrence == 1 else None

    def cancelled(self, row: Any, kind: str, decision: Decisions) -> str | None:
        if kind == "unscheduled":
            return "opened_by_mistake" if decision.taken_back else None
        found = self.wanted.get((row.timepoint, row.occurrence))
        if found is None and row.timepoint not in self.chain[-1].study.timepoints_by_code:
            return AMENDMENT
        derived_later = row.cancelled_reason in (TAKEN_BACK, AMENDMENT)
        return (found.cancelled if found else None) or (None if derived_later else row.cancelled_reason)

    def version(self, row: Any, named: Study) -> Study:
        """The version it would have followed; its own, where it was opened or is none of the plan's."""
        found = self.wanted.get((row.timepoint, row.occurrence))
        return found.study if found is not None and row.set_id is None else named


def _facts(
    row: Any,
    window: Any,
    kind: Any,
    cancelled: str | None,
    sets: Sequence[Responses],
    decision: Decisions,
    reason: Reason | None,
    extension_until: date | None,
) -> AssessmentFacts:
    primary = sets[0] if sets else None
    return AssessmentFacts(
        timepoint=row.timepoint,
        kind=kind,
        target_on=window.target_on,
        opens_on=window.opens_on,
        closes_on=window.closes_on,
        late_until=window.late_until,
        extension_until=extension_until,
        cancelled_reason=cancelled,
        started_at=primary.started_at if primary else None,
        submitted_at=primary.submitted_at if primary else None,
        completed_on=primary.completed_on if primary else None,
        valid=primary.valid if primary else None,
        declined=decision.declined_at is not None,
        reason_code=reason.code if reason else None,
        last_answer_at=primary.last_answer_at if primary else None,
        occurrence=row.occurrence,
    )


def _newest_that_counts(
    given: Sequence[Reason],
    decision: Decisions,
    *,
    late_until: date | None,
    enrolled_at: datetime | None,
    zone: ZoneInfo,
) -> Reason | None:
    for reason in given:
        # A baseline can be asked for from enrolment on, whatever becomes known later.
        known_on = local_date(enrolled_at or reason.recorded_at, zone)
        if still_counts(
            reason.source,
            reason.recorded_at,
            declined_at=decision.declined_at,
            late_until=late_until,
            known_on=known_on,
        ):
            return reason
    return None
