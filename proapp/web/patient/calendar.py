"""The patient's dates for the patient's own calendar. Titles tell nothing to somebody who looks over a shoulder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from flask import Response, url_for
from flask_babel import gettext as _
from icalendar import Alarm, Calendar, Event

from proapp.services.cohort import Expected
from proapp.web import context
from proapp.web.guard import audience
from proapp.web.patient import blueprint
from proapp.web.patient.home import closes_on, open_for, own_member, upcoming
from proapp.web.transactions import now, runtime

MORNING = timedelta(hours=9)  # of the day, by the clock of the calendar


@blueprint.get("/calendar.ics")
@audience("patient")
def calendar() -> Response:
    """An entry for each window: of one that is open on its last day, of one to come on its first.

    One day and not the whole window, which would go on asking for weeks after the answers were sent. The number of an
    entry is that of the assessment: a file that is taken in again moves it instead of adding another.
    """
    entries = Calendar()
    entries.add("prodid", "-//proapp//calendar//EN")
    entries.add("version", "2.0")
    for entry in _entries():
        entries.add_component(entry)
    response = Response(entries.to_ical(), mimetype="text/calendar")
    response.headers["Content-Disposition"] = 'attachment; filename="dates.ics"'
    return response


def _entries() -> Iterator[Event]:
    member = own_member()
    for one in open_for(member):
        last = closes_on(one)
        if last is not None:
            sent_already = _("If you have sent your answers already, there is nothing to do.")
            yield _entry(one, last, _("Last day to answer my questions"), sent_already)
    for one in upcoming(member):
        opens_on = one.facts.opens_on
        assert opens_on is not None
        yield _entry(one, opens_on, _("Time to answer my questions"), _open_until(one))


def _open_until(one: Expected) -> str:
    last = one.facts.closes_on
    return _("Open until %(date)s", date=context.day_with_weekday(last)) if last else ""


def _entry(one: Expected, day: date, title: str, text: str) -> Event:
    address = runtime().settings.base_url + url_for("public.start")
    event = Event()
    event.add("uid", f"{one.id}@{runtime().study.code.lower()}.proapp")
    event.add("dtstamp", now())
    event.add("summary", title)
    event.add("description", "\n".join(filter(None, (text, address))))
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("transp", "TRANSPARENT")  # whoever looks for a free hour that day finds one
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", MORNING)
    event.add_component(alarm)
    return event
