"""How often somebody may try a code, a PIN, a password or a one-time number.

Attempts are counted in the database, so the limits hold over any number of processes and restarts. Three limits apply:
per subject (failures in a row cost a delay that doubles), per address, and a budget over everybody, which keeps
guessing hopeless however many addresses a stranger has. A refused try is not counted, so nobody can prolong a delay by
hammering; and an address from which the same person has signed in before is judged by its own failures only, so a
stranger elsewhere cannot keep that person out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from proapp.db.models import SignInAttempt
from proapp.services.vault import Vault

Kind = Literal[
    "patient_code", "patient_pin", "patient_link", "receipt", "api_token", "staff_password", "staff_totp", "setup"
]  # fmt: skip

ADDRESS_WINDOW = timedelta(minutes=15)
BUDGET_WINDOW = timedelta(hours=1)
KNOWN_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Rule:
    """`free` failures in a row cost nothing; then `first` delay, doubling up to `longest`. Forgotten after `memory`."""

    free: int
    first: timedelta
    longest: timedelta
    memory: timedelta
    per_address: int  # failures from one address within ADDRESS_WINDOW
    budget: int  # failures of everybody within BUDGET_WINDOW
    known_address_apart: bool = False


RULES: Mapping[Kind, Rule] = {
    # 59 bits: the subject is the code typed, so only address and budget can ever bite a guesser.
    "patient_code": Rule(5, timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1), 20, 600),
    # Four digits are few: after the first five, one try a day in the end; the clinic can always issue a new code.
    "patient_pin": Rule(5, timedelta(minutes=15), timedelta(days=1), timedelta(days=30), 60, 600),
    "staff_password": Rule(5, timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1), 30, 300, True),
    # 128 bits, and a PIN behind them: only tapping without end is slowed down.
    "patient_link": Rule(5, timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1), 60, 5000),
    # The password of a gateway is long and random; this only keeps the noise of wrong ones down.
    "receipt": Rule(5, timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1), 20, 5000),
    # 256 bits: as with the gateway's.
    "api_token": Rule(5, timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1), 20, 5000),
    # Reached with the right password only, so a stranger locks nobody out here.
    "staff_totp": Rule(5, timedelta(minutes=5), timedelta(hours=4), timedelta(days=7), 30, 200),
    "setup": Rule(5, timedelta(minutes=1), timedelta(minutes=15), timedelta(days=1), 20, 300),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_at` says when a refused person may try again; `remaining` how many tries are left before a delay."""

    allowed: bool
    retry_at: datetime | None
    remaining: int


def subject_key(vault: Vault, value: object) -> str:
    """The keyed hash under which a person, code or e-mail is counted; the value itself is never stored."""
    return vault.keyed_hash("throttle", str(value))


def address_key(vault: Vault, address: str | None) -> str:
    """The keyed hash of a network address; an IPv6 household is one /64, however many addresses it owns."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return vault.keyed_hash("throttle", f"address {address}")
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address
    return vault.keyed_hash("throttle", f"address {parsed}")


def check(session: Session, *, kind: Kind, subject: str, address: str, now: datetime) -> Verdict:
    """Whether this try may be made. Ask before looking at the secret; at most five statements.

    On PostgreSQL tries on one subject, and from one address, take turns until the end of the transaction, so a hundred
    at once are not a hundred free tries. On SQLite writing transactions take turns anyway.
    """
    _take_turns(session, f"{kind} {subject}", f"{kind} {address}")
    rule = RULES[kind]
    failures, last = _failures_in_a_row(session, kind, rule, subject, address, now)
    from_here, address_free_at = _of_address(session, kind, rule, address, now)
    ends = [
        last + delay(rule, failures) if last else None,
        address_free_at,
        _budget_free_at(session, kind, rule, address, now),
    ]
    waits = [end for end in ends if end is not None and end > now]
    if waits:
        return Verdict(False, max(waits), 0)
    return Verdict(True, None, max(1, min(rule.free - failures, rule.per_address - from_here)))


def note(session: Session, *, kind: Kind, subject: str, address: str, succeeded: bool, now: datetime) -> None:
    """Count one try. A success starts the subject's count anew."""
    row = {"kind": kind, "subject": subject, "address": address, "at": now, "succeeded": succeeded}
    session.execute(insert(SignInAttempt).values(**row))


