"""The page of events in words: what can be recorded, in groups, and what each entry can be put right with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import url_for
from flask_babel import gettext, lazy_gettext

from proapp.services.cohort import Event, Member
from proapp.study.events import KINDS
from proapp.study.model import Study
from proapp.web.context import day
from proapp.web.staff.presenters.history import EVENTS, more

UNDER: Mapping[str, Any] = {
    "surgery": lazy_gettext("The day of the operation"),
    "progression": lazy_gettext("The day it was found; each time it happens"),
    "off_treatment": lazy_gettext("Follow-up and questionnaires go on"),
    "contact_pause": lazy_gettext("Nobody reminds or rings for a while; windows go on as before"),
    "language_change": lazy_gettext("Pages and messages in another language, at once"),
    "site_transfer": lazy_gettext("Another clinic takes over"),
    "lost_to_follow_up": lazy_gettext("Cannot be reached; what is planned is still expected"),
    "trial_withdrawal": lazy_gettext("No more questionnaires, and a decision about the data"),
    "pro_stop": lazy_gettext("Stays in the trial, but answers no more"),
    "death": lazy_gettext("Nobody is contacted any more"),
}
GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (lazy_gettext("Illness and treatment"), ("surgery", "progression", "off_treatment")),
    (lazy_gettext("Contact and clinic"), ("contact_pause", "language_change", "site_transfer", "lost_to_follow_up")),
    (lazy_gettext("Leaving"), ("pro_stop", "trial_withdrawal", "death")),
)
PAGES = {
    "contact_pause": "staff.pause",
    "language_change": "staff.change_language",
    "site_transfer": "staff.transfer_participant",
}


@dataclass(frozen=True, slots=True)
class Pick:
    name: str
    under: str
    address: str


@dataclass(frozen=True, slots=True)
class Group:
    heading: str
    picks: tuple[Pick, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded event, with the addresses of what can be done about it (empty: nothing)."""

    name: str
    more: str
    reason: str
    on: str
    recorded: Any
    correct: str
    revoke: str
    revoke_label: str
    end: str
    is_over: bool


def groups(person: Member, study: Study) -> list[Group]:
    """What makes sense now: what happens once is not offered again, nor anything but corrections after death."""
    there = {event.type for event in person.events}
    found = []
    for heading, types in GROUPS:
        offered = [type_ for type_ in types if _is_open(type_, there, study)]
        if offered:
            picks = tuple(Pick(str(EVENTS[type_]), str(UNDER[type_]), _address(type_, person)) for type_ in offered)
            found.append(Group(str(heading), picks))
    return found


def _is_open(type_: str, there: set[str], study: Study) -> bool:
    if type_ in there and not KINDS[type_].repeats:
        return False
    if type_ == "language_change" and len(study.languages) < 2:
        return False
    return type_ != "site_transfer" or len(study.sites) > 1


def _address(type_: str, person: Member) -> str:
    if type_ in PAGES:
        return url_for(PAGES[type_], study_id=person.study_id)
    return url_for("staff.record_event", study_id=person.study_id, type_=type_)


def recorded(person: Member, study: Study, today: date) -> list[Entry]:
    both = [(event, False) for event in person.events] + [(event, True) for event in person.superseded]
    return [_entry(event, over, person, study, today) for event, over in sorted(both, key=lambda pair: pair[0].id)]


def _entry(event: Event, over: bool, person: Member, study: Study, today: date) -> Entry:
    kind, about = KINDS.get(event.type), {"study_id": person.study_id, "event_id": event.id}
    offers = {"correct": "", "revoke": "", "end": ""}
    if not over and event.type == "randomized":
        offers["correct"] = url_for("staff.correct_randomisation", study_id=person.study_id)
    elif not over and event.type == "contact_pause":
        offers["end"] = url_for("staff.end_pause", **about) if _goes_on(event, today) else ""
    elif not over and kind is not None:
        offers["correct"] = url_for("staff.correct_event", **about) if kind.dated else ""
        offers["revoke"] = url_for("staff.revoke_event", **about) if kind.revocable else ""
    return Entry(
        name=str(EVENTS.get(event.type, event.type)),
        more=" ".join(more(event, study)),
        reason=event.reason or "",
        on=day(event.effective_on),
        recorded=event.recorded_at,
        revoke_label=gettext("In touch again") if event.type == "lost_to_follow_up" else gettext("Take back"),
        is_over=over,
        **offers,
    )


def _goes_on(event: Event, today: date) -> bool:
    until = event.payload.get("until")
    return until is None or date.fromisoformat(until) >= today
