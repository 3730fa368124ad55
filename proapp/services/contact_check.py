"""The test message: does this number or address reach the participant? Better found out at the clinic than in a window.

One goes out by itself at enrolment, and staff may send another; a gateway that reports its delivery is what verifies
the contact (services.receipts), or the participant who tells the clinic that it came. The message says nothing but that
it is a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from proapp.db.models import Contact, Message, Participant
from proapp.services import audit, contacts, messages, planning, register
from proapp.services.audit import Actor, Entry
from proapp.services.contact_doubts import is_wrong_number
from proapp.services.errors import Refused
from proapp.study.events import participant_facts
from proapp.study.model import Study
from proapp.study.status import stop_of
from proapp.study.versions import closed_on

USEFUL_FOR = timedelta(days=1)  # somebody is waiting for it; later it would only puzzle
MOST_A_DAY = 3


@dataclass(frozen=True, slots=True)
class Last:
    """The newest test message. `at` is when it came into its state."""

    state: str
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the way to a participant. `last` is the newest test message, None when there was none."""

    channel: str
    confirmed_at: datetime | None
    verified_at: datetime | None
    undeliverable_at: datetime | None
    undeliverable_reason: str | None
    last: Last | None
    may_confirm: bool = False  # a test has gone to the address as it is now, and nobody has said yet that it came


def standing(session: Session, *, study_id: str, sites: frozenset[str] | None, actor: Actor) -> Standing:
    """Of somebody without contact details the channel is empty. Raises NotFound, also for whoever has no business with
    contact data."""
    contacts.require_role(actor)
    participant = register.find(session, study_id=study_id, sites=sites)
    row = session.get(Contact, participant.id)
    if row is None:
        return Standing("", None, None, None, None, None)
    last = session.scalars(_tests(participant.id).order_by(Message.id.desc()).limit(1)).first()
    return Standing(
        channel=row.channel,
        confirmed_at=row.confirmed_at,
        verified_at=row.verified_at,
        undeliverable_at=row.undeliverable_at,
        undeliverable_reason=row.undeliverable_reason,
        last=Last(last.state, last.state_reason, _moved_at(last)) if last is not None else None,
        may_confirm=last is not None
        and _went_to(row, last)
        and not is_wrong_number(session, row)
        and (row.verified_at is None or row.undeliverable_at is not None),
    )


def _tests(participant_id: int) -> Select[Message]:
    return select(Message).where(Message.participant_id == participant_id, Message.kind == "test")


def _moved_at(message: Message) -> datetime:
    return message.settled_at or message.handed_over_at or message.queued_at


def send(
    session: Session, *, study: Study, study_id: str, sites: frozenset[str] | None, actor: Actor, now: datetime
) -> int:
    """Queue a test message; returns its id.

    Raises NotFound, and Refused: test_by_letter, test_ended, test_study_closed, test_site_closed, test_wrong_number,
    test_waiting, tests_today(most).
    """
    contacts.require_role(actor)
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    row = session.get(Contact, participant.id)
    if row is None or row.channel not in messages.ELECTRONIC:
        raise Refused("test_by_letter")
    facts = participant_facts(planning.load_events(session, participant.id))
    today = register.today_at(study, participant.site_code, now)
    if stop_of(facts, today=today)[1] is not None:
        raise Refused("test_ended")
    closed = closed_on(study, participant.site_code, today)
    if closed is not None:
        raise Refused(f"test_{closed}")
    if is_wrong_number(session, row):
        raise Refused("test_wrong_number")
    _require_room(session, participant.id, now)
    return _queue(session, participant, row.channel, actor, now)


def confirm(
    session: Session,
    *,
    study_id: str,
    sites: frozenset[str] | None,
    actor: Actor,
    now: datetime,
) -> None:
    """A member of staff has heard from the participant that the newest test message came: for gateways that report
    nothing afterwards, such as a mail server, this is what verifies the contact. Twice is once.

    Raises NotFound, and Refused: no_test (none has gone out to the address as it is now), test_wrong_number.
    """
    contacts.require_role(actor)
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    row = session.get(Contact, participant.id)
    last = session.scalars(_tests(participant.id).order_by(Message.id.desc()).limit(1)).first()
    if row is None or last is None or not _went_to(row, last):
        raise Refused("no_test")
    if is_wrong_number(session, row):
        raise Refused("test_wrong_number")
    if row.verified_at is not None and row.undeliverable_at is None:
        return
    row.verified_at, row.undeliverable_at, row.undeliverable_reason = now, None, None
    session.flush()
    details = {"message": last.id, "by": "participant"}
    entry = Entry("contact.verified", "contact", participant.id, details, site_code=participant.site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)


def _went_to(row: Contact, message: Message) -> bool:
    """Whether it was handed over, as far as is known, to the address that stands there now. What a gateway has called
    lost may have come all the same."""
    tried = message.state in ("sent", "delivered", "possibly_sent") or message.handed_over_at is not None
    return tried and message.channel == row.channel and message.next_try_at >= row.updated_at


def at_enrolment(
    session: Session, participant: Participant, *, channel: str, actor: Actor, now: datetime
) -> int | None:
    """The first one, for somebody just enrolled, whose lock the caller holds; None where letters were chosen."""
    return _queue(session, participant, channel, actor, now) if channel in messages.ELECTRONIC else None


def _require_room(session: Session, participant_id: int, now: datetime) -> None:
    row = session.execute(
        select(
            func.count().filter(Message.state.in_(("queued", "sending"))).label("waiting"),
            func.count().filter(Message.queued_at > now - timedelta(days=1)).label("today"),
        ).where(Message.participant_id == participant_id, Message.kind == "test")
    ).one()
    if row.waiting:
        raise Refused("test_waiting")
    if row.today >= MOST_A_DAY:
        raise Refused("tests_today", most=MOST_A_DAY)


def _queue(session: Session, participant: Participant, channel: str, actor: Actor, now: datetime) -> int:
    earlier = session.scalar(
        select(func.count()).where(Message.participant_id == participant.id, Message.kind == "test")
    )
    queued = messages.queue(
        session,
        key=f"test:{participant.id}:{(earlier or 0) + 1}",
        kind="test",
        channel=channel,
        participant_id=participant.id,
        due_at=now,
        not_after=now + USEFUL_FOR,
        site_code=participant.site_code,
        actor=actor,
        now=now,
        locked=True,
    )
    assert queued is not None  # the participant is locked, so nobody else has taken the number
    return queued
