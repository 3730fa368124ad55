"""An end to waiting, whatever the other side does.

Each step of a gateway has its own limit, but a server that sends one byte a second keeps every step alive, and a name
server that is silent has no limit at all. One such message must not hold up all others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from proapp.clock import system_clock
from proapp.gateways.protocol import Accepted, Gateway, Outgoing, UnknownOutcome

Done = TypeVar("Done")
LONGEST_SEND = 60.0  # seconds; well within the lease of a claim


class BoundedGateway:
    """`gateway`, of which no message takes longer than `seconds`: then its outcome is unknown. Whatever still goes on
    goes on alone, but hands nothing over any more that it had not begun to hand over."""

    def __init__(self, gateway: Gateway, *, seconds: float = LONGEST_SEND) -> None:
        self._gateway, self._seconds = gateway, seconds

    @property
    def name(self) -> str:
        return self._gateway.name

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        """Raises what the gateway raises, and UnknownOutcome."""
        given_up, ends = threading.Event(), system_clock() + timedelta(seconds=self._seconds)

        # A process that is stopped stops the one who waits too, so the clock on the wall is asked as well.
        def wanted() -> bool:
            return not given_up.is_set() and system_clock() < ends

        try:
            return within(
                self._seconds,
                lambda: self._gateway.send(replace(message, wanted=wanted), timeout=timeout),
                f"gateway {self.name}",
            )
        finally:
            given_up.set()


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
