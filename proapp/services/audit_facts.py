"""The facts about a participant against the events that tell of them, one event for each row and the other way round.

An event carries of its row what may stand in the trail: not the words of a note, only that there is one. What it does
carry is compared. `audit_review` compares the answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from proapp.db.models import (
    Assessment,
    AssessmentEvent,
    Base,
    ContactAttempt,
    MissedReason,
    ParticipantEvent,
    PatientRequest,
)
from proapp.services.audit import Fault

TABLES: dict[str, type[Base]] = {
    model.__tablename__: model
    for model in (ParticipantEvent, AssessmentEvent, MissedReason, ContactAttempt, PatientRequest)
}
_CALLED = {"supersedes": "supersedes_id", "assessment": "assessment_id"}  # where a column has another name in the trail
Fact = tuple[str, str]  # table, number


@dataclass(slots=True)
class Told:
    """What one chain has said about facts: the event's place and what it carries."""

    events: dict[Fact, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)


def take(told: Told, row: Row[Any]) -> Iterator[Fault]:
    """Note what one event of the chain says, if it tells of a fact."""
    if row.entity not in TABLES:
        return
    try:
        details = json.loads(row.details)
    except ValueError:
        details = None
    if not isinstance(details, dict):
        yield Fault(row.chain, row.seq, row.id, f"does not say what was recorded ({row.entity} {row.entity_id})")
    elif (row.entity, row.entity_id) in told.events:
        yield Fault(row.chain, row.seq, row.id, f"tells a second time of one row ({row.entity} {row.entity_id})")
    else:
        reason = {"reason": row.reason} if row.reason is not None else {}
        kind = {"type": row.action.split(".", 1)[1]} if row.entity == "assessment_event" else {}
        told.events[row.entity, row.entity_id] = (row.seq, {**kind, **details, **reason})


def faults(session: Session, told: Told, *, chain: str, seq: int) -> Iterator[Fault]:
    """The rows that are stored of the chain's participant, each beside its event. A statement for each table."""
    events = dict(told.events)
    for table, model in TABLES.items():
        for stored in session.execute(_stored(model, int(chain[1:]))).mappings():
            event = events.pop((table, str(stored["id"])), None)
            if event is None:
                yield Fault(chain, seq, None, f"a row is stored that no event tells of ({table} {stored['id']})")
            elif names := _differing(stored, event[1]):
                told_of = f"({table} {stored['id']}: {', '.join(names)})"
                yield Fault(chain, event[0], None, f"tells of other values than those stored {told_of}")
    for (table, id_), (place, _) in events.items():
        yield Fault(chain, place, None, f"tells of a row that is not stored ({table} {id_})")


def _stored(model: type[Base], participant_id: int) -> Select[Any]:
    columns = model.__table__.columns
    query = select(*columns).order_by(columns.id)
    if "participant_id" in columns:
        return query.where(columns.participant_id == participant_id)
    return query.join(Assessment, Assessment.id == columns.assessment_id).where(
        Assessment.participant_id == participant_id
    )


def _differing(stored: Mapping[Any, Any], event: Mapping[str, Any]) -> list[str]:
    """The names of what the event carries and the row does not say alike."""
    row = {name: _plain(value) for name, value in stored.items()}
    row = {**(row.get("payload") or {}), **row}
    if "note" in stored or "reason" in stored:
        row["has_note"] = (stored["note"] if "note" in stored else stored["reason"]) is not None
    told = {_CALLED.get(name, name): value for name, value in event.items()}
    return sorted(name for name, value in told.items() if name in row and value != row[name])


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | time) else value
