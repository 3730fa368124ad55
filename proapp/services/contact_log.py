"""The contact log: every call, message and postponement, with what came of it. Rows are only ever added.

It is data as much as a memory aid: how often somebody was asked belongs to the story of a missing answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, ContactAttempt, Participant
from proapp.services import audit, cohort, register
from proapp.services.audit import Actor, Entry
from proapp.services.cohort import Expected
from proapp.services.errors import NotFound, Refused
from proapp.services.follow_up import POSTPONED
from proapp.study.model import Study
from proapp.study.status import is_waiting
from proapp.study.working_days import working_days_after

METHODS = ("phone", "sms", "email", "letter", "visit")
OUTCOMES = (
    "reached_will_answer",
    "answered_by_phone",
    "left_message",
    "no_answer",
    "wrong_number",
    "declined",
    "too_ill",
    "hospitalised",
)
LETTER_SENT = "letter_sent"  # chosen by the list of letters, not in the form
LONGEST_POSTPONEMENT = timedelta(days=60)
SAME_PRESS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Note:
    """What is noted about one attempt. A postponement has method `none` and outcome `postponed`."""

    method: str
    outcome: str
    note: str | None = None
    next_on: date | None = None


def log(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    study_id: str,
    assessment_id: int | None,
    noted: Note,
    actor: Actor,
    now: datetime,
) -> int:
    """Add an attempt to reach `study_id`, about one assessment or about none in particular. Returns its id.

    The same note by the same person within a minute is the same press of the button and adds nothing. Raises NotFound,
    or Refused: unknown_method, unknown_outcome, next_on_past, next_on_too_far(latest), next_on_after_window(latest).
    """
    if noted.method not in METHODS:
        raise Refused("unknown_method")
    if noted.outcome not in OUTCOMES:
        raise Refused("unknown_outcome")
    return _add(session, study, sites, study_id, assessment_id, noted, actor, now)


def postpone(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    study_id: str,
    assessment_id: int | None,
    until: date,
    why: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Take a row off the worklist until `until`. Returns the id of the entry in the log.

    Raises NotFound, or Refused: reason_required, and those of `log` about the date.
    """
    noted = Note("none", POSTPONED, register.required_reason(why), until)
    return _add(session, study, sites, study_id, assessment_id, noted, actor, now)


def letter_sent(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    study_id: str,
    assessment_id: int | None,
    actor: Actor,
    now: datetime,
) -> int:
    """Note a letter of the reminder plan that was posted. Returns the id of the entry. Raises NotFound."""
    return _add(session, study, sites, study_id, assessment_id, Note("letter", LETTER_SENT), actor, now)


def suggested_next(assessment: Expected | None, *, today: date, working_days: int = 2) -> date:
    """When to ask again unless somebody knows better: in two working days, not after the last day to answer."""
    return min(working_days_after(today, working_days), latest_next(assessment, today=today))


def latest_next(assessment: Expected | None, *, today: date) -> date:
    """The last date a row may be postponed to: while an answer is waited for, not beyond the window."""
    latest = today + LONGEST_POSTPONEMENT
    if assessment is None or not is_waiting(assessment.state):
        return latest
    ends = assessment.facts.closes_on
    if assessment.state.phase == "GRACE":
        ends = max(assessment.facts.late_until or date.max, assessment.facts.extension_until or date.min)
    return min(latest, ends) if ends else latest


def find_assessment(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    assessment_id: int,
    now: datetime,
    lock: bool = False,
) -> Expected:
    """One assessment with its member and state; with `lock`, writers of this participant take turns.

    Raises NotFound for absent and foreign alike.
    """
    query = (
        select(Participant.id, Participant.site_code)
        .join(Assessment, Assessment.participant_id == Participant.id)
        .where(Assessment.id == assessment_id)
    )
    query = cohort.Scope(sites).limit(query)
    if lock:  # SQLite has no row locks: there a writing transaction has the database to itself
        query = query.with_for_update(key_share=True, of=Participant)
    row = session.execute(query).first()
    if row is None:
        raise NotFound(assessment_id)
    today = register.today_at(study, row.site_code, now)
    people = cohort.load(session, study=study, sites=sites, today=today, participant_id=row.id)
    return next(one for one in people.assessments() if one.id == assessment_id)


def _add(
    session: Session,
    study: Study,
    sites: frozenset[str] | None,
    study_id: str,
    assessment_id: int | None,
    noted: Note,
    actor: Actor,
    now: datetime,
) -> int:
    person = register.find(session, study_id=study_id, sites=sites, lock=True)
    assessment = None
    if assessment_id is not None:
        assessment = find_assessment(session, study=study, sites=sites, assessment_id=assessment_id, now=now)
        if assessment.member.id != person.id:
            raise NotFound(assessment_id)
    note = register.optional_reason(noted.note)
    _check_next(noted.next_on, assessment, today=register.today_at(study, person.site_code, now))
    row = ContactAttempt(
        participant_id=person.id,
        assessment_id=assessment_id,
        method=noted.method,
        outcome=noted.outcome,
        note=note,
        next_on=noted.next_on,
        at=now,
        recorded_by_id=actor.id,
    )
    same = _just_noted(session, row)
    if same is not None:
        return same
    session.add(row)
    session.flush()
    details = {
        "assessment": assessment_id,
        "method": noted.method,
        "outcome": noted.outcome,
        "next_on": noted.next_on,
        "has_note": note is not None,  # its words stay out of the trail: they may name somebody
    }
    entry = Entry("contact.logged", "contact_attempt", row.id, details, site_code=person.site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=person.id, locked=True)
    return row.id


def _check_next(next_on: date | None, assessment: Expected | None, *, today: date) -> None:
    if next_on is None:
        return
    if next_on <= today:
        raise Refused("next_on_past")
    latest = latest_next(assessment, today=today)
    if next_on > latest:
        window = assessment is not None and latest < today + LONGEST_POSTPONEMENT
        raise Refused("next_on_after_window" if window else "next_on_too_far", latest=latest)


def _just_noted(session: Session, row: ContactAttempt) -> int | None:
    newest = session.scalar(
        select(ContactAttempt)
        .where(ContactAttempt.participant_id == row.participant_id)
        .order_by(ContactAttempt.id.desc())
        .limit(1)
    )
    columns = ("assessment_id", "method", "outcome", "note", "next_on", "recorded_by_id")
    if newest is None or row.at - newest.at > SAME_PRESS:
        return None
    return newest.id if all(getattr(newest, name) == getattr(row, name) for name in columns) else None
