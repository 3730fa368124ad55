"""Putting right what was recorded about a participant. Nothing is overwritten: a corrected event is a new one that
supersedes the old one, and one that never happened is superseded by an event that says so. The plan, and the clinic
responsible, follow in the same transaction, and with `dry_run` whoever decides sees beforehand what moves.

What would change the plan is not done here by one person, who is refused: `anchor_corrections` has a second one approve
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import NamedTuple

from sqlalchemy.orm import Session

from proapp.db.models import Participant, ParticipantEvent
from proapp.services import audit, planning, register, transfer, versions
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.participant_events import append, check_date, check_not_ended, check_not_twice, supposed
from proapp.services.plan_changes import Move as Move
from proapp.services.plan_changes import moves
from proapp.study.diff import Diff
from proapp.study.events import KINDS, Event, in_force, standing
from proapp.study.model import Study
from proapp.study.versions import in_force as version_of


class Correction(NamedTuple):
    """What an event was in truth. `new_date` is None for one that never happened; `new_arm` where the arm was right."""

    event_id: int
    new_date: date | None
    new_time: time | None = None
    new_arm: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A correction that can be made, and what it does to the plan. `recorded` is the event as it stands, on its day and
    at its time; `right` is the one that would supersede it."""

    participant: Participant
    recorded: Event
    recorded_time: time | None
    right: Event
    diff: Diff

    @property
    def two_people(self) -> bool:
        """Whether one person alone may not do it: randomisation never, any other anchor where the plan would not stay
        exactly as it is."""
        type_ = self.recorded.type
        return type_ == "randomized" or (KINDS[type_].anchors and any(one.told for one in self.diff.participants))


