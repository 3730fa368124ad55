"""From rows to members: what the statements of `db.queries` amount to, with a cut-off laid over them.

Nothing here decides who may read: the scope is laid over every statement by `services.cohort`, which puts the pieces
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db import queries
from proapp.db.models import FormerSite, Participant
from proapp.db.queries import AnySelect
from proapp.services import versions
from proapp.services.members import Attempt, Contact, Event, Expected, Member, Reason, Responses
from proapp.study import events as history
from proapp.study.effects import TAKEN_BACK
from proapp.study.model import Study
from proapp.study.pairing import meaning
from proapp.study.reasons import still_counts
from proapp.study.schedule import PlannedAssessment, close_instant
from proapp.study.status import AssessmentFacts, state
from proapp.study.stays import stays
from proapp.study.versions import AMENDMENT, Chain, Wanted, chain, numbered, plan_in_force

# Which of two finished response sets counts when both were completed on the same day.
MODE_ORDER = ("self_remote", "self_clinic", "paper", "phone", "interview", "proxy")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows may be read: sites (None = all), and optionally one participant. `former`: also those of participants
    who have left one of the sites, of whom services.former_sites then shows a part."""

    sites: frozenset[str] | None = None
    participant_id: int | None = None
    study_id: str | None = None
    former: bool = False

    def limit(self, query: AnySelect) -> AnySelect:
        """`query` (which must already select from Participant) narrowed to this scope."""
        if self.sites is not None:
            query = query.where(self._at_sites(sorted(self.sites)))
        if self.participant_id is not None:
            query = query.where(Participant.id == self.participant_id)
        if self.study_id is not None:
            query = query.where(Participant.study_id == self.study_id)
        return query

    def _at_sites(self, sites: Sequence[str]) -> ColumnElement[bool]:
        here = Participant.site_code.in_(sites)
        if not self.former:
            return here
        left = select(FormerSite.participant_id).where(FormerSite.site_code.in_(sites))
        return here | Participant.id.in_(left)


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a cut-off lets through. Days are compared as days, moments with the end of the cut-off day."""

    cut_off: date | None
    end: datetime | None  # the first instant that is not seen any more

    @classmethod
    def of(cls, cut_off: date | None, zone: ZoneInfo) -> Horizon:
        return cls(cut_off, None if cut_off is None else close_instant(cut_off, zone))

    @property
    def last(self) -> datetime | None:
        """The last instant that is seen."""
        return None if self.end is None else self.end - timedelta(microseconds=1)

    def sees_day(self, day: date) -> bool:
        return self.cut_off is None or day <= self.cut_off

    def sees(self, moment: datetime) -> bool:
        return self.end is None or moment < self.end


def read_members(session: Session, scope: Scope, horizon: Horizon) -> dict[int, Member]:
    histories = _histories(session, scope)
    members = {}
    for row in session.execute(scope.limit(queries.people())):
        if horizon.sees(row.enrolled_at):
            every = [event.plain() for event in histories.get(row.id, ())]
            events = [event for event in histories.get(row.id, ()) if horizon.sees(event.recorded_at)]
            gone = {event.supersedes for event in events}
            plain = [event for event in every if horizon.sees(event.recorded_at)]
            at = stays(every, site_now=row.site_code, cut_off=horizon.cut_off, known_at=horizon.last)
            members[row.id] = Member(
                id=row.id,
                study_id=row.study_id,
                site_code=at[-1].site,
                language=history.language(every, row.language, cut_off=horizon.cut_off, known_at=horizon.last),
                enrolled_at=row.enrolled_at,
                channel=row.channel,
                activated_at=row.set_at,
                facts=history.participant_facts(plain, cut_off=horizon.cut_off),
                anchors=history.anchors(plain, cut_off=horizon.cut_off),
                events=tuple(event for event in events if event.id not in gone and event.type != "revoked"),
                superseded=tuple(event for event in events if event.id in gone),
                contact=_contact(row),
                stays=at,
            )
    return members


def _contact(row: Any) -> Contact | None:
    if row.channel is None:
        return None
    return Contact(
        channel=row.channel,
        confirmed_at=row.confirmed_at,
        verified_at=row.verified_at,
        undeliverable_at=row.undeliverable_at,
        undeliverable_reason=row.undeliverable_reason,
        updated_at=row.updated_at,
    )


def _histories(session: Session, scope: Scope) -> dict[int, list[Event]]:
    """Everything that was recorded, also after the horizon: what it changed is undone for who looks from before it."""
    histories: dict[int, list[Event]] = defaultdict(list)
    for participant_id, *event in session.execute(scope.limit(queries.events())):
        histories[participant_id].append(Event(*event))
    return histories


def read_reasons(session: Session, scope: Scope, horizon: Horizon) -> dict[int, list[Reason]]:
    """All that were given, the newest first."""
    reasons: dict[int, list[Reason]] = defaultdict(list)
    for assessment_id, *row in session.execute(scope.limit(queries.reasons())):
        reason = Reason(*row)
        if horizon.sees(reason.recorded_at):
            reasons[assessment_id].insert(0, reason)
    return reasons


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


@dataclass(slots=True)
class Decisions:
    declined_at: datetime | None = None
    decline_reason: str | None = None
    extended: bool = False  # a decision about the end of the window is among those seen
    extension_until: date | None = None
    opened: PlannedAssessment | None = None  # by staff, outside the plan
    taken_back: bool = False


def read_decisions(session: Session, scope: Scope, horizon: Horizon) -> dict[int, Decisions]:
    decisions: dict[int, Decisions] = defaultdict(Decisions)
    for assessment_id, type_, payload, reason, recorded_at in session.execute(scope.limit(queries.decisions())):
        if not horizon.sees(recorded_at):
            continue
        decision = decisions[assessment_id]
        if type_ == "extended":
            until = payload["until"]
            decision.extended, decision.extension_until = True, date.fromisoformat(until) if until else None
        elif type_ == "opened":
            decision.opened = _opened(payload)
        elif type_ == "taken_back":
            decision.taken_back = True
        elif type_ in {"declined", "decline_undone"}:
            declined = type_ == "declined"
            decision.declined_at = recorded_at if declined else None
            decision.decline_reason = reason if declined else None
    return decisions


def _opened(payload: Mapping[str, Any]) -> PlannedAssessment:
    days = ("anchor_on", "target_on", "opens_on", "closes_on", "late_until")
    return PlannedAssessment("", 1, *(date.fromisoformat(payload[name]) for name in days))


def read_answers_so_far(session: Session, scope: Scope, horizon: Horizon) -> dict[int, tuple[int, datetime]]:
    """Of response sets not yet submitted at the horizon: (items with an answer, time of the last one)."""
    return {row[0]: (int(row[1]), row[2]) for row in session.execute(scope.limit(queries.answers_so_far(horizon.end)))}


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
                plans[member.id] = Then.of(study, member, horizon.cut_off)
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
        facts = _facts(row, window, kind, cancelled, sets, decision, reason)
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
    )


def _primary_first(responses: Responses) -> tuple[bool, date, int, int]:
    """Finished before unfinished, then the earliest completed, then self before interview before proxy."""
    day = responses.completed_on or local_date(responses.started_at, ZoneInfo("UTC"))
    return responses.submitted_at is None, day, MODE_ORDER.index(responses.mode), responses.id


@dataclass(frozen=True, slots=True)
class Then:
    """The plan of one member as the anchors, and the versions of the study, known at the cut-off give it."""

    chain: Chain
    wanted: Mapping[tuple[str, int], Wanted]

    @classmethod
    def of(cls, study: Study, member: Member, cut_off: date) -> Then:
        then = chain(study, member.site_code, until=cut_off)
        found = plan_in_force(then, member.anchors)
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
) -> AssessmentFacts:
    primary = sets[0] if sets else None
    return AssessmentFacts(
        timepoint=row.timepoint,
        kind=kind,
        target_on=window.target_on,
        opens_on=window.opens_on,
        closes_on=window.closes_on,
        late_until=window.late_until,
        extension_until=decision.extension_until if decision.extended or window is not row else row.extension_until,
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


def read_attempts(session: Session, scope: Scope, horizon: Horizon) -> Iterable[tuple[int, Attempt]]:
    for participant_id, *attempt in session.execute(scope.limit(queries.attempts())):
        found = Attempt(*attempt)
        if horizon.sees(found.at):
            yield participant_id, found
