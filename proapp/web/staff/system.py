"""Whether the system runs, for those who answer for it: numbers and times, nothing about participants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import render_template
from flask_babel import gettext, lazy_gettext, ngettext

from proapp.db.migrate import current_revision
from proapp.services import health as checking
from proapp.services import installation, webhook_events
from proapp.services.health import Health
from proapp.version import __version__
from proapp.web.context import moment
from proapp.web.guard import audience
from proapp.web.staff import blueprint
from proapp.web.staff.presenters import delivery
from proapp.web.transactions import database, now, runtime

TROUBLES = {
    "tick_late": lazy_gettext(
        "The system's clock does not tick: no reminders are queued and no windows are closed. Start the worker."
    ),
    "queue_late": lazy_gettext("Messages wait that could have gone: nobody takes them out of the queue."),
    "gateway_failing": lazy_gettext("A gateway has refused messages for more than an hour; they are tried again."),
    "activation_late": lazy_gettext(
        "A version of the study should have begun at a site and could not."
        " Participants there still follow the one before."
    ),
    "nothing_sent": lazy_gettext("Messages were due, and nothing was sent for 48 hours."),
    "no_gateway": lazy_gettext(
        "Messages are only written to the log, and nobody gets them: no gateway is named for e-mail or text messages."
    ),
    "outcomes_unknown": lazy_gettext(
        "A gateway takes messages and does not answer: of several nobody knows whether they went out. After three in a "
        "row proapp waits before it tries again."
    ),
    "cap_reached": lazy_gettext(
        "The study's limit of messages for the day is reached; the rest waits until tomorrow. "
        "Is so much meant to go out?"
    ),
}
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
KINDS = {
    "demo": lazy_gettext("a demonstration with invented participants"),
    "live": lazy_gettext("a real trial"),
    "new": lazy_gettext("not marked yet"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to know; `is_bad` where somebody has to look at it."""

    name: str
    value: str
    more: str = ""
    is_bad: bool = False


@blueprint.get("/system")
@audience("administrator", "coordinator")
def system() -> str:
    found = checking.health(database(), study=runtime().study, now=now())
    return render_template(
        "staff/system.html",
        troubles=[TROUBLES[code] for code in found.troubles],
        clock=list(_clock(found)),
        queue=[(delivery.state(code), found.states.get(code, 0), code) for code in delivery.STATES],
        messages=list(_messages(found)),
        failures=[
            (gateway or gettext("not handed over"), delivery.why_not(reason or "not_known"), number)
            for gateway, reason, number in checking.failures(database(), now=now())
        ],
        receiver=list(_receiver()),
        program=list(_program()),
    )


def ago(then: datetime, at: datetime) -> str:
    """How long ago, in the largest unit that says enough."""
    minutes = int((at - then).total_seconds() // 60)
    if minutes < 1:
        return gettext("less than a minute ago")
    if minutes < 120:
        return ngettext("%(num)s minute ago", "%(num)s minutes ago", minutes)
    if minutes < 48 * 60:
        return ngettext("%(num)s hour ago", "%(num)s hours ago", minutes // 60)
    return ngettext("%(num)s day ago", "%(num)s days ago", minutes // (24 * 60))


def _clock(found: Health) -> Iterator[Line]:
    tick = found.last_tick
    yield Line(
        gettext("Last tick"),
        moment(tick) if tick else gettext("never"),
        ago(tick, found.now) if tick else "",
        is_bad="tick_late" in found.troubles,
    )
    for name, seen in found.workers.items():
        yield Line(gettext("Worker %(name)s", name=name), moment(seen), ago(seen, found.now))
    names = {site.code: site.name for site in runtime().study.sites}
    for number, site, since in found.not_begun:
        yield Line(
            gettext("Version %(number)s of the study has not begun", number=number),
            names.get(site, site),
            ago(since, found.now),
            is_bad="activation_late" in found.troubles,
        )


def _messages(found: Health) -> Iterator[Line]:
    waiting, retried, last = found.oldest_waiting, found.oldest_retried, found.last_handed_over
    yield Line(
        gettext("The oldest message that could have gone"),
        moment(waiting) if waiting else gettext("none waits"),
        ago(waiting, found.now) if waiting else "",
        is_bad="queue_late" in found.troubles,
    )
    if retried is not None:
        yield Line(
            gettext("Refused by a gateway and tried again since"),
            moment(retried),
            ago(retried, found.now),
            is_bad="gateway_failing" in found.troubles,
        )
    yield Line(
        gettext("Last handed over to a gateway"),
        moment(last) if last else gettext("never"),
        ago(last, found.now) if last else "",
    )
    yield Line(
        gettext("Due in the last 48 hours"),
        str(found.due),
        ngettext("%(num)s was handed over", "%(num)s were handed over", found.handed_over),
        is_bad="nothing_sent" in found.troubles,
    )
    yield Line(
        gettext("Possibly sent in the last 24 hours"), str(found.unknown), is_bad="outcomes_unknown" in found.troubles
    )
    yield Line(
        gettext("To participants today"),
        gettext("%(number)s of at most %(cap)s", number=found.tried_today, cap=found.cap),
        is_bad="cap_reached" in found.troubles,
    )
    yield Line(
        gettext("Delivered, of those that left in the last 7 days"),
        gettext("%(arrived)s of %(left)s", arrived=found.arrived, left=found.left),
        _rate(found),
    )


def _receiver() -> Iterator[Line]:
    """What another system is told; nothing where none ever was."""
    found = webhook_events.standing(database())
    if not runtime().settings.webhook_url and not found.told + found.waiting + found.given_up:
        return
    late = found.oldest is not None and now() - found.oldest > checking.FAILING_LATE
    since = ago(found.oldest, now()) if found.oldest else ""
    yield Line(gettext("Waiting to be told"), str(found.waiting), since, is_bad=late)
    yield Line(gettext("Told"), str(found.told))
    yield Line(gettext("Given up after three days"), str(found.given_up))


def _rate(found: Health) -> str:
    """Some gateways never say what arrived: then nought is no rate."""
    if found.delivery_rate is None:
        return ""
    return f"{100 * found.delivery_rate:.0f} %" if found.arrived else gettext("no gateway has reported any")


def _program() -> Iterator[Line]:
    engine = runtime().engine
    yield Line(gettext("Version"), __version__)
    yield Line(gettext("Database"), DATABASES.get(engine.dialect.name, engine.dialect.name))
    yield Line(gettext("Tables"), current_revision(engine) or "")
    yield Line(gettext("This database is"), str(KINDS[installation.kind(database())]))
