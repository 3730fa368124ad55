"""Why an answer is missing: the reason recorded for a missed assessment, and a refusal told to the staff.

A missed assessment stays red until somebody has said why. Reasons are only ever added; the newest counts. While an
answer can still come there is nothing to explain, except that the participant has said there will be none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from proapp.db.models import AssessmentEvent, MissedReason
from proapp.services import audit, register
from proapp.services.audit import Actor, Entry
from proapp.services.cohort import Expected
from proapp.services.contact_log import find_assessment
from proapp.services.errors import Refused
from proapp.study.model import Study
from proapp.study.reasons import MISSED_REASONS, Flag
from proapp.study.status import is_waiting, may_decline, may_undo_decline

# What the contact log suggests, where somebody noted it while the window was open.
SUGGESTED = {
    "declined": "refused_this",
    "too_ill": "too_ill",
    "hospitalised": "hospitalised",
    "wrong_number": "wrong_contact",
    "no_answer": "unreachable",
    "left_message": "unreachable",
}


def obstacle(assessment: Expected) -> str | None:
    """Why no reason can be recorded now (open, answered, being_submitted, not_asked), or None if one can."""
    current = assessment.state
    if current.collection == "SUBMITTED":
        return "answered"
    if is_waiting(current):
        return "open"
    if current.collection == "STARTED" and assessment.facts.last_answer_at is not None:
        return "being_submitted"
    explainable = current.shown in ("missed", "missed_unexplained", "declined") and current.phase == "CLOSED"
    return None if explainable else "not_asked"


def record_reason(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    assessment_id: int,
    code: str,
    health_related: Flag | None = None,
    avoidable: Flag | None = None,
    note: str | None = None,
    actor: Actor,
    now: datetime,
) -> Expected:
    """Record why an assessment was missed; saying the same again adds nothing. Returns the assessment as it was before.

    A flag counts only where the reason itself leaves it open. Raises NotFound, or Refused: unknown_reason,
    reason_too_long(longest), or an `obstacle`.
    """
    assessment = find_assessment(session, study=study, sites=sites, assessment_id=assessment_id, now=now, lock=True)
    reason = MISSED_REASONS.get(code)
    if reason is None or not reason.by_hand:
        raise Refused("unknown_reason")
    blocked = obstacle(assessment)
    if blocked:
        raise Refused(blocked)
    said = (code, _flag(reason.health_related, health_related), _flag(reason.avoidable, avoidable))
    text, before = register.optional_reason(note), assessment.reason
    if before and (before.code, before.health_related, before.avoidable, before.note) == (*said, text):
        return assessment
    _add_reason(session, assessment, said, text, actor, now)
    return assessment


def decline(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    assessment_id: int,
    note: str | None,
    actor: Actor,
    now: datetime,
) -> Expected:
    """The participant has told the staff that there will be no answer this time. A second time adds nothing.

    Raises NotFound, or Refused: reason_too_long(longest), cannot_decline.
    """
    assessment = find_assessment(session, study=study, sites=sites, assessment_id=assessment_id, now=now, lock=True)
    if assessment.state.collection == "DECLINED":
        return assessment
    if not may_decline(assessment.state):
        raise Refused("cannot_decline")
    return _event(session, assessment, "declined", register.optional_reason(note), actor, now)


def undo_decline(
    session: Session, *, study: Study, sites: frozenset[str] | None, assessment_id: int, actor: Actor, now: datetime
) -> Expected:
    """The participant will answer after all. Raises NotFound, or Refused: cannot_undo_decline."""
    assessment = find_assessment(session, study=study, sites=sites, assessment_id=assessment_id, now=now, lock=True)
    if not may_undo_decline(assessment.state):
        raise Refused("cannot_undo_decline")
    return _event(session, assessment, "decline_undone", None, actor, now)


def suggestions(assessment: Expected) -> Sequence[str]:
    """Reasons the contact log speaks for, the newest first, each once."""
    about = [a for a in reversed(assessment.member.attempts) if a.assessment_id == assessment.id]
    return tuple(dict.fromkeys(SUGGESTED[a.outcome] for a in about if a.outcome in SUGGESTED))


def _add_reason(
    session: Session, assessment: Expected, said: tuple[str, Flag, Flag], note: str | None, actor: Actor, now: datetime
) -> None:
    told = dict(zip(("code", "health_related", "avoidable"), said, strict=True))
    row = MissedReason(
        assessment_id=assessment.id, **told, source="staff", note=note, recorded_at=now, recorded_by_id=actor.id
    )
    session.add(row)
    session.flush()
    # The words of the note stay out of the trail: they may name somebody, and the row itself can never change.
    previous = assessment.reason.code if assessment.reason else None
    details = {
        "assessment": assessment.id,
        **told,
        "source": "staff",
        "previous": previous,
        "has_note": note is not None,
    }
    _note(session, assessment, "missed_reason.recorded", "missed_reason", row.id, details, actor, now)


def _flag(fixed: Flag, said: Flag | None) -> Flag:
    return said if fixed == "?" and said is not None else fixed


def _event(
    session: Session, assessment: Expected, type_: str, reason: str | None, actor: Actor, now: datetime
) -> Expected:
    row = AssessmentEvent(
        assessment_id=assessment.id,
        type=type_,
        payload={"by": "staff"},
        reason=reason,
        recorded_at=now,
        recorded_by_id=actor.id,
    )
    session.add(row)
    session.flush()
    details = {"assessment": assessment.id, "type": type_, "by": "staff", "has_note": reason is not None}
    _note(session, assessment, f"assessment.{type_}", "assessment_event", row.id, details, actor, now)
    return assessment


def _note(
    session: Session,
    assessment: Expected,
    action: str,
    entity: str,
    entity_id: int,
    details: Mapping[str, object],
    actor: Actor,
    now: datetime,
) -> None:
    member = assessment.member
    entry = Entry(action, entity, entity_id, details, site_code=member.site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=member.id, locked=True)
