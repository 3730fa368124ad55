"""The plans of many participants as they stand, as the pure rooms want them: what an amendment is held against.

Three statements, whatever the number of participants; the site scope is applied in each of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, Participant, ParticipantEvent, ResponseSet
from proapp.db.queries import AnySelect
from proapp.study import events as history
from proapp.study.diff import Person
from proapp.study.events import Event
from proapp.study.pairing import Row
from proapp.study.schedule import PlannedAssessment

Scoping = Callable[[AnySelect], AnySelect]


def read(session: Session, *, sites: frozenset[str] | None, participant_id: int | None = None) -> tuple[Person, ...]:
    """Everybody of these sites (None = all), or the one participant if it is theirs, by study id."""

    def scoped(query: AnySelect) -> AnySelect:
        if sites is not None:
            query = query.where(Participant.site_code.in_(sorted(sites)))
        return query if participant_id is None else query.where(Participant.id == participant_id)

    people = session.execute(
        scoped(select(Participant.id, Participant.study_id, Participant.site_code).order_by(Participant.study_id))
    ).all()
    events, rows = _events(session, scoped), _rows(session, scoped)
    return tuple(
        Person(
            one.study_id,
            one.site_code,
            rows[one.id],
            history.anchors(events[one.id]),
            history.earlier_days(events[one.id]),
        )
        for one in people
    )


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


def _rows(session: Session, scoped: Scoping) -> dict[int, list[Row]]:
    planned = (
        Assessment.timepoint,
        Assessment.occurrence,
        Assessment.anchor_on,
        Assessment.target_on,
        Assessment.opens_on,
        Assessment.closes_on,
        Assessment.late_until,
    )
    columns = (Assessment.id, Assessment.participant_id, Assessment.protocol_version, Assessment.cancelled_reason)
    completed_on = func.min(ResponseSet.completed_on).filter(ResponseSet.void_reason.is_(None))
    query = (
        select(*columns, *planned, func.count(ResponseSet.id), completed_on)
        .join(Participant, Participant.id == Assessment.participant_id)
        .outerjoin(ResponseSet, ResponseSet.assessment_id == Assessment.id)
        .group_by(*columns, *planned)
        .order_by(Assessment.id)
    )
    found: dict[int, list[Row]] = defaultdict(list)
    for _, participant_id, version, cancelled, *dates, sets, completed in session.execute(scoped(query)):
        found[participant_id].append(Row(PlannedAssessment(*dates), version, cancelled, sets > 0, completed))
    return found
