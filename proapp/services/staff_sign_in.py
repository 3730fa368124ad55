"""How staff prove who they are: a set-up code once, then password and a one-time number from the telephone.

The answer is the same, and takes as long, for an address nobody has, a suspended account and a wrong password. Failed
tries are returned, not raised, so that the request commits and the count of tries is kept.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime

import pyotp
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from proapp.db.models import StaffInvitation, StaffUser
from proapp.services import audit, sessions, throttle
from proapp.services.accounts import close_invitations, is_set_up, normal_email, open_invitation, sign_in_subject
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound
from proapp.services.passwords import normal_password, weakness
from proapp.services.sessions import Staff
from proapp.services.vault import Vault, normal_code

TOTP_SECONDS = 30
TOTP_WINDOW = 1  # steps before and after, for clocks that differ


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one try: a token for the next step's session, or a time before which not to try again, or neither
    (wrong)."""

    token: str | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """Who has signed, or a time before which not to try again, or neither (wrong)."""

    actor: Actor | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the authenticator app needs: the same secret as text and as an address for the QR code."""

    secret: str
    address: str


def give_password(
    session: Session, vault: Vault, *, email: str, password: str, address: str | None, device: str, now: datetime
) -> Step:
    """First half of a sign-in. `address` is the network address, `device` a few words about the browser."""
    subject, origin = sign_in_subject(vault, email), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="staff_password", subject=subject, address=origin, now=now)
    if not verdict.allowed:
        return Step(retry_at=verdict.retry_at)
    user = session.scalars(select(StaffUser).where(StaffUser.email == normal_email(email))).first()
    may = user is not None and is_set_up(user) and user.suspended_at is None
    stored = user.password_hash if user is not None and may else None
    right = vault.matches(stored, normal_password(password))
    throttle.note(session, kind="staff_password", subject=subject, address=origin, succeeded=right, now=now)
    if user is None or not right:
        return Step()
    if stored and vault.needs_rehash(stored):
        user.password_hash = vault.slow_hash(normal_password(password))
        entry = Entry("user.rehashed", "staff_user", user.id, {})
        audit.record(session, entry, actor=Actor("staff", user.id, user.role), now=now)
    return Step(sessions.start(session, vault, kind="staff_pending", now=now, user_id=user.id, device=device))


def sign(session: Session, vault: Vault, *, email: str, password: str, address: str | None, now: datetime) -> Signature:
    """Who puts a name to something gives the password once more, under the same limits as a sign-in."""
    subject, origin = sign_in_subject(vault, email), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="staff_password", subject=subject, address=origin, now=now)
    if not verdict.allowed:
        return Signature(retry_at=verdict.retry_at)
    user = session.scalars(select(StaffUser).where(StaffUser.email == normal_email(email))).first()
    may = user is not None and is_set_up(user) and user.suspended_at is None
    right = vault.matches(user.password_hash if user is not None and may else None, normal_password(password))
    throttle.note(session, kind="staff_password", subject=subject, address=origin, succeeded=right, now=now)
    return Signature(Actor("staff", user.id, user.role)) if user is not None and right else Signature()


def give_one_time_code(
    session: Session, vault: Vault, *, who: Staff, typed: str, address: str | None, device: str, now: datetime
) -> Step:
    """Second half: a new session with a new token takes the place of the pending one."""
    subject, origin = throttle.subject_key(vault, f"totp {who.user_id}"), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="staff_totp", subject=subject, address=origin, now=now)
    if not verdict.allowed:
        return Step(retry_at=verdict.retry_at)
    user = _user(session, who.user_id)
    right = is_set_up(user) and _spend_step(session, vault, user, typed, now)
    throttle.note(session, kind="staff_totp", subject=subject, address=origin, succeeded=right, now=now)
    return Step(_sign_in(session, vault, who, device, now)) if right else Step()


def resume(session: Session, vault: Vault, *, who: Staff, password: str, address: str | None, now: datetime) -> Step:
    """The browser that `who` has handed over is back: the password alone opens it again, under the same limits as a
    sign-in. The second factor was given in it today, and it is the same browser."""
    subject, origin = sign_in_subject(vault, who.email), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="staff_password", subject=subject, address=origin, now=now)
    if not verdict.allowed:
        return Step(retry_at=verdict.retry_at)
    right = vault.matches(_user(session, who.user_id).password_hash, normal_password(password))
    throttle.note(session, kind="staff_password", subject=subject, address=origin, succeeded=right, now=now)
    if not right:
        return Step()
    token = sessions.resume(session, vault, who.session_id, now=now)
    entry = Entry("session.resumed", "auth_session", who.session_id, {})
    audit.record(session, entry, actor=_actor(who), now=now)
    return Step(token)


def give_up(session: Session, *, who: Staff, now: datetime) -> None:
    """Somebody else signs in where `who` had handed over: the suspended session is not waited for any longer."""
    sessions.end(session, now=now, reason="signed_in_anew", session_id=who.session_id)
    entry = Entry("session.ended", "auth_session", who.session_id, {"reason": "signed_in_anew"})
    audit.record(session, entry, actor=_actor(who), now=now)


def sign_out(session: Session, *, who: Staff, now: datetime) -> None:
    sessions.end(session, now=now, reason="signed_out", session_id=who.session_id)
    entry = Entry("session.ended", "auth_session", who.session_id, {"reason": "signed_out"})
    audit.record(session, entry, actor=_actor(who), now=now)


# --- the first time -------------------------------------------------------------------------------------------------


def give_setup_code(
    session: Session, vault: Vault, *, code: str, address: str | None, device: str, now: datetime
) -> Step:
    """Opens a short session in which password and second factor can be chosen. The code is used up only when both are
    there, so a broken-off set-up can be begun again until the code expires."""
    code = normal_code(code)[:64]
    subject, origin = throttle.subject_key(vault, f"setup {code}"), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="setup", subject=subject, address=origin, now=now)
    if not verdict.allowed:
        return Step(retry_at=verdict.retry_at)
    candidate = session.scalars(
        select(StaffInvitation)
        .where(StaffInvitation.lookup == vault.lookup("invitation", code))
        .order_by(StaffInvitation.id.desc())
    ).first()
    matched = vault.matches(candidate.code_hash if candidate else None, code)
    right = matched and candidate is not None and may_set_up(session, user_id=candidate.user_id, now=now)
    right = right and candidate is not None and _is_open(candidate, now)
    throttle.note(session, kind="setup", subject=subject, address=origin, succeeded=right, now=now)
    if candidate is None or not right:
        return Step()
    return Step(sessions.start(session, vault, kind="staff_pending", now=now, user_id=candidate.user_id, device=device))


def may_set_up(session: Session, *, user_id: int, now: datetime) -> bool:
    """Whether this person is in the middle of a set-up: invited, not suspended, and not set up already."""
    user = _user(session, user_id)
    return (
        not is_set_up(user)
        and user.suspended_at is None
        and open_invitation(session, user_id=user_id, now=now) is not None
    )


def choose_password(
    session: Session, vault: Vault, *, who: Staff, password: str, study_code: str, now: datetime
) -> str | None:
    """Keep the password and make a fresh TOTP secret, both without effect until confirmed.

    Returns a weakness code of services.passwords, or None. Raises NotFound outside a set-up.
    """
    user = _in_set_up(session, who, now)
    weak = weakness(password, personal=(user.email, user.name, study_code))
    if weak:
        return weak
    user.password_hash = vault.slow_hash(normal_password(password))
    user.totp_sealed = vault.seal({"secret": vault.new_totp_secret()}, bound_to=_place(user.id))
    session.flush()
    entry = Entry("user.password_chosen", "staff_user", user.id, {"during": "set_up"})
    audit.record(session, entry, actor=_actor(who), now=now)
    return None


def enrolment(session: Session, vault: Vault, *, who: Staff, issuer: str, now: datetime) -> Enrolment | None:
    """What to put into the authenticator app; None before a password is chosen. Raises NotFound outside a set-up."""
    user = _in_set_up(session, who, now)
    if user.totp_sealed is None:
        return None
    secret = _secret(vault, user)
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=issuer))


def confirm_set_up(
    session: Session, vault: Vault, *, who: Staff, typed: str, address: str | None, device: str, now: datetime
) -> Step:
    """A valid number from the app makes the account usable, uses up the code and signs in. Raises NotFound outside a
    set-up."""
    user = _in_set_up(session, who, now)
    subject, origin = throttle.subject_key(vault, f"totp {who.user_id}"), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="staff_totp", subject=subject, address=origin, now=now)
    if not verdict.allowed:
        return Step(retry_at=verdict.retry_at)
    right = user.password_hash is not None and _spend_step(session, vault, user, typed, now)
    throttle.note(session, kind="staff_totp", subject=subject, address=origin, succeeded=right, now=now)
    if not right:
        return Step()
    invitation = open_invitation(session, user_id=user.id, now=now)
    close_invitations(session, user_id=user.id, now=now, used_id=invitation.id if invitation else None)
    sessions.end(session, now=now, reason="set_up", user_id=user.id)
    audit.record(session, Entry("user.set_up", "staff_user", user.id, {}), actor=_actor(who), now=now)
    return Step(_sign_in(session, vault, who, device, now))


# --- one's own account ----------------------------------------------------------------------------------------------


def change_password(
    session: Session,
    vault: Vault,
    *,
    who: Staff,
    current: str,
    new: str,
    study_code: str,
    address: str | None,
    now: datetime,
) -> str | datetime | None:
    """Choose another password; ends the person's other sessions.

    Returns None when done, a code (wrong_password or a weakness), or the time before which not to try again.
    """
    subject, origin = sign_in_subject(vault, who.email), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="staff_password", subject=subject, address=origin, now=now)
    if not verdict.allowed:
        return verdict.retry_at
    user = _user(session, who.user_id)
    right = vault.matches(user.password_hash, normal_password(current))
    throttle.note(session, kind="staff_password", subject=subject, address=origin, succeeded=right, now=now)
    if not right:
        return "wrong_password"
    weak = weakness(new, personal=(user.email, user.name, study_code))
    if weak:
        return weak
    user.password_hash = vault.slow_hash(normal_password(new))
    ended = sessions.end(session, now=now, reason="password_changed", user_id=user.id, keep_session_id=who.session_id)
    sessions.confirm(session, who.session_id, now=now)
    entry = Entry("user.password_changed", "staff_user", user.id, {"sessions_ended": ended})
    audit.record(session, entry, actor=_actor(who), now=now)
    return None


def end_own_session(session: Session, *, who: Staff, session_id: int, now: datetime) -> None:
    """End another of one's own sessions. Raises NotFound for an absent one and for somebody else's."""
    own = {row.id for row in sessions.living(session, now=now, user_id=who.user_id)}
    if session_id not in own:
        raise NotFound
    sessions.end(session, now=now, reason="ended_by_user", session_id=session_id)
    entry = Entry("session.ended", "auth_session", session_id, {"reason": "ended_by_user"})
    audit.record(session, entry, actor=_actor(who), now=now)


def end_own_other_sessions(session: Session, *, who: Staff, now: datetime) -> int:
    ended = sessions.end(session, now=now, reason="ended_by_user", user_id=who.user_id, keep_session_id=who.session_id)
    entry = Entry("user.sessions_ended", "staff_user", who.user_id, {"sessions_ended": ended})
    audit.record(session, entry, actor=_actor(who), now=now)
    return ended


def choose_language(session: Session, *, who: Staff, language: str, now: datetime) -> None:
    """`language` is one of the study's; the caller has checked it."""
    user = _user(session, who.user_id)
    if user.language == language:
        return
    details = {"old": {"language": user.language}, "new": {"language": language}}
    user.language = language
    session.flush()
    audit.record(session, Entry("user.language", "staff_user", user.id, details), actor=_actor(who), now=now)


