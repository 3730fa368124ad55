"""The plans of many participants as they stand: what an amendment is held against, and what it is applied to.

Three statements, whatever the number of participants; the site scope is applied in each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, Participant, ParticipantEvent, ResponseSet
from proapp.db.queries import AnySelect
from proapp.services.plan_changes import Dates, Stored
from proapp.study import events as history
from proapp.study.diff import Person
from proapp.study.events import Event

Scoping = Callable[[AnySelect], AnySelect]


@dataclass(frozen=True, slots=True)
class Held:
    """One participant's events and assessments, in order of recording and of planning."""

    id: int
    study_id: str
    site: str
    events: Sequence[Event]
    stored: Sequence[Stored]

    def person(self, events: Sequence[Event] | None = None) -> Person:
        """What the pure rooms ask for; with other `events`, as it would be if they were recorded."""
        every = self.events if events is None else events
        rows = [row.row() for row in self.stored]
        return Person(self.study_id, self.site, rows, history.anchors(every), history.earlier_days(every))


def read(
    session: Session, *, sites: frozenset[str] | None, participant_id: int | None = None, lock: bool = False
) -> tuple[Held, ...]:
    """Everybody of these sites (None = all), or the one participant if it is theirs, by study id.

    With `lock` all who write about them take turns, in the order of their ids.
    """

    def scoped(query: AnySelect) -> AnySelect:
        if sites is not None:
            query = query.where(Participant.site_code.in_(sorted(sites)))
        return query if participant_id is None else query.where(Participant.id == participant_id)

    people = scoped(select(Participant.id, Participant.study_id, Participant.site_code).order_by(Participant.id))
    found = session.execute(people.with_for_update(key_share=True) if lock else people).all()
    events, rows = _events(session, scoped), _rows(session, scoped)
    held = [Held(one.id, one.study_id, one.site_code, events[one.id], rows[one.id]) for one in found]
    return tuple(sorted(held, key=lambda one: one.study_id))


def _events(session: Session, scoped: Scoping) -> dict[int, list[Event]]:
    columns = (
        ParticipantEvent.participant_id,
        ParticipantEvent.id,
        ParticipantEvent.type,
        ParticipantEvent.effective_on,
        ParticipantEvent.recorded_at,
        ParticipantEvent.supersedes_id,
        ParticipantEvent.payload,
    )
    query = select(*columns).join(Participant, Participant.id == ParticipantEvent.participant_id)
    found: dict[int, list[Event]] = defaultdict(list)
    for row in session.execute(scoped(query.order_by(ParticipantEvent.id))):
        participant_id, id_, type_, effective_on, recorded_at, supersedes, payload = row
        event = Event(id_, type_, effective_on, recorded_at, supersedes, payload.get("arm"), payload)
        found[participant_id].append(event)
    return found


def _rows(session: Session, scoped: Scoping) -> dict[int, list[Stored]]:
    columns = (
        Assessment.participant_id,
        Assessment.id,
        Assessment.timepoint,
        Assessment.occurrence,
        Assessment.anchor_on,
        Assessment.target_on,
        Assessment.opens_on,
        Assessment.closes_on,
        Assessment.late_until,
        Assessment.cancelled_reason,
        Assessment.planned_at,
        Assessment.protocol_version,
    )
    completed_on = func.min(ResponseSet.completed_on).filter(ResponseSet.void_reason.is_(None))
    query = (
        select(*columns, func.count(ResponseSet.id), completed_on)
        .join(Participant, Participant.id == Assessment.participant_id)
        .outerjoin(ResponseSet, ResponseSet.assessment_id == Assessment.id)
        .group_by(*columns)
        .order_by(Assessment.id)
    )
    found: dict[int, list[Stored]] = defaultdict(list)
    for participant_id, id_, code, number, *dates, cancelled, at, version, sets, completed in session.execute(
        scoped(query)
    ):
        row = Stored(id_, code, number, Dates(*dates), cancelled, sets > 0, completed, at, version)
        found[participant_id].append(row)
    return found
