"""The face of every gateway: one message in, and one of four things out.

Accepted: the gateway has it. PassingFailure: it has not, and may take it later. PermanentFailure: it has not and never
will. UnknownOutcome: it may have it, because the answer to a message already handed over never came; sending that again
could reach somebody twice, so nobody does it without looking.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol

Channel = Literal["sms", "email"]
_CODE = re.compile(r"[a-z][a-z_]{0,39}")
LONGEST = 10.0  # seconds: no connection, and no wait for an answer, takes longer


def _wanted() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to go. `to` is E.164 or an e-mail address; `reference` is the same at every try of the same
    message, and goes to the gateway as its idempotency key. `wanted` is asked just before it is handed over: whoever
    sends it may have given up waiting. Its repr names neither the contact nor the text."""

    channel: Channel
    to: str = field(repr=False)
    text: str = field(repr=False)
    subject: str | None = field(repr=False)
    reference: str
    wanted: Callable[[], bool] = field(default=_wanted, repr=False, compare=False)

    def require_wanted(self) -> None:
        """Raises PassingFailure: nothing has been handed over yet."""
        if not self.wanted():
            raise PassingFailure("stalled")


@dataclass(frozen=True, slots=True)
class Accepted:
    """`reference` is the provider's, under which its receipts come."""

    reference: str


class DeliveryFailure(Exception):
    """Why a message is not known to be with the gateway. `reason` is one of our own codes, never a provider's words:
    those may quote the address, and the reason is kept, logged and shown."""

    def __init__(self, reason: str) -> None:
        if not _CODE.fullmatch(reason):
            raise ValueError("a reason is one word of small letters and underscores")
        super().__init__(reason)
        self.reason = reason


class PassingFailure(DeliveryFailure):
    """Not handed over; worth another try, not before `retry_after` where the gateway said how long."""

    def __init__(self, reason: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class PermanentFailure(DeliveryFailure):
    """Refused for good; `undeliverable` when it is the address itself that is bad."""

    def __init__(self, reason: str, *, undeliverable: bool = False) -> None:
        super().__init__(reason)
        self.undeliverable = undeliverable


class UnknownOutcome(DeliveryFailure):
    """Handed over perhaps."""


class Gateway(Protocol):
    @property
    def name(self) -> str:
        """smtp | 46elks | http | log: as in message.gateway."""

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        """Hand one message over, waiting at most `timeout` seconds (never more than LONGEST) for each step.

        Raises PassingFailure, PermanentFailure, UnknownOutcome, and nothing else.
        """
