"""How a patient gets in: the personal code of the printed sheet, then a PIN that only the patient knows.

The code activates once, within its days; afterwards it opens another phone only together with the PIN. An unused code
lets its holder choose a PIN, also instead of a forgotten one, which is why issuing one is an act of the clinic's. So
may somebody without one whom staff have given the clinic's tablet, on the phone that goes on from it. The reply never
tells an unknown code from a mistyped or a replaced one, and takes the same time for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import ActivationCode, AuthSession, Participant, ParticipantEvent, PatientPin
from proapp.services import audit, own_phone, sessions, throttle
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused
from proapp.services.sessions import Patient
from proapp.services.vault import CODE_LENGTH, Vault, normal_code, token_hash
from proapp.study.events import Event, participant_facts
from proapp.study.model import Study
from proapp.study.status import stop_of

PIN_LENGTHS = range(4, 13)
TRIES_LEFT_TOLD = 2  # from here on the page says how many tries are left
PIN_LASTS = timedelta(minutes=5)  # for so long a PIN just given also opens what is shown only after one
PinTask = Literal["choose", "enter"]


@dataclass(frozen=True, slots=True)
class Opened:
    """Tokens for the cookies of a browser that has just signed in; `device` is None when it is known already."""

    token: str
    device: str | None


def present_code(
    session: Session,
    vault: Vault,
    *,
    study: Study,
    typed: str,
    address: str | None,
    device: str,
    now: datetime,
) -> tuple[int, str]:
    """(participant id, token of a session that leads to the PIN) for the right code.

    Raises Refused: incomplete_code, wrong_code(remaining), code_locked(retry_at), code_expired(site), not_taking_part
    (site). A try that was looked at is counted, so commit also after Refused.
    """
    code = normal_code(typed)
    if len(code) != CODE_LENGTH:
        raise Refused("incomplete_code")
    subject, source = throttle.subject_key(vault, f"code {code}"), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="patient_code", subject=subject, address=source, now=now)
    if not verdict.allowed:
        raise Refused("code_locked", retry_at=verdict.retry_at)
    found = _matching(session, vault, code)
    throttle.note(session, kind="patient_code", subject=subject, address=source, succeeded=bool(found), now=now)
    if found is None:
        raise Refused("wrong_code", remaining=_told(verdict.remaining - 1))
    row, site_code = found
    if _has_stopped(session, row.participant_id, study=study, site_code=site_code, now=now):
        raise Refused("not_taking_part", site=site_code)
    if row.used_at is None and now >= row.expires_at:
        raise Refused("code_expired", site=site_code)
    token = sessions.start(
        session, vault, kind="patient_pending", now=now, participant_id=row.participant_id, device=device
    )
    entry = Entry("patient.code_accepted", "activation_code", row.id, {"device": device}, site_code=site_code)
    audit.record(session, entry, actor=_actor(row.participant_id), now=now, participant_id=row.participant_id)
    return row.participant_id, token


def _matching(session: Session, vault: Vault, code: str) -> tuple[ActivationCode, str] | None:
    """The code that is in force and its participant's site. One slow comparison at least, found or not."""
    rows = session.execute(
        select(ActivationCode, Participant.site_code)
        .join(Participant, Participant.id == ActivationCode.participant_id)
        .where(ActivationCode.lookup == vault.lookup("activation", code), ActivationCode.revoked_at.is_(None))
    ).all()
    if not rows:
        vault.matches(None, code)
    for row, site_code in rows:
        if vault.matches(row.code_hash, code):
            return row, site_code
    return None


def _told(remaining: int) -> int | None:
    return remaining if remaining <= TRIES_LEFT_TOLD else None


def _has_stopped(session: Session, participant_id: int, *, study: Study, site_code: str, now: datetime) -> bool:
    rows = session.execute(
        select(
            ParticipantEvent.id,
            ParticipantEvent.type,
            ParticipantEvent.effective_on,
            ParticipantEvent.recorded_at,
            ParticipantEvent.supersedes_id,
        ).where(ParticipantEvent.participant_id == participant_id)
    )
    facts = participant_facts(Event(*row) for row in rows)
    stopped_on, _why = stop_of(facts, today=local_date(now, study.zone(site_code)))
    return stopped_on is not None


def known_device(session: Session, token: str, *, now: datetime) -> Patient | None:
    """The patient whose phone this is, by its long-lived token; a PIN is still asked for. One statement."""
    found = sessions.find_patient(session, token, now=now) if token else None
    return found if found is not None and found.kind == "device" else None


def pin_task(session: Session, who: Patient) -> PinTask:
    """Whether this person (code just given, phone known, or come from the tablet) chooses a PIN or enters the one
    chosen before."""
    if who.comes_from_tablet:
        return "enter" if _has_pin(session, who) else "choose"
    return "choose" if who.kind == "patient_pending" and _unused_code(session, who) is not None else "enter"


