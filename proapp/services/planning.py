"""The plan as rows: what `study.schedule.plan` says, kept in step with what happened to a participant.

Written in the transaction of the event that caused it, so the expected assessments are a table that SQL can count. An
assessment that somebody has opened keeps its dates and its version; only the baseline's end, the day of randomisation,
still follows. What becomes of each row is decided in study.effects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, MissedReason, Participant, ParticipantEvent, ResponseSet
from proapp.services import audit, versions
from proapp.services.audit import Actor, Entry
from proapp.services.plan_changes import NO_DATES, Change, Dates, Stored, changes
from proapp.services.register import today_at
from proapp.study import events as history
from proapp.study.diff import Diff, Person, correction
from proapp.study.events import Event
from proapp.study.model import Study
from proapp.study.reasons import MISSED_REASONS
from proapp.study.schedule import Anchors
from proapp.study.versions import chain

LATE = MISSED_REASONS["registered_after_window"]


def anchors_of(events: Iterable[Event]) -> Anchors:
    """The dates the plan is counted from; superseded and revoked events do not count, nor does their order."""
    return history.anchors(events)


def load_events(session: Session, participant_id: int) -> list[Event]:
    """All recorded events of a participant, in order of recording. One statement."""
    rows = session.execute(
        select(
            ParticipantEvent.id,
            ParticipantEvent.type,
            ParticipantEvent.effective_on,
            ParticipantEvent.recorded_at,
            ParticipantEvent.supersedes_id,
            ParticipantEvent.payload,
        )
        .where(ParticipantEvent.participant_id == participant_id)
        .order_by(ParticipantEvent.id)
    )
    return [
        Event(
            row.id, row.type, row.effective_on, row.recorded_at, row.supersedes_id, row.payload.get("arm"), row.payload
        )
        for row in rows
    ]


def load_plan(session: Session, participant_id: int) -> list[Stored]:
    """A participant's assessments as they stand, in order of planning. One statement."""
    columns = (
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
    rows = session.execute(
        select(*columns, func.count(ResponseSet.id), completed_on)
        .outerjoin(ResponseSet, ResponseSet.assessment_id == Assessment.id)
        .where(Assessment.participant_id == participant_id)
        .group_by(*columns)
        .order_by(Assessment.id)
    )
    return [
        Stored(id_, timepoint, occurrence, Dates(*dates), cancelled, sets > 0, completed, planned_at, version)
        for id_, timepoint, occurrence, *dates, cancelled, planned_at, version, sets, completed in rows
    ]


def look(session: Session, study: Study, participant_id: int, events: Iterable[Event]) -> Diff:
    """What becomes of every assessment, were `events` what is recorded. Writes nothing; two statements, where the
    participant is already at hand."""
    participant, study, every = (
        session.get_one(Participant, participant_id),
        versions.current(session, study),
        [*events],
    )
    rows = [row.row() for row in load_plan(session, participant_id)]
    site = participant.site_code
    person = Person(participant.study_id, site, rows, anchors_of(every), history.earlier_days(every))
    return correction(chain(study, site), person)


def replan(session: Session, study: Study, participant_id: int, *, actor: Actor, now: datetime) -> tuple[Change, ...]:
    """Bring the participant's assessments in step with the events. Returns what changed; nothing the second time.

    A window that was over before anybody could have been asked gets the system's reason `registered_after_window`.
    The number of statements does not depend on the number of assessments. The caller holds the participant's lock
    (register.find with `lock`) or has just made the participant.
    """
    participant, study = session.get_one(Participant, participant_id), versions.current(session, study)
    events = load_events(session, participant_id)
    stored = load_plan(session, participant_id)
    site = participant.site_code
    todo = changes(study, stored, anchors_of(events), history.earlier_days(events), site=site)
    done = (*_insert(session, study, participant_id, todo, now), *_update(session, study, todo, now))
    entries = [entry_of(change, participant.site_code) for change in done]
    late = [change for change in done if _nobody_asked(study, participant, change, now)]
    entries += _explain(session, late, participant.site_code, now)
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant_id, locked=True)
    return done


