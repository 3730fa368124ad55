"""From the clock to the gateway: what a tick queues, and how what is queued leaves the house.

A message is claimed and recorded in short transactions of their own; between them, while a gateway may take its time,
nothing is locked, so that a gateway that hangs slows nobody who saves an answer.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from proapp.gateways.protocol import Accepted, Gateway, PassingFailure, PermanentFailure, UnknownOutcome
from proapp.runtime import Runtime
from proapp.services import digest, letters, messages, outbox, reminding, silent_gateways
from proapp.services.audit import WORKER
from proapp.services.composing import Composer
from proapp.services.outbox import Claimed, PutAside
from proapp.services.reminding import Due, Look
from proapp.study.model import Study
from proapp.study.versions import Versions, begun

log = structlog.get_logger()
TIMEOUT = 10.0  # seconds a gateway may take for each step
AT_ONCE = 200  # messages of one turn
FRESH = timedelta(seconds=10)  # so long what was decided about a message may be acted upon
TRIES = 5  # to record what came of a message, where the database is busy
Outcome = Accepted | PassingFailure | PermanentFailure | UnknownOutcome


def worker_name() -> str:
    """One that no other worker has, and this process has only once."""
    return f"{socket.gethostname()[:14]}:{os.getpid()}:{secrets.token_hex(3)}"


def composers(runtime: Runtime) -> Mapping[str, Composer]:
    """Who makes the text of messages to staff, by kind."""
    base_url = runtime.settings.base_url
    return {
        "digest": partial(digest.render_digest, base_url=base_url),
        "escalation": partial(digest.render_escalation, base_url=base_url),
    }


# --- queueing -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Rounds:
    """What a worker remembers from one tick to the next: until when everything was searched. The first search of every
    hour goes through all that may be waiting (missed, held up by night, pause or cap, undone), and so does the first
    after an amendment has begun somewhere; those between only through what fell due since the last."""

    searched: datetime | None = None
    by: Versions | None = None  # the versions in force that it was searched by

    def since(self, now: datetime, study: Study) -> datetime | None:
        if self.searched is None or self.searched > now or _hour(self.searched) != _hour(now):
            return None
        return self.searched if self.by in (None, begun(study)) else None

    def done(self, now: datetime, study: Study) -> None:
        self.searched, self.by = now, begun(study)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def queue_due(runtime: Runtime, *, now: datetime, dry_run: bool = False, rounds: Rounds | None = None) -> Iterator[Due]:
    """Everything the reminder plan wants at `now`, queued portion by portion, each in a transaction of its own.

    The search reads only; a writing transaction is opened only where there is something to write. A dry run gives what
    would be queued. Letters that nobody posted in time are taken from their list, and whenever all is searched those
    that the plan does not want any more. Without `rounds` all is searched.
    """
    rounds = rounds or Rounds()
    since, complete = rounds.since(now, runtime.study), True
    if not dry_run:
        _drop_letters(runtime, now, all_of_them=since is None)
    after: int | None = 0
    while after is not None:
        with runtime.reading() as session:
            seen = reminding.look(session, study=runtime.study, vault=runtime.vault, now=now, since=since, after=after)
        for assessment_id in seen.failed:
            log.error("reminding.failed", assessment=assessment_id)
        queued = seen.due if dry_run else _queued(runtime, seen, now)
        complete = complete and len(queued) == len(seen.due)
        yield from queued
        after = seen.after
    if complete:  # else somebody was being written about: they are found again by the next tick
        rounds.done(now, runtime.study)


def _drop_letters(runtime: Runtime, now: datetime, *, all_of_them: bool) -> None:
    plan: dict[str, Any] = {"study": runtime.study, "vault": runtime.vault, "now": now}
    with runtime.reading() as session:
        too_late = messages.useless_letters(session, now=now)
        unwanted = all_of_them and bool(letters.unwanted(session, **plan))
    if not too_late and not unwanted:
        return
    with runtime.writing.begin() as session:
        messages.drop_useless_letters(session, actor=WORKER, now=now)
        if unwanted:
            letters.drop_unwanted(session, actor=WORKER, **plan)


def _queued(runtime: Runtime, seen: Look, now: datetime) -> tuple[Due, ...]:
    if not seen.due:
        return ()
    with runtime.writing.begin() as session:
        return reminding.queue(session, seen.due, study=runtime.study, vault=runtime.vault, now=now)


def queue_digests(runtime: Runtime, *, now: datetime) -> int:
    """The messages to staff that are due; how many. Reads only, except once a day: the worklists are made before a
    writing transaction is opened."""
    with runtime.reading() as session:
        found = digest.look(session, study=runtime.study, now=now)
    if not found.days:
        return 0
    with runtime.writing.begin() as session:
        return digest.queue(session, found, now=now)


# --- handing over ---------------------------------------------------------------------------------------------------


def deliver_once(
    runtime: Runtime,
    gateways: Mapping[str, Gateway],
    *,
    worker: str,
    composers: Mapping[str, Composer] | None = None,
    now: Callable[[], datetime] | None = None,
    limit: int = AT_ONCE,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Hand over what waits, one after the other, and say how many were tried. `now` defaults to the runtime's clock.

    What another worker left behind is settled first. One statement when there is nothing to do.
    """
    now = now or runtime.clock
    with runtime.reading() as session:
        if not outbox.waiting(session, now=now()):
            return 0
    with runtime.writing.begin() as session:
        for _ in range(outbox.settle_expired(session, now=now())):
            log.warning("message.possibly_sent", why="lease_over")
        resting = silent_gateways.resting(session, now=now())
    tried = 0
    while tried < limit and not stopping():
        with runtime.writing.begin() as session:
            claimed = outbox.claim(
                session,
                worker=worker,
                study=runtime.study,
                vault=runtime.vault,
                base_url=runtime.settings.base_url,
                composers=composers,
                now=now(),
                resting=resting,
            )
        if claimed is None:
            break
        if isinstance(claimed, PutAside):
            continue
        gateway = gateways[claimed.outgoing.channel]
        outcome = _sent(gateway, claimed, now())
        _record(runtime, claimed, gateway.name, outcome, worker, now)
        if isinstance(outcome, UnknownOutcome):
            resting = _resting(runtime, now)
        tried += 1
    return tried


