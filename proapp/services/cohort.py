"""The facts about many participants at once, as the pure rooms want them, in a fixed number of statements.

Worklist, grid, participant page, compliance and export all start from here, so they cannot disagree. Site scope is
applied in every statement. With a cut-off only what had happened, and was recorded, by the end of that local day is
seen, and the plan is computed anew from it: the same cut gives the same answer whenever it is taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db import queries
from proapp.db.models import Participant
from proapp.db.queries import AnySelect
from proapp.study import events as history
from proapp.study.model import Study
from proapp.study.reasons import still_counts
from proapp.study.schedule import Anchors, PlannedAssessment, close_instant, plan
from proapp.study.status import AssessmentFacts, ParticipantFacts, State, state

# Which of two finished response sets counts when both were completed on the same day.
MODE_ORDER = ("self_remote", "self_clinic", "paper", "phone", "interview", "proxy")


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    type: str
    effective_on: date
    effective_time: time | None
    payload: Mapping[str, Any]
    reason: str | None
    supersedes: int | None
    recorded_at: datetime
    recorded_by_id: int | None

    def plain(self) -> history.Event:
        return history.Event(
            self.id, self.type, self.effective_on, self.recorded_at, self.supersedes, self.payload.get("arm")
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    id: int
    assessment_id: int | None
    method: str
    outcome: str
    note: str | None
    next_on: date | None
    at: datetime
    recorded_by_id: int | None


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    health_related: str
    avoidable: str
    source: str
    note: str | None
    recorded_at: datetime
    recorded_by_id: int | None


@dataclass(frozen=True, slots=True)
class Responses:
    """A response set; of an unfinished one `answered_items` and `last_answer_at` come from its answers."""

    id: int
    mode: str
    respondent: str
    protocol_version: str
    packs: Mapping[str, Any]
    started_at: datetime
    submitted_at: datetime | None
    completed_on: date | None
    auto_submitted: bool
    receipt: str | None
    answered_items: int
    valid: bool | None
    last_answer_at: datetime | None


@dataclass(slots=True)
class Member:
    """A participant with what happened."""

    id: int
    study_id: str
    site_code: str
    language: str
    enrolled_at: datetime
    channel: str | None
    activated_at: datetime | None
    facts: ParticipantFacts
    anchors: Anchors
    events: tuple[Event, ...]  # in force, in order of recording
    superseded: tuple[Event, ...]
    assessments: list[Expected] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True)
class Expected:
    """A planned assessment with what came of it. `sets` holds every response set that is not void, primary first."""

    id: int
    member: Member
    timepoint: str
    occurrence: int
    protocol_version: str
    anchor_on: date | None
    facts: AssessmentFacts
    sets: tuple[Responses, ...]
    reason: Reason | None
    decline_reason: str | None
    state: State

    @property
    def primary(self) -> Responses | None:
        return self.sets[0] if self.sets else None


@dataclass(frozen=True, slots=True)
class Cohort:
    """Members by study id, assessments by member and protocol order, and the local day all states were derived for."""

    today: date
    members: tuple[Member, ...]

    def assessments(self) -> Iterable[Expected]:
        for member in self.members:
            yield from member.assessments


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows may be read: sites (None = all), and optionally one participant."""

    sites: frozenset[str] | None = None
    participant_id: int | None = None
    study_id: str | None = None

    def limit(self, query: AnySelect) -> AnySelect:
        """`query` (which must already select from Participant) narrowed to this scope."""
        if self.sites is not None:
            query = query.where(Participant.site_code.in_(sorted(self.sites)))
        if self.participant_id is not None:
            query = query.where(Participant.id == self.participant_id)
        if self.study_id is not None:
            query = query.where(Participant.study_id == self.study_id)
        return query


