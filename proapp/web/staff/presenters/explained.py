"""The reminder plan in words: when each step was due, what happened or did not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import url_for
from flask_babel import format_date, format_datetime, gettext, lazy_gettext, ngettext

from proapp.clock import local_date
from proapp.services.explaining import About, Explained, Sent, Step
from proapp.services.messages import RESENDABLE
from proapp.study.follow_up import LATER, Decision
from proapp.web.staff.frame import may_open
from proapp.web.staff.presenters import delivery, timeline, words
from proapp.web.staff.presenters.words import Background

# Why a step does not go, or not yet. Cancelled messages carry the same codes.
NOT: Mapping[str, Any] = {
    "submitted": lazy_gettext("the questionnaire was answered"),
    "declined": lazy_gettext("the participant did not want to answer this time"),
    "died": lazy_gettext("the participant had died"),
    "stopped": lazy_gettext("the participant had stopped the questionnaires"),
    "withdrawn": lazy_gettext("the participant had left the trial"),
    "not_expected": lazy_gettext("nothing is expected at this time point"),
    "lost": lazy_gettext("contact with the participant was lost"),
    "paused": lazy_gettext("contact was paused"),
    "wrong_number": lazy_gettext("the number was known to be wrong"),
    "undeliverable": lazy_gettext("messages could not be delivered to the number or address"),
    "no_contact": lazy_gettext("there was no number or address for it"),
    "chose_letter": lazy_gettext("the participant chose letters"),
    "superseded": lazy_gettext("a later step took its place"),
    "too_late": lazy_gettext("it would have come too late to be of use"),
    "closed": lazy_gettext("the window was closed"),
    "study_closed": lazy_gettext("the study was closed"),
    "site_closed": lazy_gettext("the site was closed"),
    "no_sending_day": lazy_gettext("the window has no day on which messages go out"),
    "another_wish": lazy_gettext("the participant asked for another time"),
    "not_in_policy": lazy_gettext("the reminder plan no longer has this step"),
    "contact_changed": lazy_gettext("the contact details were changed"),
    "moved": lazy_gettext("the dates were changed"),
    "amendment": lazy_gettext("the protocol was changed"),
    "resent": lazy_gettext("sent again by hand"),
    # The events that silence a participant, by their own names.
    "death": lazy_gettext("the participant had died"),
    "pro_stop": lazy_gettext("the participant had stopped the questionnaires"),
    "trial_withdrawal": lazy_gettext("the participant had left the trial"),
    "lost_to_follow_up": lazy_gettext("contact with the participant was lost"),
    "contact_pause": lazy_gettext("contact was paused"),
}
WAITS: Mapping[str, Any] = {
    "later": lazy_gettext("Planned."),
    "not_open": lazy_gettext("Planned; the window is not open yet."),
    "anchor_unknown": lazy_gettext("No date yet: the day it counts from is not known."),
    "quiet_hours": lazy_gettext("Waits for the end of the quiet hours."),
    "not_a_sending_day": lazy_gettext("Waits: no messages go out on that day."),
    "cap_participant": lazy_gettext("Waits: a participant gets no more messages than that on one day."),
    "cap_study": lazy_gettext("Waits: the study's limit of messages for the day is reached."),
    "asked_later": lazy_gettext("Waits: the participant asked to be reminded later."),
    "paused": lazy_gettext("Waits: contact is paused."),
}
BASES = {
    "opens": (
        lazy_gettext("On the day the window opens"),
        lambda days: ngettext("%(num)s day before the window opens", "%(num)s days before the window opens", days),
        lambda days: ngettext("%(num)s day after the window opens", "%(num)s days after the window opens", days),
    ),
    "target": (
        lazy_gettext("On the target day"),
        lambda days: ngettext("%(num)s day before the target day", "%(num)s days before the target day", days),
        lambda days: ngettext("%(num)s day after the target day", "%(num)s days after the target day", days),
    ),
    "closes": (
        lazy_gettext("On the day the window closes"),
        lambda days: ngettext("%(num)s day before the window closes", "%(num)s days before the window closes", days),
        lambda days: ngettext("%(num)s day after the window closes", "%(num)s days after the window closes", days),
    ),
}
CHANNELS: Mapping[str, Any] = {
    "message": lazy_gettext("message"),
    "sms": lazy_gettext("SMS"),
    "email": lazy_gettext("e-mail"),
    "letter": lazy_gettext("letter"),
    "task": lazy_gettext("call by the clinic"),
    "digest": lazy_gettext("to the investigator"),
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
    zone = on.study.zone(found.member.site_code)
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


def step_words(key: str) -> str:
    """opens+0 as: on the day the window opens."""
    if key.startswith(LATER):
        return gettext("As the participant asked")
    base = next((name for name in BASES if key.startswith(name)), None)
    count = key.removeprefix(base or "")
    if base is None or not count.lstrip("+-").isdigit():
        return key
    on_the_day, before, after = BASES[base]
    days = int(count)
    return str(on_the_day) if days == 0 else before(-days) if days < 0 else after(days)


def message_line(message: Sent, zone: ZoneInfo) -> str:
    """What became of a message, with its times."""
    return " ".join(_course(message, zone))


def why_not(code: str | None) -> str:
    """Why a message was not sent, or was cancelled; a gateway's reason in its own words."""
    return str(NOT.get(code or "", "")) or (delivery.why_not(code) if code else "")


