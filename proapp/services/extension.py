"""Staff give a participant longer to answer: what comes by then is taken, and marked late. The dates of the protocol do
not change, so an answer given in the longer window is never counted as given in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, AssessmentEvent
from proapp.services import audit, register
from proapp.services.audit import Actor, Entry
from proapp.services.contact_log import find_assessment
from proapp.services.errors import Refused
from proapp.services.members import Expected
from proapp.study.model import Study
from proapp.study.versions import numbered

EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class Offer:
    """From which day to which a window may be extended; both are last days on which an answer is taken."""

    earliest: date
    latest: date


def obstacle(assessment: Expected, *, today: date, study: Study) -> str | None:
    """Why the window cannot be extended now (not_asked, answered, baseline, extension_over, too_late), or None."""
    current, facts = assessment.state, assessment.facts
    if current.collection == "SUBMITTED":
        return "answered"
    if facts.kind == "baseline":
        return "baseline"
    if current.expectation != "EXPECTED" or facts.late_until is None or facts.opens_on is None:
        return "not_asked"
    stops = assessment.member.facts
    if any(day is not None and day <= today for day in (stops.died_on, stops.stopped_on, stops.withdrawn_on)):
        return "not_asked"
    if facts.extension_until is not None and facts.extension_until < today:
        return "extension_over"
    return "too_late" if offer(assessment, today=today, study=study) is None else None


def offer(assessment: Expected, *, today: date, study: Study) -> Offer | None:
    """The days that can be chosen, None if there are none: the study's limit counts from the end of the grace."""
    late_until = assessment.facts.late_until
    if late_until is None:
        return None
    earliest = max(today, late_until + timedelta(days=1))
    own = numbered(study, assessment.protocol_version)  # the version of the study that it was planned by
    latest = late_until + timedelta(days=own.extension_max_days)
    return Offer(earliest, latest) if earliest <= latest else None


def extend(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    assessment_id: int,
    until: date,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> Expected:
    """Take answers until `until` (inclusive), also when the window has closed; an extension that is not over is
    replaced. The same again adds nothing. Returns the assessment as it was before.

    Raises NotFound, and Refused: an `obstacle`, until_too_early(earliest), until_too_late(latest), reason_required,
    reason_too_long(longest).
    """
    assessment, today = _find(session, study, sites, assessment_id, now)
    blocked = obstacle(assessment, today=today, study=study)
    if blocked:
        raise Refused(blocked)
    if assessment.facts.extension_until == until:
        return assessment
    possible = offer(assessment, today=today, study=study)
    assert possible is not None
    if until < possible.earliest:
        raise Refused("until_too_early", earliest=possible.earliest)
    if until > possible.latest:
        raise Refused("until_too_late", latest=possible.latest)
    return _decide(session, assessment, until, register.required_reason(reason), actor, now)


def end_extension(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    assessment_id: int,
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> Expected:
    """Take an extension back while it is not over; what was begun meanwhile may still be finished in the sitting's
    grace. Returns the assessment as it was before.

    Raises NotFound, and Refused: not_extended, answered, extension_over, reason_required, reason_too_long(longest).
    """
    assessment, today = _find(session, study, sites, assessment_id, now)
    until = assessment.facts.extension_until
    if until is None:
        raise Refused("not_extended")
    if assessment.state.collection == "SUBMITTED":
        raise Refused("answered")
    if until < today:
        raise Refused("extension_over")
    return _decide(session, assessment, None, register.required_reason(reason), actor, now)


def _find(
    session: Session, study: Study, sites: frozenset[str] | None, assessment_id: int, now: datetime
) -> tuple[Expected, date]:
    found = find_assessment(session, study=study, sites=sites, assessment_id=assessment_id, now=now, lock=True)
    return found, register.today_at(study, found.member.site_code, now)


def _decide(
    session: Session, assessment: Expected, until: date | None, reason: str, actor: Actor, now: datetime
) -> Expected:
    row = AssessmentEvent(
        assessment_id=assessment.id,
        type=EXTENDED,
        payload={"until": until.isoformat() if until else None},
        reason=reason,
        recorded_at=now,
        recorded_by_id=actor.id,
    )
    session.add(row)
    session.flush()
    session.execute(
        update(Assessment).where(Assessment.id == assessment.id).values(extension_until=until),
        execution_options={"synchronize_session": False},
    )
    member, before = assessment.member, assessment.facts.extension_until
    told = {"assessment": assessment.id, "timepoint": assessment.timepoint, "occurrence": assessment.occurrence}
    decided = {**told, "until": until, "previous": before}
    dates = {**told, "old": {"extension_until": before}, "new": {"extension_until": until}}
    audit.record(
        session,
        Entry("assessment.extended", "assessment_event", row.id, decided, reason, member.site_code),
        Entry("assessment.changed", "assessment", assessment.id, dates, site_code=member.site_code),
        actor=actor,
        now=now,
        participant_id=member.id,
        locked=True,
    )
    return assessment
