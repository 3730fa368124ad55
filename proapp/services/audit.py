"""Who did what, when and why: one event for every write, in the writer's transaction.

Events form a hash chain per participant (and one, `system`, for the rest): hash = SHA-256 over the previous hash and
the canonical content of the event. Changing, removing, inserting or reordering a row is found by a walk. Cutting off
the tail, or rewriting a whole chain from some row on, can only be seen against a head kept elsewhere (`heads`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.orm import Session

from proapp.db.models import AuditEvent, Participant

SYSTEM = "system"
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. An audit event cannot be written without one."""

    kind: Literal["patient", "staff", "system", "machine"]
    id: int | None
    role: str


WORKER = Actor("system", None, "worker")
COMMAND_LINE = Actor("system", None, "command_line")


@dataclass(frozen=True, slots=True)
class Entry:
    """One write: `action` is a verb of the house (answer.recorded), `details` holds old and new values."""

    action: str
    entity: str
    entity_id: int | str
    details: Mapping[str, Any]
    reason: str | None = None
    site_code: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    chain: str
    seq: int
    event_id: int | None
    sentence: str


def participant_chain(participant_id: int) -> str:
    return f"p{participant_id}"


def _plain(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


# Made once: json.dumps would make one for every event, twice.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain).encode


def canonical(details: Mapping[str, Any]) -> str:
    """The one text of `details`: sorted keys, no spaces, dates in ISO 8601."""
    return _encode(details)


def event_hash(prev_hash: str, fields: Mapping[str, Any]) -> str:
    """SHA-256 over the previous hash and every field that carries meaning, in hexadecimal."""
    moment: datetime = fields["at"]
    content = canonical(
        {
            "chain": fields["chain"],
            "seq": fields["seq"],
            "at": moment.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": [fields["actor_kind"], fields["actor_id"], fields["actor_role"]],
            "action": fields["action"],
            "entity": [fields["entity"], fields["entity_id"]],
            "site": fields["site_code"],
            "details": fields["details"],
            "reason": fields["reason"],
        }
    )
    return hashlib.sha256(f"{prev_hash}\n{content}".encode()).hexdigest()


def chained(
    chain: str, seq: int, prev_hash: str, entries: Iterable[Entry], *, actor: Actor, now: datetime
) -> list[dict[str, Any]]:
    """Rows for `entries`, linked behind (`seq`, `prev_hash`). Pure; also used by bulk writers."""
    rows = []
    for seq_of_entry, entry in enumerate(entries, start=seq + 1):
        fields: dict[str, Any] = {
            "chain": chain,
            "seq": seq_of_entry,
            "at": now,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "actor_role": actor.role,
            "action": entry.action,
            "entity": entry.entity,
            "entity_id": str(entry.entity_id),
            "site_code": entry.site_code,
            "details": canonical(entry.details),
            "reason": entry.reason,
        }
        own_hash = event_hash(prev_hash, fields)
        rows.append({**fields, "prev_hash": prev_hash, "hash": own_hash})
        prev_hash = own_hash
    return rows


def record(
    session: Session,
    *entries: Entry,
    actor: Actor,
    now: datetime,
    participant_id: int | None = None,
    locked: bool = False,
) -> None:
    """Append `entries` to the participant's chain (or the system's), two statements in all.

    Writers of one chain take turns: on SQLite by the transaction's own lock, on PostgreSQL by a lock on the participant
    row (or an advisory lock for the system chain), which costs a third statement unless the caller holds it (`locked`).
    """
    if not entries:
        return
    chain = SYSTEM if participant_id is None else participant_chain(participant_id)
    if not locked and session.get_bind().dialect.name == "postgresql":
        _lock(session, participant_id)
    head = session.execute(
        select(AuditEvent.seq, AuditEvent.hash)
        .where(AuditEvent.chain == chain)
        .order_by(AuditEvent.seq.desc())
        .limit(1)
    ).first()
    seq, prev_hash = (head.seq, head.hash) if head else (0, GENESIS)
    session.execute(insert(AuditEvent), chained(chain, seq, prev_hash, entries, actor=actor, now=now))


def _lock(session: Session, participant_id: int | None) -> None:
    if participant_id is None:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('proapp audit system'))"))
    else:
        lock_participant = select(Participant.id).where(Participant.id == participant_id)
        session.execute(lock_participant.with_for_update(key_share=True))


def heads(session: Session) -> Sequence[Row[str, int, str]]:
    """(chain, seq, hash) of every chain's last event: the anchors to keep somewhere else."""
    last = select(AuditEvent.chain, func.max(AuditEvent.seq).label("seq")).group_by(AuditEvent.chain).subquery()
    return session.execute(
        select(AuditEvent.chain, AuditEvent.seq, AuditEvent.hash)
        .join(last, (last.c.chain == AuditEvent.chain) & (last.c.seq == AuditEvent.seq))
        .order_by(AuditEvent.chain)
    ).all()
