"""The way out of the outbox: one message at a time is claimed, handed over outside any transaction, and recorded.

A claim carries a lease. A worker that dies between handing over and recording leaves a row that nobody holds any more
and nobody may send: it becomes `possibly_sent`, seen and counted, and only a person may have it sent again. The claim
itself leaves no audit event: it is a worker's note to the others; what came of it leaves one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Select, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from proapp.db.models import Message, Participant
from proapp.gateways.protocol import Outgoing
from proapp.services import audit, receipts, versions
from proapp.services.audit import WORKER, Actor, Entry
from proapp.services.composing import LONGEST_WAIT, Composer, Prepared, Verdict, prepare
from proapp.services.messages import ELECTRONIC
from proapp.services.messages import cancel_for_assessment as cancel_for_assessment
from proapp.services.messages import cancel_for_participant as cancel_for_participant
from proapp.services.messages import letter_posted as letter_posted
from proapp.services.messages import queue as queue
from proapp.services.messages import resend as resend
from proapp.services.receipts import receive as receive
from proapp.services.silent_gateways import FIRST_REST, LEASE_OVER
from proapp.services.vault import Vault
from proapp.study.model import Study

LEASE = timedelta(minutes=2)  # several times what a gateway may take
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
LONGEST_TRY = timedelta(days=2)  # of a message that is not useless from some moment on
AT_ONCE = 50  # rows looked at in one claim that turn out not to go: so many participants are held until it commits

log = structlog.get_logger()
_message: Any = Message.__table__


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that this worker, and no other, may hand over now: `at` is when it was decided that it may go. Its repr
    names neither address nor text."""

    id: int
    kind: str
    outgoing: Outgoing
    units: int | None
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class PutAside:
    """None of the rows that were looked at may go, and there may be more behind them: claim again."""

    rows: int


def waiting(session: Session, *, now: datetime) -> bool:
    """Whether there is anything to claim or to settle: one statement, without a lock."""
    due = _due(now)
    over = (_message.c.state == "sending") & (_message.c.lease_until <= now)
    return session.scalar(select(_message.c.id).where(due | over).limit(1)) is not None


def claim(
    session: Session,
    *,
    worker: str,
    study: Study,
    vault: Vault,
    base_url: str,
    now: datetime,
    composers: Mapping[str, Composer] | None = None,
    actor: Actor = WORKER,
    resting: frozenset[str] = frozenset(),
) -> Claimed | PutAside | None:
    """The next message that may go, held for LEASE; None when there is none. The caller commits before it sends, and
    before it claims again where so many were put aside. Nothing goes on a channel that is `resting`.

    Each is decided about anew behind the lock of its participant, by the study as it is in force at this moment: what
    may no longer go is cancelled here, what has to wait is put back, and so is what cannot be decided about. Rows that
    others hold are passed over, so any number of workers may claim at once.
    """
    for _ in range(AT_ONCE):
        row = _next(session, now, resting)
        if row is None:
            return None
        study = versions.current(session, study)  # a version may have begun since the worker's turn did
        about: dict[str, Any] = {"study": study, "vault": vault, "base_url": base_url, "composers": composers or {}}
        try:
            verdict = prepare(session, row, **about, now=now)
        except SQLAlchemyError:
            raise
        except Exception as error:  # the row that waited longest would hold up all others, for ever
            log.error("message_undecidable", message=row.id, error_type=type(error).__name__)
            verdict = _undecidable(row, now)
        if isinstance(verdict, Prepared) and verdict.channel in resting:  # the contact has changed to that way
            verdict = Verdict("gateway_silent", now + FIRST_REST, verdict.channel)
        if isinstance(verdict, Prepared):
            return _take(session, row, verdict, worker, vault, now)
        _put_aside(session, row, verdict, actor, now)
    return PutAside(AT_ONCE)


def _due(now: datetime, resting: frozenset[str] = frozenset()) -> Any:
    open_ways = [channel for channel in ELECTRONIC if channel not in resting]
    return (_message.c.state == "queued") & (_message.c.next_try_at <= now) & _message.c.channel.in_(open_ways)


def _next(session: Session, now: datetime, resting: frozenset[str]) -> Any:
    """The row that waited longest, locked together with its participant. Nobody is waited for."""
    due = _due(now, resting)
    found = session.execute(_and_participant().where(due).order_by(_message.c.next_try_at, _message.c.id).limit(1))
    row = found.first()
    if row is not None:
        return row
    # To staff: there is no participant to lock.
    own = select(_message).where(due, _message.c.participant_id.is_(None)).order_by(_message.c.next_try_at).limit(1)
    return session.execute(own.with_for_update(skip_locked=True)).first()


