"""What happens to a participant in the trial: surgery, progression, the end of treatment, lost contact, a stop of the
questionnaires, leaving the trial, death. Each is one event, and what follows from it is done in the same transaction.

Pauses, another language and a move to another clinic are contact_pauses, language_change and transfer; what was
recorded wrongly is put right in event_corrections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Literal, get_args

from sqlalchemy.orm import Session

from proapp.db.models import Participant, ParticipantEvent
from proapp.services import audit, patient_codes, planning, register
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.messages import cancel_queued
from proapp.study.diff import Diff
from proapp.study.events import KINDS, Event, in_force, standing
from proapp.study.model import Study

Stop = Literal["trial_withdrawal", "pro_stop", "death"]
STOPS: tuple[Stop, ...] = get_args(Stop)
DataUse = Literal["keep", "keep_until", "delete_if_lawful"]
DATA_USES: tuple[DataUse, ...] = get_args(DataUse)
ENDS_ACCESS = frozenset(type_ for type_, kind in KINDS.items() if kind.closes)
# What is recorded with a date and perhaps a note.
RECORDED = ("surgery", "progression", "off_treatment", "lost_to_follow_up", *STOPS)
WHY_CANCELLED = {"contact_pause": "paused", "lost_to_follow_up": "lost"}  # where it is not the type of the event


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
    told: Mapping[str, Any] | None = None,
) -> tuple[ParticipantEvent, Entry]:
    """Add one event row; returns it with its audit entry, in which `told` is said too, for the caller to record."""
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
        **(told or {}),
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
    seen: str | None = None,
) -> int:
    """Record one of RECORDED; returns the event's id. `seen` is the hash of what `foresee_event` said, where somebody
    has looked: nothing else is done.

    Surgery and progression plan what is counted from them. Lost contact, a stop, leaving and death cancel the messages
    that wait; leaving and death also end every session and make codes useless at once. `data_use` (keep, keep_until or
    delete_if_lawful) goes with trial_withdrawal only; `keep_until` is the last day whose data may be used. A reason for
    stopping is never demanded: nobody has to give one. Raises NotFound, and Refused: type_unknown, date_in_future,
    date_before_consent(consent_on), already_recorded(type, effective_on), after_end(type, effective_on),
    data_use_required, keep_until_required, keep_until_out_of_range, reason_too_long, look_again.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    events = _checked(session, study, participant, type, effective_on, now)
    if seen is not None:  # held against the plan as it stands behind the lock: somebody may just have begun to answer
        new = supposed(events, type, effective_on, now)
        if planning.look(session, study, participant.id, [*events, new]).digest != seen:
            raise Refused("look_again")
    payload = _data_use(data_use, keep_until, standing(events), effective_on) if type == "trial_withdrawal" else {}
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
    entries = [entry, *silence(session, participant, type, now=now)]
    if type in ENDS_ACCESS:
        entries += patient_codes.revoke_codes(session, participant, reason=type, now=now)
        entries += patient_codes.end_sessions(session, participant, reason=type, now=now)
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant.id, locked=True)
    if KINDS[type].anchors:
        planning.replan(session, study, participant.id, actor=actor, now=now)
    return row.id


def foresee_event(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    type: str,
    effective_on: date,
    now: datetime,
) -> Diff:
    """The second look: what would be planned or moved by the event. Writes nothing. Raises as `record_event` does."""
    participant = register.find(session, study_id=study_id, sites=sites)
    events = _checked(session, study, participant, type, effective_on, now)
    return planning.look(session, study, participant.id, [*events, supposed(events, type, effective_on, now)])


def supposed(
    events: Sequence[Event],
    type: str,
    effective_on: date,
    now: datetime,
    *,
    instead_of: Event | None = None,
) -> Event:
    """An event as it would be recorded now, for trying out what follows from it."""
    number = max((event.id for event in events), default=0) + 1
    if instead_of is None:
        return Event(number, type, effective_on, now)
    return instead_of._replace(
        id=number, type=type, effective_on=effective_on, recorded_at=now, supersedes=instead_of.id
    )


def silence(session: Session, participant: Participant, type: str, *, now: datetime) -> list[Entry]:
    """Cancel what waits to be sent, where the event says that nothing may be. Returns the audit entries."""
    if not KINDS[type].silences:
        return []
    return cancel_queued(
        session.connection(),
        reason=WHY_CANCELLED.get(type, type),
        now=now,
        participant_id=participant.id,
        site_code=participant.site_code,
    )


def _checked(
    session: Session, study: Study, participant: Participant, type: str, effective_on: date, now: datetime
) -> list[Event]:
    """All events of the participant, when one more of this type and day may be recorded."""
    if type not in RECORDED:
        raise Refused("type_unknown")
    events = planning.load_events(session, participant.id)
    found = standing(events)
    check_date(found, effective_on, today=register.today_at(study, participant.site_code, now))
    check_not_twice(events, type, effective_on)
    check_not_ended(found, effective_on)
    return events


def check_date(found: Mapping[str, Event], day: date, *, today: date) -> None:
    """Raises Refused: date_in_future, date_before_consent(consent_on)."""
    if day > today:
        raise Refused("date_in_future")
    consent = found.get("pro_consent")
    if consent is not None and day < consent.effective_on:
        raise Refused("date_before_consent", consent_on=consent.effective_on)


def check_not_twice(events: Sequence[Event], type: str, day: date) -> None:
    """What happens once is recorded once; what may happen again, once for a day. Raises Refused: already_recorded."""
    for event in in_force(events):
        if event.type == type and (event.effective_on == day or not KINDS[type].repeats):
            raise Refused("already_recorded", type=type, effective_on=event.effective_on)


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
