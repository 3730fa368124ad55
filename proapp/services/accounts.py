"""Who works here: inviting, changing, suspending and resetting staff accounts.

One person has one account, and an e-mail address is never given to somebody else later, so rows are suspended and
never deleted. A person who loses a role, a site or the second factor loses every open session in the same transaction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from proapp.db.models import StaffInvitation, StaffSite, StaffUser
from proapp.services import audit, sessions, throttle
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused
from proapp.services.vault import Vault

ROLES = ("nurse", "investigator", "coordinator", "monitor", "statistician", "administrator")
SITE_ROLES = frozenset({"nurse", "investigator"})
INVITATION_LASTS = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Invited:
    """The one time a set-up code is known in clear; it is shown once and stored as a hash."""

    user_id: int
    code: str
    expires_at: datetime


def normal_email(typed: str) -> str:
    return unicodedata.normalize("NFC", typed).strip().lower()


def is_set_up(user: StaffUser) -> bool:
    """Password chosen and second factor confirmed once; until then nothing signs this person in."""
    return user.password_hash is not None and user.totp_sealed is not None and user.totp_last_step is not None


def sign_in_subject(vault: Vault, email: str) -> str:
    """What failed passwords are counted under, whether or not anybody has that address."""
    return throttle.subject_key(vault, f"staff {normal_email(email)}")


def add(
    session: Session,
    vault: Vault,
    *,
    email: str,
    name: str,
    role: str,
    sites: Collection[str],
    known_sites: Collection[str],
    actor: Actor,
    now: datetime,
    language: str = "sv",
) -> Invited:
    """A new person, who becomes able to sign in by using the returned code within 72 hours.

    Raises Refused: email_invalid, name_invalid, email_taken, role_unknown, sites_needed, site_unknown, sites_not_used.
    """
    email, name = normal_email(email), " ".join(name.split())
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]+\.[^@\s.]+", email) or len(email) > 254 or not email.isprintable():
        raise Refused("email_invalid")
    if not name or len(name) > 120 or not name.isprintable():
        raise Refused("name_invalid")
    _require_sites(role, sites, known_sites)
    user = StaffUser(email=email, name=name, role=role, language=language, created_at=now)
    try:
        with session.begin_nested():  # the database's unique key decides, also when two invite at once
            session.add(user)
    except IntegrityError as error:
        raise Refused("email_taken") from error
    _replace_sites(session, user.id, sites)
    added = Entry("user.added", "staff_user", user.id, {"role": role, "sites": sorted(set(sites))})
    audit.record(session, added, actor=actor, now=now)
    return _invite(session, vault, user.id, actor=actor, now=now)


def change(
    session: Session,
    *,
    user_id: int,
    role: str,
    sites: Collection[str],
    known_sites: Collection[str],
    reason: str,
    actor: Actor,
    now: datetime,
) -> bool:
    """Give another role or other sites; ends the person's sessions. Returns False when nothing was to change.

    Raises NotFound; Refused: own_account, last_administrator, reason_needed, role_unknown, sites_needed, site_unknown,
    sites_not_used.
    """
    user = _locked(session, user_id)
    _refuse_oneself(user, actor)
    _require_sites(role, sites, known_sites)
    old_sites = _sites(session, user_id)
    if (role, sorted(set(sites))) == (user.role, old_sites):
        return False
    reason = _reason(reason)
    if role != "administrator":
        _keep_an_administrator(session, user)
    details = {
        "old": {"role": user.role, "sites": old_sites},
        "new": {"role": role, "sites": sorted(set(sites))},
        "sessions_ended": sessions.end(session, now=now, reason="access_changed", user_id=user_id),
    }
    user.role = role
    _replace_sites(session, user_id, sites)
    audit.record(session, Entry("user.changed", "staff_user", user_id, details, reason), actor=actor, now=now)
    return True


def suspend(session: Session, *, user_id: int, reason: str, actor: Actor, now: datetime) -> None:
    """Shut the person out at once. Raises NotFound; Refused: own_account, last_administrator, reason_needed,
    already_suspended."""
    user = _locked(session, user_id)
    _refuse_oneself(user, actor)
    if user.suspended_at is not None:
        raise Refused("already_suspended")
    reason = _reason(reason)
    _keep_an_administrator(session, user)
    user.suspended_at = now
    close_invitations(session, user_id=user_id, now=now)
    ended = sessions.end(session, now=now, reason="suspended", user_id=user_id)
    entry = Entry("user.suspended", "staff_user", user_id, {"sessions_ended": ended}, reason)
    audit.record(session, entry, actor=actor, now=now)


def reactivate(session: Session, *, user_id: int, reason: str, actor: Actor, now: datetime) -> None:
    """Let a suspended person in again, with the old password and second factor.

    Raises NotFound; Refused: own_account, not_suspended, reason_needed.
    """
    user = _locked(session, user_id)
    _refuse_oneself(user, actor)
    if user.suspended_at is None:
        raise Refused("not_suspended")
    reason = _reason(reason)
    user.suspended_at = None
    audit.record(session, Entry("user.reactivated", "staff_user", user_id, {}, reason), actor=actor, now=now)


def reset(session: Session, vault: Vault, *, user_id: int, reason: str, actor: Actor, now: datetime) -> Invited:
    """Lost telephone or forgotten password: both are taken away, and a new set-up code is made.

    Raises NotFound; Refused: own_account, suspended, reason_needed.
    """
    user = _locked(session, user_id)
    _refuse_oneself(user, actor)
    if user.suspended_at is not None:
        raise Refused("suspended")
    reason = _reason(reason)
    user.password_hash = user.totp_sealed = user.totp_last_step = None
    close_invitations(session, user_id=user_id, now=now)
    ended = sessions.end(session, now=now, reason="reset", user_id=user_id)
    entry = Entry("user.reset", "staff_user", user_id, {"sessions_ended": ended}, reason)
    audit.record(session, entry, actor=actor, now=now)
    return _invite(session, vault, user_id, actor=actor, now=now)


def end_sessions(session: Session, *, user_id: int, actor: Actor, now: datetime, reason: str | None = None) -> int:
    """Sign somebody out everywhere. Raises NotFound."""
    _locked(session, user_id)
    ended = sessions.end(session, now=now, reason="ended_by_administrator", user_id=user_id)
    entry = Entry("user.sessions_ended", "staff_user", user_id, {"sessions_ended": ended}, reason or None)
    audit.record(session, entry, actor=actor, now=now)
    return ended


def find_id(session: Session, *, email: str) -> int:
    """Raises NotFound."""
    found = session.scalar(select(StaffUser.id).where(StaffUser.email == normal_email(email)))
    if found is None:
        raise NotFound
    return found


def open_invitation(session: Session, *, user_id: int, now: datetime) -> StaffInvitation | None:
    """The invitation that still opens something, if any."""
    return session.scalars(
        select(StaffInvitation)
        .where(StaffInvitation.user_id == user_id, *is_open(now))
        .order_by(StaffInvitation.id.desc())
        .limit(1)
    ).first()


def close_invitations(session: Session, *, user_id: int, now: datetime, used_id: int | None = None) -> None:
    """Mark the one used (if any) as used, and every other open one as revoked."""
    if used_id is not None:
        session.execute(update(StaffInvitation).where(StaffInvitation.id == used_id).values(used_at=now))
    still_open = update(StaffInvitation).where(StaffInvitation.user_id == user_id, *is_open(now))
    session.execute(still_open.values(revoked_at=now).execution_options(synchronize_session=False))


def is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions under which a row of StaffInvitation still opens something."""
    return (
        StaffInvitation.used_at.is_(None),
        StaffInvitation.revoked_at.is_(None),
        StaffInvitation.expires_at > now,
    )


