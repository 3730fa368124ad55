"""Everything that decides about the reminders of some assessments, and about no others: a fixed number of statements
for a portion of them, however many participants there are. With `known_at` only what was recorded by then is seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import (
    Assessment,
    AssessmentEvent,
    Contact,
    ContactAttempt,
    Message,
    Participant,
    PatientRequest,
    ResponseSet,
)
from proapp.services import reminding_rows as rows
from proapp.services import versions, way
from proapp.services.cohort_assessments import Then
from proapp.services.cohort_rows import Decisions
from proapp.services.contact_history import Then as ContactThen
from proapp.services.contact_history import contacts_then
from proapp.services.messages import ELECTRONIC
from proapp.services.vault import Vault
from proapp.study import events as history
from proapp.study.events import Event
from proapp.study.follow_up import Reach, Sent, Subject
from proapp.study.model import Kind, Study
from proapp.study.schedule import PlannedAssessment
from proapp.study.status import AssessmentFacts, ParticipantFacts
from proapp.study.stays import stays
from proapp.study.versions import in_force

WENT = ("queued", "sending", "sent", "delivered", "possibly_sent")
_POISON = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what a value of the wrong shape does


@dataclass(frozen=True, slots=True)
class Case:
    """One assessment with whose it is."""

    assessment_id: int
    participant_id: int
    study_id: str
    site_code: str
    language: str
    timepoint: str
    subject: Subject
    version: str  # the version of the study that it follows
    gone: tuple[datetime, ...] = ()  # electronic messages to the participant that are not merely queued


@dataclass(frozen=True, slots=True)
class _Known:
    """The rows about a portion, by participant or by assessment."""

    events: Mapping[int, list[Event]]
    sets: Mapping[int, list[Any]]
    decisions: Mapping[int, list[Any]]
    attempts: Mapping[int, list[Any]]
    messages: Mapping[int, list[Any]]
    wishes: Mapping[int, list[Any]]
    at: datetime | None
    contacts: Mapping[int, ContactThen] = field(default_factory=dict)

    def sees(self, moment: datetime | None) -> bool:
        return moment is not None and (self.at is None or moment <= self.at)


def cases(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    assessment_ids: Collection[int],
    known_at: datetime | None = None,
) -> dict[int, Case]:
    """By assessment, in the order of their ids; seven statements, eight with `known_at`. Absent ids are left out, and
    so are those of which nothing can be made: one poisoned row must not hold up the others."""
    if not assessment_ids:
        return {}
    ids = sorted(set(assessment_ids))
    about = session.execute(rows.assessments().where(Assessment.id.in_(ids))).all()
    study = versions.knowing(session, study, {row.protocol_version for row in about})
    people = sorted({row.participant_id for row in about})
    known = _Known(
        events=rows.events(session, people),
        sets=rows.grouped(session.execute(rows.sets().where(ResponseSet.assessment_id.in_(ids)))),
        decisions=rows.grouped(session.execute(rows.decisions().where(AssessmentEvent.assessment_id.in_(ids)))),
        attempts=rows.grouped(session.execute(rows.attempts().where(ContactAttempt.participant_id.in_(people)))),
        messages=rows.grouped(session.execute(rows.messages().where(Message.participant_id.in_(people)))),
        wishes=rows.grouped(session.execute(rows.wishes().where(PatientRequest.assessment_id.in_(ids)))),
        at=known_at,
        contacts={} if known_at is None else contacts_then(session, people, known_at),
    )
    found = {}
    for row in about:
        with suppress(*_POISON):
            found[row.id] = _case(row, known, study, vault)
    return found


def subjects(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    assessment_ids: Collection[int],
    known_at: datetime | None = None,
) -> dict[int, Subject]:
    """What `follow_up.decide` and `explain` need, by assessment. As `cases`."""
    found = cases(session, study=study, vault=vault, assessment_ids=assessment_ids, known_at=known_at)
    return {id_: case.subject for id_, case in found.items()}


def person(session: Session, participant_id: int, *, vault: Vault) -> tuple[ParticipantFacts, Reach]:
    """What is known of one participant, whatever the assessment; three statements."""
    events = rows.events(session, [participant_id])
    attempts = rows.grouped(session.execute(rows.attempts().where(ContactAttempt.participant_id == participant_id)))
    contact = session.execute(
        select(Participant.id.label("participant_id"), *rows.CONTACT)
        .outerjoin(Contact, Contact.participant_id == Participant.id)
        .where(Participant.id == participant_id)
    ).one()
    own = events.get(participant_id, [])
    known = _Known(events, {}, {}, attempts, {}, {}, None)
    return history.participant_facts(own), _reach(contact, known, own, vault)


# --- what they amount to --------------------------------------------------------------------------------------------


def _case(row: Any, known: _Known, study: Study, vault: Vault) -> Case:
    every = known.events.get(row.participant_id, [])
    events = [event for event in every if known.at is None or event.recorded_at <= known.at]
    place = _place(row, known, study, every)
    messages = [one for one in known.messages.get(row.participant_id, ()) if known.sees(one.queued_at)]
    electronic = [one for one in messages if one.channel in ELECTRONIC and _went(one, known)]
    plan = _plan_then(row, known, study, place, events)
    told = _told_by_phone(row, known)
    subject = Subject(
        facts=_facts(row, known, study, plan),
        person=history.participant_facts(events),
        reach=_reach(row, known, events, vault),
        sent=tuple(_sent(one, known) for one in messages if one.assessment_id == row.id and one.step),
        sent_to_participant=tuple(map(_moment, electronic)),
        remind_later_at=_wish_at(row, known),
        site_closed_on=place.closed_on,
        told_by_phone=told is not None,
        ask_again_on=told.next_on if told is not None else None,
    )
    return Case(
        row.id, row.participant_id, row.study_id, place.site, row.language, row.timepoint, subject,
        _version(row, known, plan),
        tuple(_moment(one) for one in electronic if _state(one, known) != "queued"),
    )  # fmt: skip


class _Place(NamedTuple):
    """The site responsible at the moment, its day then, and the last day on which it takes part, as was known."""

    site: str
    day: date | None
    closed_on: date | None


def _place(row: Any, known: _Known, study: Study, every: Sequence[Event]) -> _Place:
    """`every` event, also of later: the first of the transfers tells where somebody was before it."""
    if known.at is None:
        return _Place(row.site_code, None, _closed_on(study, row.site_code))
    site = stays(every, site_now=row.site_code, known_at=known.at)[-1].site
    day = local_date(known.at, study.zone(site))
    site = stays(every, site_now=row.site_code, cut_off=day, known_at=known.at)[-1].site
    return _Place(site, day, _closed_on(in_force(study, site, day), site))


def _closed_on(study: Study, site: str) -> date | None:
    return next((one.closed_on for one in study.sites if one.code == site), None)


def _kind(row: Any, study: Study) -> Kind:
    timepoint = study.timepoints_by_code.get(row.timepoint)
    return timepoint.kind if timepoint else "scheduled"


def _plan_then(row: Any, known: _Known, study: Study, place: _Place, events: Sequence[Event]) -> Then | None:
    """The plan as it was at the moment; None where the row itself holds what was so: nobody looks back, or it had been
    opened, or stands outside the plan."""
    kind = _kind(row, study)
    if place.day is None or kind == "unscheduled" or (_is_opened(row, known) and kind != "baseline"):
        return None
    return Then.of(study, place.site, history.anchors(events), place.day)


def _is_opened(row: Any, known: _Known) -> bool:
    return any(known.sees(one.started_at) for one in known.sets.get(row.id, ()))


def _version(row: Any, known: _Known, plan: Then | None) -> str:
    """The version that it followed; what has been opened keeps its own."""
    found = plan.wanted.get((row.timepoint, row.occurrence)) if plan else None
    return found.study.number if found is not None and not _is_opened(row, known) else str(row.protocol_version)


def _facts(row: Any, known: _Known, study: Study, plan: Then | None) -> AssessmentFacts:
    kind = _kind(row, study)
    sets = [one for one in known.sets.get(row.id, ()) if known.sees(one.started_at)]
    done = [one for one in sets if known.sees(one.submitted_at)]
    declined, extension = False, row.extension_until if known.at is None else None
    for one in known.decisions.get(row.id, ()):
        if known.sees(one.recorded_at):
            declined = one.type == "declined" if one.type != "extended" else declined
            extension = _until(one.payload) if one.type == "extended" else extension
    window: Any = row if plan is None else plan.window(row, kind, Decisions())
    if window is None:  # there was no such assessment yet
        window = PlannedAssessment(row.timepoint, row.occurrence)
    first = min(done, key=lambda one: one.completed_on) if done else None
    return AssessmentFacts(
        timepoint=row.timepoint,
        kind=kind,
        target_on=window.target_on,
        opens_on=window.opens_on,
        closes_on=window.closes_on,
        late_until=window.late_until,
        extension_until=extension,
        cancelled_reason=row.cancelled_reason if plan is None else plan.cancelled(row, kind, Decisions()),
        started_at=sets[0].started_at if sets else None,
        submitted_at=first.submitted_at if first else None,
        completed_on=first.completed_on if first else None,
        valid=first.valid if first else None,
        declined=declined,
    )


def _until(payload: Mapping[str, Any]) -> date | None:
    """The last day of a longer window, None where it was taken back."""
    return date.fromisoformat(payload["until"]) if payload["until"] else None


def _reach(row: Any, known: _Known, events: Sequence[Event], vault: Vault) -> Reach:
    told = [one.at for one in known.attempts.get(row.participant_id, ()) if one.outcome == "wrong_number"]
    then = known.contacts.get(row.participant_id)
    return way.reach(row, events=events, told_wrong=told, known_at=known.at, then=then, vault=vault)


def _told_by_phone(row: Any, known: _Known) -> Any:
    """The call in which the answers were given, unless somebody has been in touch about them since, or the participant
    has asked to be reminded."""
    about = [one for one in known.attempts.get(row.participant_id, ()) if one.assessment_id == row.id]
    newest = next((one for one in reversed(about) if known.sees(one.at)), None)
    if newest is None or newest.outcome != "answered_by_phone":
        return None
    asked_since = any(one.recorded_at > newest.at for one in _wishes_seen(row, known))
    return None if asked_since else newest


def _wishes_seen(row: Any, known: _Known) -> list[Any]:
    return [one for one in known.wishes.get(row.id, ()) if known.sees(one.recorded_at)]


def _wish_at(row: Any, known: _Known) -> datetime | None:
    wishes = _wishes_seen(row, known)
    return datetime.fromisoformat(wishes[-1].payload["at"]) if wishes else None


def _state(one: Any, known: _Known) -> str:
    """The state that a row had at the moment; what it has now when there is none."""
    if known.at is None or known.sees(one.settled_at):
        return str(one.state)
    return "sent" if known.sees(one.handed_over_at) else "queued"


def _went(one: Any, known: _Known) -> bool:
    return _state(one, known) in WENT


def _moment(one: Any) -> datetime:
    """When it went or, before that, was queued; of one that went perhaps, when it was tried."""
    tried = one.next_try_at if one.state in ("sending", "possibly_sent") else one.queued_at
    moment: datetime = one.handed_over_at or tried
    return moment


def _sent(one: Any, known: _Known) -> Sent:
    return Sent(one.step, one.channel, _state(one, known), _moment(one))