def look(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    correction: Correction,
    now: datetime,
    lock: bool = False,
) -> Found:
    """What the correction would do. Writes nothing. With `lock` what is found stays so until the transaction ends.

    Raises NotFound, and Refused: cannot_correct(type), cannot_revoke(type), event_replaced, already_revoked,
    nothing_changed, arm_unknown, date_in_future, date_before_consent(consent_on), date_after_event(type, effective_on),
    already_recorded(type, effective_on), after_end(type, effective_on), keep_until_out_of_range, transfer_order,
    not_the_last_transfer.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=lock)
    events = planning.load_events(session, participant.id)
    event = next((one for one in events if one.id == correction.event_id and one.type in KINDS), None)
    if event is None:
        raise NotFound(str(correction.event_id))
    at = session.get_one(ParticipantEvent, event.id).effective_time
    if correction.new_date is None:
        _check_revocable(events, event)
        right = supposed(events, "revoked", event.effective_on, now, instead_of=event)
    else:
        _check_correctable(session, study, participant, events, event, at, correction, now)
        right = supposed(events, event.type, correction.new_date, now, instead_of=event)
        if correction.new_arm is not None:
            payload = {**event.payload, "arm": correction.new_arm}
            right = right._replace(arm=correction.new_arm, payload=payload)
    return Found(participant, event, at, right, planning.look(session, study, participant.id, [*events, right]))


def put_right(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    correction: Correction,
    reason: str | None,
    actor: Actor,
    now: datetime,
    seen: str | None = None,
    approved: bool = False,
    dry_run: bool = False,
) -> tuple[Move, ...]:
    """Make the correction; returns what moves, and what keeps its dates because it is opened.

    `seen` is the hash of the diff that somebody has looked at: nothing else is done. `approved` says that a second
    person has said yes. With `dry_run` nothing is written and `reason` may be missing. Raises as `look` does, and
    Refused: look_again, two_people, reason_required, reason_too_long.
    """
    found = look(session, study=study, study_id=study_id, sites=sites, correction=correction, now=now, lock=not dry_run)
    text = register.optional_reason(reason) if dry_run else register.required_reason(reason)
    if not dry_run:
        if seen is not None and found.diff.digest != seen:
            raise Refused("look_again")
        if found.two_people and not approved:
            raise Refused("two_people")
        _write(session, found, correction, text, actor, now)
        _follow(session, study, found.participant, found.recorded.type, actor, now)
    return moves(effect for person in found.diff.participants for effect in person.effects)


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
    seen: str | None = None,
    dry_run: bool = False,
) -> tuple[Move, ...]:
    """Take back an event that was recorded by mistake (or, of lost contact, that is over); returns what moves.

    Codes and sessions stay ended: the participant needs a new code. Raises as `put_right` does.
    """
    return put_right(
        session,
        study=study,
        study_id=study_id,
        sites=sites,
        correction=Correction(event_id, None),
        reason=reason,
        actor=actor,
        now=now,
        seen=seen,
        dry_run=dry_run,
    )


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
    seen: str | None = None,
    dry_run: bool = False,
) -> tuple[Move, ...]:
    """Correct the day of an event; returns what moves, and what keeps its dates because it is opened.

    Raises as `put_right` does.
    """
    return put_right(
        session,
        study=study,
        study_id=study_id,
        sites=sites,
        correction=Correction(event_id, new_date),
        reason=reason,
        actor=actor,
        now=now,
        seen=seen,
        dry_run=dry_run,
    )


def randomization(session: Session, *, study_id: str, sites: frozenset[str] | None) -> Event:
    """The randomisation that counts. Raises NotFound, and Refused: not_randomized."""
    participant = register.find(session, study_id=study_id, sites=sites)
    found = standing(planning.load_events(session, participant.id)).get("randomized")
    if found is None:
        raise Refused("not_randomized")
    return found


# --- what can be put right ------------------------------------------------------------------------------------------


def _check_revocable(events: Sequence[Event], event: Event) -> None:
    if not KINDS[event.type].revocable:
        raise Refused("cannot_revoke", type=event.type)
    if event not in in_force(events):
        raise Refused("already_revoked")
    if event.type == "site_transfer":
        transfer.check_last(events, event)


def _check_correctable(
    session: Session,
    study: Study,
    participant: Participant,
    events: Sequence[Event],
    event: Event,
    at: time | None,
    correction: Correction,
    now: datetime,
) -> None:
    _, new_date, new_time, new_arm = correction
    assert new_date is not None
    randomized = event.type == "randomized"
    if not (KINDS[event.type].dated or randomized):
        raise Refused("cannot_correct", type=event.type)
    if event not in in_force(events):
        raise Refused("event_replaced")
    is_other_arm = new_arm is not None and new_arm != event.arm
    if event.effective_on == new_date and (at == new_time or not randomized) and not is_other_arm:
        raise Refused("nothing_changed")
    if is_other_arm:
        current = version_of(versions.current(session, study), participant.site_code)
        if not randomized or new_arm not in {arm.code for arm in current.arms}:
            raise Refused("arm_unknown")
    _check_day(events, event, new_date, today=register.today_at(study, participant.site_code, now))


def _check_day(events: Sequence[Event], event: Event, new_date: date, *, today: date) -> None:
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


# --- doing it -------------------------------------------------------------------------------------------------------


def _write(
    session: Session, found: Found, correction: Correction, reason: str | None, actor: Actor, now: datetime
) -> None:
    old, right = found.recorded, found.right
    arms = {"old": {"arm": old.arm}, "new": {"arm": right.arm}} if old.arm != right.arm else None
    _, entry = append(
        session,
        found.participant,
        type=right.type,
        effective_on=right.effective_on,
        effective_time=correction.new_time,
        payload={"type": old.type} if right.type == "revoked" else right.payload,
        reason=reason,
        supersedes_id=old.id,
        actor=actor,
        now=now,
        told=arms,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=found.participant.id, locked=True)


def _follow(session: Session, study: Study, participant: Participant, type: str, actor: Actor, now: datetime) -> None:
    """Plan and responsible clinic, in step with what is recorded now."""
    if type in ("site_transfer", "pro_consent"):
        transfer.settle(session, study, participant, actor=actor, now=now)
    if KINDS[type].anchors or type == "site_transfer":
        planning.replan(session, study, participant.id, actor=actor, now=now)