def _and_participant() -> Select[*tuple[Any, ...]]:
    query = select(_message, Participant.study_id, Participant.site_code, Participant.language).join(
        Participant, Participant.id == _message.c.participant_id
    )
    return query.with_for_update(key_share=True, of=[_message, Participant.__table__], skip_locked=True)


def _take(session: Session, row: Any, ready: Prepared, worker: str, vault: Vault, now: datetime) -> Claimed:
    attempt = row.attempts + 1
    reference = _reference(row, ready, vault)
    _change(
        session,
        row.id,
        state="sending",
        channel=ready.channel,
        attempts=attempt,
        next_try_at=now,
        claimed_by=worker,
        lease_until=now + LEASE,
        reference=reference,
        units=ready.units,
        not_after=ready.not_after,  # its window may have been moved since it was queued
        **({"link_hash": ready.link_hash} if ready.link_hash else {}),
    )
    outgoing = Outgoing(ready.channel, ready.to, ready.text, ready.subject, reference)
    return Claimed(row.id, row.kind, outgoing, ready.units, attempt, now)


def _reference(row: Any, ready: Prepared, vault: Vault) -> str:
    """The same at every try of this message to the same number or address, and of no other, whoever else uses the
    gateway. What came to nothing there and is sent again by hand (it still bears the provider's reference), or goes to
    a corrected number, is another one: else the gateway, which knows this one, would send nothing and say that all is
    well."""
    what = row.key if row.provider_ref is None else f"{row.key} after {row.provider_ref}"
    return vault.keyed_hash("message", f"{what} to {ready.to}")[:32]


def _undecidable(row: Any, now: datetime) -> Verdict:
    """Of no use any more, or looked at again later: somebody may have mended what is wrong by then."""
    if row.not_after is not None and now >= row.not_after:
        return Verdict("too_late", None, row.channel)
    return Verdict("undecidable", now + LONGEST_WAIT, row.channel)


def _put_aside(session: Session, row: Any, verdict: Verdict, actor: Actor, now: datetime) -> None:
    if verdict.until is not None:
        # What a gateway said of a message that was tried says more than why it waits now.
        why = {} if row.attempts else {"state_reason": verdict.reason}
        again_at = max(verdict.until, now + timedelta(minutes=1))
        _change(session, row.id, next_try_at=again_at, channel=verdict.channel, **why)
        details = {"why": verdict.reason, "until": verdict.until}
        _note(session, row, "message.postponed", details, actor, now)
    elif row.attempts and row.not_after is not None and now >= row.not_after:
        _change(session, row.id, state="failed", state_reason="too_late", settled_at=now)
        _note(session, row, "message.failed", {"why": "too_late", "attempts": row.attempts}, actor, now)
    else:
        _change(session, row.id, state="cancelled", state_reason=verdict.reason, settled_at=now)
        details = {"why": verdict.reason, "step": row.step, "channel": row.channel}
        _note(session, row, "message.cancelled", details, actor, now)


# --- what came of it ------------------------------------------------------------------------------------------------


def handed_over(
    session: Session,
    message_id: int,
    *,
    worker: str,
    gateway: str,
    provider_ref: str,
    now: datetime,
    actor: Actor = WORKER,
) -> bool:
    """The gateway has it. Receipts that came earlier than this are taken up. False if this worker does not hold it.

    Also after the lease: what was thought possibly sent is then known to be sent.
    """
    receipts.take_turns(session, gateway, provider_ref)
    row = _held(session, message_id, worker)
    if row is None:
        return False
    _change(
        session,
        row.id,
        state="sent",
        state_reason=None,
        gateway=gateway,
        provider_ref=provider_ref,
        handed_over_at=now,
        settled_at=None,
        lease_until=None,
    )
    details = {"gateway": gateway, "step": row.step, "channel": row.channel, "units": row.units}
    _note(session, row, "message.sent", details, actor, now)
    receipts.take_early(session, row.id, gateway, provider_ref, actor=actor, now=now)
    return True


