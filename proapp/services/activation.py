"""A version of the study begins at a site: on the day that was approved, what nobody has opened there follows it.

One site is one transaction, with one audit event for each row, in a number of statements that does not depend on how
many participants it has. A second worker finds nothing left to do.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, AuditEvent, Participant, SiteActivation, StudyVersion
from proapp.db.queries import AnySelect
from proapp.services import audit, planning, plans, versions
from proapp.services.audit import GENESIS, WORKER, Actor, Entry
from proapp.services.plan_changes import Change, changes
from proapp.services.plans import Held
from proapp.services.register import today_at
from proapp.study import events as history
from proapp.study.model import Study
from proapp.study.schedule import open_instant


@dataclass(frozen=True, slots=True)
class Activated:
    """What one activation did: assessments that changed, and participants they belong to."""

    number: str
    site: str
    assessments: int
    participants: int


class NotBegun(Exception):
    """A version could not begin at a site; nothing of it is written. `error` is the kind of what went wrong: a message
    may name participants."""

    def __init__(self, number: str, site: str, error: str) -> None:
        super().__init__(f"{number} at {site}: {error}")
        self.number, self.site, self.error = number, site, error


def activate_next(
    session: Session, *, study: Study, now: datetime, actor: Actor = WORKER, but: Container[str] = ()
) -> Activated | None:
    """Let the next site whose day has come begin with its version; None when there is none. The caller commits.

    Sites in `but` are left alone, with all their versions: a later one does not overtake one that could not begin.
    Raises NotBegun, and the caller rolls back. One statement when there is nothing to do.
    """
    waiting = _waiting().with_for_update(of=SiteActivation, skip_locked=True)
    for row, number in session.execute(waiting):
        if row.site_code not in but and _has_come(row, study, now):
            site = row.site_code  # after a failure the row cannot be asked any more
            try:
                done, entry = begin(session, row, number, study=study, now=now, actor=actor)
                audit.record(session, entry, actor=actor, now=now)
            except Exception as error:
                raise NotBegun(number, site, type(error).__name__) from error
            return done
    return None


def overdue(session: Session, *, study: Study, now: datetime) -> tuple[tuple[str, str, datetime], ...]:
    """(version, site, since when) of what should have begun by `now` and has not, in the order of the versions. One
    statement."""
    return tuple(
        (number, row.site_code, open_instant(row.active_from, study.zone(row.site_code)))
        for row, number in session.execute(_waiting())
        if _has_come(row, study, now)
    )


def _waiting() -> AnySelect:
    return (
        select(SiteActivation, StudyVersion.number)
        .join(StudyVersion, StudyVersion.id == SiteActivation.version_id)
        .where(SiteActivation.applied_at.is_(None))
        .order_by(SiteActivation.version_id, SiteActivation.site_code)
    )


def _has_come(row: SiteActivation, study: Study, now: datetime) -> bool:
    return row.active_from <= today_at(study, row.site_code, now)


def begin(
    session: Session, row: SiteActivation, number: str, *, study: Study, now: datetime, actor: Actor
) -> tuple[Activated, Entry]:
    """The site's part, from today on; returns it with the audit entry of the activation, for the caller to record.

    A worker that comes late begins late: what was over on the day it came was over under the version before.
    """
    row.applied_at, row.active_from = now, max(row.active_from, today_at(study, row.site_code, now))
    session.flush()
    hold(session, [row.site_code])
    study = versions.current(session, study)
    people = plans.read(session, sites=frozenset({row.site_code}), lock=True)
    found = [(one, _changes(study, one)) for one in people]
    _write(session, study, {one.id: todo for one, todo in found if todo}, row.site_code, now=now, actor=actor)
    count = sum(len(todo) for _, todo in found)
    done = Activated(number, row.site_code, count, sum(bool(todo) for _, todo in found))
    told = {"number": number, "active_from": row.active_from, "assessments": count, "participants": done.participants}
    return done, Entry("activation.applied", "site_activation", row.id, told, site_code=row.site_code)


def hold(session: Session, sites: Iterable[str]) -> None:
    """Wait for whoever is writing about the participants of these sites or enrolling one, or approving another version,
    and keep them out until the end of the transaction: what is looked at from now on is what will be done.

    First the rows, then the table: whoever holds a row may be about to change it.
    """
    mine = select(Participant.id).where(Participant.site_code.in_(sorted(sites))).order_by(Participant.id)
    session.execute(mine.with_for_update(key_share=True)).all()
    if session.get_bind().dialect.name == "postgresql":
        # Whoever is being enrolled at this moment is waited for: else the newcomer would keep the version before.
        session.execute(text("LOCK TABLE participant IN SHARE ROW EXCLUSIVE MODE"))


def _changes(study: Study, one: Held) -> tuple[Change, ...]:
    earlier = history.earlier_days(one.events)
    return changes(study, one.stored, history.anchors(one.events), earlier, site=one.site)


def _write(
    session: Session,
    study: Study,
    todo: Mapping[int, tuple[Change, ...]],
    site_code: str,
    *,
    now: datetime,
    actor: Actor,
) -> None:
    if not todo:
        return
    new = _insert(session, study, todo, now)
    old = [change for mine in todo.values() for change in mine if change.assessment_id is not None]
    if old:
        rows = [{"id": change.assessment_id, **planning.values_of(study, change, now)} for change in old]
        session.execute(update(Assessment), rows)
    entries = {  # what only follows another version comes last, where the history makes one line of it
        participant_id: [
            planning.entry_of(_with_id(change, participant_id, new), site_code)
            for change in sorted(mine, key=lambda change: not change.dates)
        ]
        for participant_id, mine in todo.items()
    }
    _tell(session, entries, now=now, actor=actor)


Ids = Mapping[tuple[int, str, int], int]


def _insert(session: Session, study: Study, todo: Mapping[int, tuple[Change, ...]], now: datetime) -> Ids:
    rows = [
        {
            "participant_id": participant_id,
            "timepoint": change.timepoint,
            "occurrence": change.occurrence,
            **planning.values_of(study, change, now),
        }
        for participant_id, mine in todo.items()
        for change in mine
        if change.assessment_id is None
    ]
    if not rows:
        return {}
    keys = (Assessment.participant_id, Assessment.timepoint, Assessment.occurrence)
    made = session.execute(insert(Assessment).returning(Assessment.id, *keys), rows)
    return {(participant_id, code, number): id_ for id_, participant_id, code, number in made}


def _with_id(change: Change, participant_id: int, new: Ids) -> Change:
    if change.assessment_id is not None:
        return change
    return replace(change, assessment_id=new[participant_id, change.timepoint, change.occurrence])


def _tell(session: Session, entries: Mapping[int, Iterable[Entry]], *, now: datetime, actor: Actor) -> None:
    """Append to the chains of many participants, whose locks are held, in two statements."""
    chains = {audit.participant_chain(participant_id): mine for participant_id, mine in entries.items()}
    last = (
        select(AuditEvent.chain, func.max(AuditEvent.seq).label("seq"))
        .where(AuditEvent.chain.in_(sorted(chains)))
        .group_by(AuditEvent.chain)
        .subquery()
    )
    heads = session.execute(
        select(AuditEvent.chain, AuditEvent.seq, AuditEvent.hash).join(
            last, (last.c.chain == AuditEvent.chain) & (last.c.seq == AuditEvent.seq)
        )
    )
    ends = {chain: (seq, hash_) for chain, seq, hash_ in heads}
    rows: list[dict[str, Any]] = []
    for chain, mine in chains.items():
        seq, hash_ = ends.get(chain, (0, GENESIS))
        rows += audit.chained(chain, seq, hash_, mine, actor=actor, now=now)
    session.execute(insert(AuditEvent), rows)
