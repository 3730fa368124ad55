"""Tokens: what a machine shows to read some things of the trial, or to tell it one, and nothing else.

A token is random, shown once and kept as a hash. What it opens is decided when it is made and never changed: to change
it, another one is made and the old one ended. The right token is always heard, so nobody shuts a machine out by
guessing; wrong ones are counted, and an address with too many of them is told to wait.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, cast, get_args

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import ApiToken, ApiUse, StaffUser
from proapp.services import audit, throttle
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused
from proapp.services.vault import Vault, token_hash
from proapp.study.model import Study
from proapp.study.schedule import close_instant

Scope = Literal[
    "participants:read",
    "assessments:read",
    "compliance:read",
    "exports:read",
    "participants:write",
    "randomizations:write",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
BEGINNING = "proapp_"  # so that one that has strayed into a file or a chat is recognised
LONGEST_NAME = 80
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Machine:
    """Who asks: a token, and what it opens. `sites` None: all of them."""

    token_id: int
    name: str
    scopes: frozenset[str]
    sites: frozenset[str] | None
    sees_arms: bool

    @property
    def actor(self) -> Actor:
        return Actor("machine", self.token_id, "api")


@dataclass(frozen=True, slots=True)
class Made:
    """A new token; `token` is shown once and kept nowhere."""

    token_id: int
    name: str
    token: str = field(repr=False)
    last_day: date


@dataclass(frozen=True, slots=True)
class Listed:
    """A token as the administrator sees it. `state`: active | expired | ended; `by` is empty for the command line."""

    id: int
    name: str
    scopes: tuple[str, ...]
    sites: tuple[str, ...]
    sees_arms: bool
    created_at: datetime
    by: str
    last_day: date
    state: str
    last_used_on: date | None


def add(
    session: Session,
    vault: Vault,
    *,
    study: Study,
    name: str,
    scopes: Collection[str],
    sites: Collection[str],
    sees_arms: bool,
    last_day: date,
    actor: Actor,
    now: datetime,
) -> Made:
    """A new token, good to the end of `last_day`; no `sites`: all of them.

    Raises Refused: token_name_invalid, scopes_needed, scope_unknown, site_unknown, exports_of_all_sites,
    last_day_over.
    """
    name = " ".join(name.split())
    _check(study, name, scopes, sites)
    if last_day < local_date(now, study.zone()):
        raise Refused("last_day_over")
    token = BEGINNING + vault.new_token()
    row = ApiToken(
        name=name,
        token_hash=token_hash(token),
        scopes=[scope for scope in SCOPES if scope in scopes],
        sites=sorted(set(sites)) or None,
        sees_arms=sees_arms,
        created_at=now,
        created_by_id=actor.id if actor.kind == "staff" else None,
        expires_at=close_instant(last_day, study.zone()),
    )
    session.add(row)
    session.flush()
    details = {"name": name, "scopes": row.scopes, "sites": row.sites, "arms": sees_arms, "expires_at": row.expires_at}
    audit.record(session, Entry("api_token.added", "api_token", row.id, details), actor=actor, now=now)
    return Made(row.id, name, token, last_day)


def _check(study: Study, name: str, scopes: Collection[str], sites: Collection[str]) -> None:
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Refused("token_name_invalid")
    if not scopes:
        raise Refused("scopes_needed")
    if not set(scopes) <= set(SCOPES):
        raise Refused("scope_unknown")
    unknown = sorted(set(sites) - {site.code for site in study.sites})
    if unknown:
        raise Refused("site_unknown", site=unknown[0])
    if sites and "exports:read" in scopes:  # an export holds every site, and so does what is said of it
        raise Refused("exports_of_all_sites")


def end(session: Session, *, token_id: int, reason: str, actor: Actor, now: datetime) -> None:
    """From now on it opens nothing. Raises NotFound; Refused: reason_needed, token_ended."""
    reason = reason.strip()
    row = session.scalar(select(ApiToken).where(ApiToken.id == token_id).with_for_update())
    if row is None:
        raise NotFound
    if not reason:
        raise Refused("reason_needed")
    if row.ended_at is not None:
        raise Refused("token_ended")
    row.ended_at = now
    audit.record(session, Entry("api_token.ended", "api_token", token_id, {}, reason), actor=actor, now=now)


def listing(session: Session, *, study: Study, now: datetime) -> Sequence[Listed]:
    """Every token that was ever made, the newest first. One statement."""
    used = select(ApiUse.token_id, func.max(ApiUse.day).label("day")).group_by(ApiUse.token_id).subquery()
    rows = session.execute(
        select(ApiToken, StaffUser.name, used.c.day)
        .outerjoin(StaffUser, StaffUser.id == ApiToken.created_by_id)
        .outerjoin(used, used.c.token_id == ApiToken.id)
        .order_by(ApiToken.id.desc())
    )
    return [_listed(token, by, day, study, now) for token, by, day in rows]


def _listed(row: ApiToken, by: str | None, used_on: date | None, study: Study, now: datetime) -> Listed:
    state = "ended" if row.ended_at is not None else "active" if now < row.expires_at else "expired"
    return Listed(
        id=row.id,
        name=row.name,
        scopes=tuple(row.scopes),
        sites=tuple(row.sites or ()),
        sees_arms=row.sees_arms,
        created_at=row.created_at,
        by=by or "",
        last_day=local_date(row.expires_at - _MOMENT, study.zone()),
        state=state,
        last_used_on=used_on,
    )


# --- letting in -----------------------------------------------------------------------------------------------------


def find(session: Session, token: str, *, now: datetime) -> Machine | None:
    """Whose token it is; None for one that is unknown, ended or too old, all alike. One statement."""
    row = session.execute(
        select(ApiToken.id, ApiToken.name, ApiToken.scopes, ApiToken.sites, ApiToken.sees_arms).where(
            ApiToken.token_hash == token_hash(token), ApiToken.ended_at.is_(None), ApiToken.expires_at > now
        )
    ).first()
    if row is None:
        return None
    sites = None if row.sites is None else frozenset(row.sites)
    return Machine(row.id, row.name, frozenset(row.scopes), sites, row.sees_arms)


def refused(session: Session, vault: Vault, *, address: str | None, now: datetime) -> datetime | None:
    """Count a token that opened nothing; when to come again if there were too many of them from there."""
    source = throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="api_token", subject=source, address=source, now=now)
    if not verdict.allowed:
        return verdict.retry_at
    throttle.note(session, kind="api_token", subject=source, address=source, succeeded=False, now=now)
    return None


def note_use(session: Session, machine: Machine, *, scope: str, participants: int, day: date) -> None:
    """Add one request to what this token has read today. A counter and no fact about the trial: it has no audit
    event."""
    add_one = (
        update(ApiUse)
        .where(ApiUse.token_id == machine.token_id, ApiUse.day == day, ApiUse.scope == scope)
        .values(requests=ApiUse.requests + 1, participants=ApiUse.participants + participants)
        .execution_options(synchronize_session=False)
    )
    if cast(Any, session.execute(add_one)).rowcount:
        return
    first = {"token_id": machine.token_id, "day": day, "scope": scope, "requests": 1, "participants": participants}
    try:
        with session.begin_nested():
            session.execute(insert(ApiUse).values(**first))
    except IntegrityError:  # another request of the day was first, a moment ago
        session.execute(add_one)
