"""The rows of the outbox, written in the transaction of their cause: what fell due is queued, what may no longer go is
cancelled. Who hands them over is `services.outbox`.

A key says what a message is about, so queueing the same twice is queueing it once, whoever does it. Only a row still
queued can be cancelled: one that a worker holds may already be with the gateway, and the truth about it comes from
there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from proapp.db.models import Message, Participant
from proapp.services import audit
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused

ELECTRONIC = ("sms", "email")
STATES = ("queued", "sending", "sent", "delivered", "failed", "cancelled", "possibly_sent")
RESENDABLE = frozenset({"failed", "possibly_sent"})

_message: Any = Message.__table__


@dataclass(frozen=True, slots=True)
class Queued:
    """A row that was added."""

    id: int
    key: str


def queue(
    session: Session,
    *,
    key: str,
    kind: str,
    channel: str,
    due_at: datetime,
    now: datetime,
    actor: Actor,
    participant_id: int | None = None,
    user_id: int | None = None,
    assessment_id: int | None = None,
    step: str | None = None,
    not_after: datetime | None = None,
    site_code: str | None = None,
    locked: bool = False,
) -> int | None:
    """Queue one message to a participant or to a member of staff; its id, or None if the key was queued before.

    `channel` is sms, email or letter (which nobody sends: it waits in the list of letters). `locked`: the caller
    holds the participant's lock.
    """
    values = {
        "key": key,
        "kind": kind,
        "channel": channel,
        "due_at": due_at,
        "participant_id": participant_id,
        "user_id": user_id,
        "assessment_id": assessment_id,
        "step": step,
        "not_after": not_after,
    }
    rows = insert_new(session.connection(), [values], now=now)
    if not rows:
        return None
    entry = queued_entry(rows[0].id, values, site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=participant_id, locked=locked)
    return rows[0].id


def insert_new(connection: Connection, rows: Sequence[Mapping[str, Any]], *, now: datetime) -> list[Queued]:
    """Add those whose key is new, in one statement. The caller writes an audit event (`queued_entry`) for each."""
    complete = [
        {"queued_at": now, "state": "queued", "attempts": 0, "next_try_at": now, **row} for row in rows
    ]  # fmt: skip
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(_message)
    statement = insert.values(complete).on_conflict_do_nothing(index_elements=["key"])
    return [Queued(*row) for row in connection.execute(statement.returning(_message.c.id, _message.c.key))]


def queued_entry(message_id: int, values: Mapping[str, Any], site_code: str | None) -> Entry:
    names = ("kind", "assessment_id", "step", "channel", "due_at", "not_after")
    details = {name: values[name] for name in names if values.get(name) is not None}
    return Entry("message.queued", "message", message_id, details, site_code=site_code)


# --- cancelling -----------------------------------------------------------------------------------------------------


def cancel_queued(
    connection: Connection,
    *,
    reason: str,
    now: datetime,
    assessment_id: int | None = None,
    participant_id: int | None = None,
    site_code: str | None = None,
) -> list[Entry]:
    """Cancel what is queued about one assessment, or to one participant, in one statement; returns the audit entries
    for the caller to record. The caller holds the participant's lock."""
    if assessment_id is None and participant_id is None:
        raise ValueError("of what assessment, or of which participant?")
    query = update(_message).where(_message.c.state == "queued")
    if assessment_id is not None:
        query = query.where(_message.c.assessment_id == assessment_id)
    if participant_id is not None:
        query = query.where(_message.c.participant_id == participant_id)
    query = query.values(state="cancelled", state_reason=reason, settled_at=now)
    rows = connection.execute(query.returning(_message.c.id, _message.c.step, _message.c.channel)).all()
    return [
        Entry("message.cancelled", "message", row.id, {"why": reason, "step": row.step, "channel": row.channel},
              site_code=site_code)
        for row in sorted(rows)
    ]  # fmt: skip


def cancel_for_assessment(
    session: Session,
    assessment_id: int,
    *,
    participant_id: int,
    reason: str,
    actor: Actor,
    now: datetime,
    site_code: str | None = None,
    locked: bool = True,
) -> int:
    """Nothing more about this assessment: it was submitted, declined, taken out of the plan. Returns how many rows.

    One statement when there is nothing to cancel, three when there is.
    """
    entries = cancel_queued(
        session.connection(), assessment_id=assessment_id, reason=reason, now=now, site_code=site_code
    )
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant_id, locked=locked)
    return len(entries)