def _has_pin(session: Session, who: Patient) -> bool:
    chosen = select(PatientPin.participant_id).where(PatientPin.participant_id == who.participant_id)
    return session.scalar(chosen) is not None


def _unused_code(session: Session, who: Patient) -> ActivationCode | None:
    """The unused code that `who` has just presented. One issued after that has not been presented by anybody yet."""
    presented_at = select(AuthSession.created_at).where(AuthSession.id == who.session_id).scalar_subquery()
    newest = session.scalars(
        select(ActivationCode)
        .where(ActivationCode.participant_id == who.participant_id, ActivationCode.revoked_at.is_(None))
        .where(ActivationCode.created_at <= presented_at)
        .order_by(ActivationCode.id.desc())
        .limit(1)
    ).first()
    return newest if newest is not None and newest.used_at is None else None


def choose_pin(
    session: Session, vault: Vault, who: Patient, *, pin: str, again: str, device: str, has_device: bool, now: datetime
) -> Opened:
    """Keep the PIN, use up the code, sign in; every other browser of this patient is signed out.

    Raises Refused: pin_shape, pin_trivial, pin_differs, code_gone.
    """
    require_good_pin(pin, again)
    # Two phones may choose at the same moment, one with the code and one that comes from the tablet.
    session.execute(
        select(Participant.id).where(Participant.id == who.participant_id).with_for_update(key_share=True)
    ).one()
    activated = _from_tablet(session, who, now) if who.comes_from_tablet else [_with_code(session, who, now)]
    before = session.get(PatientPin, who.participant_id)
    kept = before or PatientPin(participant_id=who.participant_id)
    kept.pin_hash, kept.set_at = vault.slow_hash(digits(pin)), now
    session.add(kept)
    if before is not None:
        sessions.end(session, now=now, reason="new_pin", participant_id=who.participant_id)
    chosen: dict[str, object] = {"replaced": before is not None, "from_tablet": who.comes_from_tablet}
    entries = (*activated, _entry(who, "patient.pin_chosen", "patient_pin", who.participant_id, chosen))
    return _open(session, vault, who, *entries, device=device, has_device=has_device and before is None, now=now)


