"""One patient at one assessment: what is asked, what was given, where the patient is, and whether answers are taken.

Everything a page of the questionnaire needs is read here in two statements. They are written against the tables and
kept at module level, because this is the path that every single answer travels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Answer, Assessment, AssessmentEvent, AuditEvent, Participant, ParticipantEvent, ResponseSet
from proapp.instruments.answers import Applicability, Given, applicability
from proapp.instruments.model import Instrument
from proapp.services.audit import GENESIS, participant_chain
from proapp.services.errors import NotFound
from proapp.study.events import Event, participant_facts
from proapp.study.model import Study, TimePoint
from proapp.study.status import AssessmentFacts, ParticipantFacts, State, accepts_answers, state

OWN_MODES = frozenset({"self_remote", "proxy"})  # what a patient's phone can make; the others are entered by staff

_assessment: Any = Assessment.__table__
_participant: Any = Participant.__table__
_set: Any = ResponseSet.__table__
_event: Any = ParticipantEvent.__table__
_decision: Any = AssessmentEvent.__table__
_answer: Any = Answer.__table__
_audit: Any = AuditEvent.__table__

_last_decision = (
    select(_decision.c.type)
    .where(_decision.c.assessment_id == _assessment.c.id, _decision.c.type.in_(("declined", "decline_undone")))
    .order_by(_decision.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
# One row for each (event of the participant, response set); both are few.
_FACTS = (
    select(
        _assessment.c.id,
        _assessment.c.timepoint,
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
_OWN = _FACTS.where(_participant.c.id == bindparam("participant"))
# Writers of one participant take turns: on SQLite by the transaction's own lock, on PostgreSQL by this one.
_OWN_LOCKED = _OWN.with_for_update(key_share=True, of=_participant)
_ANY_LOCKED = _FACTS.with_for_update(key_share=True, of=_participant)

_ANSWERS = (
    select(_set.c.submitted_at, _answer.c.instrument, _answer.c.item, _answer.c.kind, _answer.c.code)
    .select_from(_set.outerjoin(_answer, _answer.c.response_set_id == _set.c.id))
    .where(_set.c.id == bindparam("set_id"))
    .order_by(_answer.c.id)
)
_last_event = select(_audit).where(_audit.c.chain == bindparam("chain")).order_by(_audit.c.seq.desc()).limit(1)
# The head of the audit chain rides along, so that a save needs no statement of its own for it.
_ANSWERS_AND_HEAD = _ANSWERS.add_columns(
    _last_event.with_only_columns(_audit.c.seq).scalar_subquery().label("seq"),
    _last_event.with_only_columns(_audit.c.hash).scalar_subquery().label("hash"),
)


class Step(NamedTuple):
    """One item of one instrument, by printed number."""

    instrument: str
    item: int


_given = cache(Given)  # a handful of different values, checked once instead of for every row of every page


@dataclass(frozen=True, slots=True)
class OpenedSet:
    """A response set, as far as pages need it."""

    id: int
    mode: str
    respondent: str
    packs: Mapping[str, Any]
    started_at: datetime
    submitted_at: datetime | None
    completed_on: date | None
    auto_submitted: bool
    receipt: str | None
    valid: bool | None


@dataclass(frozen=True)
class Sitting:
    """A patient's assessment at the moment `now`. `own` is the set made on a phone, None until it is started."""

    assessment_id: int
    participant_id: int
    site_code: str
    timepoint: TimePoint
    assessment: AssessmentFacts
    participant: ParticipantFacts
    own: OpenedSet | None
    instruments: tuple[Instrument, ...]
    given: Mapping[Step, Given]
    study: Study
    now: datetime
    head: tuple[int, str] | None = None  # last (seq, hash) of the audit chain; only in a locked sitting

    @cached_property
    def zone(self) -> ZoneInfo:
        return self.study.zone(self.site_code)

    @property
    def today(self) -> date:
        return local_date(self.now, self.zone)

    @cached_property
    def state(self) -> State:
        return state(self.assessment, self.participant, today=self.today, study=self.study)

    @property
    def takes_answers(self) -> bool:
        """Whether an answer arriving now is saved: the window is open, or the sitting began in time."""
        return accepts_answers(self.assessment, self.participant, now=self.now, study=self.study, zone=self.zone)

    @property
    def minutes(self) -> int:
        """How long an average patient needs for all parts."""
        return max(1, round(sum(instrument.minutes for instrument in self.instruments)))

    def instrument(self, code: str) -> Instrument:
        """Raises NotFound for an instrument that is not part of this assessment."""
        for instrument in self.instruments:
            if instrument.code == code:
                return instrument
        raise NotFound

    def step(self, code: str, number: int) -> Step:
        """Raises NotFound for an item that is not part of this assessment."""
        if number not in self.instrument(code).positions:
            raise NotFound
        return Step(code, number)

    def codes(self, code: str) -> dict[int, int]:
        """Item number to answer, of the items that hold one."""
        return {
            step.item: given.code
            for step, given in self.given.items()
            if step.instrument == code and given.code is not None
        }

    @cached_property
    def applicability(self) -> Mapping[str, Mapping[int, Applicability]]:
        return {one.code: applicability(one, self.codes(one.code)) for one in self.instruments}

    def is_asked(self, step: Step) -> bool:
        return self.applicability[step.instrument][step.item] == "asked"

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The items that are asked, given the answers so far, in order."""
        return tuple(
            Step(one.code, number)
            for one in self.instruments
            for number in one.numbers
            if self.applicability[one.code][number] == "asked"
        )

    @property
    def total(self) -> int:
        """All items of all parts, asked or not: a number that never moves."""
        return sum(len(one.items) for one in self.instruments)

    @property
    def answered(self) -> int:
        """Items that hold an answer which counts (an answer behind a closed gate is kept, but does not count)."""
        return sum(
            given.kind == "answered" and self.applicability[step.instrument][step.item] != "not_applicable"
            for step, given in self.given.items()
        )

    def order(self, step: Step) -> tuple[int, int]:
        for number, one in enumerate(self.instruments):
            if one.code == step.instrument:
                return number, one.positions[step.item]
        raise NotFound

    def after(self, step: Step) -> Step | None:
        """The next item asked, or None after the last one."""
        here = self.order(step)
        return next((later for later in self.steps if self.order(later) > here), None)

    def before(self, step: Step) -> Step | None:
        """The previous item asked, or None at the first one."""
        here = self.order(step)
        return next((earlier for earlier in reversed(self.steps) if self.order(earlier) < here), None)

    def first_open(self) -> Step | None:
        """The first item asked that was neither answered nor skipped: where a sitting resumes."""
        return next((step for step in self.steps if not self._settled(step)), None)

    def unanswered(self) -> tuple[Step, ...]:
        """Items asked that hold no answer, skipped ones too."""
        return tuple(step for step in self.steps if step not in self.given or self.given[step].kind != "answered")

    def _settled(self, step: Step) -> bool:
        return step in self.given and self.given[step].kind != "cleared"


def find(
    session: Session,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    participant_id: int,
    assessment_id: int,
    now: datetime,
    lock: bool = False,
) -> Sitting:
    """The patient's own assessment: two statements (one before it is started).

    `lock` makes writers of this participant take turns until the end of the transaction, and reads the head of the
    audit chain behind that lock. Raises NotFound for an absent assessment and for somebody else's alike.
    """
    rows = session.connection().execute(
        _OWN_LOCKED if lock else _OWN, {"assessment_id": assessment_id, "participant": participant_id}
    )
    return _sitting(session, rows.all(), study, instruments, now, lock)


def find_locked(
    session: Session, assessment_id: int, *, study: Study, instruments: Mapping[str, Instrument], now: datetime
) -> Sitting:
    """As `find` with `lock`, for the worker, which comes by the assessment and not by the person."""
    rows = session.connection().execute(_ANY_LOCKED, {"assessment_id": assessment_id})
    return _sitting(session, rows.all(), study, instruments, now, True)


def _sitting(
    session: Session,
    rows: Iterable[Any],
    study: Study,
    instruments: Mapping[str, Instrument],
    now: datetime,
    lock: bool,
) -> Sitting:
    rows = list(rows)
    if not rows or rows[0].timepoint not in study.timepoints_by_code:
        raise NotFound
    row, timepoint = rows[0], study.timepoint(rows[0].timepoint)
    sets = {one.set_id: _opened(one) for one in rows if one.set_id is not None}
    own = next((one for one in sets.values() if one.mode in OWN_MODES), None)
    given: dict[Step, Given] = {}
    head = None
    if own is not None:
        own, given, head = _answers(session, own, row.participant_id, lock)
    counts = own or next((one for one in sets.values() if one.submitted_at is not None), None)
    return Sitting(
        assessment_id=row.id,
        participant_id=row.participant_id,
        site_code=row.site_code,
        timepoint=timepoint,
        assessment=_assessment_facts(row, timepoint, counts),
        participant=participant_facts(_events(rows)),
        own=own,
        instruments=tuple(
            instruments[code]
            for code in timepoint.instruments
            # What was pinned at the start is what is finished, whatever the study file says by then.
            if code in instruments and (own is None or code in own.packs)
        ),
        given=given,
        study=study,
        now=now,
        head=head,
    )


def _opened(row: Any) -> OpenedSet:
    return OpenedSet(
        row.set_id, row.mode, row.respondent, row.packs, row.started_at, row.submitted_at, row.completed_on,
        row.auto_submitted, row.receipt, row.valid,
    )  # fmt: skip


def _answers(
    session: Session, own: OpenedSet, participant_id: int, lock: bool
) -> tuple[OpenedSet, dict[Step, Given], tuple[int, str] | None]:
    """The newest row of each item, and whether the set was submitted while this transaction waited for its turn."""
    parameters: dict[str, Any] = {"set_id": own.id}
    if lock:
        parameters["chain"] = participant_chain(participant_id)
    rows = session.connection().execute(_ANSWERS_AND_HEAD if lock else _ANSWERS, parameters).all()
    given = {Step(row[1], row[2]): _given(row[3], row[4]) for row in rows if row[1] is not None}
    if not lock:
        return own, given, None
    if rows[0].submitted_at is not None and own.submitted_at is None:
        own = _read_again(session, own)
    return own, given, (rows[0].seq, rows[0].hash) if rows[0].seq else (0, GENESIS)


def _read_again(session: Session, own: OpenedSet) -> OpenedSet:
    """Somebody else submitted between our first statement and the moment we got the lock."""
    row = session.connection().execute(select(_set, _set.c.id.label("set_id")).where(_set.c.id == own.id)).one()
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