def cancel_for_participant(
    session: Session,
    participant_id: int,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
    site_code: str | None = None,
    locked: bool = True,
) -> int:
    """Nothing more to this participant: death, stop, withdrawal, a pause, a wrong number. As cancel_for_assessment."""
    entries = cancel_queued(
        session.connection(), participant_id=participant_id, reason=reason, now=now, site_code=site_code
    )
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant_id, locked=locked)
    return len(entries)


def useless_letters(session: Session, *, now: datetime) -> bool:
    """Whether letters still wait in the list that are of no more use: the next reminder is due, or the window over."""
    return session.scalar(select(_message.c.id).where(_useless(now)).limit(1)) is not None


def drop_useless_letters(session: Session, *, actor: Actor, now: datetime) -> int:
    """Take them out of the list; returns how many. Nobody is waited for: the next tick finds what was passed over."""
    people = Participant.__table__
    query = select(_message, people.c.site_code).join(people, people.c.id == _message.c.participant_id)
    rows = session.execute(
        query.where(_useless(now)).with_for_update(key_share=True, of=[_message, people], skip_locked=True)
    ).all()
    for row in rows:
        cancel_letter(session, row, "too_late", actor=actor, now=now)
    return len(rows)


def cancel_letter(session: Session, row: Any, why: str, *, actor: Actor, now: datetime) -> None:
    """The caller holds the row and its participant."""
    values = {"state": "cancelled", "state_reason": why, "settled_at": now}
    session.execute(update(_message).where(_message.c.id == row.id).values(**values))
    details = {"why": why, "step": row.step, "channel": row.channel}
    entry = Entry("message.cancelled", "message", row.id, details, site_code=row.site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=row.participant_id, locked=True)


def _useless(now: datetime) -> Any:
    return (_message.c.state == "queued") & (_message.c.channel == "letter") & (_message.c.not_after <= now)


# --- by hand --------------------------------------------------------------------------------------------------------


def resend(
    session: Session,
    message_id: int,
    *,
    sites: frozenset[str] | None,
    actor: Actor,
    now: datetime,
) -> None:
    """A member of staff has looked and wants it tried again: one that failed, or may or may not have gone.

    What forbids a message forbids this one too: it is decided anew before it goes. Raises NotFound, and Refused:
    cannot_resend(state), too_late.
    """
    message, site_code = _find(session, message_id, sites)
    if message.state not in RESENDABLE:
        raise Refused("cannot_resend", state=message.state)
    if message.not_after is not None and now >= message.not_after:
        raise Refused("too_late")
    before = message.state
    message.state, message.state_reason, message.settled_at = "queued", "resent", None
    message.attempts, message.next_try_at = 0, now
    # The provider's reference stays, so that the gateway can tell this from what it had before (outbox._take).
    message.claimed_by = message.lease_until = message.handed_over_at = None
    session.flush()
    entry = Entry("message.requeued", "message", message.id, {"was": before}, site_code=site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=message.participant_id, locked=True)


def letter_posted(
    session: Session,
    message_id: int,
    *,
    sites: frozenset[str] | None,
    actor: Actor,
    now: datetime,
) -> None:
    """A member of staff has put the letter into an envelope. Raises NotFound, and Refused: not_a_letter,
    no_longer_wanted(reason); posting it twice is posting it once."""
    message, site_code = _find(session, message_id, sites)
    if message.channel != "letter":
        raise Refused("not_a_letter")
    if message.state == "sent":
        return
    if message.state != "queued":
        raise Refused("no_longer_wanted", reason=message.state_reason)
    message.state, message.handed_over_at, message.gateway = "sent", now, "letter"
    message.attempts, message.next_try_at = 1, now
    session.flush()
    entry = Entry("message.posted", "message", message.id, {"step": message.step}, site_code=site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=message.participant_id, locked=True)


def _find(session: Session, message_id: int, sites: frozenset[str] | None) -> tuple[Message, str]:
    """A participant's message within `sites`, behind the participant's lock. Raises NotFound."""
    found = session.get(Message, message_id)
    person = None
    if found is not None and found.participant_id is not None:
        person = session.get(Participant, found.participant_id, with_for_update={"key_share": True})
    if found is None or person is None or (sites is not None and person.site_code not in sites):
        raise NotFound(str(message_id))
    session.refresh(found, with_for_update=True)
    return found, person.site_code
