"""Why a participant was reminded, or was not: the steps of the reminder plan as they stood on a given day, with the
facts known then, and what became of the messages. The decisions are those of `study.follow_up`, which also sends.

A fixed number of statements, whatever the number of assessments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Message, Participant
from proapp.services import cohort, register, reminding_facts, versions
from proapp.services.cohort import Attempt, Expected, Member, Scope
from proapp.services.errors import NotFound
from proapp.services.reminding_search import tried_by
from proapp.services.vault import Vault
from proapp.study import follow_up
from proapp.study.follow_up import Decision, Subject
from proapp.study.model import Study
from proapp.study.versions import followed

BY_HAND = {"letter": ("letter",), "task": ("phone", "visit", "sms", "email")}  # via → methods that do it


@dataclass(frozen=True, slots=True)
class Sent:
    """A row of the outbox, without address and text."""

    id: int
    assessment_id: int | None
    kind: str
    step: str | None
    channel: str
    state: str
    state_reason: str | None
    due_at: datetime
    queued_at: datetime
    handed_over_at: datetime | None
    settled_at: datetime | None
    gateway: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was decided about it, its message if there is one, and the contact by which a person did it."""

    decision: Decision
    message: Sent | None
    done: Attempt | None


@dataclass(frozen=True, slots=True)
class About:
    """One assessment and its steps, in the order they fall due. `is_next` is one that was not yet open on the day."""

    assessment: Expected
    steps: tuple[Step, ...]
    is_next: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """`known_at` is the moment whose facts are told: the end of the day, or now if that comes first. `zone` is that of
    the site that was responsible then."""

    member: Member
    day: date
    today: date
    known_at: datetime
    about: tuple[About, ...]
    zone: ZoneInfo


def explain(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    sites: frozenset[str] | None,
    study_id: str,
    day: date | None,
    now: datetime,
) -> Explained:
    """The reminder plan of one participant on a local `day` (None: today). Raises NotFound."""
    member = _member(session, study=study, sites=sites, study_id=study_id, now=now)
    today = local_date(now, study.zone(member.site_code))
    day = day or today
    zone = study.zone(member.site_code if day >= today else member.site_on(day))
    known_at = follow_up.moment(day, now=now, zone=zone)
    cases = reminding_facts.cases(
        session,
        study=study,
        vault=vault,
        assessment_ids=[one.id for one in member.assessments],
        known_at=None if day >= today else known_at,
    )
    sent = messages(session, member.id)
    wrote = {message.assessment_id for message in sent if message.queued_at <= known_at}
    then = [_then(one, cases[one.id].subject, one.id in wrote) for one in member.assessments if one.id in cases]
    asked = [(one, False) for one in _in_question(then, day)] + [(one, True) for one in _coming(then, day)]
    study = versions.knowing(session, study, {cases[one.id].version for one, _ in asked})
    sent_that_day = tried_by(session, study=study, moment=known_at)
    about = []
    for one, is_next in asked:
        case = cases[one.id]
        follows = followed(study, case.version, one.timepoint, site=case.site_code, day=day)
        if follows is not None:
            decisions = follow_up.explain(
                *follows, case.subject, day=day, now=now, zone=zone, study_sent_that_day=sent_that_day
            )
            about.append(About(one, tuple(_steps(decisions, one, sent)), is_next))
    return Explained(member, day, today, known_at, tuple(about), zone)


def messages(session: Session, participant_id: int) -> list[Sent]:
    """Every message to a participant, the oldest first."""
    columns = [getattr(Message, name) for name in Sent.__slots__]
    rows = session.execute(select(*columns).where(Message.participant_id == participant_id).order_by(Message.id))
    return [Sent(*row) for row in rows]


def _member(session: Session, *, study: Study, sites: frozenset[str] | None, study_id: str, now: datetime) -> Member:
    """The member, with states for today at the site."""
    person = register.find(session, study_id=study_id, sites=sites)
    today = register.today_at(study, person.site_code, now)
    people = cohort.load(session, study=study, sites=sites, today=today, participant_id=person.id)
    return people.members[0]


def _then(one: Expected, known: Subject, wrote: bool) -> Expected:
    """With the window that it had: what has been moved or extended since was asked about then, or was not. One that
    was written about stays, though the dates are recorded anew."""
    return one if known.facts.opens_on is None and wrote else replace(one, facts=known.facts)


def _in_question(assessments: Iterable[Expected], day: date) -> list[Expected]:
    """Assessments whose window, with its grace, holds the day."""
    found = []
    for one in assessments:
        opens, facts = one.facts.opens_on, one.facts
        last = max((end for end in (facts.late_until, facts.closes_on, facts.extension_until) if end), default=date.max)
        if opens is not None and opens <= day <= last:
            found.append(one)
    return found


def _coming(assessments: Iterable[Expected], day: date) -> list[Expected]:
    """The next assessment to open after the day."""
    later = [one for one in assessments if one.facts.opens_on is not None and one.facts.opens_on > day]
    return sorted(later, key=lambda one: one.facts.opens_on or date.max)[:1]


def _steps(decisions: Iterable[Decision], one: Expected, sent: Sequence[Sent]) -> Iterator[Step]:
    about = [message for message in sent if message.assessment_id == one.id]
    for decision in decisions:
        message = next((m for m in reversed(about) if m.step == decision.step and m.channel == decision.via), None)
        yield Step(decision, message if decision.verdict != "wait" else None, _done(decision, one))


def _done(decision: Decision, one: Expected) -> Attempt | None:
    """The first contact after the step fell due that did by hand what it asks for."""
    methods, due_at = BY_HAND.get(decision.via or "", ()), decision.due_at
    if due_at is None:
        return None
    about = (a for a in one.member.attempts if a.assessment_id == one.id and a.method in methods)
    return next((a for a in about if a.at >= due_at and (not decision.not_after or a.at < decision.not_after)), None)


def whose(session: Session, *, message_id: int, sites: frozenset[str] | None) -> str:
    """The study id of the participant whom a message is to. Raises NotFound, for another site's too."""
    query = select(Participant.study_id).join(Message, Message.participant_id == Participant.id)
    study_id = session.scalar(Scope(sites).limit(query.where(Message.id == message_id)))
    if study_id is None:
        raise NotFound(str(message_id))
    return str(study_id)
