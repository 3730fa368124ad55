"""The reminder plan in words: when each step was due, what happened or did not, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import url_for
from flask_babel import gettext, lazy_gettext

from proapp.clock import local_date
from proapp.services.explaining import About, Explained, Sent, Step
from proapp.services.messages import RESENDABLE
from proapp.study.follow_up import Decision
from proapp.web.staff.frame import may_open
from proapp.web.staff.presenters import delivery, timeline, words
from proapp.web.staff.presenters.words import Background

WAITS: Mapping[str, Any] = {
    "later": "",
    "not_open": lazy_gettext("The window is not open yet."),
    "anchor_unknown": lazy_gettext("No date yet: the day it counts from is not known."),
    "quiet_hours": lazy_gettext("Waits for the end of the quiet hours."),
    "not_a_sending_day": lazy_gettext("Waits: no messages go out on that day."),
    "cap_participant": lazy_gettext("Waits: a participant gets no more messages than that on one day."),
    "cap_study": lazy_gettext("Waits: the study's limit of messages for the day is reached."),
    "asked_later": lazy_gettext("Waits: the participant asked to be reminded later."),
    "answered_by_phone": lazy_gettext("Waits: the answers were given over the telephone."),
    "paused": lazy_gettext("Waits: contact is paused."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """`tone` is that of a chip: done, open, missed, late or na. `again` is where to send it once more."""

    step: str
    way: str
    due: str
    due_iso: str
    what: str
    tone: str
    icon: str
    why: str
    again: str
    is_today: bool


@dataclass(frozen=True, slots=True)
class Section:
    anchor: str
    label: str
    window: str
    is_next: bool
    rows: tuple[Row, ...]


def sections(found: Explained, on: Background) -> list[Section]:
    """Every assessment in question, with the window it has."""
    zone = found.zone
    return [
        Section(
            anchor=f"a{about.assessment.id}",
            label=on.label(about.assessment.timepoint),
            window=timeline.window(about.assessment),
            is_next=about.is_next,
            rows=tuple(_row(step, about, found, zone) for step in about.steps),
        )
        for about in found.about
    ]


def _row(step: Step, about: About, found: Explained, zone: ZoneInfo) -> Row:
    decision = step.decision
    what, tone, icon = _what(step, found)
    way = decision.via or decision.channel
    return Row(
        step=delivery.step_words(decision.step),
        way=str(delivery.CHANNELS.get(way, way)),
        due=delivery.when(decision.due_at, zone),
        due_iso=decision.due_at.astimezone(zone).isoformat(timespec="minutes") if decision.due_at else "",
        what=what,
        tone=tone,
        icon=icon,
        why="" if about.is_next and decision.reason == "not_open" else _why(step, found, zone),
        again=_again(step.message),
        is_today=decision.due_at is not None and local_date(decision.due_at, zone) == found.day,
    )


def _tells(message: Sent) -> bool:
    """Whether the row of the outbox says more than the decision; of a letter only that it was cancelled."""
    return message.channel != "letter" or message.state == "cancelled"


def _what(step: Step, found: Explained) -> tuple[str, str, str]:
    """In a word or two, with tone and icon."""
    decision, message = step.decision, step.message
    if message is not None and _tells(message):
        tones = {"delivered": ("done", "done"), "sent": ("done", "done"), "failed": ("missed", "alert")}
        return delivery.state(message.state), *tones.get(message.state, _TONES.get(message.state, ("open", "clock")))
    if step.done is not None:
        said = gettext("Letter sent") if decision.via == "letter" else gettext("Contact taken")
        return said, "done", "done"
    if decision.verdict == "wait":
        return gettext("Planned") if decision.reason in ("later", "not_open") else gettext("Waits"), "plain", "clock"
    if decision.verdict == "not":
        ahead = decision.due_at is None or decision.due_at > found.known_at
        return gettext("Will not go") if ahead else gettext("Not done"), "na", "none"
    if found.day < found.today:
        return gettext("Was due"), "late", "late"
    return gettext("Due now"), "open", "clock"


_TONES = {
    "queued": ("open", "clock"),
    "sending": ("open", "clock"),
    "cancelled": ("na", "none"),
    "possibly_sent": ("late", "alert"),
}


def _why(step: Step, found: Explained, zone: ZoneInfo) -> str:
    decision, message = step.decision, step.message
    if message is not None and _tells(message):
        return delivery.message_line(message, zone)
    if step.done is not None:
        return gettext("%(when)s.", when=delivery.when(step.done.at, zone)) + (
            "" if step.decision.via == "letter" else f" {words.OUTCOMES.get(step.done.outcome, step.done.outcome)}."
        )
    if decision.verdict == "wait":
        return _waits(decision, zone)
    if decision.verdict == "not":
        why = delivery.why_not(decision.reason)
        return f"{why[:1].upper()}{why[1:]}."
    return _due(decision, found)


def _due(decision: Decision, found: Explained) -> str:
    now_, then = _DUE.get(decision.via or "", _DUE[""])
    return str(then if found.day < found.today else now_)


# via → what is said of it today, and of a day that is over
_DUE = {
    "letter": (lazy_gettext("On the list of letters."), lazy_gettext("It was on the list of letters.")),
    "task": (lazy_gettext("On the worklist: call."), lazy_gettext("It was on the worklist: call.")),
    "digest": (
        lazy_gettext("In the next message to the investigator."),
        lazy_gettext("It was passed on to the investigator."),
    ),
    "": (
        lazy_gettext("Goes with the next round, within a minute or two."),
        lazy_gettext("Nothing had taken it by the end of that day."),
    ),
}


def _waits(decision: Decision, zone: ZoneInfo) -> str:
    said, until = str(WAITS.get(decision.reason, decision.reason)), decision.params.get("until")
    if not said or not isinstance(until, datetime) or until == decision.due_at:
        return said
    return gettext("%(why)s Goes at the earliest %(when)s.", why=said, when=delivery.when(until, zone))


def _again(message: Sent | None) -> str:
    if message is None or message.state not in RESENDABLE or not may_open("staff.send_again"):
        return ""
    return url_for("staff.send_again", message_id=message.id)


def days(found: Explained, address: str) -> Mapping[str, str]:
    """The addresses of the day before, the day after and today."""
    one = timedelta(days=1)
    return {
        "before": f"{address}?day={found.day - one}",
        "after": f"{address}?day={found.day + one}",
        "today": address if found.day != found.today else "",
    }
