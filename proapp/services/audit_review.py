"""Checking the trail: every row of every chain, the guards of the tables, and the answers themselves.

A chain that is checked only at its ends is not checked, so the walk recomputes each hash, in constant memory, and
compares what the trail says happened and was answered with what is stored. A tail cut off, or a chain rewritten from
some row on, can only be seen against heads that were kept somewhere else (`against_anchors`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, String, cast, func, literal, select, text
from sqlalchemy.orm import Session

from proapp.db.append_only import FUNCTION, guards
from proapp.db.models import APPEND_ONLY, Answer, Assessment, AuditEvent, Participant, ResponseSet
from proapp.services import audit_facts
from proapp.services.audit import GENESIS, Fault, event_hash

DATABASE = "database"  # the "chain" of faults that concern the guards
AT_ONCE = 500  # rows held at a time
ANSWERED = ("answer.recorded", "answer")
Key = tuple[int, str, int]  # response set, instrument, item


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of a chain as it was once: kept on paper, on another machine, in a letter."""

    chain: str
    seq: int
    hash: str


@dataclass(slots=True)
class _Walk:
    """Where the walk stands in one chain, and what the chain has said about facts and answers."""

    chain: str
    seq: int = 0
    hash: str = GENESIS
    answers: dict[Key, list[tuple[int, Any]]] = field(default_factory=dict)
    facts: audit_facts.Told = field(default_factory=audit_facts.Told)
    participant_id: int | None = None

    def __post_init__(self) -> None:
        if re.fullmatch(r"p[0-9]+", self.chain):
            self.participant_id = int(self.chain[1:])


class BadAnchors(ValueError):
    """The file is not what `proapp audit heads` writes; the message names the line."""


def faults(session: Session) -> Iterator[Fault]:
    """Everything wrong with guards, chains and answers; nothing means intact. Walks every row."""
    yield from guard_faults(session.connection())
    walk: _Walk | None = None
    columns = AuditEvent.__table__.columns
    query = select(*columns).order_by(AuditEvent.chain, AuditEvent.seq).execution_options(yield_per=AT_ONCE)
    for row in session.execute(query):
        if walk is None or row.chain != walk.chain:
            if walk is not None:
                yield from _stored_faults(session, walk)
            walk = _Walk(row.chain)
        yield from _row_faults(walk, row)
    if walk is not None:
        yield from _stored_faults(session, walk)
    yield from _untold(session)


def size(session: Session) -> tuple[int, int]:
    """(events, chains)."""
    events, chains = session.execute(select(func.count(), func.count(func.distinct(AuditEvent.chain)))).one()
    return events, chains


# --- chains ---------------------------------------------------------------------------------------------------------


def _row_faults(walk: _Walk, row: Row[Any]) -> Iterator[Fault]:
    """Compare one row with its place in the chain, then stand on it."""
    if row.seq != walk.seq + 1:
        yield Fault(
            row.chain, row.seq, row.id, f"follows number {walk.seq}: events between are missing, or this one moved"
        )
    elif row.prev_hash != walk.hash:
        yield Fault(row.chain, row.seq, row.id, "is not linked to the event before it")
    if event_hash(row.prev_hash, row._asdict()) != row.hash:
        yield Fault(row.chain, row.seq, row.id, "was changed after it was written")
    walk.seq, walk.hash = row.seq, row.hash
    if (row.action, row.entity) == ANSWERED:
        yield from _take_answer(walk, row)
    elif walk.participant_id is not None:
        yield from audit_facts.take(walk.facts, row)


