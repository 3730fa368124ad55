"""A gateway for tests that remembers what it was given and does as it is told, and a trial with messages due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import select

from proapp.db.models import Message
from proapp.gateways.protocol import Accepted, Outgoing
from proapp.services import contacts
from proapp.services.audit import COMMAND_LINE

OPENED_TODAY = date(2026, 9, 7)  # randomised then, three months open on the first day of the tests' clock, 23 November


@dataclass
class Memory:
    """Takes every message, unless `answer` raises or says something else."""

    name: str = "log"
    answer: Callable[[Outgoing], Accepted] | None = None
    given: list[Outgoing] = field(default_factory=list)

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        self.given.append(message)
        return self.answer(message) if self.answer else Accepted(f"ref-{len(self.given)}")

    def both(self) -> dict[str, Any]:
        return {"sms": self, "email": self}


def rows(runtime: Any) -> list[Message]:
    """The outbox, oldest first."""
    with runtime.reading() as session:
        return list(session.scalars(select(Message).order_by(Message.id)))


def states(runtime: Any) -> list[tuple[str | None, str, str | None]]:
    return [(row.step, row.state, row.state_reason) for row in rows(runtime)]


def new_number(runtime: Any, mobile: str = "070-174 06 77", study_id: str = "UME-001") -> None:
    """Staff correct the number, as the page does."""
    with runtime.writing.begin() as session:
        contacts.change(
            session, vault=runtime.vault, study_id=study_id, sites=None, channel="sms", mobile=mobile, email=None,
            actor=COMMAND_LINE, now=runtime.clock(),
        )  # fmt: skip
