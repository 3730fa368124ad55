"""Ways on which nobody answers: a gateway that takes messages and never says so would turn the whole outbox into
"possibly sent", which nobody sends again by himself. After a few in a row the way rests; then one message tries it.

The rows themselves say so, so that all workers rest together and a new one does not begin from the start.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from proapp.db.models import Message
from proapp.services.messages import ELECTRONIC

IN_A_ROW = 3
FIRST_REST, LONGEST_REST = timedelta(minutes=10), timedelta(hours=1)
LOOKED_BACK = timedelta(days=1)
LEASE_OVER = "lease_over"  # a worker that died says nothing about the gateway


def resting(session: Session, *, now: datetime) -> frozenset[str]:
    """The channels on which nothing is to be handed over at `now`. One statement."""
    answered = aliased(Message)
    since = select(answered.id).where(
        answered.channel == Message.channel,
        answered.state.in_(("sent", "delivered", "failed")),
        answered.next_try_at > Message.next_try_at,
    )
    query = (
        select(Message.channel, func.count(), func.max(Message.settled_at))
        .where(
            Message.state == "possibly_sent",
            Message.state_reason != LEASE_OVER,
            Message.next_try_at > now - LOOKED_BACK,
            Message.channel.in_(ELECTRONIC),
            ~since.exists(),
        )
        .group_by(Message.channel)
    )
    return frozenset(
        channel
        for channel, number, last in session.execute(query)
        if last is not None and number >= IN_A_ROW and now < last + rest(int(number))
    )


def rest(in_a_row: int) -> timedelta:
    """How long after so many of which nobody knows: ten minutes, twice as long after each further one, to an hour."""
    doubled: timedelta = FIRST_REST * 2 ** min(in_a_row - IN_A_ROW, 10)
    return min(doubled, LONGEST_REST)
