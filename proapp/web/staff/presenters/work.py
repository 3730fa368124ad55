"""Rows of the worklist in words: one plain sentence that says why, and by when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from flask import url_for
from flask_babel import format_date, gettext, lazy_gettext, ngettext

from proapp.clock import local_date
from proapp.services import clinic, extension, work_cases
from proapp.services.cohort import Member
from proapp.services.follow_up import CALLS, CLOSING, REASONS, WISHES, Row, Work
from proapp.study.worklist import RANKS
from proapp.web.staff.frame import may_open
from proapp.web.staff.presenters import words
from proapp.web.staff.presenters.why import why
from proapp.web.staff.presenters.words import Background
from proapp.web.transactions import now


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
    reminders: str  # where they are explained; empty for those who may not read it
    last_contact: str
    last_outcome: str
    also: str
    actions: tuple[Action, ...]


TONES = {
    "baseline_incomplete": "open",
    "closing_soon": "late",
    "undeliverable": "missed",
    "wrong_number": "missed",
    "no_channel": "missed",
    "message_failed": "missed",
    "possibly_sent": "plain",
    "overdue": "open",
    "task_due": "open",
    "letter_due": "plain",
    "call_again": "open",
    "idle": "open",
    "not_activated": "plain",
    "asked_to_call": "asked",
    "stop_to_confirm": "asked",
    "reason_needed": "missed",
}
REMINDERS = "staff.participant_follow_up"
Kept = Mapping[str, str | None]  # the filter of the list, which the pages of the actions lead back to


def row(found: Row, on: Background, kept: Kept | None = None) -> RowView:
    """A row as the worklist prints it, with the actions that its reader may take."""
    item, member, assessment = found.item, found.member, found.assessment
    last = found.last_contact
    address = url_for("staff.participant", study_id=member.study_id)
    return RowView(
        study_id=member.study_id,
        address=f"{address}#a{assessment.id}" if assessment else address,
        site=on.site_name(member.site_code),
        timepoint=on.name(assessment) if assessment else "",
        why=why(found, on),
        tone=TONES[item.reason],
        by_when=_by_when(found),
        by_when_iso=item.by_when.isoformat() if item.by_when else "",
        time_left=time_left(item.days_left),
        channel=str(words.METHODS[member.channel]) if member.channel else gettext("No contact details"),
        channel_warning=channel_warning(member, on),
        reminders=url_for(REMINDERS, study_id=member.study_id) if may_open(REMINDERS) else "",
        last_contact=_last_contact(found, on) if last else "",
        last_outcome=str(words.OUTCOMES.get(last.outcome, last.outcome)) if last else "",
        also=" ".join(_also(found, on)),
        actions=_actions(found, on, kept or {}),
    )


def channel_warning(member: Member, on: Background) -> str:
    """What stands in the way of reaching the participant by the channel chosen."""
    what, since = work_cases.fault(member)
    if since is not None:
        when = _short(local_date(since, on.study.zone(member.site_code)), on)
        if what == "wrong_number":
            return gettext("wrong number, %(day)s", day=when)
        return gettext("does not arrive, %(day)s", day=when)
    return "" if member.activated_at else gettext("never signed in")


def _also(found: Row, on: Background) -> Iterator[str]:
    """What the same call is about besides; what is wrong with the channel stands beside the channel."""
    if "asked_to_call" in found.item.also:
        yield gettext("Has also asked to be called.")
    if "stop_to_confirm" in found.item.also:
        yield gettext("Has also said on the phone: no more questionnaires.")


def time_left(days: int | None) -> str:
    """How long an answer can still come."""
    if days is None:
        return ""
    if days == 0:
        return gettext("last day today")
    if days < 0:
        return ngettext("%(num)s day late", "%(num)s days late", -days)
    return ngettext("%(num)s day left", "%(num)s days left", days)


def _by_when(found: Row) -> str:
    if found.item.by_when is not None:
        return format_date(found.item.by_when, "EEE d MMM")
    waits_for_baseline = found.item.rank == RANKS["baseline_incomplete"]  # also where the code was never used
    return gettext("before randomisation") if waits_for_baseline else ""


def _short(day: date, on: Background) -> str:
    """Without the year while it is this one: 27 Nov of last year, read on 23 November, would be a day to come."""
    return format_date(day, "d MMM" if day.year == on.today.year else "d MMM y")


def _last_contact(found: Row, on: Background) -> str:
    assert found.last_contact is not None
    when = _short(local_date(found.last_contact.at, on.study.zone(found.member.site_code)), on)
    return gettext("%(day)s, %(who)s", day=when, who=found.last_by) if found.last_by else when


def _actions(found: Row, on: Background, kept: Kept) -> tuple[Action, ...]:
    """The first is the one to take; to say that there will be no answer comes last."""
    names = sorted(found.item.actions, key=lambda name: name == "decline")
    wanted = (name for name in names if may_open(_PAGES.get(name, "")))
    usual = [_action(name, found.member, found, kept) for name in wanted if name != "extend" or _extendable(found, on)]
    return (*usual[:1], *_on_the_spot(found, on), *usual[1:])


def _on_the_spot(found: Row, on: Background) -> Iterator[Action]:
    """A baseline is answered before the randomisation, which is when the participant is at the clinic."""
    one = found.assessment
    if one is None or found.item.rank != RANKS["baseline_incomplete"] or not may_open("staff.hand_over"):
        return
    if clinic.can_be_filled_in(one, study=on.study, now=now()):
        yield Action(gettext("Fill in here"), url_for("staff.hand_over", assessment_id=one.id))


def _extendable(found: Row, on: Background) -> bool:
    one = found.assessment
    return one is not None and extension.obstacle(one, today=on.today, study=on.study) is None


_PAGES = {
    "call": "staff.log_contact",
    "record_reason": "staff.reason",
    "decline": "staff.reason",
    "extend": "staff.extend",
    "add_contact": "staff.contact",
    "change_contact": "staff.contact",
    "new_code": "staff.sheet",
    "look_at_messages": "staff.participant_follow_up",
    "letters": "staff.letters",
    "snooze": "staff.postpone",
}
_MAIN = {"call", "record_reason", "add_contact", "change_contact", "new_code", "look_at_messages", "letters"}


_LABELS = {
    "call": lazy_gettext("Call"),
    "record_reason": lazy_gettext("Record the reason"),
    "decline": lazy_gettext("Will not answer"),
    "extend": lazy_gettext("More time"),
    "add_contact": lazy_gettext("Add contact details"),
    "change_contact": lazy_gettext("Change contact details"),
    "new_code": lazy_gettext("New code"),
    "look_at_messages": lazy_gettext("See the messages"),
    "letters": lazy_gettext("Letters to send"),
    "snooze": lazy_gettext("Postpone"),
}


def _action(name: str, member: Member, found: Row, kept: Kept) -> Action:
    if name in ("record_reason", "decline"):
        address = url_for("staff.reason", assessment_id=found.item.task, **kept)
    elif name == "extend":
        address = url_for("staff.extend", assessment_id=found.item.task)
    elif name in ("call", "snooze"):
        address = url_for(_PAGES[name], study_id=member.study_id, assessment=found.item.task, **kept)
    elif name == "letters":
        address = url_for(_PAGES[name], site=kept.get("site"))
    elif name == "look_at_messages":
        address = url_for(_PAGES[name], study_id=member.study_id, day=found.item.params.get("since"))
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
    """Everything, the three counts, and what participants asked for if any did; each leads to its rows and keeps the
    site."""
    lacking = ngettext("reason to record", "reasons to record", found.reasons)
    asked = ngettext("asks to be called", "ask to be called", found.wishes)
    choices = (
        (None, found.total, gettext("all"), ""),
        (CALLS, found.calls, gettext("to contact"), ""),
        (CLOSING, found.closing, gettext("closing within 2 working days"), "urgent" if found.closing else ""),
        (REASONS, found.reasons, lacking, "lacking" if found.reasons else ""),
        *(((WISHES, found.wishes, asked, "asked"),) if found.wishes or wanted == WISHES else ()),
    )
    return [
        Tab(count, label, url_for("staff.work", site=site, reason=code), css, wanted == code)
        for code, count, label, css in choices
    ]
