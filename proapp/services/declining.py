"""A patient says no to one questionnaire, and may think better of it while it is open.

Saying no is as good a fact as an answer: it ends the asking at once, and it is told apart from silence in every list
and export. A reason is welcome and never required.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from proapp.db.models import AssessmentEvent, MissedReason
from proapp.services import audit
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.messages import cancel_queued
from proapp.services.sitting import Sitting
from proapp.study.reasons import MISSED_REASONS
from proapp.study.status import may_decline, may_undo_decline

# What a patient may give as the reason, of the study room's reasons for missing data.
REASONS = ("too_ill", "refused_burden", "upset_or_irrelevant", "no_time")


def decline(session: Session, sitting: Sitting, *, reason_code: str | None, now: datetime, actor: Actor) -> None:
    """The patient does not want to answer this time; `reason_code` is one of REASONS, or None.

    The sitting must have been found with `lock`. Doing it twice is doing it once.
    Raises Refused: cannot_decline (sent, closed, not open), unknown_reason.
    """
    if reason_code is not None and reason_code not in REASONS:
        raise Refused("unknown_reason")
    if sitting.assessment.declined:
        return
    if not may_decline(sitting.state):
        raise Refused("cannot_decline")
    entries = [_decided(session, sitting, "declined", now=now)]
    if reason_code is not None:
        entries.append(_reason(session, sitting, reason_code, now=now))
    entries += cancel_queued(
        session.connection(),
        assessment_id=sitting.assessment_id,
        site_code=sitting.site_code,
        reason="declined",
        now=now,
    )
    audit.record(session, *entries, actor=actor, now=now, participant_id=sitting.participant_id, locked=True)


def undo_decline(session: Session, sitting: Sitting, *, now: datetime, actor: Actor) -> None:
    """The patient wants to answer after all, while the window is open. Raises Refused: cannot_undo."""
    if not sitting.assessment.declined:
        return
    if not may_undo_decline(sitting.state):
        raise Refused("cannot_undo")
    entry = _decided(session, sitting, "decline_undone", now=now)
    audit.record(session, entry, actor=actor, now=now, participant_id=sitting.participant_id, locked=True)


def _decided(session: Session, sitting: Sitting, type_: str, *, now: datetime) -> Entry:
    event = AssessmentEvent(assessment_id=sitting.assessment_id, type=type_, payload={"by": "patient"}, recorded_at=now)
    session.add(event)
    session.flush()
    details = {"assessment": sitting.assessment_id, "type": type_, "by": "patient"}
    return Entry(f"assessment.{type_}", "assessment_event", event.id, details, site_code=sitting.site_code)


def _reason(session: Session, sitting: Sitting, code: str, *, now: datetime) -> Entry:
    known = MISSED_REASONS[code]
    reason = MissedReason(
        assessment_id=sitting.assessment_id,
        code=code,
        health_related=known.health_related,
        avoidable=known.avoidable,
        source="patient",
        recorded_at=now,
    )
    session.add(reason)
    session.flush()
    details = {"assessment": sitting.assessment_id, "code": code, "source": "patient"}
    return Entry("missed_reason.recorded", "missed_reason", reason.id, details, site_code=sitting.site_code)
