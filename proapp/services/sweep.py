"""What the clock does: submits what was begun and left, once it can no longer be answered.

Nothing else has to be written when a window closes: that an assessment is missed is derived. The sweep may run twice,
at once, or three days late, and the same rows result. It goes in portions, so that a long absence does not hold up
those who answer meanwhile; the caller commits each portion. A row that cannot be handled is left as it was and named in
the report; it stops none of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from proapp.db.models import (
    Answer,
    Assessment,
    AssessmentEvent,
    Installation,
    Participant,
    ParticipantEvent,
    ResponseSet,
)
from proapp.instruments.model import Instrument
from proapp.services import answering, throttle
from proapp.services.audit import WORKER, Actor
from proapp.services.sitting import OWN_MODES
from proapp.services.vault import Vault
from proapp.study.events import Event, participant_facts
from proapp.study.model import Study
from proapp.study.status import AssessmentFacts, ParticipantFacts, abandoned

WRONG_CLOCK = timedelta(minutes=5)  # no two workers' clocks are so far apart
LAST_TICK = "last_tick"
PORTION = 100
STOPS = ("death", "pro_stop", "trial_withdrawal")


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A response set that was begun, holds an answer, and can no longer be answered."""

    response_set_id: int
    study_id: str
    timepoint: str


@dataclass(frozen=True, slots=True)
class Failure:
    """One that could not be submitted. `error` is the name of the error alone: its words could quote an answer."""

    response_set_id: int
    error: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one portion did (in a dry run: would do). `after` is where the next portion begins, None after the last."""

    submitted: tuple[Abandoned, ...] = ()
    failed: tuple[Failure, ...] = ()
    after: int | None = None


@dataclass(slots=True)
class _Facts:
    """What decides about a portion: events by participant, decisions by assessment."""

    participants: Mapping[int, ParticipantFacts]
    declined: dict[int, bool] = field(default_factory=dict)
    extended: dict[int, date | None] = field(default_factory=dict)


def sweep(
    session: Session,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    vault: Vault,
    now: datetime,
    as_of: datetime | None = None,
    actor: Actor = WORKER,
    dry_run: bool = False,
    after: int = 0,
    portion: int = PORTION,
    note: bool = True,
) -> Report:
    """One portion of the sweep, of sets whose id is greater than `after`.

    What has run out is decided at `as_of` (default `now`); what is written is dated `now`. Three statements when there
    is something to look at, one when not, and those of the submission for each row acted on; the last portion also
    forgets old tries to sign in and (with `note`) notes when the sweep was done. A dry run writes nothing.
    """
    as_of = as_of or now
    rows = session.execute(_candidates(as_of, after, portion, lock=not dry_run)).all()
    submitted, failed = [], []
    for found in _abandoned(session, rows, study=study, as_of=as_of):
        if dry_run:
            submitted.append(found)
            continue
        try:
            with session.begin_nested():
                receipt = answering.submit_abandoned(
                    session,
                    found.response_set_id,
                    study=study,
                    instruments=instruments,
                    vault=vault,
                    now=now,
                    actor=actor,
                )
        except Exception as error:  # one poisoned row must not hold up the others; it is reported by its id
            failed.append(Failure(found.response_set_id, type(error).__name__))
            continue
        if receipt is not None:
            submitted.append(found)
    last = rows[-1].set_id if len(rows) == portion else None
    if last is None and not dry_run:
        throttle.forget(session, now=now)
        if note:
            note_run(session, now)
    return Report(tuple(submitted), tuple(failed), last)


def last_run(session: Session) -> datetime | None:
    """When the worker (or `proapp tick`) last came to the end of a sweep; None if it never did."""
    value = session.scalar(select(Installation.value).where(Installation.name == LAST_TICK))
    return datetime.fromisoformat(value) if value else None


def _candidates(as_of: datetime, after: int, portion: int, *, lock: bool) -> Any:
    """Unsubmitted sets of patients that hold an answer, and whose window may be over or whose patient has stopped.

    Only what is far from over is left out here (a day more for the time zones); the exact moment is decided by
    `study.status.abandoned`. On PostgreSQL the rows are claimed: another sweep at the same time passes over them.
    """
    other = aliased(ResponseSet)
    finished = (
        select(other.id)
        .where(other.assessment_id == Assessment.id, other.submitted_at.is_not(None), other.void_reason.is_(None))
        .exists()
    )
    stopped = select(ParticipantEvent.participant_id).where(ParticipantEvent.type.in_(STOPS))
    last_answer_at = (
        select(func.max(func.coalesce(Answer.given_at, Answer.recorded_at)))
        .where(Answer.response_set_id == ResponseSet.id)
        .scalar_subquery()
    )
    query = (
        select(
            ResponseSet.id.label("set_id"),
            ResponseSet.started_at,
            last_answer_at.label("last_answer_at"),
            Assessment.id.label("assessment_id"),
            Assessment.timepoint,
            Assessment.target_on,
            Assessment.opens_on,
            Assessment.closes_on,
            Assessment.late_until,
            Assessment.extension_until,
            Participant.id.label("participant_id"),
            Participant.study_id,
            Participant.site_code,
        )
        .join(Assessment, Assessment.id == ResponseSet.assessment_id)
        .join(Participant, Participant.id == Assessment.participant_id)
        .where(
            ResponseSet.submitted_at.is_(None),
            ResponseSet.void_reason.is_(None),
            ResponseSet.mode.in_(sorted(OWN_MODES)),
            ResponseSet.id > after,
            Assessment.cancelled_reason.is_(None),
            or_(Assessment.late_until <= (as_of + timedelta(days=1)).date(), Participant.id.in_(stopped)),
            select(Answer.id).where(Answer.response_set_id == ResponseSet.id, Answer.kind == "answered").exists(),
            ~finished,
        )
        .order_by(ResponseSet.id)
        .limit(portion)
    )
    return query.with_for_update(of=ResponseSet, skip_locked=True) if lock else query


def _abandoned(session: Session, rows: Sequence[Any], *, study: Study, as_of: datetime) -> Iterator[Abandoned]:
    if not rows:
        return
    known = _Facts(_participants(session, {row.participant_id for row in rows}))
    _read_decisions(session, {row.assessment_id for row in rows}, known)
    for row in rows:
        person = known.participants.get(row.participant_id, ParticipantFacts())
        facts = _facts(row, study, known)
        if abandoned(facts, person, now=as_of, study=study, zone=study.zone(row.site_code)):
            yield Abandoned(row.set_id, row.study_id, row.timepoint)


def _participants(session: Session, ids: set[int]) -> Mapping[int, ParticipantFacts]:
    rows = session.execute(
        select(
            ParticipantEvent.participant_id,
            ParticipantEvent.id,
            ParticipantEvent.type,
            ParticipantEvent.effective_on,
            ParticipantEvent.recorded_at,
            ParticipantEvent.supersedes_id,
            ParticipantEvent.payload,
        ).where(ParticipantEvent.participant_id.in_(sorted(ids)))
    )
    histories: dict[int, list[Event]] = defaultdict(list)
    for participant_id, id_, type_, effective_on, recorded_at, supersedes, payload in rows:
        event = Event(id_, type_, effective_on, recorded_at, supersedes, (payload or {}).get("arm"))
        histories[participant_id].append(event)
    return {participant_id: participant_facts(history) for participant_id, history in histories.items()}


def _read_decisions(session: Session, ids: set[int], known: _Facts) -> None:
    rows = session.execute(
        select(AssessmentEvent.assessment_id, AssessmentEvent.type, AssessmentEvent.payload)
        .where(AssessmentEvent.assessment_id.in_(sorted(ids)))
        .order_by(AssessmentEvent.id)
    )
    for assessment_id, type_, payload in rows:
        if type_ in {"declined", "decline_undone"}:
            known.declined[assessment_id] = type_ == "declined"
        elif type_ == "extended":
            known.extended[assessment_id] = date.fromisoformat(payload["until"]) if payload["until"] else None


def _facts(row: Any, study: Study, known: _Facts) -> AssessmentFacts:
    timepoint = study.timepoints_by_code.get(row.timepoint)
    return AssessmentFacts(
        timepoint=row.timepoint,
        kind=timepoint.kind if timepoint else "scheduled",
        target_on=row.target_on,
        opens_on=row.opens_on,
        closes_on=row.closes_on,
        late_until=row.late_until,
        extension_until=known.extended.get(row.assessment_id, row.extension_until),
        started_at=row.started_at,
        declined=known.declined.get(row.assessment_id, False),
        last_answer_at=row.last_answer_at,
    )


def note_run(session: Session, now: datetime) -> None:
    """A sign of life for the staff's pages, not a fact about the trial: it has no audit event. It does not go back,
    unless it was given by a clock that was wrong."""
    value, ahead = (moment.isoformat(timespec="seconds") for moment in (now, now + WRONG_CLOCK))
    named, told = Installation.name == LAST_TICK, Installation.value
    session.execute(update(Installation).where(named, (told < value) | (told > ahead)).values(value=value))
    if session.scalar(select(Installation.value).where(named)) is None:
        try:
            with session.begin_nested():
                session.execute(insert(Installation).values(name=LAST_TICK, value=value))
        except IntegrityError:
            return  # another sweep was first, a moment ago
