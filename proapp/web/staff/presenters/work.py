"""Rows of the worklist in words: one plain sentence that says why, and by when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import url_for
from flask_babel import format_date, gettext, lazy_gettext, ngettext

from proapp.clock import local_date
from proapp.services.cohort import Member
from proapp.services.follow_up import CALLS, CLOSING, REASONS, Row, Work
from proapp.study.model import Study
from proapp.web.staff.frame import may_open
from proapp.web.staff.presenters import words
from proapp.web.staff.presenters.words import Background


@dataclass(frozen=True, slots=True)
class Action:
    """A link to the page where it is done; `main` is the one thing to do first."""

    label: str
    address: str
    main: bool = False
    is_call: bool = False


@dataclass(frozen=True, slots=True)
class RowView:
    study_id: str
    address: str
    site: str
    timepoint: str
    why: str
    tone: str  # missed | open | late | plain: the coloured edge of the row
    by_when: str
    by_when_iso: str
    time_left: str
    channel: str
    channel_warning: str
    last_contact: str
    last_outcome: str
    actions: tuple[Action, ...]


TONES = {
    "baseline_incomplete": "open",
    "closing_soon": "late",
    "no_channel": "plain",
    "overdue": "open",
    "call_again": "open",
    "idle": "open",
    "not_activated": "plain",
    "reason_needed": "missed",
}


def row(found: Row, on: Background) -> RowView:
    """A row as the worklist prints it, with the actions that its reader may take."""
    item, member, assessment = found.item, found.member, found.assessment
    last = found.last_contact
    address = url_for("staff.participant", study_id=member.study_id)
    return RowView(
        study_id=member.study_id,
        address=f"{address}#a{assessment.id}" if assessment else address,
        site=on.site_name(member.site_code),
        timepoint=on.label(assessment.timepoint) if assessment else "",
        why=why(found, on),
        tone=TONES[item.reason],
        by_when=_by_when(found),
        by_when_iso=item.by_when.isoformat() if item.by_when else "",
        time_left=time_left(item.days_left),
        channel=str(words.METHODS[member.channel]) if member.channel else gettext("No contact details"),
        channel_warning="" if member.activated_at else gettext("never signed in"),
        last_contact=_last_contact(found, on.study) if last else "",
        last_outcome=str(words.OUTCOMES.get(last.outcome, last.outcome)) if last else "",
        actions=_actions(found),
    )


def why(found: Row, on: Background) -> str:
    """The reason of a row in one sentence."""
    params = found.item.params
    match found.item.reason:
        case "baseline_incomplete":
            return _baseline(found, on)
        case "closing_soon":
            return _closing(found, on)
        case "no_channel":
            return gettext("There is no telephone number or address to reach the participant.")
        case "overdue":
            return _overdue(found, params)
        case "call_again":
            return _again(found, on)
        case "idle":
            hours = params.get("idle_hours")
            return _idle(found, on, hours if isinstance(hours, float) else 0.0)
        case "not_activated":
            days = params["days"]
            return ngettext(
                "Enrolled %(num)s day ago and has never signed in.",
                "Enrolled %(num)s days ago and has never signed in.",
                days if isinstance(days, int) else 0,
            )
        case "reason_needed":
            return _reason_needed(found)


def time_left(days: int | None) -> str:
    """How long an answer can still come."""
    if days is None:
        return ""
    if days == 0:
        return gettext("last day today")
    return ngettext("%(num)s day left", "%(num)s days left", days)


def answered_so_far(found: Row, on: Background) -> str:
    """12 of 74, for an assessment that was begun."""
    assert found.assessment is not None
    primary = found.assessment.primary
    return gettext(
        "%(answered)s of %(items)s",
        answered=primary.answered_items if primary else 0,
        items=on.item_count(found.assessment.timepoint),
    )


def _begun(found: Row) -> bool:
    return found.assessment is not None and found.assessment.state.collection == "STARTED"


def _by_when(found: Row) -> str:
    if found.item.by_when is not None:
        return format_date(found.item.by_when, "EEE d MMM")
    return gettext("before randomisation") if found.item.reason == "baseline_incomplete" else ""


def _baseline(found: Row, on: Background) -> str:
    if _begun(found):
        done = answered_so_far(found, on)
        return gettext("The questionnaire before randomisation is begun (%(done)s) but not sent.", done=done)
    return ngettext(
        "The questionnaire before randomisation has waited for an answer for %(num)s day.",
        "The questionnaire before randomisation has waited for an answer for %(num)s days.",
        found.item.params.get("days_due", 0),
    )


def _closing(found: Row, on: Background) -> str:
    day = _relative(found.item.by_when, on.today)
    if _begun(found):
        done = answered_so_far(found, on)
        return gettext("Begun (%(done)s) but not sent, and it closes %(day)s.", done=done, day=day)
    if found.assessment is not None and found.assessment.state.phase == "GRACE":
        return gettext("Not answered in the window; a late answer is taken until %(day)s.", day=day)
    return gettext("Not answered, and the window closes %(day)s.", day=day)


def _overdue(found: Row, params: dict[str, Any]) -> str:
    days = params.get("days_due", 0)
    if _begun(found):
        return ngettext(
            "Begun but not sent, due for %(num)s day, and nobody has been in touch.",
            "Begun but not sent, due for %(num)s days, and nobody has been in touch.",
            days,
        )
    return ngettext(
        "Not answered, due for %(num)s day, and nobody has been in touch.",
        "Not answered, due for %(num)s days, and nobody has been in touch.",
        days,
    )


def _idle(found: Row, on: Background, hours: float) -> str:
    return ngettext(
        "Began to answer (%(done)s) and stopped %(num)s day ago.",
        "Began to answer (%(done)s) and stopped %(num)s days ago.",
        int(hours // 24),
        done=answered_so_far(found, on),
    )


def _reason_needed(found: Row) -> str:
    closed_on = found.item.params.get("closed_on")
    if not isinstance(closed_on, date):
        return gettext("Not answered before the window closed. Say why.")
    return gettext("Not answered by %(day)s, when the window closed. Say why.", day=format_date(closed_on, "d MMMM y"))


def _again(found: Row, on: Background) -> str:
    about = [a for a in found.member.attempts if found.assessment and a.assessment_id == found.assessment.id]
    contacts = [attempt for attempt in about if attempt.method != "none"]
    agreed = about[-1].next_on if about else None
    if agreed is None and contacts:
        zone = on.study.zone(found.member.site_code)
        return ngettext(
            "No answer since the last contact %(day)s; %(num)s contact so far.",
            "No answer since the last contact %(day)s; %(num)s contacts so far.",
            len(contacts),
            day=_relative(local_date(contacts[-1].at, zone), on.today),
        )
    return ngettext(
        "To be asked again %(day)s; %(num)s contact so far.",
        "To be asked again %(day)s; %(num)s contacts so far.",
        len(contacts),
        day=_relative(agreed, on.today),
    )


def _relative(day: date | None, today: date) -> str:
    """today, tomorrow, or on Wednesday 25 November."""
    if day is None:
        return ""
    if day == today:
        return gettext("today")
    if (day - today).days == 1:
        return gettext("tomorrow")
    return gettext("on %(day)s", day=format_date(day, "EEEE d MMMM"))


def _last_contact(found: Row, study: Study) -> str:
    assert found.last_contact is not None
    when = format_date(local_date(found.last_contact.at, study.zone(found.member.site_code)), "d MMM")
    return gettext("%(day)s, %(who)s", day=when, who=found.last_by) if found.last_by else when


def _actions(found: Row) -> tuple[Action, ...]:
    """The first is the one to take; to say that there will be no answer comes last."""
    names = sorted(found.item.actions, key=lambda name: name == "decline")
    return tuple(_action(name, found.member, found) for name in names if may_open(_PAGES.get(name, "")))


_PAGES = {
    "call": "staff.log_contact",
    "record_reason": "staff.reason",
    "decline": "staff.reason",
    "add_contact": "staff.contact",
    "new_code": "staff.sheet",
    "snooze": "staff.postpone",
}
_MAIN = {"call", "record_reason", "add_contact", "new_code"}


_LABELS = {
    "call": lazy_gettext("Call"),
    "record_reason": lazy_gettext("Record the reason"),
    "decline": lazy_gettext("Will not answer"),
    "add_contact": lazy_gettext("Add contact details"),
    "new_code": lazy_gettext("New code"),
    "snooze": lazy_gettext("Postpone"),
}


def _action(name: str, member: Member, found: Row) -> Action:
    if name in ("record_reason", "decline"):
        address = url_for("staff.reason", assessment_id=found.item.task)
    elif name in ("call", "snooze"):
        address = url_for(_PAGES[name], study_id=member.study_id, assessment=found.item.task)
    else:
        address = url_for(_PAGES[name], study_id=member.study_id)
    main = name in _MAIN and name == found.item.actions[0]
    return Action(str(_LABELS[name]), address, main, is_call=name == "call" and main)


@dataclass(frozen=True, slots=True)
class Tab:
    """A count that is also a filter."""

    count: int
    label: str
    address: str
    css: str
    is_current: bool


def tabs(found: Work, *, site: str | None, wanted: str | None) -> list[Tab]:
    """Everything, and the three counts; each leads to its rows and keeps the site."""
    lacking = ngettext("reason to record", "reasons to record", found.reasons)
    choices = (
        (None, found.total, gettext("all"), ""),
        (CALLS, found.calls, gettext("to contact"), ""),
        (CLOSING, found.closing, gettext("closing within 2 working days"), "urgent" if found.closing else ""),
        (REASONS, found.reasons, lacking, "lacking" if found.reasons else ""),
    )
    return [
        Tab(count, label, url_for("staff.work", site=site, reason=code), css, wanted == code)
        for code, count, label, css in choices
    ]