def _insert(session: Session, study: Study, participant_id: int, todo: Sequence[Change], now: datetime) -> list[Change]:
    new = [change for change in todo if change.assessment_id is None]
    if not new:
        return []
    rows = [
        {
            "participant_id": participant_id,
            "timepoint": change.timepoint,
            "occurrence": change.occurrence,
            **values_of(study, change, now),
        }
        for change in new
    ]
    # Matched by key, not by order: asking SQLite for the order of its rows would cost one statement for each.
    keys = (Assessment.timepoint, Assessment.occurrence)
    made = session.execute(insert(Assessment).returning(Assessment.id, *keys), rows)
    ids = {(row.timepoint, row.occurrence): row.id for row in made}
    return [replace(change, assessment_id=ids[change.timepoint, change.occurrence]) for change in new]


def _update(session: Session, study: Study, todo: Sequence[Change], now: datetime) -> list[Change]:
    moved = [change for change in todo if change.assessment_id is not None]
    if moved:
        rows = [{"id": change.assessment_id, **values_of(study, change, now)} for change in moved]
        session.execute(update(Assessment), rows)
    return moved


def values_of(study: Study, change: Change, now: datetime) -> dict[str, Any]:
    """What the row of the changed assessment holds then."""
    planned_at = now if change.dates else change.planned_at or now
    values = {**change.new.plain(), "cancelled_reason": change.cancelled_reason, "planned_at": planned_at}
    # What has been opened stays with the version of the protocol under which it was opened.
    return values if change.opened else {**values, "protocol_version": change.version or study.number}


def entry_of(change: Change, site_code: str) -> Entry:
    """The audit entry of a change that is written (and so has an id)."""
    details: Mapping[str, Any] = {
        "timepoint": change.timepoint,
        "occurrence": change.occurrence,
        "old": change.old.plain() if change.old else None,
        "new": change.new.plain(),
        "cancelled_reason": change.cancelled_reason,
    }
    if change.old_version not in (None, change.version):
        details = {**details, "protocol_version": f"{change.old_version} → {change.version}"}
    action = "assessment.moved" if change.old else "assessment.planned"
    if not change.dates:
        action = "assessment.follows_version"
    assert change.assessment_id is not None
    return Entry(action, "assessment", change.assessment_id, details, site_code=site_code)


def _nobody_asked(study: Study, participant: Participant, change: Change, now: datetime) -> bool:
    """The window was over before it was known. A baseline can be asked for from enrolment on, another from its plan."""
    today = today_at(study, participant.site_code, now)
    if change.opened or change.new.late_until is None:
        return False
    old = change.old or NO_DATES
    if change.timepoint == study.baseline.code:
        enrolled_on = today_at(study, participant.site_code, participant.enrolled_at)
        was_so_before = old.late_until is not None and old.late_until < enrolled_on
        return change.new.late_until < enrolled_on and not was_so_before
    return change.new.late_until < today and not _was_open(study, participant, change, today)


def _was_open(study: Study, participant: Participant, change: Change, today: date) -> bool:
    """Whether somebody could have been asked under the old dates: they had come, and were not over when they were set.
    (`planned_at` is known of every row that is stored.)"""
    old = change.old or NO_DATES
    if old.opens_on is None or old.late_until is None or change.planned_at is None:
        return False
    return old.opens_on <= today and today_at(study, participant.site_code, change.planned_at) <= old.late_until


def _explain(session: Session, late: Sequence[Change], site_code: str, now: datetime) -> list[Entry]:
    if not late:
        return []
    values = {"code": LATE.code, "health_related": LATE.health_related, "avoidable": LATE.avoidable, "source": "system"}
    rows = [{"assessment_id": change.assessment_id, **values, "recorded_at": now} for change in late]
    made = session.execute(insert(MissedReason).returning(MissedReason.id, MissedReason.assessment_id), rows)
    return [
        Entry(
            "missed_reason.recorded",
            "missed_reason",
            row.id,
            {"assessment_id": row.assessment_id, **values},
            site_code=site_code,
        )
        for row in made
    ]
