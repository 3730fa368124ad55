"""From what was recorded about a participant to the dates that count. Events are only ever added, also to correct one
another, and may arrive in any order; what they amount to, at a cut-off and with the knowledge of some moment, is worked
out here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from proapp.study.schedule import Anchors
from proapp.study.status import ParticipantFacts

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Kind(NamedTuple):
    """What an event of one type does, and what may be done with it.

    `repeats`: several may stand side by side. `anchors`: time points may be counted from it. `silences`: messages that
    wait are not sent. `closes`: codes and phones stop working, and nothing happens in the trial afterwards.
    `dated`: its date can be corrected as that of any event. `revocable`: it can be taken back. Where time points are
    counted from it, both take two people (services.anchor_corrections).
    """

    repeats: bool = False
    anchors: bool = False
    silences: bool = False
    closes: bool = False
    dated: bool = True
    revocable: bool = True


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "pro_consent": Kind(anchors=True, revocable=False),
        "randomized": Kind(anchors=True, dated=False, revocable=False),  # corrected on a page of its own
        "surgery": Kind(repeats=True, anchors=True),
        "progression": Kind(repeats=True, anchors=True),
        "off_treatment": Kind(),
        "lost_to_follow_up": Kind(silences=True),
        "contact_pause": Kind(repeats=True, silences=True, dated=False),
        "language_change": Kind(repeats=True, dated=False, revocable=False),
        "site_transfer": Kind(repeats=True),
        "pro_stop": Kind(silences=True),
        "trial_withdrawal": Kind(silences=True, closes=True),
        "death": Kind(silences=True, closes=True),
    }
)


class Event(NamedTuple):
    """One recorded event. `type` is one of KINDS, or `revoked`, which only takes back the event it supersedes."""

    id: int
    type: str
    effective_on: date
    recorded_at: datetime
    supersedes: int | None = None
    arm: str | None = None
    payload: Mapping[str, Any] = NOTHING


def in_force(events: Iterable[Event], *, cut_off: date | None = None, known_at: datetime | None = None) -> list[Event]:
    """The events that count, in the order of their days: recorded up to `known_at`, superseded by nothing recorded up
    to then, effective up to `cut_off`."""
    known = [event for event in events if known_at is None or event.recorded_at <= known_at]
    superseded = {event.supersedes for event in known}
    return [
        event
        for event in sorted(known, key=lambda event: (event.effective_on, event.id))
        if event.id not in superseded and (cut_off is None or event.effective_on <= cut_off)
    ]


def standing(
    events: Iterable[Event], *, cut_off: date | None = None, known_at: datetime | None = None
) -> dict[str, Event]:
    """By type, the event that counts, of those in force. Of several the first to take effect counts, whatever the
    order in which they were recorded."""
    found: dict[str, Event] = {}
    for event in in_force(events, cut_off=cut_off, known_at=known_at):
        found.setdefault(event.type, event)
    return found


def pauses(
    events: Iterable[Event], *, cut_off: date | None = None, known_at: datetime | None = None
) -> tuple[tuple[date, date | None], ...]:
    """First and last day (inclusive; None: until further notice) of every contact pause in force."""
    return tuple(
        (event.effective_on, _until(event))
        for event in in_force(events, cut_off=cut_off, known_at=known_at)
        if event.type == "contact_pause"
    )


def language(
    events: Iterable[Event], now: str, *, cut_off: date | None = None, known_at: datetime | None = None
) -> str:
    """The participant's language by what was known then. `now` is the one by all that was recorded."""
    changes = sorted((event for event in events if event.type == "language_change"), key=_recording)
    if not changes:
        return now
    seen = [
        event
        for event in changes
        if (known_at is None or event.recorded_at <= known_at) and (cut_off is None or event.effective_on <= cut_off)
    ]
    return str(seen[-1].payload["to"] if seen else changes[0].payload["from"])


def _recording(event: Event) -> int:
    return event.id


def _until(event: Event) -> date | None:
    until = event.payload.get("until")
    return date.fromisoformat(until) if until else None


def earlier_days(events: Iterable[Event]) -> dict[tuple[str, date], frozenset[date]]:
    """For each event in force, by (type, day): every day that it was ever recorded with, before it was put right."""
    every = list(events)
    by_id = {event.id: event for event in every}
    found: dict[tuple[str, date], frozenset[date]] = {}
    for event in in_force(every):
        days, before = {event.effective_on}, by_id.get(event.supersedes or 0)
        while before is not None:
            days.add(before.effective_on)
            before = by_id.get(before.supersedes or 0)
        key = (event.type, event.effective_on)
        found[key] = found.get(key, frozenset()) | days
    return found


def participant_facts(
    events: Iterable[Event], *, cut_off: date | None = None, known_at: datetime | None = None
) -> ParticipantFacts:
    """What the events amount to for the state of an assessment."""
    found = standing(events, cut_off=cut_off, known_at=known_at)
    randomized = found.get("randomized")
    return ParticipantFacts(
        consent_on=_day(found, "pro_consent"),
        randomized_on=_day(found, "randomized"),
        arm=randomized.arm if randomized else None,
        died_on=_day(found, "death"),
        stopped_on=_day(found, "pro_stop"),
        withdrawn_on=_day(found, "trial_withdrawal"),
    )


def anchors(events: Iterable[Event], *, cut_off: date | None = None, known_at: datetime | None = None) -> Anchors:
    """What the events amount to for the plan."""
    every = in_force(events, cut_off=cut_off, known_at=known_at)
    found = standing(every)
    randomized = found.get("randomized")
    return Anchors(
        consent_on=_day(found, "pro_consent"),
        randomized_on=_day(found, "randomized"),
        arm=randomized.arm if randomized else None,
        surgery_on=_day(found, "surgery"),
        progression_on=_day(found, "progression"),
        later_surgeries=_later(every, "surgery"),
        later_progressions=_later(every, "progression"),
    )


def _later(events: Iterable[Event], kind: str) -> tuple[date, ...]:
    """The days after the first on which it happened again; what happened twice on a day happened once."""
    return tuple(dict.fromkeys(event.effective_on for event in events if event.type == kind))[1:]


def _day(found: dict[str, Event], kind: str) -> date | None:
    event = found.get(kind)
    return event.effective_on if event else None
