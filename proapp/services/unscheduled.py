"""Assessments outside the plan: staff open one for a participant, with a reason and a window. They are answered,
scored and exported like any other, and are in no rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, AssessmentEvent, Participant, ResponseSet
from proapp.services import audit, planning, register, versions
from proapp.services.audit import Actor, Entry
from proapp.services.contact_log import find_assessment
from proapp.services.errors import Refused
from proapp.services.members import Expected, Member
from proapp.services.messages import cancel_queued
from proapp.services.participant_events import check_date, check_not_ended
from proapp.study.events import Event, standing
from proapp.study.model import Study, TimePoint
from proapp.study.schedule import PlannedAssessment
from proapp.study.versions import in_force

LONGEST_AHEAD = timedelta(days=366)  # how far ahead one may open, and how long it may be open
BY_MISTAKE = "opened_by_mistake"


def choices(study: Study, arm: str | None) -> tuple[TimePoint, ...]:
    """The time points that staff may open for a participant of this arm (None: not randomised yet)."""
    return tuple(one for one in study.timepoints if one.kind == "unscheduled" and one.is_for(arm))


def offered(study: Study, member: Member) -> tuple[TimePoint, ...]:
    """Those of the version that the participant's site works by."""
    return choices(in_force(study, member.site_code), member.facts.arm)


def usual_close(timepoint: TimePoint, opens_on: date) -> date:
    """The last day of the window, unless staff choose another."""
    return opens_on + timedelta(days=timepoint.after_days)


def window_of(timepoint: TimePoint, opens_on: date, closes_on: date, *, occurrence: int) -> PlannedAssessment:
    """Open and due from its first day on; the grace of the time point follows the last day that staff chose."""
    late_until = closes_on + timedelta(days=timepoint.grace_days)
    return PlannedAssessment(timepoint.code, occurrence, opens_on, opens_on, opens_on, closes_on, late_until)


