"""Reading a sitting: everything a page of the questionnaire needs, in two statements.

They are written against the tables and kept at module level, because this is the path that every single answer travels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, case, or_, select
from sqlalchemy.orm import Session

from proapp.db.models import Answer, Assessment, AssessmentEvent, AuditEvent, Participant, ParticipantEvent, ResponseSet
from proapp.db.prepared import Prepared
from proapp.db.session import connection_of
from proapp.instruments.answers import Given
from proapp.instruments.model import Instrument
from proapp.services import versions
from proapp.services.audit import GENESIS, participant_chain
from proapp.services.errors import NotFound
from proapp.services.sitting import OWN_MODES, AnswerRow, OpenedSet, Sitting, Step, route
from proapp.study.events import Event, participant_facts
from proapp.study.model import Study, TimePoint
from proapp.study.status import AssessmentFacts

_assessment: Any = Assessment.__table__
_participant: Any = Participant.__table__
_set: Any = ResponseSet.__table__
_event: Any = ParticipantEvent.__table__
_decision: Any = AssessmentEvent.__table__
_answer: Any = Answer.__table__
_audit: Any = AuditEvent.__table__

_last_decision = (
    select(_decision.c.type)
    .where(_decision.c.assessment_id == _assessment.c.id)
    .where((_decision.c.type == "declined") | (_decision.c.type == "decline_undone"))
    .order_by(_decision.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
# One row for each (event of the participant, response set); both are few.
_FACTS = (
    select(
        _assessment.c.id,
        _assessment.c.timepoint,
        _assessment.c.protocol_version,
        _assessment.c.target_on,
        _assessment.c.opens_on,
        _assessment.c.closes_on,
        _assessment.c.late_until,
        _assessment.c.extension_until,
        _assessment.c.cancelled_reason,
        _last_decision.label("decision"),
        _participant.c.id.label("participant_id"),
        _participant.c.site_code,
        _set.c.id.label("set_id"),
        _set.c.mode,
        _set.c.respondent,
        _set.c.packs,
        _set.c.started_at,
        _set.c.submitted_at,
        _set.c.completed_on,
        _set.c.auto_submitted,
        _set.c.receipt,
        _set.c.valid,
        _event.c.id.label("event_id"),
        _event.c.type,
        _event.c.effective_on,
        _event.c.recorded_at,
        _event.c.supersedes_id,
        _event.c.payload,
    )
    .select_from(
        _assessment.join(_participant, _participant.c.id == _assessment.c.participant_id)
        .outerjoin(_set, (_set.c.assessment_id == _assessment.c.id) & _set.c.void_reason.is_(None))
        .outerjoin(_event, _event.c.participant_id == _participant.c.id)
    )
    .where(_assessment.c.id == bindparam("assessment_id"))
)
_OF = _FACTS.where(_participant.c.id == bindparam("participant"))
_OWN = Prepared(_OF)
# Writers of one participant take turns: on SQLite by the transaction's own lock, on PostgreSQL by this one.
_OWN_LOCKED = Prepared(_OF.with_for_update(key_share=True, of=_participant))
_ANY_LOCKED = Prepared(_FACTS.with_for_update(key_share=True, of=_participant))


class _Row(NamedTuple):
    """What _FACTS selects, in its order."""

    id: int
    timepoint: str
    protocol_version: str
    target_on: date | None
    opens_on: date | None
    closes_on: date | None
    late_until: date | None
    extension_until: date | None
    cancelled_reason: str | None
    decision: str | None
    participant_id: int
    site_code: str
    set_id: int | None
    mode: str
    respondent: str
    packs: Mapping[str, Any]
    started_at: datetime
    submitted_at: datetime | None
    completed_on: date | None
    auto_submitted: bool
    receipt: str | None
    valid: bool | None
    event_id: int | None
    type: str
    effective_on: date
    recorded_at: datetime
    supersedes_id: int | None
    payload: Mapping[str, Any] | None


_last_event = select(_audit).where(_audit.c.chain == bindparam("chain")).order_by(_audit.c.seq.desc()).limit(1)
# The head of the audit chain rides along, so that a save needs no statement of its own for it.
_HEAD = (
    case((_set.c.submitted_at.is_(None), 0), else_=1).label("submitted"),
    _last_event.with_only_columns(_audit.c.seq).scalar_subquery().label("seq"),
    _last_event.with_only_columns(_audit.c.hash).scalar_subquery().label("hash"),
)


@lru_cache(maxsize=64)
def _answers_query(gates: tuple[Step, ...] | None, lock: bool) -> Prepared:
    """The rows of a set, oldest first; with `gates` only those of one item and of these that count.

    There they are plain numbers and words only, so that nothing is to be done to each.
    """
    belongs: Any = _answer.c.response_set_id == _set.c.id
    told: tuple[Any, ...] = (_answer.c.instrument, _answer.c.item, _answer.c.kind, _answer.c.code)
    if gates is None:
        told = tuple(getattr(_answer.c, name) for name in AnswerRow._fields)
    else:
        asked = (Step(bindparam("instrument"), bindparam("item")), *gates)  # type: ignore[arg-type]
        items = (and_(_answer.c.instrument == step.instrument, _answer.c.item == step.item) for step in asked)
        belongs = belongs & or_(*items) & _answer.c.overtaken.is_(False)
    return Prepared(
        select(*told, *(_HEAD if lock else ()))
        .select_from(_set.outerjoin(_answer, belongs))
        .where(_set.c.id == bindparam("set_id"))
        .order_by(_answer.c.id)
    )


@lru_cache(maxsize=64)
def _gates(instruments: tuple[Instrument, ...]) -> tuple[Step, ...]:
    """The items whose answers decide whether others are asked, and those others, for which their own decides too."""
    pairs = ((one.code, number, gate.item) for one in instruments for number, gate in one.gates)
    return tuple(dict.fromkeys(Step(code, item) for code, *both in pairs for item in both))


# There are few different answers and steps, and 74 of them are made for every page.
_given = cache(Given)
_step = cache(Step)


def find_sitting(
    database: Session | Connection,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    participant_id: int,
    assessment_id: int,
    now: datetime,
    lock: bool = False,
    at: Step | None = None,
) -> Sitting:
    """The patient's own assessment: two statements (one before it is started; one more with `lock` on PostgreSQL).

    With `at` only what is needed at that item is read, its answer and those of the gates: a questionnaire of 74 items
    is not read 74 times. It is NotFound when there is no such item. `lock` makes writers of this participant take turns
    until the end of the transaction, and reads the head of the audit chain behind that lock. Everything is read by the
    version of the study that the assessment names. Raises NotFound for an absent assessment and for somebody else's
    alike.
    """
    connection = connection_of(database)
    query = _OWN_LOCKED if lock else _OWN
    whose = {"assessment_id": assessment_id, "participant": participant_id}
    rows = query.all(connection, whose)
    if lock and at is None and connection.dialect.name == "postgresql":
        # What others wrote while this statement waited for its turn only the next one sees. The page of an item does
        # without: it asks again whether all was sent, and what a patient typed a moment too late is taken anyway.
        rows = _OWN.all(connection, whose)
    return _sitting(connection, rows, study, instruments, now, lock, at)


def find_for_worker(
    session: Session, assessment_id: int, *, study: Study, instruments: Mapping[str, Instrument], now: datetime
) -> Sitting:
    """As `find_sitting` with `lock`, for the worker, which comes by the assessment and not by the person."""
    connection = session.connection()
    rows = _ANY_LOCKED.all(connection, {"assessment_id": assessment_id})
    return _sitting(connection, rows, study, instruments, now, True)


def _sitting(
    connection: Connection,
    rows: Sequence[Any],
    study: Study,
    instruments: Mapping[str, Instrument],
    now: datetime,
    lock: bool,
    at: Step | None = None,
) -> Sitting:
    if not rows:
        raise NotFound
    rows = [_Row(*row) for row in rows]
    row = rows[0]
    study = versions.named(connection, study, row.protocol_version)
    if row.timepoint not in study.timepoints_by_code:
        raise NotFound
    timepoint = study.timepoint(row.timepoint)
    sets = {one.set_id: _opened(one) for one in rows if one.set_id is not None}
    own = next((one for one in sets.values() if one.mode in OWN_MODES), None)
    asked = tuple(
        instruments[code]
        for code in timepoint.instruments
        # What was pinned at the start is what is finished, whatever the study file says by then.
        if code in instruments and (own is None or code in own.packs)
    )
    if at is not None and at not in route(asked).places:
        raise NotFound
    found = _Answers({}, (), None)
    if own is not None:
        gates = None if at is None else _gates(asked)
        own, found = _answers(connection, own, row.participant_id, lock, at, gates)
    counts = own or next((one for one in sets.values() if one.submitted_at is not None), None)
    return Sitting(
        assessment_id=row.id,
        participant_id=row.participant_id,
        site_code=row.site_code,
        timepoint=timepoint,
        assessment=_assessment_facts(row, timepoint, counts),
        participant=participant_facts(_events(rows)),
        own=own,
        instruments=asked,
        given=found.given,
        study=study,
        now=now,
        head=found.head,
        whole=at is None,
        rows=found.rows,
    )


def _opened(row: Any) -> OpenedSet:
    return OpenedSet(
        row.set_id, row.mode, row.respondent, row.packs, row.started_at, row.submitted_at, row.completed_on,
        row.auto_submitted, row.receipt, row.valid,
    )  # fmt: skip


class _Answers(NamedTuple):
    given: dict[Step, Given]
    rows: tuple[AnswerRow, ...]
    head: tuple[int, str] | None


def _answers(
    connection: Connection,
    own: OpenedSet,
    participant_id: int,
    lock: bool,
    at: Step | None,
    gates: tuple[Step, ...] | None,
) -> tuple[OpenedSet, _Answers]:
    """The newest row of each item, and whether the set was submitted while this transaction waited for its turn."""
    parameters: dict[str, Any] = {"set_id": own.id}
    if at is not None:
        parameters.update(instrument=at.instrument, item=at.item)
    if lock:
        parameters["chain"] = participant_chain(participant_id)
    found = _answers_query(gates, lock).all(connection, parameters)
    rows: tuple[AnswerRow, ...] = ()
    if gates is None:
        rows = tuple(AnswerRow(*row[: len(AnswerRow._fields)]) for row in found if row[0] is not None)
        given = {_step(row.instrument, row.item): _given(row.kind, row.code) for row in rows if not row.overtaken}
    else:
        given = {_step(row[0], row[1]): _given(row[2], row[3]) for row in found if row[0] is not None}
    if not lock:
        return own, _Answers(given, rows, None)
    submitted, seq, last_hash = found[0][-len(_HEAD) :]
    if submitted and own.submitted_at is None:
        own = _read_again(connection, own)
    return own, _Answers(given, rows, (seq, last_hash) if seq else (0, GENESIS))


def _read_again(connection: Connection, own: OpenedSet) -> OpenedSet:
    """Somebody else submitted between our first statement and the moment we got the lock."""
    row = connection.execute(select(_set, _set.c.id.label("set_id")).where(_set.c.id == own.id)).one()
    return _opened(row)


def _events(rows: Iterable[Any]) -> list[Event]:
    return [
        Event(
            row.event_id, row.type, row.effective_on, row.recorded_at, row.supersedes_id, (row.payload or {}).get("arm")
        )
        for row in {row.event_id: row for row in rows if row.event_id is not None}.values()
    ]  # fmt: skip


def _assessment_facts(row: Any, timepoint: TimePoint, counts: OpenedSet | None) -> AssessmentFacts:
    return AssessmentFacts(
        timepoint=row.timepoint,
        kind=timepoint.kind,
        target_on=row.target_on,
        opens_on=row.opens_on,
        closes_on=row.closes_on,
        late_until=row.late_until,
        extension_until=row.extension_until,
        cancelled_reason=row.cancelled_reason,
        started_at=counts.started_at if counts else None,
        submitted_at=counts.submitted_at if counts else None,
        completed_on=counts.completed_on if counts else None,
        valid=counts.valid if counts else None,
        declined=row.decision == "declined",
    )
