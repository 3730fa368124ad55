"""The statements behind every list: each reads one kind of fact about all participants and selects from Participant,
so that a scope (sites, one participant) can be laid over it. What rows amount to is worked out in services.cohort."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, Subquery, case, func, select
from sqlalchemy.orm import aliased

from proapp.db.models import (
    Answer,
    AnswerConflict,
    Assessment,
    AssessmentEvent,
    Contact,
    ContactAttempt,
    DeliveryReceipt,
    Message,
    MissedReason,
    Participant,
    ParticipantEvent,
    PatientPin,
    PatientRequest,
    ResponseSet,
)

AnySelect = Select[*tuple[Any, ...]]


def people() -> AnySelect:
    """Everybody, with what is known of the way of contact (never the address) and the day the PIN was chosen; ordered
    by study id."""
    return (
        select(
            Participant.id,
            Participant.study_id,
            Participant.site_code,
            Participant.language,
            Participant.enrolled_at,
            Contact.channel,
            PatientPin.set_at,
            Contact.confirmed_at,
            Contact.verified_at,
            Contact.undeliverable_at,
            Contact.undeliverable_reason,
            Contact.updated_at,
        )
        .select_from(Participant)
        .outerjoin(Contact, Contact.participant_id == Participant.id)
        .outerjoin(PatientPin, PatientPin.participant_id == Participant.id)
        .order_by(Participant.study_id)
    )


def events() -> AnySelect:
    """All events, superseded ones too, as recorded."""
    return (
        select(
            ParticipantEvent.participant_id,
            ParticipantEvent.id,
            ParticipantEvent.type,
            ParticipantEvent.effective_on,
            ParticipantEvent.effective_time,
            ParticipantEvent.payload,
            ParticipantEvent.reason,
            ParticipantEvent.supersedes_id,
            ParticipantEvent.recorded_at,
            ParticipantEvent.recorded_by_id,
        )
        .join(Participant, Participant.id == ParticipantEvent.participant_id)
        .order_by(ParticipantEvent.id)
    )


def reasons() -> AnySelect:
    """All reasons for missed assessments, oldest first: the last one read counts."""
    return (
        select(
            MissedReason.assessment_id,
            MissedReason.code,
            MissedReason.health_related,
            MissedReason.avoidable,
            MissedReason.source,
            MissedReason.note,
            MissedReason.recorded_at,
            MissedReason.recorded_by_id,
        )
        .join(Assessment, Assessment.id == MissedReason.assessment_id)
        .join(Participant, Participant.id == Assessment.participant_id)
        .order_by(MissedReason.id)
    )


def decisions() -> AnySelect:
    """Declines, their undoing, extensions; oldest first."""
    return (
        select(
            AssessmentEvent.assessment_id,
            AssessmentEvent.type,
            AssessmentEvent.payload,
            AssessmentEvent.reason,
            AssessmentEvent.recorded_at,
        )
        .join(Assessment, Assessment.id == AssessmentEvent.assessment_id)
        .join(Participant, Participant.id == Assessment.participant_id)
        .order_by(AssessmentEvent.id)
    )


def answers_so_far(
    moment: datetime | None, *, known_before: datetime | None = None, cut_off: date | None = None
) -> AnySelect:
    """Of response sets not submitted before `known_before` (None: not submitted) about a day up to `cut_off`: items
    with an answer before `moment`, time of the last."""
    unsubmitted = _unsubmitted(known_before, cut_off)
    last = _newest_answers(moment, unsubmitted)
    return (
        select(last.c.response_set_id, func.sum(last.c.is_answer), func.max(last.c.recorded_at))
        .select_from(last)
        .join(ResponseSet, ResponseSet.id == last.c.response_set_id)
        .join(Assessment, Assessment.id == ResponseSet.assessment_id)
        .join(Participant, Participant.id == Assessment.participant_id)
        .where(unsubmitted)
        .group_by(last.c.response_set_id)
    )


def _unsubmitted(known_before: datetime | None, cut_off: date | None) -> Any:
    unsubmitted = ResponseSet.submitted_at.is_(None)
    if known_before is not None:
        unsubmitted |= ResponseSet.submitted_at >= known_before
    return unsubmitted if cut_off is None else unsubmitted | (ResponseSet.completed_on > cut_off)


def _newest_answers(moment: datetime | None, unsubmitted: Any) -> Subquery:
    """Each item's newest row before `moment`, of unsubmitted sets: response_set_id, is_answer (1 or 0), recorded_at."""
    newest = (
        select(func.max(Answer.id).label("id"))
        .join(ResponseSet, ResponseSet.id == Answer.response_set_id)
        .where(unsubmitted, Answer.overtaken.is_(False))
        .group_by(Answer.response_set_id, Answer.instrument, Answer.item)
    )
    if moment is not None:
        newest = newest.where(Answer.recorded_at < moment)
    is_answer = case((Answer.kind == "answered", 1), else_=0).label("is_answer")
    return select(Answer.response_set_id, is_answer, Answer.recorded_at).where(Answer.id.in_(newest)).subquery()


