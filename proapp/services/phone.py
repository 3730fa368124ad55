"""What a phone kept while there was no network, taken in afterwards: in its order, each answer once, however late.

A phone may come with an answer that another device has overtaken meanwhile, after the questionnaire was sent from
elsewhere, or long after the window closed. Nothing is thrown away: what counts is saved as an answer, what is older
than a newer one is saved as overtaken, and what cannot count any more is kept as a conflict for the site.

Two clocks are kept: the phone's and ours. The phone's decides when something was answered only where it agrees with
ours within five minutes, both when the entry was kept (as far as was known then) and now; else the day of arrival
counts, and the submission is flagged. Between two devices it then counts what the phone had heard of: an answer of
another that it had not is taken for the newer one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection

from proapp.instruments.answers import Given, InvalidAnswer, parse_answer
from proapp.instruments.model import Instrument
from proapp.services import answering, conflicts
from proapp.services.answering import Device, Receipt
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.sitting import Sitting, Step
from proapp.services.vault import Vault
from proapp.study.status import accepts_answers

TOLERANCE = timedelta(minutes=5)
AT_ONCE = 100  # entries in one delivery; a phone sends the rest in the next


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing done on the phone. `client_id` begins with the phone's own sign and a dash, and is never used twice;
    `at` is the phone's clock. `kind` send has no item. `offset_then`: that clock minus ours in seconds, as the phone
    knew it when the entry was kept, or None; `known`: the newest row it had heard of then, or None."""

    client_id: str
    kind: Literal["answered", "skipped", "cleared", "send"]
    at: datetime
    step: Step | None = None
    raw: str | None = None
    language: str = ""
    offset_then: int | None = None
    known: int | None = None

    @property
    def sign(self) -> str:
        return _sign(self.client_id)