def failed(
    session: Session,
    message_id: int,
    *,
    worker: str,
    gateway: str,
    permanent: bool,
    reason: str,
    now: datetime,
    undeliverable: bool = False,
    retry_after: timedelta | None = None,
    actor: Actor = WORKER,
    chance: Callable[[], float] = random.random,
) -> bool:
    """The gateway does not have it. A passing failure is tried again after a growing pause, until the message is of no
    more use; `undeliverable`: the address itself is bad. False if this worker does not hold it."""
    row = _held(session, message_id, worker)
    if row is None:
        return False
    again_at = now + pause(row.attempts, retry_after=retry_after, chance=chance)
    useless_at = row.not_after or row.due_at + LONGEST_TRY
    if permanent or again_at >= useless_at:
        why = reason if permanent else "too_late"
        _change(session, row.id, state="failed", state_reason=why, settled_at=now, gateway=gateway, lease_until=None)
        details = {"why": why, "last": reason, "gateway": gateway, "attempts": row.attempts}
        _note(session, row, "message.failed", details, actor, now)
        if undeliverable:
            receipts.mark_undeliverable(session, row, reason, actor=actor, now=now)
        return True
    _change(
        session,
        row.id,
        state="queued",
        state_reason=reason,
        gateway=gateway,
        next_try_at=again_at,
        claimed_by=None,
        lease_until=None,
        settled_at=None,
    )
    details = {"why": reason, "gateway": gateway, "attempts": row.attempts, "until": again_at}
    _note(session, row, "message.try_failed", details, actor, now)
    return True


def pause(
    attempts: int, *, retry_after: timedelta | None = None, chance: Callable[[], float] = random.random
) -> timedelta:
    """How long to wait after so many failed tries: doubling up to an hour, spread by half so that not all come back at
    once, and never shorter than the gateway asked for (an hour at most of that too)."""
    doubled = min(FIRST_PAUSE * (1 << min(attempts - 1, 20)), LONGEST_PAUSE)
    return max(doubled * (0.75 + chance() / 2), min(retry_after or timedelta(), LONGEST_PAUSE))


def unclear(
    session: Session,
    message_id: int,
    *,
    worker: str,
    gateway: str,
    reason: str,
    now: datetime,
    actor: Actor = WORKER,
) -> bool:
    """The gateway may have it. Nobody sends it again by himself. False if this worker does not hold it."""
    row = _held(session, message_id, worker)
    if row is None:
        return False
    _possibly_sent(session, row, reason, actor, now, gateway=gateway)
    receipts.take_early_of(session, row, actor=actor, now=now)
    return True


def settle_expired(session: Session, *, now: datetime, actor: Actor = WORKER) -> int:
    """Rows whose worker never came back: possibly sent. Returns how many; safe to run at once and twice."""
    over = (_message.c.state == "sending") & (_message.c.lease_until <= now)
    rows = list(session.execute(_and_participant().where(over)))
    own = select(_message).where(over, _message.c.participant_id.is_(None))
    rows += list(session.execute(own.with_for_update(skip_locked=True)))
    for row in rows:
        _possibly_sent(session, row, LEASE_OVER, actor, now)
        receipts.take_early_of(session, row, actor=actor, now=now)
    return len(rows)


def _possibly_sent(
    session: Session, row: Any, reason: str, actor: Actor, now: datetime, *, gateway: str | None = None
) -> None:
    _change(
        session,
        row.id,
        state="possibly_sent",
        state_reason=reason,
        settled_at=now,
        lease_until=None,
        gateway=gateway or row.gateway,
    )
    _note(session, row, "message.possibly_sent", {"why": reason, "step": row.step}, actor, now)


def _held(session: Session, message_id: int, worker: str) -> Any:
    """The row, behind its participant's lock, if this worker is the last that claimed it and nobody settled it."""
    people = select(Participant.id).where(
        Participant.id == select(_message.c.participant_id).where(_message.c.id == message_id).scalar_subquery()
    )
    session.execute(people.with_for_update(key_share=True))
    query = (
        select(_message, Participant.site_code)
        .outerjoin(Participant, Participant.id == _message.c.participant_id)
        .where(_message.c.id == message_id, _message.c.claimed_by == worker)
        .where(_message.c.state.in_(("sending", "possibly_sent")))
    )
    return session.execute(query.with_for_update(of=_message)).first()


def _change(session: Session, message_id: int, **values: Any) -> None:
    session.execute(update(_message).where(_message.c.id == message_id).values(**values))


def _note(session: Session, row: Any, action: str, details: Mapping[str, Any], actor: Actor, now: datetime) -> None:
    site_code = row.site_code if row.participant_id is not None else None
    entry = Entry(action, "message", row.id, details, site_code=site_code)
    audit.record(
        session, entry, actor=actor, now=now, participant_id=row.participant_id, locked=row.participant_id is not None
    )
