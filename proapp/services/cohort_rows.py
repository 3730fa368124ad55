"""From rows to members: what the statements of `db.queries` amount to, with a cut-off laid over them.

Nothing here decides who may read: the scope is laid over every statement by `services.cohort`, which puts the pieces
together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from proapp.db import queries
from proapp.db.models import FormerSite, Participant
from proapp.db.queries import AnySelect
from proapp.services.members import Attempt, Contact, Event, Member, Reason
from proapp.study import events as history
from proapp.study.schedule import PlannedAssessment, close_instant
from proapp.study.stays import stays


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows may be read: sites (None = all), and optionally one participant, or those with `study_ids`. `former`:
    also those of participants who have left one of the sites, of whom services.former_sites then shows a part."""

    sites: frozenset[str] | None = None
    participant_id: int | None = None
    study_id: str | None = None
    former: bool = False
    study_ids: frozenset[str] | None = None

    def limit(self, query: AnySelect) -> AnySelect:
        """`query` (which must already select from Participant) narrowed to this scope."""
        if self.sites is not None:
            query = query.where(self._at_sites(sorted(self.sites)))
        if self.participant_id is not None:
            query = query.where(Participant.id == self.participant_id)
        if self.study_id is not None:
            query = query.where(Participant.study_id == self.study_id)
        if self.study_ids is not None:
            query = query.where(Participant.study_id.in_(sorted(self.study_ids)))
        return query

    def _at_sites(self, sites: Sequence[str]) -> ColumnElement[bool]:
        here = Participant.site_code.in_(sites)
        if not self.former:
            return here
        left = select(FormerSite.participant_id).where(FormerSite.site_code.in_(sites))
        return here | Participant.id.in_(left)


@dataclass(frozen=True, slots=True)
class Horizon:
    """What a cut-off lets through, by two clocks: what happened up to the cut-off day, as known at some moment.

    What has a day of its own (a death, a paper form) may be recorded after that day; what happens by being recorded (a
    refusal, a call, an answer on the phone) must have been recorded by its end.
    """

    cut_off: date | None
    end: datetime | None  # the first instant whose records are not seen any more
    day_end: datetime | None  # the first instant after the cut-off day

    @classmethod
    def of(cls, cut_off: date | None, zone: ZoneInfo, known_before: datetime | None = None) -> Horizon:
        if cut_off is None:
            return cls(None, None, None)
        day_end = close_instant(cut_off, zone)
        return cls(cut_off, known_before or day_end, day_end)

    @property
    def last(self) -> datetime | None:
        """The last instant that is seen."""
        return None if self.end is None else self.end - timedelta(microseconds=1)

    @property
    def acts_end(self) -> datetime | None:
        """The first instant whose acts are not seen any more."""
        return None if self.end is None or self.day_end is None else min(self.end, self.day_end)

    def sees_day(self, day: date) -> bool:
        return self.cut_off is None or day <= self.cut_off

    def sees(self, moment: datetime) -> bool:
        return self.end is None or moment < self.end

    def sees_act(self, moment: datetime) -> bool:
        return (end := self.acts_end) is None or moment < end

    def sees_person(self, enrolled_at: datetime, consents: Sequence[date]) -> bool:
        """Known by then, and in the study by the cut-off: by the day of consent, or if that is not known, entered."""
        if not self.sees(enrolled_at):
            return False
        return any(map(self.sees_day, consents)) if consents else self.sees_act(enrolled_at)


def read_members(session: Session, scope: Scope, horizon: Horizon) -> dict[int, Member]:
    histories = _histories(session, scope)
    members = {}
    for row in session.execute(scope.limit(queries.people())):
        every = [event.plain() for event in histories.get(row.id, ())]
        plain = [event for event in every if horizon.sees(event.recorded_at)]
        if horizon.sees_person(row.enrolled_at, () if horizon.cut_off is None else _consents(plain)):
            events = [event for event in histories.get(row.id, ()) if horizon.sees(event.recorded_at)]
            gone = {event.supersedes for event in events}
            at = stays(every, site_now=row.site_code, cut_off=horizon.cut_off, known_at=horizon.last)
            members[row.id] = Member(
                id=row.id,
                study_id=row.study_id,
                site_code=at[-1].site,
                language=history.language(every, row.language, cut_off=horizon.cut_off, known_at=horizon.last),
                enrolled_at=row.enrolled_at,
                channel=row.channel,
                activated_at=row.set_at,
                facts=history.participant_facts(plain, cut_off=horizon.cut_off),
                anchors=history.anchors(plain, cut_off=horizon.cut_off),
                events=tuple(event for event in events if event.id not in gone and event.type != "revoked"),
                superseded=tuple(event for event in events if event.id in gone),
                revoking=tuple(event for event in events if event.type == "revoked"),
                contact=_contact(row),
                stays=at,
            )
    return members


