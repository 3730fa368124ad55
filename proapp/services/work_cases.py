"""The facts of a cohort as the worklist's cases: who may be contacted, what was tried, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db import queries
from proapp.services.cohort import Attempt, Event, Expected, Member, Scope
from proapp.services.contact_doubts import WRONG_NUMBER
from proapp.study.follow_up import Reach, Subject, decide
from proapp.study.model import Study
from proapp.study.status import is_waiting, state
from proapp.study.versions import followed
from proapp.study.worklist import Case, Fault, Task


class NotArrived(NamedTuple):
    """A message that failed, or of which nothing was heard, and the code of the reason."""

    at: datetime
    why: str
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class Signals:
    """What came from outside the clinic: by assessment, when a message was found of which nobody knows whether it went
    out, since when a letter is due, when the participant asked to be reminded, and which message did not arrive; by
    participant, when a call was last asked for, and which test message did not arrive."""

    unclear: Mapping[int, datetime]
    letters: Mapping[int, datetime]
    asked: Mapping[int, datetime]
    later: Mapping[int, datetime] = field(default_factory=dict)
    failed: Mapping[int, NotArrived] = field(default_factory=dict)
    tests: Mapping[int, NotArrived] = field(default_factory=dict)


def signals(session: Session, scope: Scope, *, now: datetime) -> Signals:
    """Two statements, whatever the number of participants."""
    unclear: dict[int, datetime] = {}
    letters: dict[int, datetime] = {}
    failed: dict[int, NotArrived] = {}
    tests: dict[int, NotArrived] = {}
    for row in session.execute(scope.limit(queries.messages_for_people(now))):
        if row.channel != "letter" and row.state != "possibly_sent":
            place, key = (tests, row.participant_id) if row.kind == "test" else (failed, row.assessment_id)
            place[key] = _not_arrived(row)
        elif row.assessment_id is None:
            continue  # the page of the contact says what became of a test
        elif row.state == "possibly_sent":
            unclear[row.assessment_id] = row.settled_at or row.due_at
        elif row.not_after is None or now < row.not_after:
            letters.setdefault(row.assessment_id, row.due_at)
    asked: dict[int, datetime] = {}
    later: dict[int, datetime] = {}
    for row in session.execute(scope.limit(queries.requests())):
        if row.type == "call_me":
            asked[row.participant_id] = row.recorded_at
        elif row.assessment_id is not None:
            later[row.assessment_id] = datetime.fromisoformat(row.payload["at"])
    return Signals(unclear, letters, asked, later, failed, tests)


def _not_arrived(row: Any) -> NotArrived:
    if row.state == "sent":
        return NotArrived(row.handed_over_at, "no_report", row.queued_at)
    return NotArrived(row.settled_at or row.queued_at, row.state_reason or "not_known", row.queued_at)


def case(member: Member, found: Signals, *, study: Study, now: datetime) -> Case:
    """A participant as the worklist sees it at `now`; days are those of the participant's site."""
    zone = study.zone(member.site_code)
    today = local_date(now, zone)
    about_person = next((a for a in reversed(member.attempts) if a.assessment_id is None), None)
    what, since = fault(member)
    test = _test_not_arrived(member, found.tests.get(member.id))
    return Case(
        key=member.id,
        enrolled_on=local_date(member.enrolled_at, zone),
        activated=member.activated_at is not None,
        has_channel=member.contact is not None,
        tasks=tuple(
            _task(assessment, found, study=study, now=now, address_is_bad=what is not None)
            for assessment in member.assessments
        ),
        may_contact=may_contact(member, today),
        next_on=about_person.next_on if about_person else None,
        next_set_on=local_date(about_person.at, zone) if about_person else None,
        fault=what,
        fault_on=local_date(since, zone) if since else None,
        test_failed_on=local_date(test.at, zone) if test else None,
        test_failed_why=test.why if test else None,
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
    """Why messages do not arrive, and since when. Both end when the address in question is changed."""
    wrong = member.wrong_number_at
    if wrong is not None:
        return "wrong_number", wrong
    contact = member.contact
    if contact is not None and contact.undeliverable_at is not None:
        kept = contact.undeliverable_reason == WRONG_NUMBER  # the contact was changed, and this number was not
        return "wrong_number" if kept else "undeliverable", contact.undeliverable_at
    return None, None


def _test_not_arrived(member: Member, found: NotArrived | None) -> NotArrived | None:
    """Unless the contact was changed since, or somebody has said that it works after all."""
    contact = member.contact
    if found is None or contact is None or contact.updated_at > found.queued_at:
        return None
    told = [moment for moment in (contact.verified_at, contact.confirmed_at) if moment is not None]
    return None if any(moment >= found.at for moment in told) else found


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


def _task(assessment: Expected, found: Signals, *, study: Study, now: datetime, address_is_bad: bool) -> Task:
    about = [a for a in assessment.member.attempts if a.assessment_id == assessment.id]
    newest, last = about[-1] if about else None, last_contact(about)
    primary = assessment.primary
    since = (primary.last_answer_at or primary.started_at) if primary else None
    zone = study.zone(assessment.member.site_code)
    unclear, letter = found.unclear.get(assessment.id), found.letters.get(assessment.id)
    failed = found.failed.get(assessment.id)
    if failed is not None and (address_is_bad or (last and last.at >= failed.at)):  # told as that, or dealt with
        failed = None
    return Task(
        key=assessment.id,
        facts=assessment.facts,
        state=assessment.state,
        attempts=sum(attempt.method != "none" for attempt in about),
        next_on=newest.next_on if newest else None,
        next_set_when=_shown_then(assessment, newest, study) if newest and newest.next_on else None,
        idle_hours=(now - since).total_seconds() / 3600 if since else None,
        attempted_on=local_date(last.at, zone) if last else None,
        task_due_on=_task_due_on(assessment, last, found.later.get(assessment.id), study=study, now=now),
        letter_due_on=local_date(letter, zone) if letter is not None else None,
        failed_on=local_date(failed.at, zone) if failed else None,
        failed_why=failed.why if failed else None,
        unclear_on=None if unclear is None or (last and last.at >= unclear) else local_date(unclear, zone),
    )


def step_due(
    assessment: Expected, channel: str, *, study: Study, now: datetime, wish_at: datetime | None = None
) -> datetime | None:
    """When the newest step of the reminder plan for `channel` (task or digest) fell due, if one did and an answer is
    still waited for; `wish_at` is when the participant asked to be reminded. These steps have no message, so they are
    worked out whenever somebody looks."""
    if not is_waiting(assessment.state):
        return None
    member = assessment.member
    zone = study.zone(member.site_code)
    follows = followed(study, assessment.protocol_version, assessment.timepoint, site=member.site_code)
    if follows is None or all(step.channel != channel for step in follows.timepoint.reminders):
        return None
    closed = next((site.closed_on for site in study.sites if site.code == member.site_code), None)
    study, timepoint = follows
    subject = Subject(
        assessment.facts, member.facts, Reach(member.channel), remind_later_at=wish_at, site_closed_on=closed
    )
    due = (
        decision.due_at
        for decision in decide(study, timepoint, subject, now=now, zone=zone)
        if decision.channel == channel and decision.verdict == "send" and decision.due_at is not None
    )
    return max(due, default=None)


def _task_due_on(
    assessment: Expected, last: Attempt | None, wish_at: datetime | None, *, study: Study, now: datetime
) -> date | None:
    """The day on which the reminder plan said to call, unless somebody was in touch since."""
    due_at = step_due(assessment, "task", study=study, now=now, wish_at=wish_at)
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
