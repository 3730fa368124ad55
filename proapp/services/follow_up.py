"""Who needs a call today, and why: the worklist of a clinic, made anew from the facts whenever somebody looks.

The ranking is `study.worklist`; here the facts of a cohort become its cases, and its items become rows with the people
and the latest contact in them. The number of statements does not depend on the number of participants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import StaffUser
from proapp.services import cohort, work_cases
from proapp.services.cohort import Attempt, Cohort, Expected, Member, Scope
from proapp.services.work_cases import last_contact
from proapp.study.model import Study
from proapp.study.working_days import horizon
from proapp.study.worklist import CLOSING_WORKING_DAYS, WorkItem, worklist

POSTPONED = "postponed"
CALLS, CLOSING, REASONS, WISHES = "calls", "closing", "reasons", "wishes"
_WISHES = frozenset({"asked_to_call", "stop_to_confirm"})


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to do. `assessment` is None where the row is about the participant; `last_contact` is the newest
    attempt to reach the participant (a postponement is none), `last_by` the name of who made it; `groups` are the
    counts it is in."""

    item: WorkItem
    member: Member
    assessment: Expected | None
    last_contact: Attempt | None
    last_by: str | None
    groups: tuple[str, ...] = ()


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
    wishes: int
    next_opening: Opening | None


def work(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    now: datetime,
    site: str | None = None,
    wanted: str | None = None,
) -> Work:
    """Today's work at `site` (None: every site of `sites`). `wanted` is calls, closing, reasons, wishes (what
    participants asked for on the phone) or a Reason.

    A site outside `sites` gives no rows.
    """
    allowed = sites if site is None else frozenset({site}) if sites is None or site in sites else frozenset[str]()
    today = local_date(now, study.zone(site))
    people = cohort.load(session, study=study, sites=allowed, today=today)
    found = work_cases.signals(session, Scope(allowed), now=now)
    cases = (work_cases.case(member, found, study=study, now=now) for member in people.members)
    items = worklist(cases, today=today, study=study)
    grouped = [(item, _groups(item, today)) for item in items]
    shown = [(item, groups) for item, groups in grouped if wanted is None or wanted in groups]
    counts = Counter(group for _, groups in grouped for group in groups)
    return Work(
        rows=tuple(_rows(people, shown, staff_names(session))),
        total=len(items),
        calls=counts[CALLS],
        closing=counts[CLOSING],
        reasons=counts[REASONS],
        wishes=counts[WISHES],
        next_opening=_next_opening(people),
    )


def staff_names(session: Session) -> Mapping[int, str]:
    """Name by user id, of everybody who ever had an account."""
    return {user_id: name for user_id, name in session.execute(select(StaffUser.id, StaffUser.name))}


def _groups(item: WorkItem, today: date) -> tuple[str, ...]:
    """The counts an item belongs to, its reason, and what is told along with it."""
    if item.reason == "reason_needed":
        return REASONS, item.reason
    reasons = (item.reason, *item.also)
    groups = [CALLS, *reasons]
    if item.task is not None and item.by_when is not None and item.by_when <= horizon(today, CLOSING_WORKING_DAYS):
        groups.append(CLOSING)
    if _WISHES.intersection(reasons):
        groups.append(WISHES)
    return tuple(groups)


def _rows(people: Cohort, items: Iterable[tuple[WorkItem, tuple[str, ...]]], names: Mapping[int, str]) -> Iterator[Row]:
    members = {member.id: member for member in people.members}
    for item, groups in items:
        member = members[item.case]
        assessment = next((one for one in member.assessments if one.id == item.task), None)
        last = last_contact(member.attempts)
        yield Row(item, member, assessment, last, names.get(last.recorded_by_id or 0) if last else None, groups)


def _next_opening(people: Cohort) -> Opening | None:
    days = [one.facts.opens_on for one in people.assessments() if one.state.shown == "upcoming" and one.facts.opens_on]
    return Opening(min(days), days.count(min(days))) if days else None
