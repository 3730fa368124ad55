"""What was done about one participant, as sentences: the audit trail for those who do not read codes.

An action that has no sentence of its own here has the name that the audit page gives it, and is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from flask_babel import gettext, lazy_gettext, ngettext

from proapp.services.cohort import Event, Member
from proapp.services.overview import Change
from proapp.study.model import Study
from proapp.web.context import day, moment
from proapp.web.staff.audit_words import in_words
from proapp.web.staff.presenters import delivery, words
from proapp.web.staff.presenters.words import Background

EVENTS: Mapping[str, Any] = {
    "pro_consent": lazy_gettext("Consent to the questionnaires"),
    "randomized": lazy_gettext("Randomisation"),
    "surgery": lazy_gettext("Surgery"),
    "progression": lazy_gettext("Progression"),
    "off_treatment": lazy_gettext("Treatment ended"),
    "pro_stop": lazy_gettext("Stopped the questionnaires"),
    "trial_withdrawal": lazy_gettext("Left the trial"),
    "lost_to_follow_up": lazy_gettext("Lost to follow-up"),
    "contact_pause": lazy_gettext("Pause in contact"),
    "language_change": lazy_gettext("Another language"),
    "site_transfer": lazy_gettext("Transfer to another site"),
    "death": lazy_gettext("Died"),
    "revoked": lazy_gettext("Entry taken back"),
}
DATA_USE: Mapping[str, Any] = {
    "keep": lazy_gettext("What was collected may be used."),
    "keep_until": lazy_gettext("What was collected up to that day may be used."),
    "delete_if_lawful": lazy_gettext("Asks that the data be deleted where the law allows it."),
}
FIELDS: Mapping[str, Any] = {
    "channel": lazy_gettext("channel"),
    "mobile": lazy_gettext("mobile number"),
    "email": lazy_gettext("e-mail address"),
}


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change, or several of one kind made at one moment by one person: then `more` holds each of them."""

    when: str
    who: str
    what: str
    reason: str
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event of the participant. `was_replaced` is one that was put right by a later entry."""

    on: str
    what: str
    by: str
    reason: str
    was_replaced: bool


def history(changes: tuple[Change, ...], member: Member, on: Background) -> list[HistoryLine]:
    """Every change, the newest first. A plan is laid or moved for all time points at once: that is one line."""
    timepoints = {one.id: on.name(one) for one in member.assessments}
    found = []
    for _, group in groupby(changes, key=_together):
        same = list(group)
        said = [sentence(change, timepoints, on) for change in same]
        first = same[0]
        folded = len(same) > 1
        what = str(_FOLDED[first.action](len(same))) if folded else said[0]
        more = tuple(reversed(said)) if folded else ()
        found.append(HistoryLine(moment(first.at), _who(first), what, first.reason or "", more))
    return found


_FOLDED: Mapping[str, Callable[[int], str]] = {
    "assessment.planned": lambda n: ngettext("%(num)s time point planned", "%(num)s time points planned", n),
    "assessment.moved": lambda n: ngettext("Dates of %(num)s time point set", "Dates of %(num)s time points set", n),
    "assessment.follows_version": lambda n: ngettext(
        "%(num)s time point follows another version of the study",
        "%(num)s time points follow another version of the study",
        n,
    ),
    "message.cancelled": lambda n: ngettext("%(num)s message cancelled", "%(num)s messages cancelled", n),
}


def _together(change: Change) -> tuple[object, ...]:
    """Changes with the same key that follow each other are one line."""
    if change.action in _FOLDED:
        return change.action, change.at, change.actor_kind, change.actor_name, change.reason
    return (change.seq,)


def events(member: Member, names: Mapping[int, str], on: Background) -> list[EventLine]:
    """Everything that was recorded to have happened, in order of the days, with what was put right."""
    both = [(event, False) for event in member.events] + [(event, True) for event in member.superseded]
    both.sort(key=lambda pair: (pair[0].effective_on, pair[0].id))
    return [
        EventLine(
            on=day(event.effective_on),
            what=_event_words(event, on),
            by=_recorded(event, names),
            reason=event.reason or "",
            was_replaced=replaced,
        )
        for event, replaced in both
    ]


def sentence(change: Change, timepoints: Mapping[int, str], on: Background) -> str:
    """One audit event in words."""
    say = _SENTENCES.get(change.action)
    return say(change.details, timepoints, on) if say else in_words(change.action)


def _who(change: Change) -> str:
    role = words.role(change.actor_role)
    return f"{change.actor_name}, {role}" if change.actor_name else role


def _recorded(event: Event, names: Mapping[int, str]) -> str:
    name = names.get(event.recorded_by_id or 0)
    when = moment(event.recorded_at)
    return gettext("%(when)s by %(who)s", when=when, who=name) if name else when


def _event_words(event: Event, on: Background) -> str:
    named, said = str(EVENTS.get(event.type, event.type)), " ".join(more(event, on.study))
    if not said:
        return named
    return f"{named}. {said}" if "data_use" in event.payload else f"{named}: {said}"


def more(event: Event, study: Study) -> Iterator[str]:
    """What an event says beside its name and day."""
    said = event.payload
    if event.type == "randomized" and said.get("arm") in {arm.code for arm in study.arms}:
        yield str(words.in_language(study.arm(str(said["arm"])).label))
    elif event.type == "contact_pause":
        until = said.get("until")
        yield gettext("until %(day)s", day=day(date.fromisoformat(until))) if until else gettext("until further notice")
    elif event.type == "language_change":
        pair = (str(words.LANGUAGES.get(str(said[name]), said[name])) for name in ("from", "to"))
        yield " → ".join(pair)
    elif event.type == "site_transfer":
        names = {site.code: site.name for site in study.sites}
        yield " → ".join(names.get(str(said[name]), str(said[name])) for name in ("from", "to"))
    elif said.get("data_use") in DATA_USE:
        yield str(DATA_USE[str(said["data_use"])])


def _timepoint(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    code = details.get("timepoint")
    if code:
        return on.label(str(code), details.get("occurrence", 1))
    which = details.get("assessment", details.get("assessment_id"))
    return timepoints.get(which, "") if isinstance(which, int) else on.label(str(which or ""))


Say = Callable[[Mapping[str, Any], Mapping[int, str], Background], str]


def _about(text: Any) -> Say:
    """A sentence about an assessment: the time point first."""

    def say(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
        label = _timepoint(details, timepoints, on)
        return f"{label}: {text}" if label else str(text)

    return say


def _planned(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    if details.get("cancelled_reason"):
        return _moved(details, timepoints, on)
    label, dates = _timepoint(details, timepoints, on), _window(details.get("new"))
    return gettext("%(timepoint)s: planned, %(dates)s", timepoint=label, dates=dates or gettext("no date yet"))


def _moved(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    label = _timepoint(details, timepoints, on)
    cancelled = details.get("cancelled_reason")
    if cancelled:
        why = str(words.NOT_EXPECTED.get(cancelled, cancelled))
        return gettext("%(timepoint)s: no longer asked for, %(why)s", timepoint=label, why=why)
    old, new = _window(details.get("old")), _window(details.get("new"))
    if new and not old:
        return gettext("%(timepoint)s: dates set, %(dates)s", timepoint=label, dates=new)
    none = gettext("no date")
    return gettext("%(timepoint)s: moved from %(old)s to %(new)s", timepoint=label, old=old or none, new=new or none)


def _window(dates: Any) -> str:
    """1 March 2027 – 28 April 2027; the baseline has no last day until the randomisation gives it one."""
    if not isinstance(dates, Mapping) or not dates.get("opens_on"):
        return ""
    opens, closes = (day(date.fromisoformat(one)) if one else "" for one in (dates["opens_on"], dates.get("closes_on")))
    return f"{opens} – {closes}" if closes else gettext("%(day)s onwards", day=opens)


def _submitted(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    label, answered = _timepoint(details, timepoints, on), details.get("answered_items", 0)
    if details.get("auto_submitted"):
        return gettext("%(timepoint)s: sent by the system, %(answered)s answers", timepoint=label, answered=answered)
    return gettext("%(timepoint)s: sent, %(answered)s answers", timepoint=label, answered=answered)


def _reason(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    label, why = _timepoint(details, timepoints, on), words.reason(str(details.get("code", "")))
    return gettext("%(timepoint)s: reason recorded, %(reason)s", timepoint=label, reason=why)


def _contact(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    outcome = str(words.OUTCOMES.get(str(details.get("outcome")), details.get("outcome")))
    method = str(words.METHODS.get(str(details.get("method")), details.get("method")))
    label = _timepoint(details, timepoints, on)
    said = outcome if details.get("method") == "none" else f"{method}: {outcome}"
    return f"{label}: {said}" if label else said


def _event(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    named = str(EVENTS.get(str(details.get("type")), details.get("type")))
    try:
        when = day(date.fromisoformat(str(details.get("effective_on"))))
    except ValueError:
        return named
    if details.get("type") == "revoked":
        gone = str((details.get("payload") or {}).get("type"))
        return gettext("Taken back: %(event)s, %(day)s", event=str(EVENTS.get(gone, gone)), day=when)
    if details.get("supersedes"):
        old, new = ((details.get(which) or {}).get("arm") for which in ("old", "new"))
        if old != new:
            arms = {arm.code: str(words.in_language(arm.label)) for arm in on.study.arms}
            change = " → ".join(arms.get(code, str(code or "–")) for code in (old, new))
            return gettext("Put right: %(event)s, %(day)s, %(change)s", event=named, day=when, change=change)
        return gettext("Put right: %(event)s, %(day)s", event=named, day=when)
    return gettext("Recorded: %(event)s, %(day)s", event=named, day=when)


def _extended(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    label, until = _timepoint(details, timepoints, on), details.get("until")
    if not until:
        return gettext("%(timepoint)s: the longer window taken back", timepoint=label)
    return gettext(
        "%(timepoint)s: answers are taken until %(day)s", timepoint=label, day=day(date.fromisoformat(str(until)))
    )


def _changed(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    """What a decision about an assessment did to its row in the plan."""
    label = _timepoint(details, timepoints, on)
    if (details.get("new") or {}).get("cancelled_reason"):
        return gettext("%(timepoint)s: no longer in the plan", timepoint=label)
    return gettext("%(timepoint)s: last day in the plan changed", timepoint=label)


def _participant(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    old, new = details.get("old") or {}, details.get("new") or {}
    if "language" in new:
        pair = (str(words.LANGUAGES.get(one.get("language"), one.get("language"))) for one in (old, new))
        return gettext("Language: %(change)s", change=" → ".join(pair))
    pair = (on.site_name(str(one.get("site_code", ""))) for one in (old, new))
    return gettext("Site: %(change)s", change=" → ".join(pair))


def _former(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    period = details.get("new")
    if not isinstance(period, Mapping):
        return gettext("Time at the former site: no longer kept")
    return gettext(
        "Time at the former site %(site)s: until %(day)s",
        site=on.site_name(str(period.get("site_code"))),
        day=day(date.fromisoformat(str(period.get("until_on")))),
    )


def _fields(text: Any) -> Say:
    def say(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
        fields = ", ".join(str(FIELDS.get(name, name)) for name in details.get("fields", ()))
        return f"{text}: {fields}" if fields else str(text)

    return say


def _cancelled(details: Mapping[str, Any], timepoints: Mapping[int, str], on: Background) -> str:
    why = delivery.why_not(str(details.get("why") or ""))
    return gettext("Message cancelled, because %(why)s", why=why) if why else gettext("Message cancelled")


_SENTENCES: Mapping[str, Say] = {
    "contact.recorded": _fields(lazy_gettext("Contact details recorded")),
    "contact.changed": _fields(lazy_gettext("Contact details changed")),
    "contact.logged": _contact,
    "event.recorded": _event,
    "assessment.planned": _planned,
    "assessment.moved": _moved,
    "assessment.follows_version": _about(lazy_gettext("follows another version of the study")),
    "assessment.declined": _about(lazy_gettext("does not want to answer")),
    "assessment.decline_undone": _about(lazy_gettext("will answer after all")),
    "assessment.extended": _extended,
    "assessment.changed": _changed,
    "assessment.opened": _about(lazy_gettext("opened outside the plan")),
    "assessment.taken_back": _about(lazy_gettext("taken back, opened by mistake")),
    "participant.changed": _participant,
    "former_site.recorded": _former,
    "former_site.changed": _former,
    "former_site.removed": _former,
    "message.cancelled": _cancelled,
    "message.queued": _about(lazy_gettext("message queued")),
    "missed_reason.recorded": _reason,
    "response_set.started": _about(lazy_gettext("started to answer")),
    "response_set.submitted": _submitted,
    "tablet.handed_over": _about(lazy_gettext("the clinic's tablet handed over")),
    "tablet.left_for_phone": _about(lazy_gettext("went on from the tablet to the own phone")),
    "tablet.phone_offered": _about(lazy_gettext("square for the own phone shown on the tablet")),
    "tablet.taken_back": _about(lazy_gettext("the clinic's tablet taken back")),
}
