"""An end to waiting, whatever the other side does.

Each step of a gateway has its own limit, but a server that sends one byte a second keeps every step alive, and a name
server that is silent has no limit at all. One such message must not hold up all others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from proapp.gateways.protocol import Accepted, Gateway, Outgoing, UnknownOutcome

Done = TypeVar("Done")
LONGEST_SEND = 60.0  # seconds; well within the lease of a claim


class BoundedGateway:
    """`gateway`, of which no message takes longer than `seconds`: then its outcome is unknown, and whatever still goes
    on goes on alone."""

    def __init__(self, gateway: Gateway, *, seconds: float = LONGEST_SEND) -> None:
        self._gateway, self._seconds = gateway, seconds

    @property
    def name(self) -> str:
        return self._gateway.name

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        """Raises what the gateway raises, and UnknownOutcome."""
        return within(self._seconds, lambda: self._gateway.send(message, timeout=timeout), f"gateway {self.name}")


def within(seconds: float, act: Callable[[], Done], name: str) -> Done:
    """What `act` gives. Raises what it raises, and UnknownOutcome after so long; then it goes on alone, if at all."""
    outcome: list[tuple[Done] | BaseException] = []

    def run() -> None:
        try:
            outcome.append((act(),))
        except BaseException as error:  # raised again where it is waited for
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True, name=name)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise UnknownOutcome("no_answer")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0][0]
