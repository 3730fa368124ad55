"""Signed-in browsers: rows that can be listed and ended. The cookie holds an opaque token and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.orm import Session

from proapp.db.models import AuthSession, Participant, StaffSite, StaffUser
from proapp.db.prepared import Prepared
from proapp.db.session import connection_of
from proapp.services.errors import NotFound
from proapp.services.vault import Vault, token_hash

Kind = Literal["patient", "patient_pending", "patient_link", "device", "clinic", "own_phone", "staff", "staff_pending"]
AT_THE_PIN = frozenset({"patient_pending", "patient_link"})  # they lead to the PIN and to nothing else
TOUCH_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Limits:
    idle: timedelta
    absolute: timedelta


LIMITS: dict[str, Limits] = {
    "patient": Limits(timedelta(minutes=30), timedelta(hours=12)),
    "patient_pending": Limits(timedelta(minutes=15), timedelta(minutes=15)),
    "patient_link": Limits(timedelta(minutes=15), timedelta(minutes=15)),
    "device": Limits(timedelta(days=400), timedelta(days=400)),
    "clinic": Limits(timedelta(minutes=60), timedelta(hours=3)),
    "own_phone": Limits(timedelta(minutes=15), timedelta(minutes=15)),
    "staff": Limits(timedelta(minutes=30), timedelta(hours=12)),
    "staff_pending": Limits(timedelta(minutes=10), timedelta(minutes=10)),
    "staff_suspended": Limits(timedelta(hours=3), timedelta(hours=12)),  # as long as a tablet can be out
}


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient whose code and PIN were right (kind patient), or only the code (patient_pending) or a personal link
    (patient_link) so far; or in front of a clinic's tablet that staff have handed over (clinic)."""

    session_id: int
    kind: str
    participant_id: int
    study_id: str
    site_code: str
    language: str
    last_seen_at: datetime
    assessment_id: int | None = None  # all that this session opens, or what it was carried over from a tablet with

    @property
    def is_on_tablet(self) -> bool:
        return self.kind == "clinic"

    @property
    def comes_from_tablet(self) -> bool:
        """Whether this is the own phone of somebody who began on the clinic's tablet, standing at the PIN."""
        return self.kind == "patient_link" and self.assessment_id is not None


@dataclass(frozen=True, slots=True)
class Staff:
    """A member of staff. `sites` are the site codes the person may see; None means every site. `assessment_id` is what
    this browser was handed over for, while it is suspended."""

    session_id: int
    kind: str
    user_id: int
    name: str
    email: str
    role: str
    language: str
    sites: frozenset[str] | None
    confirmed_at: datetime | None
    last_seen_at: datetime
    assessment_id: int | None = None


ALL_SITES = frozenset({"coordinator", "monitor", "statistician", "administrator"})


def start(
    session: Session,
    vault: Vault,
    *,
    kind: Kind,
    now: datetime,
    user_id: int | None = None,
    participant_id: int | None = None,
    assessment_id: int | None = None,
    handed_over_by_id: int | None = None,
    device: str = "",
) -> str:
    """A new session row; returns the token for the cookie (of `own_phone`: for the square). Always a new token, never
    one that came from outside."""
    token = vault.new_link_token() if kind == "own_phone" else vault.new_token()
    confirmed = None if kind.endswith("pending") or kind in ("clinic", "own_phone") else now
    session.add(
        AuthSession(
            token_hash=token_hash(token),
            kind=kind,
            user_id=user_id,
            participant_id=participant_id,
            assessment_id=assessment_id,
            handed_over_by_id=handed_over_by_id,
            device=device[:80],
            created_at=now,
            last_seen_at=now,
            confirmed_at=confirmed,
            expires_at=now + LIMITS[kind].absolute,
        )
    )
    session.flush()
    return token


_auth: Any = AuthSession.__table__
_participant: Any = Participant.__table__
# Every request of a patient asks this, so it is built once and reads columns, not objects.
_PATIENT = Prepared(
    select(
        _auth.c.id,
        _auth.c.kind,
        _auth.c.participant_id,
        _participant.c.study_id,
        _participant.c.site_code,
        _participant.c.language,
        _auth.c.last_seen_at,
        _auth.c.assessment_id,
        _auth.c.expires_at,
        _auth.c.ended_at,
    )
    .select_from(_auth.join(_participant, _participant.c.id == _auth.c.participant_id))
    .where(_auth.c.token_hash == bindparam("token_hash"))
)


def find_patient(database: Session | Connection, token: str, *, now: datetime) -> Patient | None:
    """The patient behind `token`, or None when it is unknown, ended, idle too long or too old. One statement."""
    rows = _PATIENT.peek(connection_of(database), {"token_hash": token_hash(token)})
    if not rows:
        return None
    *who, expires_at, ended_at = rows[0]
    patient = Patient(*who)
    return patient if is_alive(patient.kind, patient.last_seen_at, expires_at, ended_at, now) else None


