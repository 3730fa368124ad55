"""The accounts as the administrator sees them: who works here, who was invited, who has not been seen for long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from proapp.db.models import AuthSession, StaffInvitation, StaffSite, StaffUser
from proapp.services import sessions, throttle
from proapp.services.accounts import is_open, is_set_up, sign_in_subject
from proapp.services.errors import NotFound
from proapp.services.vault import Vault

DORMANT_AFTER = timedelta(days=90)
FAILURES_WITHIN = timedelta(days=30)

AccountState = Literal["active", "invited", "needs_code", "suspended"]


@dataclass(frozen=True, slots=True)
class Account:
    """One row of the users page. `failures` counts failed sign-ins of the last 30 days, also of strangers."""

    id: int
    email: str
    name: str
    role: str
    sites: tuple[str, ...]
    state: AccountState
    invitation_expires_at: datetime | None
    last_seen_at: datetime | None
    open_sessions: int
    failures: int
    dormant: bool


def listing(session: Session, vault: Vault, *, now: datetime, user_id: int | None = None) -> tuple[Account, ...]:
    """Every account by name (or one), in five statements however many there are."""
    query = select(StaffUser).order_by(StaffUser.suspended_at.is_not(None), StaffUser.name, StaffUser.id)
    if user_id is not None:
        query = query.where(StaffUser.id == user_id)
    users = session.scalars(query).all()
    sites: dict[int, list[str]] = {}
    for owner, code in session.execute(select(StaffSite.user_id, StaffSite.site_code)):
        sites.setdefault(owner, []).append(code)
    invitations = {owner: expires for owner, expires in session.execute(_open_invitations(now))}
    seen = {row.user_id: row for row in session.execute(_uses(now))}
    failures = throttle.failures_since(session, kinds=("staff_password",), since=now - FAILURES_WITHIN)
    accounts = []
    for user in users:
        use = seen.get(user.id)
        last = use.last_seen_at if use else None
        accounts.append(
            Account(
                id=user.id,
                email=user.email,
                name=user.name,
                role=user.role,
                sites=tuple(sorted(sites.get(user.id, ()))),
                state=_state(user, user.id in invitations),
                invitation_expires_at=invitations.get(user.id),
                last_seen_at=last,
                open_sessions=use.living if use else 0,
                failures=failures.get(sign_in_subject(vault, user.email), 0),
                dormant=user.suspended_at is None and (last or user.created_at) < now - DORMANT_AFTER,
            )
        )
    return tuple(accounts)


def one(session: Session, vault: Vault, *, user_id: int, now: datetime) -> Account:
    """Raises NotFound."""
    found = listing(session, vault, now=now, user_id=user_id)
    if not found:
        raise NotFound
    return found[0]


def failed_sign_ins(session: Session, *, since: datetime) -> int:
    """Failed passwords and one-time codes of everybody and nobody since then."""
    kinds: tuple[throttle.Kind, ...] = ("staff_password", "staff_totp", "setup")
    return sum(throttle.failures_since(session, kinds=kinds, since=since).values())


def _open_invitations(now: datetime) -> Select[int, datetime]:
    expires = func.max(StaffInvitation.expires_at)
    return select(StaffInvitation.user_id, expires).where(*is_open(now)).group_by(StaffInvitation.user_id)


def _uses(now: datetime) -> Select[int | None, datetime, int]:
    """When each person was last seen signed in, and in how many browsers that is still so."""
    idle = sessions.LIMITS["staff"].idle
    living = func.count().filter(
        AuthSession.ended_at.is_(None), AuthSession.expires_at > now, AuthSession.last_seen_at > now - idle
    )
    return (
        select(AuthSession.user_id, func.max(AuthSession.last_seen_at).label("last_seen_at"), living.label("living"))
        .where(AuthSession.kind == "staff", AuthSession.user_id.is_not(None))
        .group_by(AuthSession.user_id)
    )


def _state(user: StaffUser, invited: bool) -> AccountState:
    if user.suspended_at is not None:
        return "suspended"
    if is_set_up(user):
        return "active"
    return "invited" if invited else "needs_code"
