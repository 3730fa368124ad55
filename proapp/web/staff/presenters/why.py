"""Why a participant is on the worklist: one plain sentence for each reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import format_date, gettext, lazy_gettext, ngettext

from proapp.clock import local_date
from proapp.services.follow_up import Row
from proapp.web.staff.presenters import delivery
from proapp.web.staff.presenters.words import Background


def why(found: Row, on: Background) -> str:
    """The reason of a row in one sentence."""
    params, told = found.item.params, _TOLD_WITH_DAY.get(found.item.reason)
    if told is not None:
        name, sentence = told
        return str(sentence) % {"day": _day(params.get(name))}
    match found.item.reason:
        case "baseline_incomplete":
            return _baseline(found, on)
        case "closing_soon":
            return _closing(found, on)
        case "message_failed":
            why = delivery.why_not(str(params.get("why")))
            return gettext(
                "A message of %(day)s did not arrive: %(why)s. Call, and see whether the contact details are right.",
                day=_day(params.get("since")),
                why=why,
            )
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
        case _:
            return _reason_needed(found)


# reason → the parameter that holds its day, and the sentence
_TOLD_WITH_DAY: Mapping[str, tuple[str, Any]] = {
    "undeliverable": (
        "since",
        lazy_gettext("Messages have not arrived since %(day)s. Call, and ask for the right number or address."),
    ),
    "wrong_number": ("since", lazy_gettext("The number turned out to be wrong on %(day)s.")),
    "possibly_sent": (
        "since",
        lazy_gettext("A message of %(day)s may not have gone out. See what happened, and whether to send it again."),
    ),
    "task_due": ("since", lazy_gettext("Not answered; the reminder plan says to call from %(day)s on.")),
    "letter_due": ("since", lazy_gettext("Not answered; a letter was due on %(day)s.")),
    "asked_to_call": ("asked_on", lazy_gettext("Asked on %(day)s to be called by the clinic.")),
    "stop_to_confirm": (
        "asked_on",
        lazy_gettext("Said on the phone on %(day)s: no more questionnaires. Call to confirm; nothing more is sent."),
    ),
}


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


def _day(value: object) -> str:
    return format_date(value, "d MMMM") if isinstance(value, date) else ""