def _take_answer(walk: _Walk, row: Row[Any]) -> Iterator[Fault]:
    found = re.fullmatch(r"([0-9]+)/([a-z0-9]+)\.([0-9]+)", row.entity_id)
    try:
        new = json.loads(row.details)["new"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not found:
        yield Fault(row.chain, row.seq, row.id, "does not say which answer was recorded")
        return
    key = (int(found[1]), found[2], int(found[3]))
    walk.answers.setdefault(key, []).append((row.seq, new))


def _stored_faults(session: Session, walk: _Walk) -> Iterator[Fault]:
    yield from _answer_faults(session, walk)
    if walk.participant_id is not None:
        yield from audit_facts.faults(session, walk.facts, chain=walk.chain, seq=walk.seq)


# --- answers --------------------------------------------------------------------------------------------------------


def _answer_faults(session: Session, walk: _Walk) -> Iterator[Fault]:
    """Each stored answer of the participant has its one event, with the same value, and the other way round."""
    stored: dict[Key, list[Any]] = {}
    if walk.participant_id is not None:
        for row in session.execute(_answers_of(walk.participant_id)):
            value = row.code if row.kind == "answered" else row.kind
            stored.setdefault((row.response_set_id, row.instrument, row.item), []).append(value)
    for key in sorted(walk.answers.keys() | stored.keys()):
        told, kept = walk.answers.get(key, []), stored.get(key, [])
        name = f"response set {key[0]}, {key[1]} item {key[2]}"
        for number, (seq, value) in enumerate(told):
            if number >= len(kept):
                yield Fault(walk.chain, seq, None, f"tells of an answer that is not stored ({name})")
            elif value != kept[number]:
                yield Fault(walk.chain, seq, None, f"tells of another value than the one stored ({name})")
        if len(kept) > len(told):
            yield Fault(walk.chain, walk.seq, None, f"an answer is stored that no event tells of ({name})")


def _answers_of(participant_id: int) -> Select[int, str, int, str, int | None]:
    return (
        select(Answer.response_set_id, Answer.instrument, Answer.item, Answer.kind, Answer.code)
        .join(ResponseSet, ResponseSet.id == Answer.response_set_id)
        .join(Assessment, Assessment.id == ResponseSet.assessment_id)
        .where(Assessment.participant_id == participant_id)
        .order_by(Answer.id)
    )


def _untold(session: Session) -> Iterator[Fault]:
    """Participants of whom no event tells at all, not even that they were enrolled."""
    chain = literal("p").concat(cast(Participant.id, String))
    known = select(AuditEvent.id).where(AuditEvent.chain == chain).exists()
    for name in session.scalars(select(chain).select_from(Participant).where(~known).order_by(Participant.id)):
        yield Fault(name, 0, None, "has no events at all, although there is a participant")


# --- guards ---------------------------------------------------------------------------------------------------------


def guard_faults(connection: Connection) -> Iterator[Fault]:
    """Append-only triggers that are missing, switched off or weakened, on either engine."""
    found = _sqlite_triggers(connection) if connection.dialect.name == "sqlite" else _postgresql_triggers(connection)
    for table in APPEND_ONLY:
        for name in guards(table, connection.dialect.name):
            if name not in found:
                yield Fault(DATABASE, 0, None, f"the guard {name} is missing or switched off: {table} can be changed")
            elif not found[name]:
                yield Fault(DATABASE, 0, None, f"the guard {name} was altered: {table} can be changed")


def _sqlite_triggers(connection: Connection) -> dict[str, bool]:
    wanted = {name: sql for table in APPEND_ONLY for name, sql in guards(table, "sqlite").items()}
    rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    return {row.name: wanted.get(row.name) == row.sql for row in rows}


def _postgresql_triggers(connection: Connection) -> dict[str, bool]:
    """Enabled triggers, and whether each is for every statement and calls the function as we wrote it."""
    body = FUNCTION.split("$$")[1]
    rows = connection.execute(
        text(
            "SELECT t.tgname AS name, t.tgtype AS type, t.tgqual AS condition, p.prosrc AS body "
            "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') "
            "AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(:tables) "
            "AND t.tgname LIKE c.relname || '\\_no\\_%'"
        ),
        {"tables": list(APPEND_ONLY)},
    )
    # tgtype: 2 = before, 8 = delete, 16 = update, 32 = truncate; statement level has no bit of its own.
    wanted = {"update": 2 + 16, "delete": 2 + 8 + 32}
    return {
        row.name: row.body == body and row.condition is None and row.type == wanted.get(row.name.rsplit("_", 1)[-1])
        for row in rows
    }


# --- anchors --------------------------------------------------------------------------------------------------------


def anchor_lines(anchors: Iterable[Anchor | Row[Any]]) -> Iterator[str]:
    """One line for each head: chain, number, hash."""
    for anchor in anchors:
        yield f"{anchor.chain} {anchor.seq} {anchor.hash}"


def read_anchors(lines: Iterable[str]) -> list[Anchor]:
    """The heads of a file written by `proapp audit heads`. Raises BadAnchors."""
    anchors = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"(\S{1,20}) ([0-9]{1,12}) ([0-9a-f]{64})", line.strip())
        if not found:
            raise BadAnchors(f"line {number} is not a chain, a number and a hash")
        anchors.append(Anchor(found[1], int(found[2]), found[3]))
    if not anchors:
        raise BadAnchors("the file holds no heads")
    return anchors


def against_anchors(session: Session, anchors: Iterable[Anchor]) -> Iterator[Fault]:
    """Chains that are shorter than they once were, or whose past is not what it was."""
    for anchor in anchors:
        row = session.execute(
            select(AuditEvent.id, AuditEvent.hash).where(AuditEvent.chain == anchor.chain, AuditEvent.seq == anchor.seq)
        ).first()
        if row is None:
            yield Fault(anchor.chain, anchor.seq, None, "is not there any more: the end of the chain was cut off")
        elif row.hash != anchor.hash:
            yield Fault(anchor.chain, anchor.seq, row.id, "is not the event it was: the chain was written anew")
