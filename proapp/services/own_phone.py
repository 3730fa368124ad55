"""From the clinic's tablet to the participant's own phone, without losing the place: a square that is followed once.

The square holds a personal link (services/personal_links.py) that is good for a quarter of an hour and for one phone.
It opens nothing by itself: the phone asks for the PIN, or lets one be chosen by somebody who never had one, since the
clinic has put the tablet into this person's hands as it would have put the printed sheet. Only when the phone is signed
in does the tablet's session end, so that nobody who has forgotten the PIN stands there with neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from proapp.db.models import AuthSession
from proapp.services import audit, clinic, sessions
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.sessions import Patient
from proapp.services.vault import Vault, token_hash


@dataclass(frozen=True, slots=True)
class Offer:
    """A square that can still be followed."""

    id: int
    participant_id: int
    assessment_id: int | None


def offer(session: Session, vault: Vault, tablet: Patient, *, now: datetime) -> str:
    """The token for a new square; the one before it stops working."""
    session.execute(
        update(AuthSession)
        .where(
            AuthSession.assessment_id == tablet.assessment_id,
            AuthSession.kind == "own_phone",
            AuthSession.ended_at.is_(None),
        )
        .values(ended_at=now, end_reason="replaced")
        .execution_options(synchronize_session=False)
    )
    token = sessions.start(
        session,
        vault,
        kind="own_phone",
        now=now,
        participant_id=tablet.participant_id,
        assessment_id=tablet.assessment_id,
    )
    entry = _entry("tablet.phone_offered", tablet.session_id, tablet.assessment_id, tablet.site_code)
    audit.record(session, entry, actor=_actor(tablet), now=now, participant_id=tablet.participant_id)
    return token


def find(session: Session, token: str, *, now: datetime) -> Offer | None:
    """Uses nothing up."""
    row = session.execute(
        select(AuthSession.id, AuthSession.participant_id, AuthSession.assessment_id).where(
            AuthSession.token_hash == token_hash(token),
            AuthSession.kind == "own_phone",
            AuthSession.ended_at.is_(None),
            AuthSession.expires_at > now,
        )
    ).first()
    return Offer(row.id, row.participant_id, row.assessment_id) if row is not None else None


def use_up(session: Session, offer_id: int, *, now: datetime) -> None:
    """Raises Refused, link_dead, for the second of two phones that follow it at the same moment."""
    mine = session.execute(
        update(AuthSession)
        .where(AuthSession.id == offer_id, AuthSession.ended_at.is_(None))
        .values(ended_at=now, end_reason="followed")
        .execution_options(synchronize_session=False)
    )
    if mine.rowcount != 1:  # type: ignore[attr-defined]  # a write has one
        raise Refused("link_dead")


def arrive(session: Session, who: Patient, assessment_id: int, *, now: datetime) -> list[Entry]:
    """The phone of `who` is signed in and goes on with the assessment, so the tablet lets go of it. Returns what there
    is to record, for the caller to do."""
    left = clinic.end_tablets(session, assessment_id=assessment_id, reason=clinic.ON_PHONE, now=now)
    return [_entry("tablet.left_for_phone", who.session_id, assessment_id, who.site_code)] if left else []


def go_on_here(session: Session, who: Patient, offer_id: int, assessment_id: int, *, now: datetime) -> None:
    """As `arrive`, for a phone that was signed in when it followed the square. Raises Refused, link_dead."""
    use_up(session, offer_id, now=now)
    followed = _entry("patient.link_followed", who.session_id, assessment_id, who.site_code)
    entries = arrive(session, who, assessment_id, now=now)
    audit.record(session, followed, *entries, actor=_actor(who), now=now, participant_id=who.participant_id)


def _entry(action: str, session_id: int, assessment_id: int | None, site_code: str) -> Entry:
    return Entry(action, "auth_session", session_id, {"assessment": assessment_id}, site_code=site_code)


def _actor(who: Patient) -> Actor:
    return Actor("patient", who.participant_id, "patient")
