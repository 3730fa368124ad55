"""What gateways report afterwards. Each report is kept once, whenever it comes: before we know the message's reference,
twice, or in the wrong order. A delivered message stays delivered; a failure told about it later is kept and changes
nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from proapp.db.models import Contact, DeliveryReceipt, Message, Participant
from proapp.services import audit
from proapp.services.audit import WORKER, Actor, Entry
from proapp.services.contact_doubts import WRONG_NUMBER

STATUSES = ("accepted", "delivered", "failed")
# A later word about a message counts only if it says more than what is known.
_REPLACES = {
    "delivered": ("queued", "sending", "sent", "failed", "possibly_sent"),  # queued: to be sent again, and not needed
    "failed": ("sending", "sent", "possibly_sent"),
}

_message: Any = Message.__table__
_receipt: Any = DeliveryReceipt.__table__
_contact: Any = Contact.__table__


def receive(
    session: Session,
    *,
    gateway: str,
    provider_ref: str,
    status: str,
    now: datetime,
    reason: str | None = None,
    at: datetime | None = None,
    actor: Actor = WORKER,
) -> bool:
    """Keep a report (accepted | delivered | failed) and do what it says; False if it was known already.

    One that comes before its message's reference is known is taken up when that is recorded. The caller has made sure
    that the gateway is who it says, and commits. `reason` is one of our codes, never the gateway's words.
    """
    if status not in STATUSES:
        raise ValueError(status)
    take_turns(session, gateway, provider_ref)
    message = _behind_lock(session, gateway, provider_ref)
    report = {"gateway": gateway, "provider_ref": provider_ref, "status": status}
    if session.scalar(select(_receipt.c.id).filter_by(**report)) is not None:
        return False
    values = {**report, "reason": reason, "at": at, "received_at": now}
    added = session.scalar(insert(_receipt).values(values).returning(_receipt.c.id))
    participant_id = message.participant_id if message is not None else None
    details = {
        "gateway": gateway,
        "status": status,
        "why": reason,
        "message": message.id if message is not None else None,
    }
    entry = Entry("receipt.received", "delivery_receipt", added, details, site_code=_site(message))
    audit.record(
        session, entry, actor=actor, now=now, participant_id=participant_id, locked=participant_id is not None
    )  # fmt: skip
    # While it is being handed over who does that takes up what came early.
    early = message is not None and message.state == "sending" and message.provider_ref != provider_ref
    if message is not None and not early:
        _apply(session, message, status, reason, actor=actor, now=now)
    return True


def take_turns(session: Session, gateway: str, provider_ref: str) -> None:
    """Who records a reference and who receives its report see one another (SQLite has one writer anyway)."""
    if session.get_bind().dialect.name == "postgresql":
        key = {"key": f"proapp receipt {gateway} {provider_ref}"}
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:key))"), key)


def take_early(
    session: Session, message_id: int, gateway: str, provider_ref: str, *, actor: Actor, now: datetime
) -> None:
    """Reports that came before the reference was recorded; the caller holds the participant's lock."""
    known = (_receipt.c.gateway == gateway) & (_receipt.c.provider_ref == provider_ref)
    _take(session, message_id, known, actor=actor, now=now)


def take_early_of(session: Session, row: Any, *, actor: Actor, now: datetime) -> None:
    """Reports that name our own reference of a message of which nobody knows whether it went: no answer ever said what
    the provider's is, but many have no other. The caller holds the row and its participant."""
    if row.reference is not None:
        known = (_receipt.c.provider_ref == row.reference) | _receipt.c.provider_ref.startswith(f"<{row.reference}@")
        _take(session, row.id, known, actor=actor, now=now)


def _take(session: Session, message_id: int, known: Any, *, actor: Actor, now: datetime) -> None:
    query = select(_receipt.c.status, _receipt.c.reason).where(known)
    for status, reason in session.execute(query.order_by(_receipt.c.id)).all():
        message = session.execute(_with_site().where(_message.c.id == message_id)).one()
        _apply(session, message, status, reason, actor=actor, now=now)