def assessments() -> AnySelect:
    """Every planned assessment with each response set that is not void (one row per set, or one without)."""
    conflicts = select(func.count()).where(AnswerConflict.response_set_id == ResponseSet.id).scalar_subquery()
    return (
        select(
            Assessment.id,
            Assessment.participant_id,
            Assessment.timepoint,
            Assessment.occurrence,
            Assessment.protocol_version,
            Assessment.anchor_on,
            Assessment.target_on,
            Assessment.opens_on,
            Assessment.closes_on,
            Assessment.late_until,
            Assessment.extension_until,
            Assessment.cancelled_reason,
            ResponseSet.id.label("set_id"),
            ResponseSet.mode,
            ResponseSet.respondent,
            ResponseSet.protocol_version.label("set_version"),
            ResponseSet.packs,
            ResponseSet.started_at,
            ResponseSet.submitted_at,
            ResponseSet.completed_on,
            ResponseSet.auto_submitted,
            ResponseSet.receipt,
            ResponseSet.answered_items,
            ResponseSet.valid,
            ResponseSet.device_at,
            ResponseSet.device_offset_s,
            ResponseSet.clock_trusted,
            conflicts.label("conflicts"),
        )
        .join(Participant, Participant.id == Assessment.participant_id)
        .outerjoin(ResponseSet, (ResponseSet.assessment_id == Assessment.id) & ResponseSet.void_reason.is_(None))
        .order_by(Assessment.participant_id, Assessment.id, ResponseSet.id)
    )


def messages_for_people(now: datetime) -> AnySelect:
    """What of the outbox somebody at the clinic has to do, oldest first: letters to send, messages of which nobody
    knows whether they went out, and those that did not reach the participant, unless a later one went."""
    return (
        select(
            Message.id,
            Message.participant_id,
            Message.assessment_id,
            Message.kind,
            Message.step,
            Message.channel,
            Message.state,
            Message.state_reason,
            Message.due_at,
            Message.queued_at,
            Message.not_after,
            Message.handed_over_at,
            Message.settled_at,
        )
        .join(Participant, Participant.id == Message.participant_id)
        .where(
            Message.assessment_id.is_not(None) | (Message.kind == "test"),
            (Message.state == "possibly_sent")
            | ((Message.state == "queued") & (Message.channel == "letter"))
            | ((Message.state == "failed") & ~_later("sent", "delivered", "possibly_sent"))
            | (_refused_for_long() & ~_later("sent", "delivered", "possibly_sent"))
            | (_silent(now) & ~_later("delivered")),
        )
        .order_by(Message.due_at, Message.id)
    )


LONG_REFUSED = 6  # tries at a recipient, which take half an hour: a mail server that only greets strangers is through
SILENT = timedelta(hours=24)


def _refused_for_long() -> Any:
    """Still being tried, but the number or mailbox has taken nothing for a while."""
    refused = (Message.state_reason == "recipient_later") & (Message.attempts >= LONG_REFUSED)
    return (Message.state == "queued") & refused


def _silent(now: datetime) -> Any:
    """Handed over a day ago and never heard of again, though its gateway has since told about others."""
    others = select(DeliveryReceipt.id).where(
        DeliveryReceipt.gateway == Message.gateway,
        DeliveryReceipt.status.in_(("delivered", "failed")),
        DeliveryReceipt.received_at > Message.handed_over_at,
    )
    return (Message.state == "sent") & (Message.handed_over_at <= now - SILENT) & others.exists()


def _later(*states: str) -> Any:
    later = aliased(Message)
    return (
        select(later.id)
        .where(
            later.participant_id == Message.participant_id,
            later.queued_at > Message.queued_at,
            later.state.in_(states),
        )
        .exists()
    )


def requests() -> AnySelect:
    """What participants asked for on the phone, oldest first: to be called, or to be reminded later."""
    return (
        select(
            PatientRequest.participant_id,
            PatientRequest.assessment_id,
            PatientRequest.type,
            PatientRequest.payload,
            PatientRequest.recorded_at,
        )
        .join(Participant, Participant.id == PatientRequest.participant_id)
        .where(PatientRequest.type.in_(("call_me", "remind_later")))
        .order_by(PatientRequest.id)
    )


def attempts() -> AnySelect:
    """Every contact attempt, oldest first."""
    return (
        select(
            ContactAttempt.participant_id,
            ContactAttempt.id,
            ContactAttempt.assessment_id,
            ContactAttempt.method,
            ContactAttempt.outcome,
            ContactAttempt.note,
            ContactAttempt.next_on,
            ContactAttempt.at,
            ContactAttempt.recorded_by_id,
        )
        .join(Participant, Participant.id == ContactAttempt.participant_id)
        .order_by(ContactAttempt.id)
    )