def load(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    today: date,
    participant_id: int | None = None,
    study_id: str | None = None,
    cut_off: date | None = None,
) -> Cohort:
    """Everything needed to derive states on the local day `today`; at `cut_off` only facts up to that day (inclusive).

    Seven statements, whatever the number of participants. An unknown or foreign participant gives an empty cohort.
    """
    scope = Scope(sites, participant_id, study_id)
    horizon = _Horizon.of(cut_off, study.zone())
    members = _members(session, scope, horizon)
    reasons = _reasons(session, scope, horizon)
    decisions = _decisions(session, scope, horizon)
    answers = _answers_so_far(session, scope, horizon)
    for member_id, expected in _assessments(
        session, scope, study, horizon, members, reasons, decisions, answers, today
    ):
        members[member_id].assessments.append(expected)
    for member_id, attempt in _attempts(session, scope, horizon):
        if member_id in members:
            members[member_id].attempts.append(attempt)
    order = {timepoint.code: number for number, timepoint in enumerate(study.timepoints)}
    for member in members.values():
        member.assessments.sort(key=lambda one: (order.get(one.timepoint, len(order)), one.timepoint, one.occurrence))
    return Cohort(today, tuple(members.values()))


@dataclass(frozen=True, slots=True)
class _Horizon:
    """What a cut-off lets through. Days are compared as days, moments with the end of the cut-off day."""

    cut_off: date | None
    end: datetime | None  # the first instant that is not seen any more

    @classmethod
    def of(cls, cut_off: date | None, zone: ZoneInfo) -> _Horizon:
        return cls(cut_off, None if cut_off is None else close_instant(cut_off, zone))

    def sees_day(self, day: date) -> bool:
        return self.cut_off is None or day <= self.cut_off

    def sees(self, moment: datetime) -> bool:
        return self.end is None or moment < self.end


def _members(session: Session, scope: Scope, horizon: _Horizon) -> dict[int, Member]:
    histories = _histories(session, scope, horizon)
    members = {}
    for row in session.execute(scope.limit(queries.people())):
        if horizon.sees(row.enrolled_at):
            events = histories.get(row.id, [])
            gone = {event.supersedes for event in events}
            plain = [event.plain() for event in events]
            members[row.id] = Member(
                id=row.id,
                study_id=row.study_id,
                site_code=row.site_code,
                language=row.language,
                enrolled_at=row.enrolled_at,
                channel=row.channel,
                activated_at=row.set_at,
                facts=history.participant_facts(plain, cut_off=horizon.cut_off),
                anchors=history.anchors(plain, cut_off=horizon.cut_off),
                events=tuple(event for event in events if event.id not in gone and event.type != "revoked"),
                superseded=tuple(event for event in events if event.id in gone),
            )
    return members


def _histories(session: Session, scope: Scope, horizon: _Horizon) -> dict[int, list[Event]]:
    histories: dict[int, list[Event]] = defaultdict(list)
    for participant_id, *event in session.execute(scope.limit(queries.events())):
        found = Event(*event)
        if horizon.sees(found.recorded_at):
            histories[participant_id].append(found)
    return histories


def _reasons(session: Session, scope: Scope, horizon: _Horizon) -> dict[int, list[Reason]]:
    """All that were given, the newest first."""
    reasons: dict[int, list[Reason]] = defaultdict(list)
    for assessment_id, *row in session.execute(scope.limit(queries.reasons())):
        reason = Reason(*row)
        if horizon.sees(reason.recorded_at):
            reasons[assessment_id].insert(0, reason)
    return reasons


