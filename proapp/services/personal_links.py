"""The link that is the participant's own, in a message or as a square on the clinic's tablet (services/own_phone.py):
it says whose phone this may be, and the PIN still decides.

It leads past the printed code to the PIN, and after the PIN to the one assessment it is about. One in a message may be
followed any number of times, and dies with what it is about (sent in, declined, closed, stopped, or cancelled), and
when the contact details are changed after it went out. A square is followed once, within a quarter of an hour.
Whoever finds it learns nothing: a link that is unknown, dead or somebody else's gets one and the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import Contact, Message, PatientPin
from proapp.services import audit, cohort, own_phone, sessions, throttle
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.vault import ALPHABET, LINK_LENGTH, Vault, token_hash
from proapp.study.model import Study
from proapp.study.status import accepts_answers

_GONE_OUT = (
    "sending",
    "sent",
    "delivered",
    "possibly_sent",
    "failed",
)  # a message said to have failed may still arrive


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads: that of a message, or of a square (`offer_id`)."""

    message_id: int | None
    participant_id: int
    assessment_id: int
    site_code: str
    offer_id: int | None = None


def find(session: Session, vault: Vault, *, study: Study, typed: str, address: str | None, now: datetime) -> Link:
    """Where the link with this token leads. Uses nothing up.

    Raises Refused: link_dead (also for one that never was), link_locked(retry_at). A try is counted, so commit also
    after Refused.
    """
    token = typed.strip().upper()
    subject, source = throttle.subject_key(vault, f"link {token[:LINK_LENGTH]}"), throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="patient_link", subject=subject, address=source, now=now)
    if not verdict.allowed:
        raise Refused("link_locked", retry_at=verdict.retry_at)
    found = _alive(session, study=study, token=token, now=now) if _has_shape(token) else None
    throttle.note(session, kind="patient_link", subject=subject, address=source, succeeded=found is not None, now=now)
    if found is None:
        raise Refused("link_dead")
    return found


def _has_shape(token: str) -> bool:
    return len(token) == LINK_LENGTH and set(token) <= set(ALPHABET)


def _alive(session: Session, *, study: Study, token: str, now: datetime) -> Link | None:
    row = _of_a_message(session, token)
    offer = own_phone.find(session, token, now=now) if row is None else None
    about = row or offer
    if about is None or about.assessment_id is None:
        return None
    members = cohort.load(
        session, study=study, sites=None, today=now.date(), participant_id=about.participant_id
    ).members
    for member in members:
        zone = study.zone(member.site_code)
        for one in member.assessments:
            if one.id == about.assessment_id and accepts_answers(
                one.facts, member.facts, now=now, study=study, zone=zone
            ):
                return Link(row.id if row else None, member.id, one.id, member.site_code, offer.id if offer else None)
    return None


def _of_a_message(session: Session, token: str) -> Any:
    return session.execute(
        select(Message.id, Message.participant_id, Message.assessment_id)
        .join(PatientPin, PatientPin.participant_id == Message.participant_id)  # without one, only the code leads on
        .join(Contact, Contact.participant_id == Message.participant_id)
        .where(
            Message.link_hash == token_hash(token),
            Message.state.in_(_GONE_OUT),
            # It may have gone to a number that was somebody else's. The last try counts, which read the number: who has
            # corrected it and sends the message again means the link that goes out then.
            Contact.updated_at <= Message.next_try_at,
        )
    ).first()


def stand_at_the_pin(session: Session, vault: Vault, link: Link, *, device: str, now: datetime) -> str:
    """The token of a session that leads to the PIN. It cannot choose one: a link is not the code on paper; only who
    comes from the tablet and has none may (services/patient_access.py). A square is used up, or Refused raised:
    link_dead."""
    details: dict[str, Any] = {"device": device, "message": link.message_id}
    carried = None
    if link.offer_id is not None:
        own_phone.use_up(session, link.offer_id, now=now)
        carried, details = link.assessment_id, {"device": device, "assessment": link.assessment_id}
    token = sessions.start(
        session,
        vault,
        kind="patient_link",
        now=now,
        participant_id=link.participant_id,
        assessment_id=carried,
        device=device,
    )
    entry = Entry("patient.link_followed", "auth_session", link.participant_id, details, site_code=link.site_code)
    actor = Actor("patient", link.participant_id, "patient")
    audit.record(session, entry, actor=actor, now=now, participant_id=link.participant_id)
    return token