def find_staff(session: Session, token: str, *, now: datetime) -> Staff | None:
    """The member of staff behind `token`, or None. One statement (sites come as rows of the same join)."""
    rows = session.execute(
        select(AuthSession, StaffUser, StaffSite.site_code)
        .join(StaffUser, StaffUser.id == AuthSession.user_id)
        .outerjoin(StaffSite, StaffSite.user_id == StaffUser.id)
        .where(AuthSession.token_hash == token_hash(token))
    ).all()
    if not rows or not _alive(rows[0].AuthSession, now) or rows[0].StaffUser.suspended_at is not None:
        return None
    auth, user = rows[0].AuthSession, rows[0].StaffUser
    sites = None if user.role in ALL_SITES else frozenset(row.site_code for row in rows if row.site_code)
    return Staff(
        auth.id, auth.kind, user.id, user.name, user.email, user.role, user.language, sites, auth.confirmed_at,
        auth.last_seen_at, auth.assessment_id,
    )  # fmt: skip


def _alive(auth: Any, now: datetime) -> bool:
    return is_alive(auth.kind, auth.last_seen_at, auth.expires_at, auth.ended_at, now)


def is_alive(kind: str, last_seen_at: datetime, expires_at: datetime, ended_at: datetime | None, now: datetime) -> bool:
    return ended_at is None and now < expires_at and now < last_seen_at + LIMITS[kind].idle


def needs_touch(who: Patient | Staff, *, now: datetime) -> bool:
    return now - who.last_seen_at >= TOUCH_AFTER


def touch(database: Session | Connection, session_id: int, *, now: datetime) -> None:
    """Note that the session was used. Never resurrects one that was ended meanwhile."""
    database.execute(
        update(AuthSession).where(AuthSession.id == session_id, AuthSession.ended_at.is_(None)).values(last_seen_at=now)
    )


def confirm(session: Session, session_id: int, *, now: datetime) -> None:
    """Note that password or PIN was given again just now."""
    session.execute(
        update(AuthSession)
        .where(AuthSession.id == session_id, AuthSession.ended_at.is_(None))
        .values(last_seen_at=now, confirmed_at=now)
    )


def suspend(session: Session, vault: Vault, session_id: int, *, assessment_id: int, now: datetime) -> str:
    """Lock a browser of staff that is handed over; returns the token of its new cookie, which opens nothing until the
    session is resumed. The old one is worth nothing any more. Raises NotFound when it has ended meanwhile."""
    values = {"kind": "staff_suspended", "assessment_id": assessment_id}
    return _exchange(session, vault, session_id, "staff", values, now)


def resume(session: Session, vault: Vault, session_id: int, *, now: datetime) -> str:
    """The other way round, once the password was given. The day's limit of the session goes on counting."""
    values = {"kind": "staff", "assessment_id": None, "confirmed_at": now}
    return _exchange(session, vault, session_id, "staff_suspended", values, now)


def _exchange(session: Session, vault: Vault, session_id: int, kind: str, values: dict[str, Any], now: datetime) -> str:
    token = vault.new_token()
    changed = session.execute(
        update(AuthSession)
        .where(AuthSession.id == session_id, AuthSession.kind == kind, AuthSession.ended_at.is_(None))
        .values(token_hash=token_hash(token), last_seen_at=now, **values)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]  # a write has one
        raise NotFound
    return token


def end(
    session: Session,
    *,
    now: datetime,
    reason: str,
    session_id: int | None = None,
    user_id: int | None = None,
    participant_id: int | None = None,
    keep_session_id: int | None = None,
) -> int:
    """End one session, or every session of a user or participant (but `keep_session_id`). Returns how many ended."""
    if session_id is None and user_id is None and participant_id is None:
        raise ValueError("say whose session ends")
    query = update(AuthSession).where(AuthSession.ended_at.is_(None)).values(ended_at=now, end_reason=reason)
    if session_id is not None:
        query = query.where(AuthSession.id == session_id)
    if user_id is not None:
        query = query.where(AuthSession.user_id == user_id)
    if participant_id is not None:
        query = query.where(AuthSession.participant_id == participant_id)
    if keep_session_id is not None:
        query = query.where(AuthSession.id != keep_session_id)
    ended: int = session.execute(query.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]  # a write has one
    return ended


def living(
    session: Session, *, now: datetime, user_id: int | None = None, participant_id: int | None = None
) -> Sequence[AuthSession]:
    """Sessions that still open something, newest use first."""
    query = select(AuthSession).where(AuthSession.ended_at.is_(None), AuthSession.expires_at > now)
    if user_id is not None:
        query = query.where(AuthSession.user_id == user_id)
    if participant_id is not None:
        query = query.where(AuthSession.participant_id == participant_id)
    rows = session.scalars(query.order_by(AuthSession.last_seen_at.desc())).all()
    return [row for row in rows if _alive(row, now)]
