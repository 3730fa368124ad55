"""Which assessments may have a message due that no row of the outbox stands for: one statement, by indices, so that a
tick costs the same whether a hundred participants have nothing due or a hundred thousand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    Date,
    String,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    text,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
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
from proapp.db.types import Instant
from proapp.services.messages import ELECTRONIC
from proapp.study.due_steps import DueStep, due_steps
from proapp.study.model import Study
from proapp.study.schedule import open_instant
from proapp.study.versions import versions

STOPS = ("death", "pro_stop", "trial_withdrawal")
WISHES_KEPT, ONE_DAY = timedelta(days=15), timedelta(days=1)
MOST_AT_ONCE = 50  # workers that claim in the same moment
TRIED = ("sending", "sent", "delivered", "possibly_sent")


def candidates(
    session: Session, *, study: Study, now: datetime, since: datetime | None = None, after: int = 0, portion: int
) -> Sequence[int]:
    """Ids of assessments that may have a message due which no row stands for: one statement, by indices.

    Left out are those that were answered, declined or taken out of the plan, and participants who stopped, died, left
    or cannot be reached. Whoever is left is decided about one by one. With `since` only what fell due after that
    moment is looked for, and wishes.
    """
    every = [
        _for_closing_date(step, version)._asdict()
        for version in versions(study)
        for step in due_steps(version, now=now, since=since)
    ]
    steps = [step for number, step in enumerate(every) if step not in every[:number]]
    asked = {"steps": json.dumps(steps, default=str), "wished_since": now - WISHES_KEPT}
    query = _query(session.get_bind().dialect.name)
    return session.scalars(query, {**asked, "after": after, "portion": portion}).all()


def _for_closing_date(step: DueStep, study: Study) -> DueStep:
    """A baseline's last day is the one before it closes."""
    if step.base != "closes" or study.timepoint(step.timepoint).kind != "baseline":
        return step
    return step._replace(first=step.first + ONE_DAY, last=step.last + ONE_DAY)


@cache
def _query(dialect: str) -> AnySelect:
    """Made once: it is long, and the worker asks it every minute."""
    due = _as_table(dialect)
    found = union_all(*_in_range(due), _wished()).subquery("found")
    there = select(Message.id).where(
        Message.assessment_id == found.c.id, Message.step == found.c.step, _fits(found.c.channel)
    )
    # In the order of what leaves out most: on SQLite the conditions are tried one after the other.
    return (
        select(found.c.id)
        .distinct()
        .where(_reachable(found), ~_submitted(found).exists(), ~there.exists(), *_still_asked(found))
        .where(found.c.id > bindparam("after"))
        .order_by(found.c.id)
        .limit(bindparam("portion"))
    )


def _as_table(dialect: str) -> Any:
    """The steps, which come as one JSON text, as a table."""
    kinds: dict[str, Any] = {name: Date() if name in ("first", "last") else String() for name in DueStep._fields}
    columns: list[Any]
    if dialect == "sqlite":
        rows = func.json_each(bindparam("steps", type_=String())).table_valued("value", name="each")
        columns = [type_coerce(func.json_extract(rows.c.value, f"$.{name}"), kind) for name, kind in kinds.items()]
    else:
        given = cast(bindparam("steps", type_=String()), JSONB)
        named = [column(name, kind) for name, kind in kinds.items()]
        rows = func.jsonb_to_recordset(given).table_valued(*named).render_derived(name="each", with_types=True)
        columns = [rows.c[name] for name in kinds]
    return select(*(one.label(name) for one, name in zip(columns, kinds, strict=True))).cte("due")


def _in_range(due: Any) -> Iterator[AnySelect]:
    """Assessments whose date lies where the step is due."""
    for base, day in (
        ("opens", Assessment.opens_on),
        ("target", Assessment.target_on),
        ("closes", Assessment.closes_on),
        ("closes", Assessment.extension_until),
    ):
        mine = and_(due.c.base == base, Assessment.timepoint == due.c.timepoint, day.between(due.c.first, due.c.last))
        yield (
            select(Assessment.id, Assessment.participant_id, due.c.step, due.c.channel, due.c.reached)
            .select_from(due)
            .join(Assessment, mine)
            .where(Assessment.cancelled_reason.is_(None), day.is_not(None))
        )


def _wished() -> AnySelect:
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
            PatientRequest.recorded_at >= bindparam("wished_since", type_=Instant()),
            Assessment.cancelled_reason.is_(None),
            ~granted.exists(),
        )
    )


def _fits(channel: Any) -> Any:
    """A step `message` may have gone by any way."""
    return or_(channel == "message", Message.channel == channel)


def _reachable(found: Any) -> Any:
    way = select(Contact.participant_id).where(
        Contact.participant_id == found.c.participant_id,
        or_(
            and_(found.c.reached == "by_letter", Contact.channel == "letter"),
            and_(
                found.c.reached == "electronically",
                Contact.channel.in_(ELECTRONIC),
                Contact.undeliverable_at.is_(None),
            ),
        ),
    )
    return or_(found.c.reached == "all", way.exists())


def _submitted(found: Any) -> AnySelect:
    return select(ResponseSet.id).where(
        ResponseSet.assessment_id == found.c.id,
        ResponseSet.submitted_at.is_not(None),
        ResponseSet.void_reason.is_(None),
    )


def _still_asked(found: Any) -> tuple[Any, ...]:
    """Not declined, and of somebody who did not stop."""
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
    return ~stopped.exists(), func.coalesce(last_word, "") != "declined"


def tried_today(session: Session, *, study: Study, now: datetime, queued: bool = False) -> int:
    """Electronic messages to participants that were tried on the study's local day of `now`; with `queued` also those
    that wait to go.

    `next_try_at` of a row that was tried is the moment of the last try, so the index of states answers.
    """
    which = is_tried(day_begins(study, now))
    if queued:
        which = or_(which, Message.state == "queued")
    query = select(func.count()).where(which, Message.channel.in_(ELECTRONIC), Message.participant_id.is_not(None))
    return int(session.scalar(query) or 0)


def tried_by(session: Session, *, study: Study, moment: datetime) -> int:
    """How many of that local day of the study had been tried by the moment, as far as their last try tells."""
    which = and_(is_tried(day_begins(study, moment)), Message.next_try_at <= moment, Message.channel.in_(ELECTRONIC))
    return int(session.scalar(select(func.count()).where(which)) or 0)


def tried_with_room(session: Session, *, study: Study, now: datetime, cap: int) -> int:
    """`tried_today`, exact where it matters: near the `cap` those who are about to hand something over count one after
    the other, each until the end of its transaction, so that the last place is taken once (SQLite has one writer)."""
    found = tried_today(session, study=study, now=now)
    if found < cap <= found + MOST_AT_ONCE and session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('proapp cap of the study'))"))
        return tried_today(session, study=study, now=now)
    return found


def day_begins(study: Study, now: datetime) -> datetime:
    """The midnight from which on messages count for the study's cap at `now`."""
    zone = study.zone()
    return open_instant(local_date(now, zone), zone)


def is_tried(since: datetime) -> Any:
    """Whether a row was tried from `since` on, to a participant."""
    return and_(Message.state.in_(TRIED), Message.next_try_at >= since, Message.participant_id.is_not(None))
