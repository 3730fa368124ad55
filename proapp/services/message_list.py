"""What happened to messages, one line each, without addresses and without words: for whoever ticks by hand."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, Message, Participant


class Told(NamedTuple):
    """`what` is the message's state, or `waiting` where it is to be tried again, for the reason `why`."""

    what: str
    study_id: str
    timepoint: str
    step: str
    channel: str
    why: str | None


def told_since(session: Session, *, now: datetime) -> list[Told]:
    """Messages to participants that were queued, handed over, settled or tried since `now` (inclusive)."""
    query = (
        select(
            Message.state,
            Message.state_reason,
            Message.attempts,
            Participant.study_id,
            Assessment.timepoint,
            Message.step,
            Message.kind,
            Message.channel,
        )
        .join(Participant, Participant.id == Message.participant_id)
        .outerjoin(Assessment, Assessment.id == Message.assessment_id)
        .where(
            or_(
                Message.queued_at >= now,
                Message.handed_over_at >= now,
                Message.settled_at >= now,
                (Message.state == "queued") & (Message.next_try_at > now),
            )
        )
        .order_by(Participant.study_id, Message.id)
    )
    return [
        Told(
            "waiting" if row.state == "queued" and row.attempts else row.state,
            row.study_id,
            row.timepoint or "",
            row.step or row.kind,
            row.channel,
            row.state_reason,
        )
        for row in session.execute(query)
    ]