def _row(step: Step, about: About, found: Explained, zone: ZoneInfo) -> Row:
    decision = step.decision
    what, tone, icon = _what(step, found)
    way = decision.via or decision.channel
    return Row(
        step=step_words(decision.step),
        way=str(CHANNELS.get(way, way)),
        due=_when(decision.due_at, zone),
        due_iso=decision.due_at.astimezone(zone).isoformat(timespec="minutes") if decision.due_at else "",
        what=what,
        tone=tone,
        icon=icon,
        why=_why(step, found, zone),
        again=_again(step.message),
        is_today=decision.due_at is not None and local_date(decision.due_at, zone) == found.day,
    )


def _what(step: Step, found: Explained) -> tuple[str, str, str]:
    """In a word or two, with tone and icon."""
    decision, message = step.decision, step.message
    if message is not None and message.channel != "letter":
        tones = {"delivered": ("done", "done"), "sent": ("done", "done"), "failed": ("missed", "alert")}
        return delivery.state(message.state), *tones.get(message.state, _TONES.get(message.state, ("open", "clock")))
    if step.done is not None:
        said = gettext("Letter sent") if decision.via == "letter" else gettext("Contact taken")
        return said, "done", "done"
    if decision.verdict == "wait":
        return gettext("Planned") if decision.reason in ("later", "not_open") else gettext("Waits"), "plain", "clock"
    if decision.verdict == "not":
        return gettext("Not done"), "na", "none"
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
    if message is not None and message.channel != "letter":
        return message_line(message, zone)
    if step.done is not None:
        return gettext("%(when)s.", when=_when(step.done.at, zone)) + (
            "" if step.decision.via == "letter" else f" {words.OUTCOMES.get(step.done.outcome, step.done.outcome)}."
        )
    if decision.verdict == "wait":
        return _waits(decision, zone)
    if decision.verdict == "not":
        return gettext("Not done, because %(why)s.", why=why_not(decision.reason) or decision.reason)
    return _due(decision, found)


def _due(decision: Decision, found: Explained) -> str:
    if decision.via == "letter":
        return gettext("On the list of letters.")
    if decision.via == "task":
        return gettext("On the worklist: call.")
    if decision.via == "digest":
        return gettext("In the next message to the investigator.")
    if found.day < found.today:
        return gettext("Nothing had taken it by the end of that day.")
    return gettext("Goes with the next round, within a minute or two.")


def _waits(decision: Decision, zone: ZoneInfo) -> str:
    said, until = str(WAITS.get(decision.reason, decision.reason)), decision.params.get("until")
    if not isinstance(until, datetime) or until == decision.due_at:
        return said
    return gettext("%(why)s Goes at the earliest %(when)s.", why=said, when=_when(until, zone))


def _course(message: Sent, zone: ZoneInfo) -> Iterator[str]:
    if message.handed_over_at is not None:
        yield gettext("Handed over %(when)s.", when=_when(message.handed_over_at, zone))
    elif message.state in ("queued", "sending"):
        yield gettext("In the queue since %(when)s.", when=_when(message.queued_at, zone))
    settled = _when(message.settled_at, zone) if message.settled_at else ""
    if message.state == "delivered":
        yield gettext("Delivered %(when)s.", when=settled)
    elif message.state == "failed":
        yield gettext("Could not be delivered: %(why)s.", why=why_not(message.state_reason) or gettext("not known"))
    elif message.state == "cancelled":
        yield gettext("Cancelled %(when)s, because %(why)s.", when=settled, why=why_not(message.state_reason))
    elif message.state == "possibly_sent":
        yield gettext("Broken off while it was handed over: it may have been sent, or not.")
    elif message.state == "queued" and message.state_reason:
        yield gettext("Not sent yet: %(why)s.", why=why_not(message.state_reason))


def _again(message: Sent | None) -> str:
    if message is None or message.state not in RESENDABLE or not may_open("staff.send_again"):
        return ""
    return url_for("staff.send_again", message_id=message.id)


def _when(moment: datetime | None, zone: ZoneInfo) -> str:
    """Mon 23 Nov 2026 10:00, at the site; of a step for people, which has no hour, the day alone."""
    if moment is None:
        return ""
    local = moment.astimezone(zone)
    if local.time() == local.time().min:
        return format_date(local.date(), "EEE d MMM y")
    return format_datetime(local, "EEE d MMM y HH:mm", rebase=False)


def days(found: Explained, address: str) -> Mapping[str, str]:
    """The addresses of the day before, the day after and today."""
    one = timedelta(days=1)
    return {
        "before": f"{address}?day={found.day - one}",
        "after": f"{address}?day={found.day + one}",
        "today": address if found.day != found.today else "",
    }
