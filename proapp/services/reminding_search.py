"""Which assessments may have a message due that no row of the outbox stands for: one statement, by indices, so that a
tick costs the same whether a hundred participants have nothing due or a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from proapp.clock import local_date
from proapp.db.models import (
    Assessment,
    AssessmentEvent,
    Contact,
    Message,
    ParticipantEvent,
    PatientRequest,
    ResponseSet,
)
from proapp.db.queries import AnySelect
from proapp.services.messages import ELECTRONIC
from proapp.study.due_steps import DueStep, due_steps
from proapp.study.model import Study
from proapp.study.schedule import open_instant

STOPS = ("death", "pro_stop", "trial_withdrawal")
WISHES_KEPT = timedelta(days=15)
TRIED = ("sending", "sent", "delivered", "possibly_sent")


def candidates(session: Session, *, study: Study, now: datetime, after: int = 0, portion: int) -> Sequence[int]:
    """Ids of assessments that may have a message due which no row stands for: one statement, by indices.

    Left out are those that were answered, declined or taken out of the plan, and participants who stopped, died, left
    or cannot be reached. Whoever is left is decided about one by one.
    """
    parts = [part.where(Assessment.id > after) for step in due_steps(study, now=now) for part in _in_range(study, step)]
    parts.append(_wished(now).where(Assessment.id > after))
    found = union_all(*parts).subquery("found")
    there = select(Message.id).where(
        Message.assessment_id == found.c.id, Message.step == found.c.step, _fits(found.c.channel)
    )
    query = (
        select(found.c.id)
        .distinct()
        .outerjoin(Contact, Contact.participant_id == found.c.participant_id)
        .where(_waiting(found), ~there.exists(), _reachable(found.c.reached))
        .order_by(found.c.id)
        .limit(portion)
    )
    return session.scalars(query).all()


def _in_range(study: Study, step: DueStep) -> Iterator[AnySelect]:
    """Assessments whose date lies where the step is due."""
    query = select(
        Assessment.id,
        Assessment.participant_id,
        literal(step.step).label("step"),
        literal(step.channel).label("channel"),
        literal(step.reached).label("reached"),
    ).where(Assessment.timepoint == step.timepoint, Assessment.cancelled_reason.is_(None))
    if step.base == "opens":
        yield query.where(Assessment.opens_on.between(step.first, step.last))
    elif step.base == "target":
        yield query.where(Assessment.target_on.between(step.first, step.last))
    else:
        # One day more: a baseline's last day is the one before it closes.
        yield query.where(Assessment.closes_on.between(step.first, step.last + timedelta(days=1)))
        longest = timedelta(days=study.extension_max_days)
        yield query.where(
            Assessment.closes_on.between(step.first - longest, step.last),
            Assessment.extension_until.between(step.first, step.last),
        )


def _wished(now: datetime) -> AnySelect:
    """Assessments about which a patient asked to be reminded later, until a message stands for the wish."""
    granted = select(Message.id).where(
        Message.assessment_id == PatientRequest.assessment_id,
        Message.kind == "remind_later",
        Message.queued_at >= PatientRequest.recorded_at,
    )
    return (
        select(
            Assessment.id,
            Assessment.participant_id,
            literal("later").label("step"),
            literal("message").label("channel"),
            literal("electronically").label("reached"),
        )
        .join(PatientRequest, PatientRequest.assessment_id == Assessment.id)
        .where(
            PatientRequest.type == "remind_later",
            PatientRequest.recorded_at >= now - WISHES_KEPT,
            Assessment.cancelled_reason.is_(None),
            ~granted.exists(),
        )
    )


def _fits(channel: Any) -> Any:
    """A step `message` may have gone by any way."""
    return or_(channel == "message", Message.channel == channel)


def _reachable(reached: Any) -> Any:
    electronically = and_(Contact.channel.in_(ELECTRONIC), Contact.undeliverable_at.is_(None))
    return or_(
        reached == "all",
        and_(reached == "by_letter", Contact.channel == "letter"),
        and_(reached == "electronically", electronically),
    )


def _waiting(found: Any) -> Any:
    """Not answered, not declined, of somebody who did not stop."""
    submitted = select(ResponseSet.id).where(
        ResponseSet.assessment_id == found.c.id,
        ResponseSet.submitted_at.is_not(None),
        ResponseSet.void_reason.is_(None),
    )
    undoing = aliased(ParticipantEvent)
    stopped = select(ParticipantEvent.id).where(
        ParticipantEvent.participant_id == found.c.participant_id,
        ParticipantEvent.type.in_(STOPS),
        ~select(undoing.id).where(undoing.supersedes_id == ParticipantEvent.id).exists(),
    )
    last_word = (
        select(AssessmentEvent.type)
        .where(
            AssessmentEvent.assessment_id == found.c.id,
            AssessmentEvent.type.in_(("declined", "decline_undone")),
        )
        .order_by(AssessmentEvent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return and_(~submitted.exists(), ~stopped.exists(), func.coalesce(last_word, "") != "declined")


def tried_today(session: Session, *, study: Study, now: datetime, queued: bool = False) -> int:
    """Electronic messages to participants that were tried on the study's local day of `now`; with `queued` also those
    that wait to go.

    `next_try_at` of a row that was tried is the moment of the last try, so the index of states answers.
    """
    zone = study.zone()
    since = open_instant(local_date(now, zone), zone)
    which = and_(Message.state.in_(TRIED), Message.next_try_at >= since)
    if queued:
        which = or_(which, Message.state == "queued")
    query = select(func.count()).where(which, Message.channel.in_(ELECTRONIC), Message.participant_id.is_not(None))
    return int(session.scalar(query) or 0)
