"""Putting right what was recorded about a participant. Nothing is overwritten: a corrected event is a new one that
supersedes the old one, and one that never happened is superseded by an event that says so. The plan, and the clinic
responsible, follow in the same transaction, and with `dry_run` whoever decides sees beforehand what moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time

from sqlalchemy.orm import Session

from proapp.db.models import Participant, ParticipantEvent
from proapp.services import audit, planning, register, transfer
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.participant_events import append, check_date, check_not_ended, check_not_twice, supposed
from proapp.services.plan_changes import Move as Move
from proapp.study.events import KINDS, Event, in_force, standing
from proapp.study.model import Study


def revoke_event(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    event_id: int,
    reason: str | None,
    actor: Actor,
    now: datetime,
    dry_run: bool = False,
) -> tuple[Move, ...]:
    """Take back an event that was recorded by mistake (or, of lost contact, that is over); returns what moves.

    Codes and sessions stay ended: the participant needs a new code. With `dry_run` nothing is written and `reason` may
    be missing. Raises NotFound, and Refused: cannot_revoke(type), already_revoked, not_the_last_transfer,
    reason_required, reason_too_long.
    """
    participant, events, event = _find(session, study_id, sites, event_id, lock=not dry_run)
    if not KINDS[event.type].revocable:
        raise Refused("cannot_revoke", type=event.type)
    if event not in in_force(events):
        raise Refused("already_revoked")
    if event.type == "site_transfer":
        transfer.check_last(events, event)
    text = register.optional_reason(reason) if dry_run else register.required_reason(reason)
    gone = supposed(events, "revoked", event.effective_on, now, instead_of=event)
    found = planning.foresee(session, study, participant.id, [*events, gone])
    if not dry_run:
        _, entry = append(
            session,
            participant,
            type="revoked",
            effective_on=event.effective_on,
            payload={"type": event.type},
            reason=text,
            supersedes_id=event_id,
            actor=actor,
            now=now,
        )
        audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
        _follow(session, study, participant, event.type, actor, now)
    return found


def correct_event(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    event_id: int,
    new_date: date,
    reason: str | None,
    actor: Actor,
    now: datetime,
    dry_run: bool = False,
) -> tuple[Move, ...]:
    """Correct the day of an event; returns what moves, and what keeps its dates because it is opened.

    With `dry_run` nothing is written and `reason` may be missing. The day of randomisation is not corrected here but
    by two people. Raises NotFound, and Refused: cannot_correct(type), event_replaced, nothing_changed, date_in_future,
    date_before_consent(consent_on), date_after_event(type, effective_on), already_recorded(type, effective_on),
    after_end(type, effective_on), keep_until_out_of_range, transfer_order, reason_required, reason_too_long.
    """
    participant, events, event = _find(session, study_id, sites, event_id, lock=not dry_run)
    if not KINDS[event.type].dated:
        raise Refused("cannot_correct", type=event.type)
    if event not in in_force(events):
        raise Refused("event_replaced")
    if event.effective_on == new_date:
        raise Refused("nothing_changed")
    _check(events, event, new_date, today=register.today_at(study, participant.site_code, now))
    return _put_right(session, study, participant, events, event, new_date, None, reason, actor, now, dry_run)


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
    event = found["randomized"]
    old = session.get_one(ParticipantEvent, event.id)
    if (old.effective_on, old.effective_time) == (new_date, new_time):
        raise Refused("nothing_changed")
    check_date(found, new_date, today=register.today_at(study, participant.site_code, now))
    check_not_ended(found, new_date)
    return _put_right(session, study, participant, events, event, new_date, new_time, reason, actor, now, dry_run)


def _find(
    session: Session, study_id: str, sites: frozenset[str] | None, event_id: int, *, lock: bool
) -> tuple[Participant, list[Event], Event]:
    participant = register.find(session, study_id=study_id, sites=sites, lock=lock)
    events = planning.load_events(session, participant.id)
    event = next((one for one in events if one.id == event_id and one.type in KINDS), None)
    if event is None:
        raise NotFound(str(event_id))
    return participant, events, event


def _check(events: Sequence[Event], event: Event, new_date: date, *, today: date) -> None:
    others = [one for one in in_force(events) if one.id != event.id and one.type in KINDS]
    found = standing(others)
    check_date(found, new_date, today=today)
    check_not_twice(others, event.type, new_date)
    check_not_ended(found, new_date)
    if event.type == "pro_consent":
        before = next((one for one in others if one.effective_on < new_date), None)
        if before is not None:
            raise Refused("date_after_event", type=before.type, effective_on=before.effective_on)
    until = event.payload.get("until") if event.type == "trial_withdrawal" else None
    if until is not None and date.fromisoformat(until) > new_date:
        raise Refused("keep_until_out_of_range")
    if event.type == "site_transfer":
        transfer.check_order(events, event, new_date)


def _put_right(
    session: Session,
    study: Study,
    participant: Participant,
    events: Sequence[Event],
    event: Event,
    new_date: date,
    new_time: time | None,
    reason: str | None,
    actor: Actor,
    now: datetime,
    dry_run: bool,
) -> tuple[Move, ...]:
    text = register.optional_reason(reason) if dry_run else register.required_reason(reason)
    right = supposed(events, event.type, new_date, now, instead_of=event)
    found = planning.foresee(session, study, participant.id, [*events, right])
    if not dry_run:
        _, entry = append(
            session,
            participant,
            type=event.type,
            effective_on=new_date,
            effective_time=new_time,
            payload=event.payload,
            reason=text,
            supersedes_id=event.id,
            actor=actor,
            now=now,
        )
        audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
        _follow(session, study, participant, event.type, actor, now)
    return found


def _follow(session: Session, study: Study, participant: Participant, type: str, actor: Actor, now: datetime) -> None:
    """Plan and responsible clinic, in step with what is recorded now."""
    if type in ("site_transfer", "pro_consent"):
        transfer.settle(session, study, participant, actor=actor, now=now)
    if KINDS[type].anchors or type == "site_transfer":
        planning.replan(session, study, participant.id, actor=actor, now=now)
