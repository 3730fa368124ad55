"""Seeing: all participants against all time points, one participant with everything that happened, and the scores.

Nothing here writes. Lists read one cohort, so the number of statements does not depend on the number of participants.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select, true
from sqlalchemy.orm import Session

from proapp.db.models import Answer, AuditEvent, AuthSession
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import Score, score
from proapp.services import audit, follow_up, former_sites
from proapp.services.cohort import Expected, Member
from proapp.services.errors import NotFound
from proapp.services.sessions import is_alive
from proapp.study.model import Study
from proapp.study.status import State
from proapp.study.versions import numbered

HISTORY_PAGE = 50
NEVER_SHOWN = ("event_taken_back", "opened_by_mistake")  # no column for what nobody is, or was, to answer
LATE_ANSWER = "completed_late"  # a shown status of the grid only: answered, but not in the window
STATUSES = (
    "completed", LATE_ANSWER, "completed_unscorable", "in_progress", "open", "due", "late", "missed_unexplained",
    "missed", "declined", "not_expected", "upcoming", "unscheduled",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the grid is asked for; None or empty: everything. `text` is a part of the study id."""

    site: str | None = None
    status: str | None = None
    timepoint: str | None = None
    text: str = ""


@dataclass(slots=True)
class Count:
    """Of the assessments of a time point that were expected and are closed or answered: how many were answered."""

    answered: int = 0
    expected: int = 0


ColumnKey = tuple[str, int]  # time point, occurrence


@dataclass(frozen=True, slots=True)
class Grid:
    """Participants as asked for, each with one assessment (or None) per column; `everybody` counts all in scope.

    A column is a time point with the number of its assessment: one that repeats has as many columns as anybody needs.
    """

    columns: tuple[ColumnKey, ...]
    rows: tuple[tuple[Member, tuple[Expected | None, ...]], ...]
    counts: tuple[Count, ...]
    everybody: int


@dataclass(frozen=True, slots=True)
class Change:
    """One audit event of a participant; `details` are its old and new values, which never hold contact data."""

    seq: int
    at: datetime
    actor_kind: str
    actor_role: str
    actor_name: str | None
    action: str
    details: Mapping[str, Any]
    reason: str | None