def _resting(runtime: Runtime, now: Callable[[], datetime]) -> frozenset[str]:
    """Asked anew after each message that went perhaps: after several in a row no more is risked."""
    with runtime.reading() as session:
        found = silent_gateways.resting(session, now=now())
    for channel in sorted(found):
        log.error("gateway.silent", channel=channel)
    return found


def _sent(gateway: Gateway, claimed: Claimed, now: datetime) -> Outcome:
    """What came of handing it over. A worker that was stopped after its claim, with its machine perhaps, may wake at
    three in the morning, or after a death: what was decided then is not acted upon, but decided anew."""
    if now > claimed.at + FRESH:
        return PassingFailure("stalled")
    try:
        return gateway.send(claimed.outgoing, timeout=TIMEOUT)
    except (PassingFailure, PermanentFailure, UnknownOutcome) as outcome:
        return outcome
    except Exception as error:  # a fault of ours in the gateway: how far it got nobody knows
        log.error("gateway.broken", gateway=gateway.name, error_type=type(error).__name__)
        return UnknownOutcome("gateway_broken")


def _record(
    runtime: Runtime, claimed: Claimed, gateway: str, outcome: Outcome, worker: str, now: Callable[[], datetime]
) -> None:
    """Note what came of it. A database that is busy is asked again: what is not noted counts as possibly sent."""
    for number in range(1, TRIES + 1):
        try:
            with runtime.writing.begin() as session:
                held = _noted(session, claimed, gateway, outcome, worker, now())
            break
        except OperationalError:
            if number == TRIES:
                raise
            time.sleep(0.2 * number)
    code = getattr(outcome, "reason", None)
    log.info("message.tried", message=claimed.id, gateway=gateway, outcome=type(outcome).__name__, why=code, held=held)


def _noted(session: Session, claimed: Claimed, gateway: str, outcome: Outcome, worker: str, now: datetime) -> bool:
    if isinstance(outcome, Accepted):
        return outbox.handed_over(
            session, claimed.id, worker=worker, gateway=gateway, provider_ref=outcome.reference, now=now
        )
    if isinstance(outcome, UnknownOutcome):
        return outbox.unclear(session, claimed.id, worker=worker, gateway=gateway, reason=outcome.reason, now=now)
    permanent = isinstance(outcome, PermanentFailure)
    return outbox.failed(
        session,
        claimed.id,
        worker=worker,
        gateway=gateway,
        permanent=permanent,
        reason=outcome.reason,
        now=now,
        undeliverable=getattr(outcome, "undeliverable", False),
        retry_after=getattr(outcome, "retry_after", None),
    )