# --- inside ---------------------------------------------------------------------------------------------------------


def _sign_in(session: Session, vault: Vault, who: Staff, device: str, now: datetime) -> str:
    sessions.end(session, now=now, reason="signed_in", session_id=who.session_id)
    token = sessions.start(session, vault, kind="staff", now=now, user_id=who.user_id, device=device)
    entry = Entry("session.started", "staff_user", who.user_id, {})
    audit.record(session, entry, actor=_actor(who), now=now)
    return token


def _spend_step(session: Session, vault: Vault, user: StaffUser, typed: str, now: datetime) -> bool:
    """Whether `typed` is a number of this or a neighbouring step that was not used before; uses it up.

    The conditional UPDATE decides, so of two requests with the same number at the same moment one fails.
    """
    typed = "".join(typed.split())
    if user.totp_sealed is None or not re.fullmatch(r"[0-9]{6}", typed):
        return False
    totp, current = pyotp.TOTP(_secret(vault, user)), int(now.timestamp()) // TOTP_SECONDS
    steps = range(current - TOTP_WINDOW, current + TOTP_WINDOW + 1)
    matching = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), typed)]
    for step in matching:
        unused = or_(StaffUser.totp_last_step.is_(None), StaffUser.totp_last_step < step)
        spend = update(StaffUser).where(StaffUser.id == user.id, unused).values(totp_last_step=step)
        if session.execute(spend).rowcount == 1:  # type: ignore[attr-defined]  # a write has one
            return True
    return False


