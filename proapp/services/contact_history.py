"""How a participant could be reached at a moment of the past, as far as the trail tells: it names what changed and
when, never an address. The contact row holds only what is so now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import AuditEvent
from proapp.services import audit

_STATES = {"contact.undeliverable": True, "contact.reached": False, "contact.verified": False}
_WORD = ("contact.recorded", "contact.changed", "contact.confirmed")  # somebody has said that it is right


class Then(NamedTuple):
    """`recorded` is False before there was a contact. `channel` is the way used then where it has changed since, else
    None. `said_at` is when somebody had last said that the address is right, or given another."""

    recorded: bool
    channel: str | None
    said_at: datetime | None
    undeliverable: bool


def contacts_then(session: Session, people: Sequence[int], known_at: datetime) -> dict[int, Then]:
    """By participant; those of whom the trail says nothing are left out. One statement."""
    chains = {audit.participant_chain(one): one for one in people}
    rows = session.execute(
        select(AuditEvent.chain, AuditEvent.action, AuditEvent.at, AuditEvent.details)
        .where(AuditEvent.chain.in_(sorted(chains)), AuditEvent.entity == "contact")
        .order_by(AuditEvent.chain, AuditEvent.seq)
    )
    told: dict[int, list[Any]] = defaultdict(list)
    for chain, action, at, details in rows:
        told[chains[chain]].append((action, at, json.loads(details)))
    return {one: _then(events, known_at) for one, events in told.items()}


def _then(events: Iterable[tuple[str, datetime, Mapping[str, Any]]], known_at: datetime) -> Then:
    recorded, undeliverable = True, False
    said_at: datetime | None = None
    channel: str | None = None
    for action, at, details in events:
        if at > known_at:
            recorded = recorded and action != "contact.recorded"
            channel = channel or details.get("was")  # the first change since says what it was until then
        elif action in _STATES:
            undeliverable = _STATES[action]
        elif action in _WORD and not _goes_on(details):
            said_at, undeliverable = at, False
    return Then(recorded, channel, said_at, undeliverable)


def _goes_on(details: Mapping[str, Any]) -> bool:
    """Whether what was known of the address in use went on after the change: it was left as it was, way and all."""
    return bool(details.get("doubted")) and "channel" not in details.get("fields", ())
