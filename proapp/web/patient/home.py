"""P2: what there is to do now, when the next time is, and what has been sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, render_template, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from icalendar import Alarm, Calendar, Event

from proapp.services import cohort, patient_wishes, versions
from proapp.services.answering import Receipt
from proapp.services.cohort import Expected, Member
from proapp.study.model import TimePoint
from proapp.study.status import accepts_answers, days_left, is_waiting, may_undo_decline, stop_of
from proapp.web import context
from proapp.web.guard import audience, patient
from proapp.web.patient import blueprint, pauses, wishes
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


@blueprint.get("/home")
@audience("patient")
def home() -> Any:
    return render_template("patient/home.html", page=_home(_member()))


def _member() -> Member:
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
    open_now = sorted(filter(_is_open, member.assessments), key=_closing_first)
    asked = patient_wishes.noted(database(), participant_id=member.id, now=now())
    cards = tuple(_card(one, asked.later.get(one.id)) for one in open_now)
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
        has_calendar=bool(coming),
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


def _is_open(one: Expected) -> bool:
    return accepts_answers(one.facts, one.member.facts, now=now(), study=runtime().study, zone=_zone())


def _last_day(one: Expected) -> date | None:
    left = days_left(one.facts, today=_site_day())
    return None if left is None else _site_day() + timedelta(days=left)


def _closing_first(one: Expected) -> tuple[bool, date, int]:
    """The one in its last hours, then by closing day, then those without an end."""
    last = _last_day(one) if is_waiting(one.state) else date.min
    return last is None, last or date.max, one.id


def _card(one: Expected, later: datetime | None) -> Card:
    instruments = runtime().instruments
    packs = [instruments[code] for code in _timepoint(one).instruments if code in instruments]
    minutes = max(1, round(sum(pack.minutes for pack in packs)))
    own = next((s for s in one.sets if s.submitted_at is None), None)
    done, total = own.answered_items if own else 0, sum(len(pack.items) for pack in packs)
    return Card(
        id=one.id,
        label=_label(one),
        time=ngettext("About %(num)d minute", "About %(num)d minutes", minutes),
        until=_until(one),
        answered=_("%(answered)d of %(total)d answered", answered=done, total=total) if done else "",
        done=done,
        total=total,
        started=own is not None,
        may_wait=is_waiting(one.state),
        later=_("We will remind you %(when)s.", when=wishes.at_about(later)) if later else "",
    )


def _until(one: Expected) -> str:
    if not is_waiting(one.state):
        return _("Please finish it now: the last day has passed, but there is still time")
    last = _last_day(one)
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
    return next((s for s in one.sets if s.submitted_at is not None and s.mode in {"self_remote", "proxy"}), None)


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
    closed = latest.facts.late_until or latest.facts.closes_on
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
    member = _member()
    received = receipt.submitted_at.astimezone(_zone())
    return Thanks(
        received=f"{context.day(received.date())} {received:%H:%M}",
        reference=receipt.reference,
        auto=auto,
        next=next_time(member) or _("There are no more questionnaires planned for you."),
        has_calendar=bool(upcoming(member)),
    )


@blueprint.get("/calendar.ics")
@audience("patient")
def calendar() -> Response:
    """The coming windows for the patient's own calendar; titles tell nothing to somebody who looks over a shoulder."""
    entries = Calendar()
    entries.add("prodid", "-//proapp//calendar//EN")
    entries.add("version", "2.0")
    for one in upcoming(_member()):
        entries.add_component(_calendar_entry(one))
    response = Response(entries.to_ical(), mimetype="text/calendar")
    response.headers["Content-Disposition"] = 'attachment; filename="dates.ics"'
    return response


def _calendar_entry(one: Expected) -> Event:
    opens_on, title = one.facts.opens_on, _("Time to answer my questions")
    assert opens_on is not None
    event = Event()
    event.add("uid", f"{one.id}@{runtime().study.code.lower()}.proapp")
    event.add("dtstamp", now())
    event.add("summary", title)
    event.add("description", runtime().settings.base_url + url_for("public.start"))
    event.add("dtstart", opens_on)
    event.add("dtend", opens_on + timedelta(days=1))
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", timedelta(hours=9))
    event.add_component(alarm)
    return event