def delay(rule: Rule, failures: int) -> timedelta:
    """What `failures` in a row cost after the last of them."""
    if failures < rule.free:
        return timedelta(0)
    doublings: int = 2 ** min(failures - rule.free, 20)
    return min(rule.longest, rule.first * doublings)


def failures_since(session: Session, *, kinds: Iterable[Kind], since: datetime) -> dict[str, int]:
    """Failed tries per subject since then, for those who watch over the accounts. One statement."""
    query = (
        select(SignInAttempt.subject, func.count())
        .where(SignInAttempt.kind.in_(tuple(kinds)), SignInAttempt.at >= since, ~SignInAttempt.succeeded)
        .group_by(SignInAttempt.subject)
    )
    return {subject: count for subject, count in session.execute(query)}


def forget(session: Session, *, now: datetime) -> int:
    """Delete attempts too old to matter; who tried when is personal data too. Returns how many rows went."""
    query = delete(SignInAttempt).where(SignInAttempt.at < now - KNOWN_FOR).execution_options(synchronize_session=False)
    gone: int = session.execute(query).rowcount  # type: ignore[attr-defined]  # a write has one
    return gone


def _take_turns(session: Session, *names: str) -> None:
    if session.get_bind().dialect.name == "postgresql":
        for name in names:
            session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})


def _failures_in_a_row(
    session: Session, kind: Kind, rule: Rule, subject: str, address: str, now: datetime
) -> tuple[int, datetime | None]:
    """How many failures since the last success, and when the latest was."""
    own = (SignInAttempt.kind == kind, SignInAttempt.subject == subject)
    success = session.execute(
        select(
            func.coalesce(func.max(SignInAttempt.id), 0).label("last"),
            func.count().filter(SignInAttempt.address == address).label("from_here"),
        ).where(*own, SignInAttempt.succeeded, SignInAttempt.at > now - KNOWN_FOR)
    ).one()
    query = select(func.count(), func.max(SignInAttempt.at)).where(
        *own, ~SignInAttempt.succeeded, SignInAttempt.id > success.last, SignInAttempt.at > now - rule.memory
    )
    if rule.known_address_apart and success.from_here:
        query = query.where(SignInAttempt.address == address)
    failures, last = session.execute(query).one()
    return failures, last


def _of_address(session: Session, kind: Kind, rule: Rule, address: str, now: datetime) -> tuple[int, datetime | None]:
    """How many failures from there count against it now, and when it is heard again if they are too many."""
    failed = session.scalars(
        select(SignInAttempt.at)
        .where(SignInAttempt.kind == kind, SignInAttempt.address == address, ~SignInAttempt.succeeded)
        .where(SignInAttempt.at > now - ADDRESS_WINDOW)
        .order_by(SignInAttempt.at.desc())
        .limit(rule.per_address)
    ).all()
    return len(failed), failed[-1] + ADDRESS_WINDOW if len(failed) == rule.per_address else None


def _budget_free_at(session: Session, kind: Kind, rule: Rule, address: str, now: datetime) -> datetime | None:
    """When the budget of everybody is spent, only addresses with a sign-in behind them are still heard."""
    at = session.scalar(
        select(SignInAttempt.at)
        .where(SignInAttempt.kind == kind, ~SignInAttempt.succeeded, SignInAttempt.at > now - BUDGET_WINDOW)
        .order_by(SignInAttempt.at.desc())
        .offset(rule.budget - 1)
        .limit(1)
    )
    if at is None:
        return None
    known = session.scalar(
        select(SignInAttempt.id)
        .where(SignInAttempt.kind == kind, SignInAttempt.address == address, SignInAttempt.succeeded)
        .where(SignInAttempt.at > now - KNOWN_FOR)
        .limit(1)
    )
    return None if known else at + BUDGET_WINDOW
