"""From what was recorded about a participant to the dates that count. Events are only ever added, also to correct one
another, and may arrive in any order; what they amount to, at a cut-off and with the knowledge of some moment, is worked
out here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from proapp.study.schedule import Anchors
from proapp.study.status import ParticipantFacts


class Event(NamedTuple):
    """One recorded event. `type` is one of pro_consent, randomized, surgery, progression, pro_stop, trial_withdrawal,
    death (others are ignored here), or `revoked`, which only takes back the event it supersedes."""

    id: int
    type: str
    effective_on: date
    recorded_at: datetime
    supersedes: int | None = None
    arm: str | None = None


def standing(
    events: Iterable[Event], *, cut_off: date | None = None, known_at: datetime | None = None
) -> dict[str, Event]:
    """By type, the event that counts: recorded up to `known_at`, superseded by nothing recorded up to then, effective
    up to `cut_off`. Of several the first to take effect counts, whatever the order in which they were recorded."""
    known = [event for event in events if known_at is None or event.recorded_at <= known_at]
    superseded = {event.supersedes for event in known}
    found: dict[str, Event] = {}
    for event in sorted(known, key=lambda event: (event.effective_on, event.id)):
        if event.id not in superseded and (cut_off is None or event.effective_on <= cut_off):
            found.setdefault(event.type, event)
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
    found = standing(events, cut_off=cut_off, known_at=known_at)
    randomized = found.get("randomized")
    return Anchors(
        consent_on=_day(found, "pro_consent"),
        randomized_on=_day(found, "randomized"),
        arm=randomized.arm if randomized else None,
        surgery_on=_day(found, "surgery"),
        progression_on=_day(found, "progression"),
    )


def _day(found: dict[str, Event], kind: str) -> date | None:
    event = found.get(kind)
    return event.effective_on if event else None