def reseal_all(session: Session, *, vault: Vault, actor: Actor, now: datetime) -> int:
    """Seal every second factor anew that is not under the newest key; returns how many. Raises vault.CannotOpen."""
    users = session.scalars(select(StaffUser).where(StaffUser.totp_sealed.is_not(None)).order_by(StaffUser.id)).all()
    old = [user for user in users if not vault.is_newest(user.totp_sealed or b"")]
    for user in old:
        user.totp_sealed = vault.seal({"secret": _secret(vault, user)}, bound_to=_place(user.id))
        session.flush()
        audit.record(session, Entry("user.resealed", "staff_user", user.id, {}), actor=actor, now=now)
    return len(old)


def _secret(vault: Vault, user: StaffUser) -> str:
    assert user.totp_sealed is not None
    return str(vault.open(user.totp_sealed, bound_to=_place(user.id))["secret"])


def _place(user_id: int) -> str:
    return f"totp:{user_id}"


def _user(session: Session, user_id: int) -> StaffUser:
    user = session.get(StaffUser, user_id)
    if user is None:
        raise NotFound
    return user


def _in_set_up(session: Session, who: Staff, now: datetime) -> StaffUser:
    if not may_set_up(session, user_id=who.user_id, now=now):
        raise NotFound
    return _user(session, who.user_id)


def _is_open(invitation: StaffInvitation, now: datetime) -> bool:
    return invitation.used_at is None and invitation.revoked_at is None and now < invitation.expires_at


def _actor(who: Staff) -> Actor:
    return Actor("staff", who.user_id, who.role)
