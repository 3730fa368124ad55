"""What is known against an address, for as long as that address is kept: that a caller met a stranger there, or that a
gateway could not reach it.

What was found since the contact was last changed stands where it was found: in the contact log, or on the contact row.
When the contact is changed and the address in question is not, it goes on with it: sealed beside the address, and on
the row as long as it is the address that the participant chose. Otherwise an e-mail address that somebody adds would
send the next SMS to the stranger again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import Contact, ContactAttempt

WRONG_NUMBER = "wrong_number"
FIELDS = {"sms": "mobile", "email": "email"}  # channel → the address it leads to
CHANNELS = {field: channel for channel, field in FIELDS.items()}


class Doubt(NamedTuple):
    """Known since `at`. `reason` is wrong_number or a gateway's code."""

    at: datetime
    reason: str


def known(session: Session, row: Contact, plain: Mapping[str, Any]) -> dict[str, Doubt]:
    """What stands against each address (mobile, email); `plain` is what is sealed in the row."""
    found = sealed(plain)
    if row.undeliverable_at is not None and row.channel in FIELDS:
        found[FIELDS[row.channel]] = Doubt(row.undeliverable_at, row.undeliverable_reason or "undeliverable")
    told = session.execute(
        select(ContactAttempt.at, ContactAttempt.method)
        .where(
            ContactAttempt.participant_id == row.participant_id,
            ContactAttempt.outcome == WRONG_NUMBER,
            ContactAttempt.at > row.updated_at,
        )
        .order_by(ContactAttempt.id)
    )
    for at, method in told:
        found["email" if method == "email" else "mobile"] = Doubt(at, WRONG_NUMBER)
    return {field: doubt for field, doubt in found.items() if plain.get(field)}


def is_wrong_number(session: Session, row: Contact) -> bool:
    """Whether messages would go to somebody else, as far as is known. No key is needed to say so."""
    told = select(ContactAttempt.id).where(
        ContactAttempt.participant_id == row.participant_id,
        ContactAttempt.outcome == WRONG_NUMBER,
        ContactAttempt.at > row.updated_at,
    )
    return row.undeliverable_reason == WRONG_NUMBER or session.scalar(told.limit(1)) is not None


def sealed(plain: Mapping[str, Any]) -> dict[str, Doubt]:
    """What was known before the last change, of addresses that it left alone."""
    kept: Mapping[str, tuple[str, str]] = plain.get("doubts") or {}
    return {field: Doubt(datetime.fromisoformat(at), reason) for field, (at, reason) in kept.items()}


def to_seal(doubts: Mapping[str, Doubt]) -> dict[str, Any]:
    """As it is kept; nothing where there is nothing."""
    if not doubts:
        return {}
    return {"doubts": {field: [doubt.at.isoformat(), doubt.reason] for field, doubt in sorted(doubts.items())}}
