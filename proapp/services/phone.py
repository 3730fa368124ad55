"""What a phone kept while there was no network, taken in afterwards: in its order, each answer once, however late.

A phone may come with an answer that another device has overtaken meanwhile, after the questionnaire was sent from
elsewhere, or long after the window closed. Nothing is thrown away: what counts is saved as an answer, what is older
than a newer one is saved as overtaken, and what cannot count any more is kept as a conflict for the site.

Two clocks are kept: the phone's and ours. The phone's decides when something was answered only where it agrees with
ours within five minutes, both when the questionnaire was fetched and now; else the day of arrival counts, and the
submission is flagged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select

from proapp.db.models import AnswerConflict
from proapp.db.prepared import Prepared
from proapp.instruments.answers import Given, InvalidAnswer, parse_answer
from proapp.services import answering
from proapp.services.answering import Device, Receipt
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.sitting import Sitting, Step
from proapp.services.vault import Vault
from proapp.study.status import accepts_answers

TOLERANCE = timedelta(minutes=5)
AT_ONCE = 100  # entries in one delivery; a phone sends the rest in the next

_conflict: Any = AnswerConflict.__table__
_CONFLICTS = Prepared(select(_conflict.c.client_id).where(_conflict.c.response_set_id == bindparam("set_id")))
_INSERT_CONFLICT = Prepared(
    insert(_conflict).inline(), columns=[column.name for column in _conflict.columns if column.name != "id"]
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing done on the phone. `client_id` begins with the phone's own sign and a dash, and is never used twice;
    `at` is the phone's clock. `kind` send has no item."""

    client_id: str
    kind: Literal["answered", "skipped", "cleared", "send"]
    at: datetime
    step: Step | None = None
    raw: str | None = None
    language: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a phone brings, in its order. `offset_then`: its clock minus ours in seconds when it fetched the
    questionnaire; `known`: the newest row it has heard of."""

    entries: tuple[Entry, ...]
    device: str
    device_now: datetime
    offset_then: int | None
    known: int


class Elsewhere(NamedTuple):
    """An item whose answer another device gave since; the newest counts."""

    step: Step
    given: Given
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """`done`: the client ids that need not be sent again; `refused`: those that are no answer, by reason."""

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
        self.set_id = sitting.own.id
        self.offset = round((delivery.device_now - now).total_seconds())
        rows = sitting.rows
        self.newest = {row.step: row for row in rows if not row.overtaken}
        self.seen = {row.client_id for row in rows if row.client_id}
        self.last_id = rows[-1].id if rows else 0
        self.done: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.receipt: Receipt | None = None
        self.conflicts = 0
        if sitting.own.submitted_at is not None:
            self.seen |= {row[0] for row in _CONFLICTS.all(connection, {"set_id": self.set_id})}
            self.receipt = answering.receipt(sitting)

    def outcome(self) -> Outcome:
        for entry in self.delivery.entries[:AT_ONCE]:
            reason = None if entry.client_id in self.seen else self._refusal(entry)
            if reason is None:
                self.done.append(entry.client_id)
                self.seen.add(entry.client_id)
            else:
                self.refused.append((entry.client_id, reason))
        return Outcome(
            tuple(self.done), tuple(self.refused), tuple(self._elsewhere()), self.last_id, self.receipt, self.conflicts
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
        if self.receipt is not None or not self._in_time(trusted_at):
            self._conflict(entry, step, given)
            return
        older = self.newest.get(step)
        overtaken = (
            older is not None
            and trusted_at is not None
            and (older.given_at or older.recorded_at) > trusted_at
            and not self._ours(older.client_id)
        )
        self.sitting = answering.keep(
            self.connection,
            self.sitting,
            step,
            given,
            language=entry.language,
            now=self.now,
            actor=self.actor,
            device=Device(entry.client_id, entry.at, self.offset, trusted_at, overtaken),
        )

    def _conflict(self, entry: Entry, step: Step, given: Given) -> None:
        if self.sitting.given.get(step) == given:
            return  # what was sent says the same
        values = {
            "response_set_id": self.set_id,
            "instrument": step.instrument,
            "item": step.item,
            "kind": given.kind,
            "code": given.code,
            "language": entry.language,
            "recorded_at": self.now,
            "client_id": entry.client_id,
            "device_at": entry.at,
            "device_offset_s": self.offset,
            "actor": "patient",
        }
        _INSERT_CONFLICT.write(self.connection, values)
        device = Device(entry.client_id, entry.at, self.offset, None)
        self.sitting = answering.note_conflict(
            self.connection, self.sitting, step, given, device=device, actor=self.actor
        )
        self.conflicts += 1

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
        own, then = self.sitting.own, self.delivery.offset_then
        assert own is not None
        if abs(self.offset) >= _SECONDS or (then is not None and abs(then) >= _SECONDS):
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

    def _ours(self, client_id: str | None) -> bool:
        return client_id is not None and client_id.startswith(f"{self.delivery.device}-")

    def _elsewhere(self) -> Iterator[Elsewhere]:
        """What others gave since this phone last heard, and what counts of it."""
        for row in self.newest.values():
            if row.id > self.delivery.known and not self._ours(row.client_id):
                current = self.sitting.given.get(row.step)
                if current is not None and current == Given(row.kind, row.code):
                    yield Elsewhere(row.step, current, row.recorded_at)
