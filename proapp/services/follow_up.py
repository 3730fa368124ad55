"""Who needs a call today, and why: the worklist of a clinic, made anew from the facts whenever somebody looks.

The ranking is `study.worklist`; here the facts of a cohort become its cases, and its items become rows with the people
and the latest contact in them. The number of statements does not depend on the number of participants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Installation, StaffUser
from proapp.services import cohort
from proapp.services.cohort import Attempt, Cohort, Expected, Member
from proapp.study.model import Study
from proapp.study.status import state
from proapp.study.working_days import horizon
from proapp.study.worklist import CLOSING_WORKING_DAYS, Case, Task, WorkItem, worklist

POSTPONED = "postponed"
CALLS, CLOSING, REASONS = "calls", "closing", "reasons"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to do. `assessment` is None where the row is about the participant; `last_contact` is the newest
    attempt to reach the participant (a postponement is none), `last_by` the name of who made it."""

    item: WorkItem
    member: Member
    assessment: Expected | None
    last_contact: Attempt | None
    last_by: str | None


@dataclass(frozen=True, slots=True)
class Opening:
    """The next day on which windows open, and how many."""

    day: date
    windows: int


@dataclass(frozen=True, slots=True)
class Work:
    """The rows asked for, the most urgent first; the counts are those of the site, whatever else was asked for."""

    rows: tuple[Row, ...]
    total: int
    calls: int
    closing: int
    reasons: int
    next_opening: Opening | None
    last_run: datetime | None


def work(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    now: datetime,
    site: str | None = None,
    wanted: str | None = None,
) -> Work:
    """Today's work at `site` (None: every site of `sites`). `wanted` is calls, closing, reasons or a Reason.

    `last_run` is when the worker last did its round, None if it never did. A site outside `sites` gives no rows.
    """
    allowed = sites if site is None else frozenset({site}) if sites is None or site in sites else frozenset[str]()
    today = local_date(now, study.zone(site))
    people = cohort.load(session, study=study, sites=allowed, today=today)
    items = worklist((_case(member, study=study, now=now) for member in people.members), today=today, study=study)
    shown = [item for item in items if wanted is None or wanted in _groups(item, today)]
    names = staff_names(session)
    return Work(
        rows=tuple(_rows(people, shown, names)),
        total=len(items),
        calls=sum(CALLS in _groups(item, today) for item in items),
        closing=sum(CLOSING in _groups(item, today) for item in items),
        reasons=sum(REASONS in _groups(item, today) for item in items),
        next_opening=_next_opening(people),
        last_run=last_run(session),
    )


def staff_names(session: Session) -> Mapping[int, str]:
    """Name by user id, of everybody who ever had an account."""
    return {user_id: name for user_id, name in session.execute(select(StaffUser.id, StaffUser.name))}


def last_run(session: Session) -> datetime | None:
    """When the worker last did its round."""
    value = session.scalar(select(Installation.value).where(Installation.name == "last_tick"))
    return datetime.fromisoformat(value) if value else None


def _groups(item: WorkItem, today: date) -> tuple[str, ...]:
    """The counts an item belongs to, and its reason."""
    if item.reason == "reason_needed":
        return REASONS, item.reason
    if item.by_when is not None and item.by_when <= horizon(today, CLOSING_WORKING_DAYS):
        return CALLS, CLOSING, item.reason
    return CALLS, item.reason


def _case(member: Member, *, study: Study, now: datetime) -> Case:
    newest_about_person = next((a for a in reversed(member.attempts) if a.assessment_id is None), None)
    return Case(
        key=member.id,
        enrolled_on=local_date(member.enrolled_at, study.zone(member.site_code)),
        activated=member.activated_at is not None,
        has_channel=member.channel is not None,
        tasks=tuple(_task(assessment, study=study, now=now) for assessment in member.assessments),
        may_contact=_may_contact(member, local_date(now, study.zone(member.site_code))),
        next_on=newest_about_person.next_on if newest_about_person else None,
    )


def _may_contact(member: Member, today: date) -> bool:
    """Nobody is rung about questionnaires after death, withdrawal or a stop, nor when contact with them is lost."""
    _, _, _, *stops = member.facts
    stopped = any(day is not None and day <= today for day in stops)
    return not stopped and not any(e.type == "lost_to_follow_up" and e.effective_on <= today for e in member.events)


def _task(assessment: Expected, *, study: Study, now: datetime) -> Task:
    about = [a for a in assessment.member.attempts if a.assessment_id == assessment.id]
    newest = about[-1] if about else None
    last = _last_contact(about)
    primary = assessment.primary
    since = (primary.last_answer_at or primary.started_at) if primary else None
    return Task(
        key=assessment.id,
        facts=assessment.facts,
        state=assessment.state,
        attempts=sum(attempt.method != "none" for attempt in about),
        next_on=newest.next_on if newest else None,
        next_set_when=_shown_then(assessment, newest, study) if newest and newest.next_on else None,
        idle_hours=(now - since).total_seconds() / 3600 if since else None,
        attempted_on=local_date(last.at, study.zone(assessment.member.site_code)) if last else None,
    )


def _last_contact(attempts: Sequence[Attempt]) -> Attempt | None:
    """The newest attempt to reach somebody; a postponement is none."""
    return next((attempt for attempt in reversed(attempts) if attempt.method != "none"), None)


def _shown_then(assessment: Expected, attempt: Attempt, study: Study) -> str:
    """What the assessment was shown as when the attempt was noted: a postponement ends when that has changed."""
    facts, member = assessment.facts, assessment.member
    if facts.started_at is not None and facts.started_at > attempt.at:
        facts = facts._replace(started_at=None)
    then = local_date(attempt.at, study.zone(member.site_code))
    return state(facts, member.facts, today=then, study=study).shown


def _rows(people: Cohort, items: Iterable[WorkItem], names: Mapping[int, str]) -> Iterator[Row]:
    members = {member.id: member for member in people.members}
    for item in items:
        member = members[item.case]
        assessment = next((one for one in member.assessments if one.id == item.task), None)
        last = _last_contact(member.attempts)
        yield Row(item, member, assessment, last, names.get(last.recorded_by_id or 0) if last else None)


def _next_opening(people: Cohort) -> Opening | None:
    days = [one.facts.opens_on for one in people.assessments() if one.state.shown == "upcoming" and one.facts.opens_on]
    return Opening(min(days), days.count(min(days))) if days else None
