"""The facts of a cohort as the worklist's cases: who may be contacted, what was tried, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db import queries
from proapp.services.cohort import Attempt, Event, Expected, Member, Scope
from proapp.study.follow_up import Reach, Subject, decide
from proapp.study.model import Study
from proapp.study.status import is_waiting, state
from proapp.study.versions import numbered
from proapp.study.worklist import Case, Fault, Task


@dataclass(frozen=True, slots=True)
class Signals:
    """What came from outside the clinic: by assessment, when a message was found of which nobody knows whether it went
    out, and since when a letter is due; by participant, when a call was last asked for."""

    unclear: Mapping[int, datetime]
    letters: Mapping[int, datetime]
    asked: Mapping[int, datetime]


def signals(session: Session, scope: Scope, *, now: datetime) -> Signals:
    """Two statements, whatever the number of participants."""
    unclear: dict[int, datetime] = {}
    letters: dict[int, datetime] = {}
    for row in session.execute(scope.limit(queries.messages_for_people())):
        if row.state == "possibly_sent":
            unclear[row.assessment_id] = row.settled_at or row.due_at
        elif row.not_after is None or now < row.not_after:
            letters.setdefault(row.assessment_id, row.due_at)
    asked: dict[int, Any] = {row[0]: row[1] for row in session.execute(scope.limit(queries.calls_asked_for()))}
    return Signals(unclear, letters, asked)


def case(member: Member, found: Signals, *, study: Study, now: datetime) -> Case:
    """A participant as the worklist sees it at `now`; days are those of the participant's site."""
    zone = study.zone(member.site_code)
    today = local_date(now, zone)
    about_person = next((a for a in reversed(member.attempts) if a.assessment_id is None), None)
    what, since = fault(member)
    return Case(
        key=member.id,
        enrolled_on=local_date(member.enrolled_at, zone),
        activated=member.activated_at is not None,
        has_channel=member.contact is not None,
        tasks=tuple(_task(assessment, found, study=study, now=now) for assessment in member.assessments),
        may_contact=may_contact(member, today),
        next_on=about_person.next_on if about_person else None,
        next_set_on=local_date(about_person.at, zone) if about_person else None,
        fault=what,
        fault_on=local_date(since, zone) if since else None,
        asked_on=_unless_dead(member, _unanswered(member, found.asked.get(member.id)), study),
        stop_asked_on=_unless_dead(member, _unanswered(member, _stopped_at(member)), study),
    )


def may_contact(member: Member, today: date) -> bool:
    """Nobody is rung about questionnaires after death, withdrawal or a stop, during a pause, nor when contact with them
    is lost."""
    _, _, _, *stops = member.facts
    stopped = any(day is not None and day <= today for day in stops)
    lost = any(event.type == "lost_to_follow_up" and event.effective_on <= today for event in member.events)
    return not stopped and not lost and member.paused(today) is None


def fault(member: Member) -> tuple[Fault | None, datetime | None]:
    """Why messages do not arrive, and since when. Both end when the contact details are changed."""
    wrong = member.wrong_number_at
    if wrong is not None:
        return "wrong_number", wrong
    contact = member.contact
    if contact is not None and contact.undeliverable_at is not None:
        return "undeliverable", contact.undeliverable_at
    return None, None


def last_contact(attempts: Sequence[Attempt]) -> Attempt | None:
    """The newest attempt to reach somebody; a postponement is none."""
    return next((attempt for attempt in reversed(attempts) if attempt.method != "none"), None)


def _stopped_at(member: Member) -> datetime | None:
    """When the participant said on the phone that there shall be no more questionnaires: no member of staff did."""
    return next((event.recorded_at for event in member.events if event.type == "pro_stop" and _by_patient(event)), None)


def _by_patient(event: Event) -> bool:
    return event.recorded_by_id is None and event.payload.get("source") == "patient"


def _unanswered(member: Member, at: datetime | None) -> datetime | None:
    """`at`, unless somebody has been in touch since."""
    last = last_contact(member.attempts)
    return None if at is None or (last is not None and last.at >= at) else at


def _unless_dead(member: Member, at: datetime | None, study: Study) -> date | None:
    if at is None or member.facts.died_on is not None:
        return None
    return local_date(at, study.zone(member.site_code))


def _task(assessment: Expected, found: Signals, *, study: Study, now: datetime) -> Task:
    about = [a for a in assessment.member.attempts if a.assessment_id == assessment.id]
    newest, last = about[-1] if about else None, last_contact(about)
    primary = assessment.primary
    since = (primary.last_answer_at or primary.started_at) if primary else None
    zone = study.zone(assessment.member.site_code)
    unclear, letter = found.unclear.get(assessment.id), found.letters.get(assessment.id)
    return Task(
        key=assessment.id,
        facts=assessment.facts,
        state=assessment.state,
        attempts=sum(attempt.method != "none" for attempt in about),
        next_on=newest.next_on if newest else None,
        next_set_when=_shown_then(assessment, newest, study) if newest and newest.next_on else None,
        idle_hours=(now - since).total_seconds() / 3600 if since else None,
        attempted_on=local_date(last.at, zone) if last else None,
        task_due_on=_task_due_on(assessment, last, study=study, now=now),
        letter_due_on=local_date(letter, zone) if letter is not None else None,
        unclear_on=None if unclear is None or (last and last.at >= unclear) else local_date(unclear, zone),
    )


def step_due(assessment: Expected, channel: str, *, study: Study, now: datetime) -> datetime | None:
    """When the newest step of the reminder plan for `channel` (task or digest) fell due, if one did and an answer is
    still waited for. These steps have no message, so they are worked out whenever somebody looks."""
    if not is_waiting(assessment.state):
        return None
    study = numbered(study, assessment.protocol_version)
    timepoint = study.timepoints_by_code.get(assessment.timepoint)
    if timepoint is None or all(step.channel != channel for step in timepoint.reminders):
        return None
    member = assessment.member
    zone = study.zone(member.site_code)
    subject = Subject(assessment.facts, member.facts, Reach(member.channel))
    due = (
        decision.due_at
        for decision in decide(study, timepoint, subject, now=now, zone=zone)
        if decision.channel == channel and decision.verdict == "send" and decision.due_at is not None
    )
    return max(due, default=None)


def _task_due_on(assessment: Expected, last: Attempt | None, *, study: Study, now: datetime) -> date | None:
    """The day on which the reminder plan said to call, unless somebody was in touch since."""
    due_at = step_due(assessment, "task", study=study, now=now)
    if due_at is None or (last is not None and last.at >= due_at):
        return None
    return local_date(due_at, study.zone(assessment.member.site_code))


def _shown_then(assessment: Expected, attempt: Attempt, study: Study) -> str:
    """What the assessment was shown as when the attempt was noted: a postponement ends when that has changed."""
    facts, member = assessment.facts, assessment.member
    if facts.started_at is not None and facts.started_at > attempt.at:
        facts = facts._replace(started_at=None)
    then = local_date(attempt.at, study.zone(member.site_code))
    return state(facts, member.facts, today=then, study=study).shown
