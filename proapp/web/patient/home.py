"""P2: what there is to do now, when the next time is, and what has been sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import render_template
from flask_babel import gettext as _
from flask_babel import ngettext

from proapp.services import cohort, durations, patient_wishes, versions
from proapp.services.answering import Receipt
from proapp.services.cohort import Expected, Member
from proapp.services.sitting import OWN_MODES
from proapp.study.model import TimePoint
from proapp.study.status import accepts_answers, days_left, is_waiting, last_day, may_undo_decline, stop_of
from proapp.web import context
from proapp.web.guard import audience, patient
from proapp.web.patient import blueprint, installing, pauses, wishes
from proapp.web.transactions import database, now, runtime, today


@dataclass(frozen=True, slots=True)
class Card:
    """One questionnaire that can be answered now; `answered` is empty before the first answer. `later` says when the
    patient will be reminded, who asked for that."""

    id: int
    label: str
    time: str
    until: str
    answered: str
    done: int
    total: int
    started: bool
    may_wait: bool
    later: str


@dataclass(frozen=True, slots=True)
class Declined:
    id: int
    label: str


@dataclass(frozen=True, slots=True)
class Sent:
    id: int
    label: str
    when: str


@dataclass(frozen=True, slots=True)
class Home:
    heading: str
    text: str
    cards: tuple[Card, ...]
    declined: tuple[Declined, ...]
    closed: str
    next: str
    sent: tuple[Sent, ...]
    has_calendar: bool
    is_over: bool  # nothing is, or will be, asked
    pause: str
    will_be_called: bool
    check_contact: str


@dataclass(frozen=True, slots=True)
class Thanks:
    received: str
    reference: str
    auto: bool
    next: str
    has_calendar: bool
    may_offer_app: bool


@blueprint.get("/home")
@audience("patient")
def home() -> Any:
    return render_template("patient/home.html", page=_home(own_member()))


def own_member() -> Member:
    """The signed-in patient, with everything that is planned and what came of it."""
    who = patient()
    found = cohort.load(
        database(),
        study=runtime().study,
        sites=None,
        today=_site_day(),
        participant_id=who.participant_id,
    )
    return found.members[0]


def _zone() -> ZoneInfo:
    return runtime().study.zone(patient().site_code)


def _site_day() -> date:
    return today(_zone().key)


def _home(member: Member) -> Home:
    open_now = open_for(member)
    asked = patient_wishes.noted(database(), participant_id=member.id, now=now())
    minutes = _minutes(open_now)
    cards = tuple(_card(one, minutes[_packs(one)], asked.later.get(one.id)) for one in open_now)
    sent = tuple(_sent(one) for one in member.assessments if _own_set(one) is not None)
    coming = upcoming(member)
    following = next_time(member)
    declined = tuple(Declined(one.id, _label(one)) for one in member.assessments if may_undo_decline(one.state))
    heading, text = _heading(member, cards, following)
    return Home(
        heading=heading,
        text=text,
        cards=cards,
        declined=declined,
        closed="" if cards or declined else _closed(member, following),
        next=following,
        sent=tuple(reversed(sent)),
        has_calendar=bool(coming) or any(map(closes_on, open_now)),
        is_over=not cards and not declined and not following,
        pause="" if _has_stopped(member) else pauses.in_words(pauses.standing()),
        will_be_called=asked.call_at is not None,
        check_contact=_check_contact(member),
    )


def _heading(member: Member, cards: tuple[Card, ...], following: str) -> tuple[str, str]:
    if cards:
        return ngettext("A questionnaire is waiting for you", "Questionnaires are waiting for you", len(cards)), ""
    if _has_stopped(member):
        return _("Thank you for taking part"), _("You will not be asked to answer anything more.")
    if following:
        return _("Nothing to answer right now"), following
    return _("Thank you, that was everything"), _("There are no more questionnaires planned for you.")


def _check_contact(member: Member) -> str:
    """Why the contact details want a look; empty when they do not."""
    contact = member.contact
    if contact is not None and (contact.undeliverable_at is not None or member.wrong_number_at is not None):
        return _("Our messages do not reach you. Please check that they are right.")
    if contact is None or contact.confirmed_at is None:
        return _("Please check that they are right.")
    return ""


def _has_stopped(member: Member) -> bool:
    stopped_on, _why = stop_of(member.facts, today=_site_day())
    return stopped_on is not None


def open_for(member: Member) -> list[Expected]:
    """What can be answered now, in the order in which it should be."""
    return sorted(filter(_is_open, member.assessments), key=_closing_first)


def _is_open(one: Expected) -> bool:
    return accepts_answers(one.facts, one.member.facts, now=now(), study=runtime().study, zone=_zone())


def closes_on(one: Expected) -> date | None:
    """The last day on which it is waited for; None where that is not known, or over."""
    left = days_left(one.facts, today=_site_day())
    return None if left is None else _site_day() + timedelta(days=left)


def _closing_first(one: Expected) -> tuple[bool, date, int]:
    """The one in its last hours, then by closing day, then those without an end."""
    last = closes_on(one) if is_waiting(one.state) else date.min
    return last is None, last or date.max, one.id


def _packs(one: Expected) -> durations.Packs:
    return tuple(code for code in _timepoint(one).instruments if code in runtime().instruments)


def _minutes(assessments: list[Expected]) -> dict[durations.Packs, int]:
    """What each of them takes from beginning to end; asked always, so that the page always costs the same."""
    asked = {_packs(one) for one in assessments}
    return durations.minutes(database(), asked, study=runtime().study, instruments=runtime().instruments)


def _card(one: Expected, minutes: int, later: datetime | None) -> Card:
    own = next((s for s in one.sets if s.submitted_at is None), None)
    done = own.answered_items if own else 0
    total = sum(len(runtime().instruments[code].items) for code in _packs(one))
    return Card(
        id=one.id,
        label=_label(one),
        time=_time(minutes, done, total),
        until=_until(one),
        answered=_("%(answered)d of %(total)d answered", answered=done, total=total) if done else "",
        done=done,
        total=total,
        started=own is not None,
        may_wait=is_waiting(one.state),
        later=_("We will remind you %(when)s.", when=wishes.at_about(later)) if later else "",
    )


def _time(minutes: int, done: int, total: int) -> str:
    """How long it takes; of what is begun, the part that is left."""
    if not done:
        return ngettext("About %(num)d minute", "About %(num)d minutes", minutes)
    left = max(1, round(minutes * (total - done) / total))
    return ngettext("About %(num)d minute left", "About %(num)d minutes left", left)


def _until(one: Expected) -> str:
    if not is_waiting(one.state):
        return _("Please finish it now: the last day has passed, but there is still time")
    last = closes_on(one)
    if last is None:
        return _("Please answer as soon as you can")
    if last == _site_day():
        return _("Open until midnight tonight")
    return _("Open until %(date)s", date=context.day_with_weekday(last))


def _label(one: Expected) -> str:
    label = context.in_language(_timepoint(one).label)
    return f"{label} ({one.occurrence})" if one.occurrence > 1 else label


def _timepoint(one: Expected) -> TimePoint:
    """As the version has it that the assessment follows."""
    return versions.named(database(), runtime().study, one.protocol_version).timepoint(one.timepoint)


def _own_set(one: Expected) -> Any:
    return next((s for s in one.sets if s.submitted_at is not None and s.mode in OWN_MODES), None)


def _sent(one: Expected) -> Sent:
    return Sent(one.id, _label(one), context.day(_own_set(one).completed_on))


def _closed(member: Member, following: str) -> str:
    """A kind word when the latest one was missed, and nothing has been sent since."""
    past = [one for one in member.assessments if one.state.phase == "CLOSED" and one.facts.closes_on is not None]
    if not past or _has_stopped(member):
        return ""
    latest = max(past, key=lambda one: one.facts.closes_on or date.min)
    if latest.state.shown not in {"missed", "missed_unexplained"}:
        return ""
    closed = last_day(latest.facts) or latest.facts.closes_on
    return _("“%(label)s” closed on %(date)s. No harm is done.", label=_label(latest), date=context.day(closed))


def upcoming(member: Member) -> list[Expected]:
    """Assessments that will be asked for and have not opened yet, with their dates."""
    waiting = (one for one in member.assessments if one.state.shown == "upcoming" and one.facts.opens_on)
    return sorted(waiting, key=lambda one: one.facts.opens_on or date.max)


def next_time(member: Member) -> str:
    """When the next questionnaire comes, in words; empty when none is planned."""
    coming = upcoming(member)
    if coming:
        opens_on = coming[0].facts.opens_on
        assert opens_on is not None
        return _("The next questionnaire opens on %(date)s.", date=context.day_with_weekday(opens_on))
    if any(one.state.expectation == "PENDING" for one in member.assessments):
        return _("Your clinic will tell you when the next questionnaire comes.")
    return ""


def thanks(receipt: Receipt, *, auto: bool) -> Thanks:
    member = own_member()
    received = receipt.submitted_at.astimezone(_zone())
    return Thanks(
        received=f"{context.day(received.date())} {received:%H:%M}",
        reference=receipt.reference,
        auto=auto,
        next=next_time(member) or _("There are no more questionnaires planned for you."),
        has_calendar=bool(upcoming(member)) or any(map(closes_on, open_for(member))),
        may_offer_app=installing.may_offer(),
    )