def _newest_that_counts(
    given: Sequence[Reason],
    decision: _Decisions,
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
class _Decisions:
    declined_at: datetime | None = None
    decline_reason: str | None = None
    extension_until: date | None = None


def _decisions(session: Session, scope: Scope, horizon: _Horizon) -> dict[int, _Decisions]:
    decisions: dict[int, _Decisions] = defaultdict(_Decisions)
    for assessment_id, type_, payload, reason, recorded_at in session.execute(scope.limit(queries.decisions())):
        if not horizon.sees(recorded_at):
            continue
        decision = decisions[assessment_id]
        if type_ == "extended":
            decision.extension_until = date.fromisoformat(payload["until"])
        elif type_ in {"declined", "decline_undone"}:
            declined = type_ == "declined"
            decision.declined_at = recorded_at if declined else None
            decision.decline_reason = reason if declined else None
    return decisions


def _answers_so_far(session: Session, scope: Scope, horizon: _Horizon) -> dict[int, tuple[int, datetime]]:
    """Of response sets not yet submitted at the horizon: (items with an answer, time of the last one)."""
    return {row[0]: (int(row[1]), row[2]) for row in session.execute(scope.limit(queries.answers_so_far(horizon.end)))}


def _assessments(
    session: Session,
    scope: Scope,
    study: Study,
    horizon: _Horizon,
    members: Mapping[int, Member],
    reasons: Mapping[int, Sequence[Reason]],
    decisions: Mapping[int, _Decisions],
    answers: Mapping[int, tuple[int, datetime]],
    today: date,
) -> Iterable[tuple[int, Expected]]:
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in session.execute(scope.limit(queries.assessments())):
        rows[row.id].append(row)
    kinds = {timepoint.code: timepoint.kind for timepoint in study.timepoints}
    for assessment_id, group in rows.items():
        row = group[0]
        member = members.get(row.participant_id)
        if member is None:
            continue
        sets = sorted((s for one in group if (s := _responses(one, answers, horizon))), key=_primary_first)
        decision = decisions.get(assessment_id, _Decisions())
        kind = kinds.get(row.timepoint, "scheduled")
        window: Any = row
        if horizon.cut_off is not None and (kind == "baseline" or not sets):
            window = _window_then(study, member.anchors, row)
        reason = _newest_that_counts(
            reasons.get(assessment_id, ()),
            decision,
            late_until=window.late_until,
            enrolled_at=member.enrolled_at if kind == "baseline" else None,
            zone=study.zone(member.site_code),
        )
        facts = _facts(row, window, kind, sets, decision, reason)
        derived = state(facts, member.facts, today=today, study=study)
        yield (
            member.id,
            Expected(
                assessment_id, member, row.timepoint, row.occurrence, row.protocol_version, window.anchor_on, facts,
                tuple(sets), reason, decision.decline_reason, derived,
            ),
        )  # fmt: skip


def _responses(row: Any, answers: Mapping[int, tuple[int, datetime]], horizon: _Horizon) -> Responses | None:
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


def _window_then(study: Study, anchors: Anchors, row: Any) -> PlannedAssessment:
    """The window as the anchors known at the cut-off give it."""
    for planned in plan(study, anchors):
        if (planned.timepoint, planned.occurrence) == (row.timepoint, row.occurrence):
            return planned
    return PlannedAssessment(row.timepoint, row.occurrence)


def _facts(
    row: Any, window: Any, kind: Any, sets: Sequence[Responses], decision: _Decisions, reason: Reason | None
) -> AssessmentFacts:
    primary = sets[0] if sets else None
    return AssessmentFacts(
        timepoint=row.timepoint,
        kind=kind,
        target_on=window.target_on,
        opens_on=window.opens_on,
        closes_on=window.closes_on,
        late_until=window.late_until,
        extension_until=decision.extension_until or row.extension_until,
        cancelled_reason=row.cancelled_reason,
        started_at=primary.started_at if primary else None,
        submitted_at=primary.submitted_at if primary else None,
        completed_on=primary.completed_on if primary else None,
        valid=primary.valid if primary else None,
        declined=decision.declined_at is not None,
        reason_code=reason.code if reason else None,
        last_answer_at=primary.last_answer_at if primary else None,
    )


def _attempts(session: Session, scope: Scope, horizon: _Horizon) -> Iterable[tuple[int, Attempt]]:
    for participant_id, *attempt in session.execute(scope.limit(queries.attempts())):
        found = Attempt(*attempt)
        if horizon.sees(found.at):
            yield participant_id, found
