"""What another system is told: that an assessment is closed, and how. No answer, no contact, no reason.

An assessment is closed when it was sent, or when its window is over; more time or an answer on paper can open it again,
and then another event says how it ended. Nothing stores that a window closed, so it is looked for by the clock: what
was sent since the last look, and what ran out since some days before it; the first look goes through everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Assessment, Participant, ResponseSet, WebhookEvent
from proapp.services import audit, cohort
from proapp.services.audit import WORKER, Entry
from proapp.services.members import Expected
from proapp.services.outbox import pause
from proapp.services.vault import Vault
from proapp.study.model import Study

TYPE = "assessment.closed"
SENT = ("completed", "completed_unscorable")
LOOK_BACK = timedelta(days=7)  # before the last look: what was put right, or sent as it was, some days later
LEASE = timedelta(minutes=2)  # more than a try may take
GIVE_UP_AFTER = timedelta(days=3)
AT_ONCE = 100  # participants of one portion


@dataclass(frozen=True, slots=True)
class Closed:
    """An assessment that is closed, as the receiver will be told."""

    assessment_id: int
    participant_id: int
    study_id: str
    site: str
    timepoint: str
    occurrence: int
    status: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How many events wait (since when the oldest), were told, and were given up."""

    waiting: int
    oldest: datetime | None
    told: int
    given_up: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that this worker, and for a while no other, may tell now."""

    id: int
    event_id: str
    body: bytes
    attempts: int
    queued_at: datetime


# --- what there is to tell ------------------------------------------------------------------------------------------


def look(session: Session, *, study: Study, now: datetime, since: datetime | None) -> Iterator[list[Closed]]:
    """What closed since `since` (None: ever) and nobody was told of, portion by portion. Reads only.

    Two statements when there is nothing, those of a cohort and one for each portion.
    """
    today = local_date(now, study.zone())
    since_day = None if since is None else local_date(since, study.zone()) - LOOK_BACK
    people = sorted({*_sent(session, since), *_run_out(session, today, since_day)})
    for start in range(0, len(people), AT_ONCE):
        wanted = frozenset(people[start : start + AT_ONCE])
        found = cohort.load(session, study=study, sites=None, today=today, study_ids=wanted)
        known = _known(session, [one.id for one in found.assessments()])
        closed = (_closed(one) for one in found.assessments())
        portion = [one for one in closed if one is not None and (one.assessment_id, one.status) not in known]
        if portion:
            yield portion


def _sent(session: Session, since: datetime | None) -> Iterable[str]:
    told = select(WebhookEvent.id).where(WebhookEvent.assessment_id == Assessment.id, WebhookEvent.status.in_(SENT))
    query = (
        select(Participant.study_id)
        .join(Assessment, Assessment.participant_id == Participant.id)
        .join(ResponseSet, ResponseSet.assessment_id == Assessment.id)
        .where(ResponseSet.submitted_at.is_not(None), ResponseSet.void_reason.is_(None), ~told.exists())
    )
    return session.scalars(query if since is None else query.where(ResponseSet.submitted_at >= since))


def _run_out(session: Session, today: date, since: date | None) -> Iterable[str]:
    told = select(WebhookEvent.id).where(WebhookEvent.assessment_id == Assessment.id)
    last = func.coalesce(Assessment.extension_until, Assessment.late_until)
    query = (
        select(Participant.study_id)
        .join(Assessment, Assessment.participant_id == Participant.id)
        .where(Assessment.late_until < today, last < today, Assessment.cancelled_reason.is_(None), ~told.exists())
    )
    return session.scalars(query if since is None else query.where(last >= since))


def _known(session: Session, ids: Sequence[int]) -> set[tuple[int, str]]:
    query = select(WebhookEvent.assessment_id, WebhookEvent.status).where(WebhookEvent.assessment_id.in_(ids))
    return {(assessment_id, status) for assessment_id, status in session.execute(query)}


def _closed(one: Expected) -> Closed | None:
    status = _status(one)
    if status is None:
        return None
    member = one.member
    return Closed(one.id, member.id, member.study_id, one.site_code, one.timepoint, one.occurrence, status)


def _status(one: Expected) -> str | None:
    """How it ended; None while it has not, or where nobody was to answer."""
    state = one.state
    if state.collection == "SUBMITTED":
        return state.shown
    if state.expectation != "EXPECTED" or state.phase != "CLOSED":
        return None
    if state.collection == "DECLINED":
        return "declined"
    return None if one.facts.last_answer_at is not None else "missed"  # what was begun is about to be sent as it is


# --- queueing -------------------------------------------------------------------------------------------------------


def queue(session: Session, found: Iterable[Closed], *, vault: Vault, now: datetime) -> int:
    """An event for each, in this transaction; how many. What another worker has queued meanwhile is passed over."""
    return sum(_queue(session, one, vault, now) for one in found)


def _queue(session: Session, one: Closed, vault: Vault, now: datetime) -> bool:
    event_id = f"evt_{vault.keyed_hash('webhook', f'{one.assessment_id} {one.status}')[:32]}"
    row = WebhookEvent(
        event_id=event_id,
        assessment_id=one.assessment_id,
        status=one.status,
        body=_body(event_id, one, now),
        queued_at=now,
        state="waiting",
        next_try_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False
    _note(session, row.id, "webhook.queued", {"timepoint": one.timepoint}, one.participant_id, one.site, now)
    return True


def _body(event_id: str, one: Closed, now: datetime) -> str:
    about = {
        "study_id": one.study_id,
        "site": one.site,
        "timepoint": one.timepoint,
        "occurrence": one.occurrence,
        "status": one.status,
    }
    return audit.canonical({"id": event_id, "type": TYPE, "created_at": now, "data": about})


# --- telling --------------------------------------------------------------------------------------------------------


def waiting(session: Session, *, now: datetime) -> bool:
    """Whether there is anything to claim: one statement, without a lock."""
    return session.scalar(select(WebhookEvent.id).where(_due(now)).limit(1)) is not None


def _due(now: datetime) -> ColumnElement[bool]:
    return (WebhookEvent.state == "waiting") & (WebhookEvent.next_try_at <= now)


def standing(session: Session) -> Standing:
    """For those who run the system. One statement."""
    query = select(WebhookEvent.state, func.count(), func.min(WebhookEvent.queued_at)).group_by(WebhookEvent.state)
    found = {state: (number, oldest) for state, number, oldest in session.execute(query)}
    waiting, oldest = found.get("waiting", (0, None))
    return Standing(waiting, oldest, found.get("delivered", (0, None))[0], found.get("given_up", (0, None))[0])


def claim(session: Session, *, now: datetime) -> Claimed | None:
    """The event that waited longest, kept from other workers for LEASE; None when there is none. The caller commits
    before it tells. A claim is a note to the other workers and leaves no audit event."""
    row = session.execute(
        select(WebhookEvent.__table__).where(_due(now)).order_by(WebhookEvent.next_try_at, WebhookEvent.id).limit(1)
    ).first()
    if row is None:
        return None
    mine = (
        update(WebhookEvent)
        .where(_due(now), WebhookEvent.id == row.id)
        .values(attempts=WebhookEvent.attempts + 1, next_try_at=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    if not cast(Any, session.execute(mine)).rowcount:
        return None  # another worker was faster; the next turn looks again
    return Claimed(row.id, row.event_id, row.body.encode(), row.attempts + 1, row.queued_at)


def delivered(session: Session, claimed: Claimed, *, now: datetime) -> None:
    """The receiver has it."""
    _settle(session, claimed, "delivered", None, now)


def failed(session: Session, claimed: Claimed, *, reason: str, now: datetime) -> None:
    """It is told again after a growing pause, and given up after GIVE_UP_AFTER."""
    if now >= claimed.queued_at + GIVE_UP_AFTER:
        _settle(session, claimed, "given_up", reason, now)
        return
    _change(session, claimed, state_reason=reason, next_try_at=now + pause(claimed.attempts))


def _settle(session: Session, claimed: Claimed, state: str, reason: str | None, now: datetime) -> None:
    _change(session, claimed, state=state, state_reason=reason, settled_at=now)
    participant_id, site = session.execute(
        select(Participant.id, Participant.site_code)
        .join(Assessment, Assessment.participant_id == Participant.id)
        .join(WebhookEvent, WebhookEvent.assessment_id == Assessment.id)
        .where(WebhookEvent.id == claimed.id)
    ).one()
    action = "webhook.delivered" if state == "delivered" else "webhook.given_up"
    _note(session, claimed.id, action, {"attempts": claimed.attempts, "why": reason}, participant_id, site, now)


def _change(session: Session, claimed: Claimed, **values: Any) -> None:
    change = update(WebhookEvent).where(WebhookEvent.id == claimed.id, WebhookEvent.state == "waiting")
    session.execute(change.values(**values).execution_options(synchronize_session=False))


def _note(
    session: Session, row: int, action: str, details: dict[str, Any], participant_id: int, site: str, now: datetime
) -> None:
    entry = Entry(action, "webhook_event", row, details, site_code=site)
    audit.record(session, entry, actor=WORKER, now=now, participant_id=participant_id)
