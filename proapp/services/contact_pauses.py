"""A pause in contact, made and ended by staff: nobody reminds and nobody rings, while the windows go on as before.

A participant's own pause is patient_pauses; both are the same event, and either may end the other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from proapp.services import audit, planning, register
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.participant_events import append, check_date, check_not_ended, silence
from proapp.study.events import Event, in_force, pauses, standing
from proapp.study.model import Study

LONGEST_AHEAD = timedelta(days=366)  # how far ahead a pause may begin, and how long it may be


def pause_contact(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    from_on: date,
    until_on: date | None,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> int:
    """Nobody reminds and nobody rings from `from_on` to `until_on` (both inclusive; None: until further notice).

    Windows go on as before. Returns the event's id. Raises NotFound, and Refused: until_before_from, pause_over,
    pause_too_long, pause_too_far, date_before_consent, after_end, already_paused(from_on), reason_required,
    reason_too_long. Staff say why: nobody is asked anything meanwhile, and whoever takes over has to know. Participants
    who pause their own reminders owe no reason (patient_pauses).
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    events = planning.load_events(session, participant.id)
    today = register.today_at(study, participant.site_code, now)
    _check_pause(events, from_on, until_on, today=today)
    row, entry = append(
        session,
        participant,
        type="contact_pause",
        effective_on=from_on,
        payload={"until": until_on.isoformat() if until_on else None},
        reason=register.required_reason(reason),
        actor=actor,
        now=now,
    )
    # What is queued is due now; a pause that begins later meets it when it is looked at again before sending.
    quiet = silence(session, participant, "contact_pause", now=now) if from_on <= today else []
    audit.record(session, entry, *quiet, actor=actor, now=now, participant_id=participant.id, locked=True)
    return row.id


def _check_pause(events: Sequence[Event], from_on: date, until_on: date | None, *, today: date) -> None:
    found = standing(events)
    if until_on is not None and until_on < from_on:
        raise Refused("until_before_from")
    if until_on is not None and until_on < today:
        raise Refused("pause_over")
    if from_on > today + LONGEST_AHEAD:
        raise Refused("pause_too_far")
    if until_on is not None and until_on > from_on + LONGEST_AHEAD:
        raise Refused("pause_too_long")
    check_date(found, from_on, today=max(today, from_on))
    check_not_ended(found, from_on)
    for first, last in pauses(events):
        if (until_on is None or first <= until_on) and (last is None or from_on <= last):
            raise Refused("already_paused", from_on=first)


def end_pause(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    event_id: int,
    actor: Actor,
    now: datetime,
) -> int:
    """Contact begins again today; a pause that has not begun is taken back. Returns the id of the new event.

    Raises NotFound, and Refused: pause_over.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    events = planning.load_events(session, participant.id)
    paused = next((one for one in in_force(events) if one.id == event_id and one.type == "contact_pause"), None)
    if paused is None:
        raise NotFound(str(event_id))
    today = register.today_at(study, participant.site_code, now)
    until = paused.payload.get("until")
    if until is not None and date.fromisoformat(until) < today:
        raise Refused("pause_over")
    begun = paused.effective_on < today
    row, entry = append(
        session,
        participant,
        type="contact_pause" if begun else "revoked",
        effective_on=paused.effective_on,
        payload={"until": (today - timedelta(days=1)).isoformat()} if begun else {"type": "contact_pause"},
        supersedes_id=event_id,
        actor=actor,
        now=now,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    return row.id