def _consents(events: Iterable[history.Event]) -> list[date]:
    return [event.effective_on for event in history.in_force(events) if event.type == "pro_consent"]


def _contact(row: Any) -> Contact | None:
    if row.channel is None:
        return None
    return Contact(
        channel=row.channel,
        confirmed_at=row.confirmed_at,
        verified_at=row.verified_at,
        undeliverable_at=row.undeliverable_at,
        undeliverable_reason=row.undeliverable_reason,
        updated_at=row.updated_at,
    )


def _histories(session: Session, scope: Scope) -> dict[int, list[Event]]:
    """Everything that was recorded, also after the horizon: what it changed is undone for who looks from before it."""
    histories: dict[int, list[Event]] = defaultdict(list)
    for participant_id, *event in session.execute(scope.limit(queries.events())):
        histories[participant_id].append(Event(*event))
    return histories


def read_reasons(session: Session, scope: Scope, horizon: Horizon) -> dict[int, list[Reason]]:
    """All that were given, the newest first."""
    reasons: dict[int, list[Reason]] = defaultdict(list)
    for assessment_id, *row in session.execute(scope.limit(queries.reasons())):
        reason = Reason(*row)
        if horizon.sees(reason.recorded_at):
            reasons[assessment_id].insert(0, reason)
    return reasons


@dataclass(slots=True)
class Decisions:
    declined_at: datetime | None = None
    decline_reason: str | None = None
    extended: bool = False  # a decision about the end of the window is among those seen
    extension_until: date | None = None
    opened: PlannedAssessment | None = None  # by staff, outside the plan
    taken_back: bool = False


def read_decisions(session: Session, scope: Scope, horizon: Horizon) -> dict[int, Decisions]:
    decisions: dict[int, Decisions] = defaultdict(Decisions)
    for assessment_id, type_, payload, reason, recorded_at in session.execute(scope.limit(queries.decisions())):
        # That one was opened by mistake is known later, and true before; all else happens when it is decided.
        if not (horizon.sees(recorded_at) if type_ == "taken_back" else horizon.sees_act(recorded_at)):
            continue
        decision = decisions[assessment_id]
        if type_ == "extended":
            until = payload["until"]
            decision.extended, decision.extension_until = True, date.fromisoformat(until) if until else None
        elif type_ == "opened":
            decision.opened = _opened(payload)
        elif type_ == "taken_back":
            decision.taken_back = True
        elif type_ in {"declined", "decline_undone"}:
            declined = type_ == "declined"
            decision.declined_at = recorded_at if declined else None
            decision.decline_reason = reason if declined else None
    return decisions


def _opened(payload: Mapping[str, Any]) -> PlannedAssessment:
    days = ("anchor_on", "target_on", "opens_on", "closes_on", "late_until")
    return PlannedAssessment("", 1, *(date.fromisoformat(payload[name]) for name in days))


def read_answers_so_far(session: Session, scope: Scope, horizon: Horizon) -> dict[int, tuple[int, datetime]]:
    """Of response sets not yet submitted at the horizon: (items with an answer, time of the last one)."""
    query = queries.answers_so_far(horizon.acts_end, known_before=horizon.end, cut_off=horizon.cut_off)
    return {row[0]: (int(row[1]), row[2]) for row in session.execute(scope.limit(query))}


def read_attempts(session: Session, scope: Scope, horizon: Horizon) -> Iterable[tuple[int, Attempt]]:
    for participant_id, *attempt in session.execute(scope.limit(queries.attempts())):
        found = Attempt(*attempt)
        if horizon.sees_act(found.at):
            yield participant_id, found
