"""From the tick to the receiver: what closed is queued, and what is queued is told.

An event is claimed and settled in short transactions of its own; between them, while the receiver may take its time,
nothing is locked. One that was perhaps told is told again: the receiver knows it by its id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from proapp.config import Settings
from proapp.gateways.protocol import DeliveryFailure
from proapp.gateways.webhook import Receiver
from proapp.runtime import Runtime
from proapp.services import webhook_events

log = structlog.get_logger()
AT_ONCE = 200  # events of one turn
LOOK_EVERY = timedelta(minutes=1)
OVERLAP = timedelta(hours=1)  # a transaction that was long under way, clocks that differ


@dataclass(slots=True)
class Looked:
    """Until when everything that closed was looked for; a worker begins by looking for all of it."""

    until: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        return self.until is None or abs(now - self.until) >= LOOK_EVERY

    def since(self, now: datetime) -> datetime | None:
        return None if self.until is None or self.until > now else self.until - OVERLAP


def receiver(settings: Settings) -> Receiver | None:
    return Receiver(settings.webhook_url, settings.webhook_secret) if settings.webhook_url else None


def queue_closed(runtime: Runtime, *, now: datetime, looked: Looked | None = None) -> int:
    """An event for everything that closed, portion by portion, each in a transaction of its own; how many."""
    looked = looked or Looked()
    queued = 0
    with runtime.reading() as session:
        for found in webhook_events.look(session, study=runtime.study, now=now, since=looked.since(now)):
            with runtime.writing.begin() as own:
                queued += webhook_events.queue(own, found, vault=runtime.vault, now=now)
    looked.until = now
    return queued


def tell(runtime: Runtime, to: Receiver, *, stopping: Callable[[], bool] = lambda: False) -> tuple[int, int]:
    """Tell what waits, one event after the other; how many were told and how many were not."""
    told = failed = 0
    with runtime.reading() as session:
        if not webhook_events.waiting(session, now=runtime.clock()):
            return 0, 0
    while told + failed < AT_ONCE and not stopping():
        with runtime.writing.begin() as session:
            claimed = webhook_events.claim(session, now=runtime.clock())
        if claimed is None:
            break
        try:
            to.tell(claimed.event_id, claimed.body, at=runtime.clock())
        except DeliveryFailure as failure:
            failed += 1
            log.warning("webhook.failed", row=claimed.id, reason=failure.reason, attempts=claimed.attempts)
            with runtime.writing.begin() as session:
                webhook_events.failed(session, claimed, reason=failure.reason, now=runtime.clock())
            break  # the receiver is away, or does not want us: the others need not find that out one by one
        told += 1
        with runtime.writing.begin() as session:
            webhook_events.delivered(session, claimed, now=runtime.clock())
    return told, failed
