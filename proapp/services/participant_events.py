"""What happens to a participant after randomisation: leaving the trial, stopping the questionnaires, death, and putting
right what was recorded wrongly. Nothing is overwritten: a correction is a new event that supersedes the old one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import Participant, ParticipantEvent
from proapp.services import audit, patient_codes, planning, register
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused
from proapp.services.messages import cancel_queued
from proapp.services.planning import Change, Dates, Stored
from proapp.study.events import Event, standing
from proapp.study.model import Study
from proapp.study.schedule import plan
from proapp.study.status import AssessmentFacts, anchor_mismatch

Stop = Literal["trial_withdrawal", "pro_stop", "death"]
STOPS: tuple[Stop, ...] = get_args(Stop)
DataUse = Literal["keep", "keep_until", "delete_if_lawful"]
DATA_USES: tuple[DataUse, ...] = get_args(DataUse)
ENDS_ACCESS = frozenset({"trial_withdrawal", "death"})


@dataclass(frozen=True, slots=True)
class Move:
    """What a corrected date does to one assessment. `moves` is False for one that is opened and keeps its dates;
    `mismatch` says that its answers would count differently in the window it would have now."""

    timepoint: str
    occurrence: int
    old: Dates
    new: Dates
    moves: bool
    mismatch: bool


def append(
    session: Session,
    participant: Participant,
    *,
    type: str,
    effective_on: date,
    actor: Actor,
    now: datetime,
    effective_time: time | None = None,
    payload: Mapping[str, Any] | None = None,
    reason: str | None = None,
    supersedes_id: int | None = None,
) -> tuple[ParticipantEvent, Entry]:
    """Add one event row; returns it with its audit entry, for the caller to record."""
    row = ParticipantEvent(
        participant_id=participant.id,
        type=type,
        effective_on=effective_on,
        effective_time=effective_time,
        payload=dict(payload or {}),
        reason=reason,
        supersedes_id=supersedes_id,
        recorded_at=now,
        recorded_by_id=actor.id if actor.kind == "staff" else None,
    )
    session.add(row)
    session.flush()
    details = {
        "type": type,
        "effective_on": effective_on,
        "effective_time": effective_time,
        "payload": row.payload,
        "supersedes": supersedes_id,
    }
    return row, Entry("event.recorded", "participant_event", row.id, details, reason, participant.site_code)


def record_event(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    type: str,
    effective_on: date,
    actor: Actor,
    now: datetime,
    data_use: str | None = None,
    keep_until: date | None = None,
    note: str | None = None,
) -> int:
    """Record that the participant left the trial, stopped the questionnaires or died; returns the event's id.

    Leaving and death end every session and make codes useless at once. `data_use` (keep, keep_until or
    delete_if_lawful) goes with trial_withdrawal only; `keep_until` is the last day whose data may be used. A reason for
    stopping is never demanded: nobody has to give one. Raises NotFound, and Refused: type_unknown, date_in_future,
    date_before_consent(consent_on), already_recorded(type, effective_on), after_end(type, effective_on),
    data_use_required, keep_until_required, keep_until_out_of_range, reason_too_long.
    """
    if type not in STOPS:
        raise Refused("type_unknown")
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    found = standing(planning.load_events(session, participant.id))
    _check_stop(found, type, effective_on, today=register.today_at(study, participant.site_code, now))
    payload = _data_use(data_use, keep_until, found, effective_on) if type == "trial_withdrawal" else {}
    reason = register.optional_reason(note)
    row, entry = append(
        session,
        participant,
        type=type,
        effective_on=effective_on,
        payload=payload,
        reason=reason,
        actor=actor,
        now=now,
    )
    entries = [entry]
    entries += cancel_queued(
        session.connection(), participant_id=participant.id, site_code=participant.site_code, reason=type, now=now
    )
    if type in ENDS_ACCESS:
        entries += patient_codes.revoke_codes(session, participant, reason=type, now=now)
        entries += patient_codes.end_sessions(session, participant, reason=type, now=now)
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant.id, locked=True)
    return row.id


def _check_stop(found: Mapping[str, Event], type: str, effective_on: date, *, today: date) -> None:
    check_date(found, effective_on, today=today)
    if type in found:
        raise Refused("already_recorded", type=type, effective_on=found[type].effective_on)
    check_not_ended(found, effective_on)


def check_date(found: Mapping[str, Event], day: date, *, today: date) -> None:
    """Raises Refused: date_in_future, date_before_consent(consent_on)."""
    if day > today:
        raise Refused("date_in_future")
    consent = found.get("pro_consent")
    if consent is not None and day < consent.effective_on:
        raise Refused("date_before_consent", consent_on=consent.effective_on)


def check_not_ended(found: Mapping[str, Event], day: date) -> None:
    """Nothing happens to a participant in the trial after death or withdrawal. Raises Refused: after_end."""
    for type_ in sorted(ENDS_ACCESS):
        if type_ in found and found[type_].effective_on < day:
            raise Refused("after_end", type=type_, effective_on=found[type_].effective_on)


def _data_use(
    decision: str | None, until: date | None, found: Mapping[str, Event], effective_on: date
) -> dict[str, Any]:
    if decision not in DATA_USES:
        raise Refused("data_use_required")
    if decision != "keep_until":
        return {"data_use": decision}
    if until is None:
        raise Refused("keep_until_required")
    consent = found.get("pro_consent")
    if until > effective_on or (consent is not None and until < consent.effective_on):
        raise Refused("keep_until_out_of_range")
    return {"data_use": decision, "until": until.isoformat()}


def revoke_event(
    session: Session,
    *,
    study_id: str,
    sites: frozenset[str] | None,
    event_id: int,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> int:
    """Take back a stop, withdrawal or death that was recorded by mistake; returns the id of the revoking event.

    Codes and sessions stay ended: the participant needs a new code. Raises NotFound, and Refused: cannot_revoke(type),
    already_revoked, reason_required, reason_too_long.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    event = session.get(ParticipantEvent, event_id)
    if event is None or event.participant_id != participant.id:
        raise NotFound(str(event_id))
    if event.type not in STOPS:
        raise Refused("cannot_revoke", type=event.type)
    if session.scalar(select(ParticipantEvent.id).where(ParticipantEvent.supersedes_id == event_id)) is not None:
        raise Refused("already_revoked")
    row, entry = append(
        session,
        participant,
        type="revoked",
        effective_on=event.effective_on,
        payload={"type": event.type},
        reason=register.required_reason(reason),
        supersedes_id=event_id,
        actor=actor,
        now=now,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    return row.id


def correct_randomization(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    new_date: date,
    new_time: time | None,
    reason: str | None,
    actor: Actor,
    now: datetime,
    dry_run: bool = False,
) -> tuple[Move, ...]:
    """Correct the day (and time) of randomisation; returns what moves and what keeps its dates because it is opened.

    With `dry_run` nothing is written and `reason` may be missing. Raises NotFound, and Refused: not_randomized,
    nothing_changed, date_in_future, date_before_consent(consent_on), after_end, reason_required, reason_too_long.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=not dry_run)
    events = planning.load_events(session, participant.id)
    found = standing(events)
    if "randomized" not in found:
        raise Refused("not_randomized")
    old = session.get_one(ParticipantEvent, found["randomized"].id)
    if (old.effective_on, old.effective_time) == (new_date, new_time):
        raise Refused("nothing_changed")
    check_date(found, new_date, today=register.today_at(study, participant.site_code, now))
    check_not_ended(found, new_date)
    text = register.optional_reason(reason) if dry_run else register.required_reason(reason)
    moves = _moves(session, study, participant, events, found["randomized"], new_date)
    if not dry_run:
        _supersede(session, study, participant, old, new_date, new_time, text, actor, now)
    return moves


def _supersede(
    session: Session,
    study: Study,
    participant: Participant,
    old: ParticipantEvent,
    new_date: date,
    new_time: time | None,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> None:
    _, entry = append(
        session,
        participant,
        type="randomized",
        effective_on=new_date,
        effective_time=new_time,
        payload=old.payload,
        reason=reason,
        supersedes_id=old.id,
        actor=actor,
        now=now,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    planning.replan(session, study, participant.id, actor=actor, now=now)


def _moves(
    session: Session,
    study: Study,
    participant: Participant,
    events: Sequence[Event],
    wrong: Event,
    new_date: date,
) -> tuple[Move, ...]:
    """In the study's order, every assessment whose dates would differ, with those that keep theirs."""
    corrected = [event for event in events if event.id != wrong.id] + [wrong._replace(effective_on=new_date)]
    anchors = planning.anchors_of(corrected)
    stored = planning.load_plan(session, participant.id)
    changed = {change.assessment_id: change for change in planning.changes(study, stored, anchors)}
    wanted = {(one.timepoint, one.occurrence): Dates.of(one) for one in plan(study, anchors)}
    order = {timepoint.code: number for number, timepoint in enumerate(study.timepoints)}
    rows = [row for row in stored if wanted.get((row.timepoint, row.occurrence), row.dates) != row.dates]
    rows.sort(key=lambda row: (order.get(row.timepoint, len(order)), row.occurrence))
    return tuple(_move(study, row, changed.get(row.id), wanted[row.timepoint, row.occurrence]) for row in rows)


def _move(study: Study, row: Stored, change: Change | None, wanted: Dates) -> Move:
    return Move(
        timepoint=row.timepoint,
        occurrence=row.occurrence,
        old=row.dates,
        new=change.new if change else row.dates,
        moves=change is not None,
        mismatch=row.opened and anchor_mismatch(_facts(study, row), wanted),
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
