"""The statements behind the facts that reminders are decided by: what is recorded about some assessments and their
participants, grouped as it is wanted. What it amounts to is `services.reminding_facts`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import (
    Assessment,
    AssessmentEvent,
    Contact,
    ContactAttempt,
    Message,
    Participant,
    ParticipantEvent,
    PatientRequest,
    ResponseSet,
)
from proapp.study.events import Event

CONTACT = (Contact.channel, Contact.sealed, Contact.undeliverable_at, Contact.undeliverable_reason, Contact.updated_at)
DECISIONS = ("declined", "decline_undone", "extended")


def assessments() -> Any:
    return (
        select(
            Assessment.id,
            Assessment.participant_id,
            Assessment.timepoint,
            Assessment.occurrence,
            Assessment.target_on,
            Assessment.opens_on,
            Assessment.closes_on,
            Assessment.late_until,
            Assessment.extension_until,
            Assessment.cancelled_reason,
            Assessment.protocol_version,
            Participant.study_id,
            Participant.site_code,
            Participant.language,
            *CONTACT,
        )
        .join(Participant, Participant.id == Assessment.participant_id)
        .outerjoin(Contact, Contact.participant_id == Participant.id)
        .order_by(Assessment.id)
    )


def events(session: Session, people: Sequence[int]) -> dict[int, list[Event]]:
    rows = session.execute(
        select(
            ParticipantEvent.participant_id,
            ParticipantEvent.id,
            ParticipantEvent.type,
            ParticipantEvent.effective_on,
            ParticipantEvent.recorded_at,
            ParticipantEvent.supersedes_id,
            ParticipantEvent.payload,
        ).where(ParticipantEvent.participant_id.in_(people))
    )
    found: dict[int, list[Event]] = defaultdict(list)
    for participant_id, id_, type_, effective_on, recorded_at, supersedes, payload in rows:
        said = payload or {}
        found[participant_id].append(Event(id_, type_, effective_on, recorded_at, supersedes, said.get("arm"), said))
    return found


def sets() -> Any:
    return (
        select(
            ResponseSet.assessment_id.label("of"),
            ResponseSet.started_at,
            ResponseSet.submitted_at,
            ResponseSet.completed_on,
            ResponseSet.valid,
        )
        .where(ResponseSet.void_reason.is_(None))
        .order_by(ResponseSet.id)
    )


def decisions() -> Any:
    return (
        select(
            AssessmentEvent.assessment_id.label("of"),
            AssessmentEvent.type,
            AssessmentEvent.payload,
            AssessmentEvent.recorded_at,
        )
        .where(AssessmentEvent.type.in_(DECISIONS))
        .order_by(AssessmentEvent.id)
    )


def attempts() -> Any:
    """Contacts by hand with whoever was asked; a postponed row of the worklist is none, nor is a letter."""
    return (
        select(
            ContactAttempt.participant_id.label("of"),
            ContactAttempt.assessment_id,
            ContactAttempt.outcome,
            ContactAttempt.next_on,
            ContactAttempt.at,
        )
        .where(ContactAttempt.method != "none", ContactAttempt.outcome != "letter_sent")
        .order_by(ContactAttempt.id)
    )


def messages() -> Any:
    return select(
        Message.participant_id.label("of"),
        Message.id,
        Message.assessment_id,
        Message.step,
        Message.channel,
        Message.state,
        Message.queued_at,
        Message.next_try_at,
        Message.handed_over_at,
        Message.settled_at,
    ).order_by(Message.id)


def wishes() -> Any:
    columns = (PatientRequest.assessment_id.label("of"), PatientRequest.payload, PatientRequest.recorded_at)
    return select(*columns).where(PatientRequest.type == "remind_later").order_by(PatientRequest.id)


def grouped(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.of].append(row)
    return found