def _with_code(session: Session, who: Patient, now: datetime) -> Entry:
    """Use up the code that was presented; returns what there is to record."""
    code = _unused_code(session, who) if who.kind == "patient_pending" else None
    if code is None or now >= code.expires_at:
        raise Refused("code_gone")
    # The condition decides between two phones that choose at the same moment.
    mine = session.execute(
        update(ActivationCode)
        .where(ActivationCode.id == code.id, ActivationCode.used_at.is_(None), ActivationCode.revoked_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    if mine.rowcount == 0:  # type: ignore[attr-defined]  # the result of an UPDATE has a row count
        raise Refused("code_gone")
    return _entry(who, "patient.activated", "activation_code", code.id, {"used_at": now})


def _from_tablet(session: Session, who: Patient, now: datetime) -> list[Entry]:
    """Who was handed the tablet needs no code, and chooses a first PIN only. A sheet that lies at home unused opens
    another phone with that PIN from now on, and lets nobody choose one instead."""
    if _has_pin(session, who):
        raise Refused("code_gone")
    printed = session.scalars(
        update(ActivationCode)
        .where(
            ActivationCode.participant_id == who.participant_id,
            ActivationCode.used_at.is_(None),
            ActivationCode.revoked_at.is_(None),
            ActivationCode.expires_at > now,
        )
        .values(used_at=now)
        .returning(ActivationCode.id)
        .execution_options(synchronize_session=False)
    )
    return [_entry(who, "patient.activated", "activation_code", id_, {"used_at": now}) for id_ in printed]


def enter_pin(
    session: Session,
    vault: Vault,
    who: Patient,
    *,
    pin: str,
    address: str | None,
    device: str,
    has_device: bool,
    now: datetime,
) -> Opened:
    """Sign in with the PIN chosen before. Raises Refused: wrong_pin(remaining), pin_locked(retry_at).

    A try is counted, so commit also after Refused.
    """
    _require_pin(session, vault, who, pin=pin, address=address, now=now)
    return _open(session, vault, who, device=device, has_device=has_device, now=now)


def _require_pin(session: Session, vault: Vault, who: Patient, *, pin: str, address: str | None, now: datetime) -> None:
    subject = throttle.subject_key(vault, f"participant {who.participant_id}")
    source = throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="patient_pin", subject=subject, address=source, now=now)
    if not verdict.allowed:
        raise Refused("pin_locked", retry_at=verdict.retry_at)
    stored = session.scalar(select(PatientPin.pin_hash).where(PatientPin.participant_id == who.participant_id))
    right = vault.matches(stored, digits(pin))
    throttle.note(session, kind="patient_pin", subject=subject, address=source, succeeded=right, now=now)
    if not right:
        raise Refused("wrong_pin", remaining=_told(verdict.remaining - 1))


def has_given_pin(session: Session, who: Patient, *, now: datetime) -> bool:
    """Whether the PIN was given in this session within PIN_LASTS."""
    given_at = session.scalar(select(AuthSession.confirmed_at).where(AuthSession.id == who.session_id))
    return given_at is not None and now - given_at < PIN_LASTS


def confirm_pin(session: Session, vault: Vault, who: Patient, *, pin: str, address: str | None, now: datetime) -> None:
    """The PIN once more, from somebody signed in: the phone may have changed hands. Refuses and counts as enter_pin."""
    _require_pin(session, vault, who, pin=pin, address=address, now=now)
    sessions.confirm(session, who.session_id, now=now)
    entry = _entry(who, "patient.pin_given", "auth_session", who.session_id, {})
    audit.record(session, entry, actor=_actor(who.participant_id), now=now, participant_id=who.participant_id)


def _open(
    session: Session, vault: Vault, who: Patient, *entries: Entry, device: str, has_device: bool, now: datetime
) -> Opened:
    """A new session, never the one that came in; and, on a phone not known yet, the token that makes it known."""
    person = who.participant_id
    if who.kind in sessions.AT_THE_PIN:
        sessions.end(session, now=now, reason="signed_in", session_id=who.session_id)
    else:
        sessions.touch(session, who.session_id, now=now)
    token = sessions.start(session, vault, kind="patient", now=now, participant_id=person, device=device)
    known = None
    if not has_device:
        known = sessions.start(session, vault, kind="device", now=now, participant_id=person, device=device)
    signed_in = _entry(
        who, "patient.signed_in", "auth_session", person, {"device": device, "new_device": not has_device}
    )
    arrived = []
    if who.comes_from_tablet and who.assessment_id is not None:
        arrived = own_phone.arrive(session, who, who.assessment_id, now=now)
    audit.record(session, *entries, signed_in, *arrived, actor=_actor(person), now=now, participant_id=person)
    return Opened(token, known)


def sign_out(session: Session, who: Patient, *, now: datetime) -> None:
    """End this browser's session; the phone stays known and asks for the PIN next time."""
    sessions.end(session, now=now, reason="signed_out", session_id=who.session_id)
    entry = _entry(who, "patient.signed_out", "auth_session", who.session_id, {})
    audit.record(session, entry, actor=_actor(who.participant_id), now=now, participant_id=who.participant_id)


def forget_device(session: Session, token: str, *, now: datetime) -> None:
    """This phone is somebody else's, or shared: the next sign-in asks for code and PIN. Raises NotFound."""
    who = known_device(session, token, now=now)
    if who is None:
        raise NotFound
    session.execute(
        update(AuthSession)
        .where(AuthSession.token_hash == token_hash(token), AuthSession.ended_at.is_(None))
        .values(ended_at=now, end_reason="forgotten")
        .execution_options(synchronize_session=False)
    )
    entry = _entry(who, "patient.device_forgotten", "auth_session", who.session_id, {})
    audit.record(session, entry, actor=_actor(who.participant_id), now=now, participant_id=who.participant_id)


def digits(pin: str) -> str:
    """What was typed, without the blanks some keyboards add."""
    return "".join(pin.split())


def is_trivial(pin: str) -> bool:
    """One digit throughout, a run such as 1234 or 9876, or two digits in turn such as 1212."""
    numbers = [int(sign) for sign in pin]
    steps = {(later - earlier) % 10 for earlier, later in zip(numbers, numbers[1:], strict=False)}
    return steps <= {0} or steps <= {1} or steps <= {9} or (len(pin) > 3 and pin == (pin[:2] * len(pin))[: len(pin)])


def require_good_pin(pin: str, again: str) -> None:
    """Raise Refused (pin_shape, pin_trivial, pin_differs) unless this PIN, typed twice, will do."""
    pin, again = digits(pin), digits(again)
    if not (pin.isascii() and pin.isdigit() and len(pin) in PIN_LENGTHS):
        raise Refused("pin_shape")
    if is_trivial(pin):
        raise Refused("pin_trivial")
    if pin != again:
        raise Refused("pin_differs")


def _entry(who: Patient, action: str, entity: str, entity_id: int, details: dict[str, object]) -> Entry:
    return Entry(action, entity, entity_id, details, site_code=who.site_code)


def _actor(participant_id: int) -> Actor:
    return Actor("patient", participant_id, "patient")