@dataclass(frozen=True, slots=True)
class Tablet:
    """A clinic's tablet that is out with an assessment: since when, and who handed it over."""

    since: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything about one participant but answers, scores and contact data. `earlier` asks for the next page of
    `changes` (None on the last); `last_seen_at` is the last use of a signed-in phone; `tablets` are those that are out,
    by the id of the assessment."""

    member: Member
    names: Mapping[int, str]
    last_seen_at: datetime | None
    tablets: Mapping[int, Tablet]
    changes: tuple[Change, ...]
    earlier: int | None


def mark(state: State) -> str:
    """The status a cell of the grid stands for, one of STATUSES."""
    if state.shown == "completed" and state.timing not in ("in_window", None):
        return LATE_ANSWER
    return state.shown


def grid(session: Session, *, study: Study, sites: frozenset[str] | None, today: date, wanted: Wanted) -> Grid:
    """Participants of `sites` against time points. With a status, those are kept that have it at `wanted.timepoint`
    (or anywhere); with a time point, only its columns are shown. Of those who have moved on only their time here."""
    people = former_sites.load(session, study=study, sites=sites, today=today)
    columns = _columns(study, people.members, wanted.timepoint)
    rows = tuple(
        (member, _cells(member, columns))
        for member in people.members
        if _is_wanted(member, wanted) and member.assessments
    )
    if wanted.status:
        rows = tuple(row for row in rows if any(cell and mark(cell.state) == wanted.status for cell in row[1]))
    counts = tuple(_count(row[1][number] for row in rows) for number in range(len(columns)))
    return Grid(columns, rows, counts, len(people.members))


def count_of(assessments: Iterable[Expected]) -> Count:
    """The same count over the assessments of one participant."""
    return _count(assessments)


def dossier(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    today: date,
    now: datetime,
    study_id: str,
    before: int | None = None,
) -> Dossier:
    """One participant, with a page of its history from before event `before` (None: the newest). For a former site only
    what belongs to its time. Raises NotFound."""
    people = former_sites.load(session, study=study, sites=sites, today=today, study_id=study_id)
    if not people.members:
        raise NotFound(study_id)
    member = people.members[0]
    names = follow_up.staff_names(session)
    changes = _changes(session, member, names, before, study)
    earlier = changes[HISTORY_PAGE - 1].seq if len(changes) > HISTORY_PAGE else None
    last_seen_at, tablets = (None, {}) if member.periods is not None else _devices(session, member, names, now)
    return Dossier(member, names, last_seen_at, tablets, tuple(changes[:HISTORY_PAGE]), earlier)


def scores(
    session: Session, assessments: Sequence[Expected], *, study: Study, instruments: Mapping[str, Instrument]
) -> dict[int, dict[str, tuple[Score, ...]]]:
    """Scores by assessment id and instrument of every submitted assessment, from its primary answers. One statement."""
    submitted = {one.primary.id: one for one in assessments if one.primary and one.primary.submitted_at}
    codes = _codes(session, submitted)
    found: dict[int, dict[str, tuple[Score, ...]]] = {}
    for set_id, assessment in submitted.items():
        timepoint = numbered(study, assessment.protocol_version).timepoints_by_code.get(assessment.timepoint)
        wanted = timepoint.instruments if timepoint else tuple(assessment.sets[0].packs)
        found[assessment.id] = {
            code: score(instruments[code], codes.get((set_id, code), {})) for code in wanted if code in instruments
        }
    return found


def _columns(study: Study, members: Iterable[Member], wanted: str | None) -> tuple[ColumnKey, ...]:
    """Time points in protocol order, then those of earlier versions that somebody still has. Of one that repeats, or
    that staff open, a column for each number that is asked for."""
    codes = dict.fromkeys(one.code for one in study.timepoints if one.kind != "unscheduled")
    last: dict[str, int] = dict.fromkeys(codes, 1)
    for member in members:
        for one in member.assessments:
            if one.occurrence > last.get(one.timepoint, 0) and one.state.not_expected_reason not in NEVER_SHOWN:
                last[one.timepoint] = one.occurrence
    order = dict.fromkeys([*(one.code for one in study.timepoints), *last])
    return tuple(
        (code, number)
        for code in order
        if wanted is None or code == wanted
        for number in range(1, last.get(code, 0) + 1)
    )


def _cells(member: Member, columns: Sequence[ColumnKey]) -> tuple[Expected | None, ...]:
    found = {(one.timepoint, one.occurrence): one for one in member.assessments}
    return tuple(found.get(column) for column in columns)


def _is_wanted(member: Member, wanted: Wanted) -> bool:
    sites = {stay.site for stay in member.periods} if member.periods else {member.site_code}
    if wanted.site is not None and wanted.site not in sites:
        return False
    return wanted.text.casefold() in member.study_id.casefold()


def _count(cells: Iterable[Expected | None]) -> Count:
    count = Count()
    for cell in cells:
        if cell is not None and cell.state.expectation == "EXPECTED":
            answered = cell.state.collection == "SUBMITTED"
            count.answered += answered
            count.expected += answered or cell.state.phase == "CLOSED"
    return count


def _devices(
    session: Session, member: Member, names: Mapping[int, str], now: datetime
) -> tuple[datetime | None, dict[int, Tablet]]:
    """The last use of a phone, else the moment the PIN was chosen on one; and the clinic's tablets that are out."""
    query = select(
        AuthSession.kind,
        AuthSession.last_seen_at,
        AuthSession.expires_at,
        AuthSession.ended_at,
        AuthSession.created_at,
        AuthSession.assessment_id,
        AuthSession.handed_over_by_id,
    ).where(AuthSession.participant_id == member.id, AuthSession.kind.in_(("patient", "device", "clinic")))
    rows = session.execute(query).all()
    phones = [row.last_seen_at for row in rows if row.kind != "clinic"]
    tablets = {
        row.assessment_id: Tablet(row.created_at, names.get(row.handed_over_by_id, ""))
        for row in rows
        if row.kind == "clinic" and is_alive(row.kind, row.last_seen_at, row.expires_at, row.ended_at, now)
    }
    return max(phones, default=member.activated_at), tablets


def _changes(
    session: Session, member: Member, names: Mapping[int, str], before: int | None, study: Study
) -> list[Change]:
    """Newest first, one more than a page. Single answers are left out: there are 74 of them to an assessment, and the
    time line tells how many were given; the audit page has them all."""
    query = (
        select(AuditEvent)
        .where(AuditEvent.chain == audit.participant_chain(member.id), AuditEvent.action.not_like("answer.%"))
        .order_by(AuditEvent.seq.desc())
        .limit(HISTORY_PAGE + 1)
    )
    if before is not None:
        query = query.where(AuditEvent.seq < before)
    if member.periods is not None:
        query = query.where(or_(false(), *(_between(*ends) for ends in former_sites.ends_of(member.periods, study))))
    return [
        Change(
            seq=row.seq,
            at=row.at,
            actor_kind=row.actor_kind,
            actor_role=row.actor_role,
            actor_name=names.get(row.actor_id or 0) if row.actor_kind == "staff" else None,
            action=row.action,
            details=json.loads(row.details),
            reason=row.reason,
        )
        for row in session.scalars(query)
    ]


def _between(first: datetime | None, end: datetime | None) -> ColumnElement[bool]:
    conditions = [AuditEvent.at >= first] if first else []
    return and_(true(), *conditions, *([AuditEvent.at < end] if end else []))


def _codes(session: Session, set_ids: Iterable[int]) -> dict[tuple[int, str], dict[int, int | None]]:
    """The answer that counts, the newest, of every item: by response set and instrument."""
    query = (
        select(Answer.response_set_id, Answer.instrument, Answer.item, Answer.kind, Answer.code)
        .where(Answer.response_set_id.in_(sorted(set_ids)), Answer.overtaken.is_(False))
        .order_by(Answer.id)
    )
    found: dict[tuple[int, str], dict[int, int | None]] = {}
    for set_id, instrument, item, kind, code in session.execute(query):
        found.setdefault((set_id, instrument), {})[item] = code if kind == "answered" else None
    return found
