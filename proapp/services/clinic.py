"""A clinic's tablet: one assessment, handed over to the participant in front of it, and taken back with a password.

The session of whoever hands over is suspended in the same transaction, so that this browser opens one questionnaire and
nothing else (docs/decisions/0010-a-tablet-is-handed-over.md). The participant needs no PIN here: staff have seen who it
is, and no PIN is typed where they might see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, AuthSession, Participant
from proapp.services import audit, contact_log, sessions
from proapp.services.audit import Actor, Entry
from proapp.services.cohort import Expected
from proapp.services.errors import Refused
from proapp.services.sessions import Patient, Staff
from proapp.services.vault import Vault, token_hash
from proapp.study.model import Study
from proapp.study.status import accepts_answers

ROLES = ("nurse", "investigator", "coordinator")
ON_PHONE = "continued_on_phone"
OF_THE_TABLET = ("clinic", "own_phone")  # the tablet's session, and the square it shows


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Tokens for the two cookies of the tablet, and the language its pages are to have."""

    patient: str
    staff: str
    language: str


def can_be_filled_in(one: Expected, *, study: Study, now: datetime) -> bool:
    """Whether the participant could answer this assessment now."""
    zone = study.zone(one.member.site_code)
    return accepts_answers(one.facts, one.member.facts, now=now, study=study, zone=zone)


def hand_over(
    session: Session, vault: Vault, *, study: Study, who: Staff, assessment_id: int, device: str, now: datetime
) -> HandedOver:
    """Begin a session for this one assessment, and suspend `who`'s. A tablet that is out with the same assessment opens
    nothing from now on: it is one sitting.

    Raises NotFound (absent, or of another site), or Refused: cannot_be_filled_in.
    """
    one = contact_log.find_assessment(
        session, study=study, sites=who.sites, assessment_id=assessment_id, now=now, lock=True
    )
    if not can_be_filled_in(one, study=study, now=now):
        raise Refused("cannot_be_filled_in")
    person, actor = one.member, Actor("staff", who.user_id, who.role)
    again = end_tablets(session, assessment_id=one.id, reason="handed_over_again", now=now)
    token = sessions.start(
        session,
        vault,
        kind="clinic",
        now=now,
        participant_id=person.id,
        assessment_id=one.id,
        handed_over_by_id=who.user_id,
        device=device,
    )
    suspended = sessions.suspend(session, vault, who.session_id, assessment_id=one.id, now=now)
    details = {"assessment": one.id, "device": device, "again": again > 0}
    entry = Entry("tablet.handed_over", "auth_session", person.id, details, site_code=person.site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=person.id, locked=True)
    locked = Entry("session.suspended", "auth_session", who.session_id, {"assessment": one.id})
    audit.record(session, locked, actor=actor, now=now)
    return HandedOver(token, suspended, person.language)


def end_tablets(session: Session, *, assessment_id: int, reason: str, now: datetime) -> int:
    """End what is out with this assessment, the squares too. Returns how many sessions of tablets ended."""
    rows = session.execute(
        update(AuthSession)
        .where(
            AuthSession.assessment_id == assessment_id,
            AuthSession.kind.in_(OF_THE_TABLET),
            AuthSession.ended_at.is_(None),
        )
        .values(ended_at=now, end_reason=reason)
        .returning(AuthSession.kind)
        .execution_options(synchronize_session=False)
    ).scalars()
    return sum(kind == "clinic" for kind in rows)


def take_back(session: Session, tablet: Patient, *, actor: Actor, now: datetime) -> None:
    """A member of staff has the tablet again: its session ends. `actor` has just proved who that is."""
    assert tablet.assessment_id is not None
    _end(session, tablet.participant_id, tablet.site_code, tablet.assessment_id, "taken_back", actor, now)


def end_from_afar(
    session: Session, *, study: Study, sites: frozenset[str] | None, assessment_id: int, actor: Actor, now: datetime
) -> bool:
    """A tablet that was forgotten, or that nobody can find, shows nothing from now on; whoever handed it over stays
    locked out on it. False when none was out. Raises NotFound."""
    one = contact_log.find_assessment(
        session, study=study, sites=sites, assessment_id=assessment_id, now=now, lock=True
    )
    return _end(session, one.member.id, one.member.site_code, one.id, "ended_from_afar", actor, now)


def _end(
    session: Session, participant_id: int, site_code: str, assessment_id: int, why: str, actor: Actor, now: datetime
) -> bool:
    ended = end_tablets(session, assessment_id=assessment_id, reason=why, now=now) > 0
    if ended:
        details = {"assessment": assessment_id, "why": why}
        entry = Entry("tablet.taken_back", "auth_session", participant_id, details, site_code=site_code)
        audit.record(session, entry, actor=actor, now=now, participant_id=participant_id)
    return ended


def how_it_ended(database: Session | Connection, token: str) -> str | None:
    """Why the session behind this cookie is over, if it was a tablet's ("" when its time ran out); None for any
    other."""
    row = database.execute(
        select(AuthSession.kind, AuthSession.end_reason).where(AuthSession.token_hash == token_hash(token))
    ).first()
    return row.end_reason or "" if row is not None and row.kind == "clinic" else None


def handed_over_for(session: Session, who: Staff) -> tuple[str, int] | None:
    """Study id and assessment that the browser of `who` was handed over for."""
    row = session.execute(
        select(Participant.study_id, Assessment.id)
        .join(Assessment, Assessment.participant_id == Participant.id)
        .where(Assessment.id == who.assessment_id)
    ).first()
    return (row.study_id, row.id) if row is not None else None
