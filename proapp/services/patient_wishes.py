"""What a patient asks for instead of answering: a reminder at a better time, a call, or no more questionnaires.

Each takes effect in its own transaction: what waits to be sent about it is cancelled, so nobody is reminded of what has
just been settled. Doing any of it twice is doing it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from proapp.db.models import ContactAttempt, PatientRequest
from proapp.services import audit, participant_events, planning, register, reminding_facts
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.messages import cancel_queued
from proapp.services.sessions import Patient
from proapp.services.sitting import Sitting
from proapp.services.vault import Vault
from proapp.study.events import standing
from proapp.study.model import Study
from proapp.study.status import is_waiting
from proapp.study.steps import last_day, local_instant
from proapp.study.subject import Reach

When = Literal["tonight", "tomorrow"]
TONIGHT = time(18)  # local wall-clock time
ASKED_BEFORE = time(17, 30)  # later in the day, tonight is too soon to be of help
ELECTRONIC = ("sms", "email")


@dataclass(frozen=True, slots=True)
class Offers:
    """Times at which a reminder can come, and why one that could be expected is not among them.

    `why_not`: no_messages (the patient chose letters, or there is nothing to reach them by), unreachable (what is
    recorded is known to be wrong), lost (the clinic has noted that contact is lost), paused, last_day (it closes before
    the next reminder could come), or empty.
    """

    times: Mapping[When, datetime]
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """What was asked for and still stands: reminders to come by assessment, and when a call was asked for."""

    later: Mapping[int, datetime]
    call_at: datetime | None


def offers(session: Session, sitting: Sitting, *, vault: Vault) -> Offers:
    """When a reminder about this assessment could come instead of now. Three statements."""
    _facts, reach = reminding_facts.person(session, sitting.participant_id, vault=vault)
    if not _has_way(reach):
        return Offers({}, "no_messages")
    if reach.undeliverable or reach.wrong_number:
        return Offers({}, "unreachable")
    if reach.lost:
        return Offers({}, "lost")
    times = _times(sitting)
    inside = {when: at for when, at in times.items() if _is_inside(at, sitting)}
    awake = {when: at for when, at in inside.items() if not _is_paused(at, sitting, reach)}
    if inside and not awake:
        return Offers({}, "paused")
    return Offers(awake, "" if len(inside) == len(times) else "last_day")


def _has_way(reach: Reach) -> bool:
    known = {"sms": reach.has_mobile, "email": reach.has_email}
    return known.get(reach.channel or "", False)


def _times(sitting: Sitting) -> dict[When, datetime]:
    """Tonight, while it is early enough and the study sends at that hour; and tomorrow at the hour of its messages."""
    policy, zone, today = sitting.study.follow_up, sitting.zone, sitting.today
    found: dict[When, datetime] = {}
    if sitting.now.astimezone(zone).time() < ASKED_BEFORE and not policy.is_quiet(TONIGHT):
        found["tonight"] = local_instant(today, TONIGHT, zone)
    found["tomorrow"] = local_instant(today + timedelta(days=1), policy.send_at, zone)
    return found


def _is_inside(at: datetime, sitting: Sitting) -> bool:
    """Whether anything is still sent about it on that day."""
    day = at.astimezone(sitting.zone).date()
    ends = (last_day(sitting.assessment), sitting.study.closes_on, sitting.study.site(sitting.site_code).closed_on)
    return all(end is None or day <= end for end in ends)


def _is_paused(at: datetime, sitting: Sitting, reach: Reach) -> bool:
    day = at.astimezone(sitting.zone).date()
    return any(first <= day <= (last or date.max) for first, last in reach.pauses)


def remind_later(
    session: Session, sitting: Sitting, *, when: str, vault: Vault, actor: Actor, now: datetime
) -> datetime:
    """The patient wants the reminder then; returns the instant. The sitting must have been found with `lock`.

    Raises Refused: not_waiting, cannot_remind(why) where that time is not among the offers.
    """
    _require_waiting(sitting)
    found = offers(session, sitting, vault=vault)
    at = next((moment for name, moment in found.times.items() if name == when), None)
    if at is None:
        raise Refused("cannot_remind", why=found.why_not)
    if noted(session, participant_id=sitting.participant_id, now=now).later.get(sitting.assessment_id) != at:
        _ask(session, sitting, "remind_later", {"at": at.isoformat()}, why="asked_later", actor=actor, now=now)
    return at


def call_me(session: Session, sitting: Sitting, *, actor: Actor, now: datetime) -> None:
    """The patient wants the clinic to ring; staff find it on the worklist until somebody has been in touch.

    The sitting must have been found with `lock`. Raises Refused: not_waiting.
    """
    _require_waiting(sitting)
    if noted(session, participant_id=sitting.participant_id, now=now).call_at is None:
        _ask(session, sitting, "call_me", {}, why="asked_to_call", actor=actor, now=now)


def _require_waiting(sitting: Sitting) -> None:
    if not is_waiting(sitting.state):
        raise Refused("not_waiting")


def _ask(
    session: Session,
    sitting: Sitting,
    type_: str,
    payload: Mapping[str, Any],
    *,
    why: str,
    actor: Actor,
    now: datetime,
) -> None:
    row = PatientRequest(
        participant_id=sitting.participant_id,
        assessment_id=sitting.assessment_id,
        type=type_,
        payload=dict(payload),
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    details = {"type": type_, "assessment": sitting.assessment_id, **payload}
    quiet = cancel_queued(
        session.connection(), assessment_id=sitting.assessment_id, site_code=sitting.site_code, reason=why, now=now
    )
    entry = Entry("request.recorded", "patient_request", row.id, details, site_code=sitting.site_code)
    audit.record(session, entry, *quiet, actor=actor, now=now, participant_id=sitting.participant_id, locked=True)


def noted(session: Session, *, participant_id: int, now: datetime) -> Noted:
    """What this patient asked for and is still to come. Two statements."""
    rows = session.execute(
        select(PatientRequest.type, PatientRequest.assessment_id, PatientRequest.payload, PatientRequest.recorded_at)
        .where(PatientRequest.participant_id == participant_id)
        .order_by(PatientRequest.id)
    ).all()
    in_touch_at = session.scalar(
        select(func.max(ContactAttempt.at)).where(
            ContactAttempt.participant_id == participant_id, ContactAttempt.method != "none"
        )
    )
    reminders = [row for row in rows if row.type == "remind_later"]
    latest = {row.assessment_id: datetime.fromisoformat(row.payload["at"]) for row in reminders}
    calls = [row.recorded_at for row in rows if row.type == "call_me"]
    call_at = calls[-1] if calls and (in_touch_at is None or in_touch_at < calls[-1]) else None
    return Noted({assessment: at for assessment, at in latest.items() if at > now}, call_at)


def no_more(session: Session, *, study: Study, who: Patient, actor: Actor, now: datetime) -> None:
    """No more questionnaires, from today on: a pro_stop event by the patient, which a nurse can take back.

    Whoever has stopped, left or died already is left as they are. The phone stays signed in.
    """
    participant = register.find(session, study_id=who.study_id, sites=None, lock=True)
    found = standing(planning.load_events(session, participant.id))
    if any(type_ in found for type_ in participant_events.STOPS):
        return
    _row, entry = participant_events.append(
        session,
        participant,
        type="pro_stop",
        effective_on=register.today_at(study, participant.site_code, now),
        payload={"source": "patient"},
        actor=actor,
        now=now,
    )
    quiet = participant_events.silence(session, participant, "pro_stop", now=now)
    audit.record(session, entry, *quiet, actor=actor, now=now, participant_id=participant.id, locked=True)
