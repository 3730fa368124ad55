"""The trail as people read it: newest first, filtered, a page at a time, and without the answers for those who may not
see them. Participants' chains are for those who work with participants; the system's chain is for administrators."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Integer, Select, String, case, cast, func, literal, or_, select
from sqlalchemy.orm import Session

from proapp.db.models import ApiToken, AuditEvent, Participant, StaffSite, StaffUser
from proapp.services.accounts import SITE_ROLES
from proapp.services.audit import SYSTEM

Area = Literal["participants", "system"]
PAGE = 50
HIDDEN = "•"  # stands where a value is that this reader may not see
OPEN_TO_ALL = frozenset({"language"})  # what the details of an answer may show to everybody
ANSWER_ENTITIES = frozenset({"answer", "answer_conflict"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Filters:
    """`actor` is patient, system, machine or a staff user's id; `actions` are beginnings of actions; `until` is
    exclusive."""

    actor: str = ""
    actions: tuple[str, ...] = ()
    study_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    at: datetime
    actor_kind: str
    actor_name: str | None
    actor_role: str
    action: str
    entity: str
    entity_id: str
    study_id: str | None
    site_code: str | None
    details: Mapping[str, Any]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """`older` is the key to hand back for the next page, or empty on the last."""

    events: Sequence[Event]
    older: str


def page(
    session: Session,
    *,
    area: Area,
    sites: frozenset[str] | None,
    filters: Filters,
    before: str = "",
    may_see_answers: bool,
    limit: int = PAGE,
) -> Page:
    """One page of events, in one statement. `sites` None means every site; a faulty `before` means the first page."""
    query = _scoped(area, sites).order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(limit + 1)
    query = query.where(*_conditions(filters))
    key = _read_key(before)
    if key is not None:
        at, last_id = key
        query = query.where(or_(AuditEvent.at < at, (AuditEvent.at == at) & (AuditEvent.id < last_id)))
    events = [_event(row) for row in session.execute(query)]
    if not may_see_answers:
        events = [_masked(event) for event in events]
    more = len(events) > limit
    return Page(events[:limit], _key(events[limit - 1]) if more else "")


def staff_names(session: Session, *, sites: frozenset[str] | None) -> Sequence[tuple[int, str]]:
    """(id, name) of those who may have acted on what this reader sees, by name."""
    query = select(StaffUser.id, StaffUser.name).order_by(StaffUser.name, StaffUser.id)
    if sites is not None:
        here = select(StaffSite.user_id).where(StaffSite.site_code.in_(sorted(sites)))
        query = query.where(or_(StaffUser.role.not_in(sorted(SITE_ROLES)), StaffUser.id.in_(here)))
    return list(session.execute(query))


def _participant_of_chain() -> ColumnElement[int]:
    """The participant's id inside `chain`; null for the system's."""
    number = cast(func.substr(AuditEvent.chain, 2), Integer)
    return case((AuditEvent.chain.like("p%"), number))


def _scoped(area: Area, sites: frozenset[str] | None) -> Select[*tuple[Any, ...]]:
    actor_name = func.coalesce(StaffUser.name, ApiToken.name).label("actor_name")
    query = (
        select(*AuditEvent.__table__.columns, actor_name, Participant.study_id)
        .select_from(AuditEvent)
        .outerjoin(StaffUser, (AuditEvent.actor_kind == "staff") & (StaffUser.id == AuditEvent.actor_id))
        .outerjoin(ApiToken, (AuditEvent.actor_kind == "machine") & (ApiToken.id == AuditEvent.actor_id))
    )
    if area == "system":
        none = Participant.id.is_(None) & (Participant.id == _participant_of_chain())
        return query.outerjoin(Participant, none).where(AuditEvent.chain == SYSTEM)
    query = query.join(Participant, Participant.id == _participant_of_chain())
    return query if sites is None else query.where(Participant.site_code.in_(sorted(sites)))


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.actor in {"patient", "system", "machine"}:
        conditions.append(AuditEvent.actor_kind == filters.actor)
    elif filters.actor:
        conditions.append((AuditEvent.actor_kind == "staff") & (cast(AuditEvent.actor_id, String) == filters.actor))
    if filters.actions:
        conditions.append(or_(*(AuditEvent.action.startswith(name, autoescape=True) for name in filters.actions)))
    if filters.study_id:
        chain = select(literal("p").concat(cast(Participant.id, String))).where(
            Participant.study_id == filters.study_id
        )
        conditions.append(AuditEvent.chain == chain.scalar_subquery())  # the chain is indexed, its owner's name is not
    if filters.since is not None:
        conditions.append(AuditEvent.at >= filters.since)
    if filters.until is not None:
        conditions.append(AuditEvent.at < filters.until)
    return conditions


def _event(row: Any) -> Event:
    try:
        details = json.loads(row.details)
    except ValueError:  # a row somebody damaged must not take the page down; `proapp audit verify` names it
        details = {}
    return Event(
        id=row.id,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_name=row.actor_name,
        actor_role=row.actor_role,
        action=row.action,
        entity=row.entity,
        entity_id=row.entity_id,
        study_id=row.study_id,
        site_code=row.site_code,
        details=details if isinstance(details, dict) else {},
        reason=row.reason,
    )


def _masked(event: Event) -> Event:
    if event.entity not in ANSWER_ENTITIES:
        return event
    details = {name: value if name in OPEN_TO_ALL or value is None else HIDDEN for name, value in event.details.items()}
    return replace(event, details=details)


def _key(event: Event) -> str:
    return f"{(event.at - _EPOCH) // timedelta(microseconds=1)}-{event.id}"


def _read_key(text: str) -> tuple[datetime, int] | None:
    moment, _, number = text.partition("-")
    if not (moment.isascii() and moment.isdigit() and number.isascii() and number.isdigit()):
        return None
    if len(moment) > 17 or len(number) > 15:
        return None
    return _EPOCH + timedelta(microseconds=int(moment)), int(number)