def open_assessment(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    timepoint: str,
    opens_on: date,
    closes_on: date | None,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> int:
    """Open one from `opens_on` (today or later) to `closes_on` (inclusive; None: as the study file says).

    Returns the id of the assessment; of one still ahead or open at the same time point with the same window, its id,
    and adds nothing. Raises NotFound, and Refused: timepoint_unknown, opens_in_past, opens_too_far, closes_before_open,
    window_too_long, date_before_consent, after_end, not_taking_part(type), still_open(closes_on), reason_required,
    reason_too_long.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    events = planning.load_events(session, participant.id)
    study = in_force(versions.current(session, study), participant.site_code)
    point = _point(study, timepoint, planning.anchors_of(events).arm)
    today = register.today_at(study, participant.site_code, now)
    last = closes_on or usual_close(point, opens_on)
    _check(events, opens_on, last, today=today)
    text = register.required_reason(reason)
    same = _unfinished(_unanswered(session, participant, point), opens_on, last, today)
    if same is not None:
        return same
    number = 1 + (session.scalar(_of(participant, point, func.max(Assessment.occurrence))) or 0)
    planned = window_of(point, opens_on, last, occurrence=number)
    return _add(session, study, participant, planned, text, actor, now)


def take_back(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    assessment_id: int,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> Expected:
    """One that was opened by mistake is no longer asked for, unless somebody has begun to answer it. Twice is once.

    Returns the assessment as it was before. Raises NotFound, and Refused: not_unscheduled, begun, reason_required,
    reason_too_long(longest).
    """
    assessment = find_assessment(session, study=study, sites=sites, assessment_id=assessment_id, now=now, lock=True)
    if assessment.facts.kind != "unscheduled":
        raise Refused("not_unscheduled")
    if assessment.sets:
        raise Refused("begun")
    if assessment.facts.cancelled_reason is not None:
        return assessment
    text, member = register.required_reason(reason), assessment.member
    told = {"timepoint": assessment.timepoint, "occurrence": assessment.occurrence}
    event = _note(session, assessment_id, "taken_back", {}, text, actor, now)
    session.execute(
        update(Assessment).where(Assessment.id == assessment_id).values(cancelled_reason=BY_MISTAKE),
        execution_options={"synchronize_session": False},
    )
    details = {**told, "old": {"cancelled_reason": None}, "new": {"cancelled_reason": BY_MISTAKE}}
    site = member.site_code
    audit.record(
        session,
        Entry("assessment.taken_back", "assessment_event", event, told, text, site),
        Entry("assessment.changed", "assessment", assessment_id, details, site_code=site),
        *cancel_queued(session.connection(), reason=BY_MISTAKE, now=now, assessment_id=assessment_id, site_code=site),
        actor=actor,
        now=now,
        participant_id=member.id,
        locked=True,
    )
    return assessment


def _point(study: Study, code: str, arm: str | None) -> TimePoint:
    found = next((one for one in choices(study, arm) if one.code == code), None)
    if found is None:
        raise Refused("timepoint_unknown")
    return found


def _check(events: Sequence[Event], opens_on: date, closes_on: date, *, today: date) -> None:
    found = standing(events)
    if opens_on < today:
        raise Refused("opens_in_past")
    if opens_on > today + LONGEST_AHEAD:
        raise Refused("opens_too_far")
    if closes_on < opens_on:
        raise Refused("closes_before_open")
    if closes_on > opens_on + LONGEST_AHEAD:
        raise Refused("window_too_long")
    check_date(found, opens_on, today=opens_on)
    check_not_ended(found, opens_on)
    if "pro_stop" in found:
        raise Refused("not_taking_part", type="pro_stop")


def _of(participant: Participant, point: TimePoint, what: Any) -> Select[Any]:
    return select(what).where(Assessment.participant_id == participant.id, Assessment.timepoint == point.code)


def _unanswered(session: Session, participant: Participant, point: TimePoint) -> Sequence[Assessment]:
    answered = select(ResponseSet.id).where(
        ResponseSet.assessment_id == Assessment.id, ResponseSet.submitted_at.is_not(None)
    )
    return session.scalars(_of(participant, point, Assessment).where(~answered.exists())).all()


def _unfinished(unanswered: Sequence[Assessment], opens_on: date, closes_on: date, today: date) -> int | None:
    """The one just opened with the very same window. Raises Refused where another window would run beside it."""
    for row in unanswered:
        if row.cancelled_reason is None and row.closes_on is not None and row.closes_on >= today:
            if (row.opens_on, row.closes_on) == (opens_on, closes_on):
                return row.id
            if row.opens_on is not None and row.opens_on <= closes_on and opens_on <= row.closes_on:
                raise Refused("still_open", closes_on=row.closes_on)
    return None


def _add(
    session: Session,
    study: Study,
    participant: Participant,
    planned: PlannedAssessment,
    reason: str,
    actor: Actor,
    now: datetime,
) -> int:
    dates = {name: getattr(planned, name) for name in ("anchor_on", "target_on", "opens_on", "closes_on", "late_until")}
    row = Assessment(
        participant_id=participant.id,
        timepoint=planned.timepoint,
        occurrence=planned.occurrence,
        protocol_version=study.number,
        planned_at=now,
        **dates,
    )
    session.add(row)
    session.flush()
    told = {"timepoint": planned.timepoint, "occurrence": planned.occurrence}
    event = _note(session, row.id, "opened", {name: day.isoformat() for name, day in dates.items()}, reason, actor, now)
    audit.record(
        session,
        Entry("assessment.opened", "assessment_event", event, told, reason, participant.site_code),
        Entry(
            "assessment.planned",
            "assessment",
            row.id,
            {**told, "old": None, "new": dates, "cancelled_reason": None},
            site_code=participant.site_code,
        ),
        actor=actor,
        now=now,
        participant_id=participant.id,
        locked=True,
    )
    return row.id


def _note(
    session: Session,
    assessment_id: int,
    type_: str,
    payload: dict[str, str],
    reason: str,
    actor: Actor,
    now: datetime,
) -> int:
    row = AssessmentEvent(
        assessment_id=assessment_id,
        type=type_,
        payload=payload,
        reason=reason,
        recorded_at=now,
        recorded_by_id=actor.id,
    )
    session.add(row)
    session.flush()
    return row.id