def _invite(session: Session, vault: Vault, user_id: int, *, actor: Actor, now: datetime) -> Invited:
    code = vault.new_code()
    invitation = StaffInvitation(
        user_id=user_id,
        lookup=vault.lookup("invitation", code),
        code_hash=vault.slow_hash(code),
        created_at=now,
        expires_at=now + INVITATION_LASTS,
    )
    session.add(invitation)
    session.flush()
    details = {"user": user_id, "expires_at": invitation.expires_at}
    audit.record(session, Entry("user.invited", "staff_invitation", invitation.id, details), actor=actor, now=now)
    return Invited(user_id, code, invitation.expires_at)


def _locked(session: Session, user_id: int) -> StaffUser:
    """The user, held until the end of the transaction together with every administrator, in one order for all: changes
    take turns, and two administrators who suspend each other at the same moment do not both succeed."""
    query = select(StaffUser).where(or_(StaffUser.id == user_id, StaffUser.role == "administrator"))
    held = session.scalars(
        query.order_by(StaffUser.id).with_for_update().execution_options(populate_existing=True)
    ).all()
    for user in held:
        if user.id == user_id:
            return user
    raise NotFound


def _keep_an_administrator(session: Session, user: StaffUser) -> None:
    """Refuse to lose the last person who can let others in."""
    if user.role != "administrator" or not is_set_up(user) or user.suspended_at is not None:
        return
    others = session.scalars(
        select(StaffUser).where(
            StaffUser.role == "administrator", StaffUser.suspended_at.is_(None), StaffUser.id != user.id
        )
    )
    if not any(is_set_up(other) for other in others):
        raise Refused("last_administrator")


def _refuse_oneself(user: StaffUser, actor: Actor) -> None:
    if actor.kind == "staff" and actor.id == user.id:
        raise Refused("own_account")


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise Refused("reason_needed")
    return reason


def _require_sites(role: str, sites: Collection[str], known_sites: Collection[str]) -> None:
    if role not in ROLES:
        raise Refused("role_unknown")
    unknown = sorted(set(sites) - set(known_sites))
    if unknown:
        raise Refused("site_unknown", site=unknown[0])
    if role in SITE_ROLES and not sites:
        raise Refused("sites_needed")
    if role not in SITE_ROLES and sites:
        raise Refused("sites_not_used")


def _sites(session: Session, user_id: int) -> list[str]:
    query = select(StaffSite.site_code).where(StaffSite.user_id == user_id).order_by(StaffSite.site_code)
    return list(session.scalars(query))


def _replace_sites(session: Session, user_id: int, sites: Iterable[str]) -> None:
    session.execute(delete(StaffSite).where(StaffSite.user_id == user_id))
    rows = [{"user_id": user_id, "site_code": code} for code in sorted(set(sites))]
    if rows:
        session.execute(insert(StaffSite), rows)