def _sign(client_id: str) -> str:
    """Of the phone that made the id."""
    return client_id.split("-", 1)[0]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a phone brings, in its order. `known`: the newest row it has heard of."""

    entries: tuple[Entry, ...]
    device: str
    device_now: datetime
    known: int


class Elsewhere(NamedTuple):
    """An item whose answer another device gave since; the newest counts."""

    step: Step
    given: Given
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """`done`: the client ids that need not be sent again; `refused`: those that are no answer, by reason; `conflicts`:
    how many of what was brought differ from what counts and are kept for the site, now or the last time."""

    done: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    elsewhere: tuple[Elsewhere, ...]
    known: int
    receipt: Receipt | None
    conflicts: int


_SECONDS = TOLERANCE.total_seconds()


def take_in(
    connection: Connection, sitting: Sitting, delivery: Delivery, *, vault: Vault, now: datetime, actor: Actor
) -> Outcome:
    """Save what the phone brings for a sitting found with `lock`. Safe to repeat: what was taken in is not taken twice.

    Raises Refused(not_started) where nothing was begun. Two statements for each answer that is new.
    """
    if sitting.own is None:
        raise Refused("not_started")
    return _Intake(connection, sitting, delivery, vault, now, actor).outcome()


class _Intake:
    """One delivery on its way in: what is in the set already, and what has come of the entries so far."""

    def __init__(
        self, connection: Connection, sitting: Sitting, delivery: Delivery, vault: Vault, now: datetime, actor: Actor
    ) -> None:
        self.connection, self.sitting, self.delivery = connection, sitting, delivery
        self.vault, self.now, self.actor = vault, now, actor
        assert sitting.own is not None
        self.offset = round((delivery.device_now - now).total_seconds())
        rows = sitting.rows
        self.newest = {row.step: row for row in rows if not row.overtaken}
        self.seen = {row.client_id for row in rows if row.client_id}
        self.last_id = rows[-1].id if rows else 0
        self.done: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.receipt: Receipt | None = None
        self.contested: set[str] = set()
        if not sitting.takes_answers:
            self.contested = conflicts.known(connection, sitting.own.id)
            self.seen |= self.contested
        if sitting.own.submitted_at is not None:
            self.receipt = answering.receipt(sitting)

    def outcome(self) -> Outcome:
        for entry in self.delivery.entries[:AT_ONCE]:
            reason = None if entry.client_id in self.seen else self._refusal(entry)
            if reason is None:
                self.done.append(entry.client_id)
                self.seen.add(entry.client_id)
            else:
                self.refused.append((entry.client_id, reason))
        differing = len(self.contested.intersection(self.done))
        return Outcome(
            tuple(self.done), tuple(self.refused), tuple(self._elsewhere()), self.last_id, self.receipt, differing
        )

    def _refusal(self, entry: Entry) -> str | None:
        """Take the entry in; why not, where it is nothing that can be kept."""
        try:
            if entry.kind == "send":
                self._send(entry)
            else:
                self._keep(entry)
        except (InvalidAnswer, NotFound):
            return "no_answer"
        except Refused as refusal:
            return refusal.code
        return None

    def _keep(self, entry: Entry) -> None:
        assert entry.step is not None
        step = self.sitting.step(*entry.step)
        instrument = self.sitting.instrument(step.instrument)
        code = parse_answer(instrument, step.item, entry.raw) if entry.kind == "answered" else None
        assert entry.kind != "send"
        given = Given(entry.kind, code)
        trusted_at = self._trusted(entry)
        device = Device(entry.client_id, entry.at, self.offset, trusted_at, self._overtaken(entry, step, trusted_at))
        told: dict[str, Any] = {
            "language": _language(entry, instrument),
            "now": self.now,
            "actor": self.actor,
            "device": device,
        }
        if self.receipt is None and self._in_time(trusted_at):
            self.sitting = answering.keep(self.connection, self.sitting, step, given, **told)
        elif conflicts.differs(self.sitting, step, given):
            self.sitting = conflicts.keep(self.connection, self.sitting, step, given, client_id=entry.client_id, **told)
            self.contested.add(entry.client_id)

    def _overtaken(self, entry: Entry, step: Step, at: datetime | None) -> bool:
        """Whether another device's answer is the newer one."""
        other = self.newest.get(step)
        if other is None or _sign(other.client_id or "") == entry.sign:
            return False
        if at is None:
            return entry.known is not None and other.id > entry.known
        return (other.given_at or other.recorded_at) > at

    def _send(self, entry: Entry) -> None:
        if self.receipt is not None:
            return
        at = self._trusted(entry)
        if not self._in_time(at):
            raise Refused(answering.why_not(self.sitting) or "closed")
        device = Device(entry.client_id, entry.at, self.offset, at)
        self.receipt = answering.submit_kept(
            self.connection,
            self.sitting,
            vault=self.vault,
            now=self.now,
            actor=self.actor,
            completed_at=at or self.now,
            device=device,
        )

    def _trusted(self, entry: Entry) -> datetime | None:
        """When the entry was made by our clock; None where the phone's cannot be believed."""
        own, then = self.sitting.own, entry.offset_then
        assert own is not None
        if then is None or abs(then) >= _SECONDS or abs(self.offset) >= _SECONDS:
            return None
        at = entry.at - timedelta(seconds=self.offset)
        return min(at, self.now) if own.started_at - TOLERANCE <= at <= self.now + TOLERANCE else None

    def _in_time(self, at: datetime | None) -> bool:
        """Whether it was given (by our own clock: comes) while answers are taken."""
        if self.sitting.takes_answers:
            return True
        one = self.sitting
        return at is not None and accepts_answers(
            one.assessment, one.participant, now=at, study=one.study, zone=one.zone
        )

    def _elsewhere(self) -> Iterator[Elsewhere]:
        """What others gave since this phone last heard, and what counts of it."""
        ours = {self.delivery.device, *(entry.sign for entry in self.delivery.entries)}
        for row in self.newest.values():
            if row.id > self.delivery.known and _sign(row.client_id or "") not in ours:
                current = self.sitting.given.get(row.step)
                if current is not None and current == Given(row.kind, row.code):
                    yield Elsewhere(row.step, current, row.recorded_at)


def _language(entry: Entry, instrument: Instrument) -> str:
    """That of the words she read, which are the pack's."""
    return entry.language if entry.language in instrument.wording else instrument.languages[0]
