"""A patient rests from reminders for some days: a contact pause, which staff can make and end as well.

A pause is an event of the participant and is never overwritten. Ending one that has begun records it anew with the day
before as its last; one that has not begun is taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from proapp.db.models import Participant, ParticipantEvent
from proapp.services import audit, participant_events, register
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.messages import cancel_queued
from proapp.services.sessions import Patient
from proapp.study.model import Study

TYPE = "contact_pause"
WEEKS = (1, 2, 4)
LONGEST = timedelta(days=183)
LATEST_START = timedelta(days=366)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pause:
    """First and last day (inclusive); None: until further notice, which only staff can record."""

    from_on: date
    until_on: date | None


def current(session: Session, *, study: Study, who: Patient, now: datetime) -> Pause | None:
    """The pause that holds today, else the next one to come. One statement."""
    today = register.today_at(study, who.site_code, now)
    rows = _unexpired(session, who.participant_id, today)
    return _pause(rows[0]) if rows else None


def pause(
    session: Session,
    *,
    study: Study,
    who: Patient,
    from_on: date,
    until_on: date,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> None:
    """No reminders from the first day to the last. It takes the place of any other pause; saying it twice is saying it
    once. What is queued for today is cancelled.

    Raises Refused: from_in_past, from_too_far, until_before_from, pause_too_long(longest), reason_too_long(longest).
    """
    participant = register.find(session, study_id=who.study_id, sites=None, lock=True)
    today = register.today_at(study, participant.site_code, now)
    _check(from_on, until_on, today)
    wanted, text = Pause(from_on, until_on), register.optional_reason(reason)
    standing = _unexpired(session, participant.id, today)
    if [_pause(row) for row in standing] == [wanted]:
        return
    entries = [_end(session, participant, row, today=today, actor=actor, now=now) for row in standing]
    _row, entry = participant_events.append(
        session,
        participant,
        type=TYPE,
        effective_on=from_on,
        payload={"until": until_on.isoformat()},
        reason=text,
        actor=actor,
        now=now,
    )
    entries.append(entry)
    if from_on <= today:
        entries += cancel_queued(
            session.connection(),
            participant_id=participant.id,
            site_code=participant.site_code,
            reason="paused",
            now=now,
        )
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant.id, locked=True)


def end_pause(session: Session, *, study: Study, who: Patient, actor: Actor, now: datetime) -> None:
    """Reminders come again from today on; nothing happens where there is no pause."""
    participant = register.find(session, study_id=who.study_id, sites=None, lock=True)
    today = register.today_at(study, participant.site_code, now)
    standing = _unexpired(session, participant.id, today)
    entries = [_end(session, participant, row, today=today, actor=actor, now=now) for row in standing]
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant.id, locked=True)


def _check(from_on: date, until_on: date, today: date) -> None:
    if from_on < today:
        raise Refused("from_in_past")
    if from_on - today > LATEST_START:
        raise Refused("from_too_far")
    if until_on < from_on:
        raise Refused("until_before_from")
    if until_on - from_on > LONGEST:
        raise Refused("pause_too_long", longest=LONGEST.days)


def _unexpired(session: Session, participant_id: int, today: date) -> list[ParticipantEvent]:
    """Pauses in force whose last day has not passed, in the order of their first days."""
    later = aliased(ParticipantEvent)
    rows = session.scalars(
        select(ParticipantEvent)
        .outerjoin(later, later.supersedes_id == ParticipantEvent.id)
        .where(ParticipantEvent.participant_id == participant_id, ParticipantEvent.type == TYPE, later.id.is_(None))
        .order_by(ParticipantEvent.effective_on, ParticipantEvent.id)
    )
    return [row for row in rows if (_pause(row).until_on or date.max) >= today]


def _pause(row: ParticipantEvent) -> Pause:
    until = row.payload.get("until")
    return Pause(row.effective_on, date.fromisoformat(until) if until else None)


def _end(
    session: Session, participant: Participant, row: ParticipantEvent, *, today: date, actor: Actor, now: datetime
) -> Entry:
    begun = row.effective_on < today
    _row, entry = participant_events.append(
        session,
        participant,
        type=TYPE if begun else "revoked",
        effective_on=row.effective_on,
        payload={"until": (today - ONE_DAY).isoformat()} if begun else {"type": TYPE},
        supersedes_id=row.id,
        actor=actor,
        now=now,
    )
    return entry