def _with_site() -> Any:
    return select(_message, Participant.site_code).outerjoin(Participant, Participant.id == _message.c.participant_id)


def _behind_lock(session: Session, gateway: str, provider_ref: str) -> Any:
    """The message of that reference, the provider's or ours, behind its participant's lock; None if there is none
    (yet)."""
    theirs = (_message.c.gateway == gateway) & (_message.c.provider_ref == provider_ref)
    mine = theirs | (_message.c.reference == own_reference(provider_ref))
    whose = session.scalars(select(_message.c.participant_id).where(mine)).first()
    if whose is not None:
        session.execute(select(Participant.id).where(Participant.id == whose).with_for_update(key_share=True))
    return session.execute(_with_site().where(mine).order_by(_message.c.id.desc()).limit(1)).first()


def own_reference(provider_ref: str) -> str:
    """Ours, in what a provider reports: as it is, or as the Message-ID of an e-mail."""
    return provider_ref.removeprefix("<").partition("@")[0]


def _apply(session: Session, message: Any, status: str, reason: str | None, *, actor: Actor, now: datetime) -> None:
    """Move the message on, if the report says more than what is known."""
    if status not in _REPLACES or message.state not in _REPLACES[status]:
        return
    values = {"state": status, "state_reason": reason if status == "failed" else None, "settled_at": now}
    session.execute(update(_message).where(_message.c.id == message.id).values(**values))
    details = {"was": message.state, "why": values["state_reason"], "step": message.step, "channel": message.channel}
    _note(session, message, Entry(f"message.{status}", "message", message.id, details), actor=actor, now=now)
    if status == "failed":
        mark_undeliverable(session, message, reason or "not_delivered", actor=actor, now=now)
    else:
        _mark_reached(session, message, actor=actor, now=now)


def mark_undeliverable(session: Session, message: Any, reason: str, *, actor: Actor, now: datetime) -> None:
    """The way of contact that the participant chose does not reach them, unless it was changed since."""
    values = {"undeliverable_at": now, "undeliverable_reason": reason}
    _change_contact(session, message, "contact.undeliverable", values, {"why": reason}, actor=actor, now=now)


def _mark_reached(session: Session, message: Any, *, actor: Actor, now: datetime) -> None:
    """Something was delivered to it: what was said against it before does not hold, and a test has shown that it
    works."""
    values: dict[str, Any] = {"undeliverable_at": None, "undeliverable_reason": None}
    if message.kind == "test":
        values["verified_at"] = now
    details = {"message": message.id, "kind": message.kind}
    _change_contact(session, message, "contact.reached", values, details, actor=actor, now=now)


def _change_contact(
    session: Session,
    message: Any,
    action: str,
    values: dict[str, Any],
    details: dict[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    if message.participant_id is None:
        return
    # The address was read when the message was claimed, which is what next_try_at of a row that was tried says.
    query = update(_contact).where(
        _contact.c.participant_id == message.participant_id,
        _contact.c.channel == message.channel,
        _contact.c.updated_at <= message.next_try_at,
        func.coalesce(_contact.c.undeliverable_reason, "") != WRONG_NUMBER,  # that it arrives there says nothing
    )
    news = _contact.c.undeliverable_at.is_(None)
    if values["undeliverable_at"] is None:
        news = _contact.c.undeliverable_at.is_not(None)
        if "verified_at" in values:
            news |= _contact.c.verified_at.is_(None)
    if session.execute(query.where(news).values(**values)).rowcount:  # type: ignore[attr-defined]
        entry = Entry(action, "contact", message.participant_id, details)
        _note(session, message, entry, actor=actor, now=now)


def _site(message: Any) -> str | None:
    return message.site_code if message is not None else None


def _note(session: Session, message: Any, entry: Entry, *, actor: Actor, now: datetime) -> None:
    placed = Entry(entry.action, entry.entity, entry.entity_id, entry.details, site_code=_site(message))
    whose = message.participant_id
    audit.record(session, placed, actor=actor, now=now, participant_id=whose, locked=whose is not None)
