"""A participant with what happened, as plain values: what every list, page and file is made from.

They are made in `services.cohort_rows` and read through `services.cohort`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from proapp.study import events as history
from proapp.study.schedule import Anchors
from proapp.study.status import AssessmentFacts, ParticipantFacts, State
from proapp.study.stays import Stay, site_on


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    type: str
    effective_on: date
    effective_time: time | None
    payload: Mapping[str, Any]
    reason: str | None
    supersedes: int | None
    recorded_at: datetime
    recorded_by_id: int | None

    def plain(self) -> history.Event:
        return history.Event(
            self.id,
            self.type,
            self.effective_on,
            self.recorded_at,
            self.supersedes,
            self.payload.get("arm"),
            self.payload,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    id: int
    assessment_id: int | None
    method: str
    outcome: str
    note: str | None
    next_on: date | None
    at: datetime
    recorded_by_id: int | None


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    health_related: str
    avoidable: str
    source: str
    note: str | None
    recorded_at: datetime
    recorded_by_id: int | None


@dataclass(frozen=True, slots=True)
class Responses:
    """A response set; of an unfinished one `answered_items` and `last_answer_at` come from its answers."""

    id: int
    mode: str
    respondent: str
    protocol_version: str
    packs: Mapping[str, Any]
    started_at: datetime
    submitted_at: datetime | None
    completed_on: date | None
    auto_submitted: bool
    receipt: str | None
    answered_items: int
    valid: bool | None
    last_answer_at: datetime | None
    # Of one that a phone had kept: its clock when Send was pressed, the seconds it is ahead of ours, whether it counts.
    device_at: datetime | None = None
    device_offset_s: int | None = None
    clock_trusted: bool | None = None
    conflicts: int = 0  # answers that came after it and differ


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of the way to a participant, without the address itself. `updated_at` is its last change."""

    channel: str
    confirmed_at: datetime | None
    verified_at: datetime | None
    undeliverable_at: datetime | None
    undeliverable_reason: str | None
    updated_at: datetime


@dataclass(slots=True)
class Member:
    """A participant with what happened. `contact` is None where no way of contact was ever recorded.

    `stays` are the clinics in order of time, the last one `site_code`. `periods` is None for a reader who may see
    everything; for one of a former site, the stays there, and only what belongs to them is in here.
    """

    id: int
    study_id: str
    site_code: str
    language: str
    enrolled_at: datetime
    channel: str | None
    activated_at: datetime | None
    facts: ParticipantFacts
    anchors: Anchors
    events: tuple[Event, ...]  # in force, in order of recording
    superseded: tuple[Event, ...]
    revoking: tuple[Event, ...] = ()  # what only took another back
    assessments: list[Expected] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    contact: Contact | None = None
    stays: tuple[Stay, ...] = ()
    periods: tuple[Stay, ...] | None = None

    def site_on(self, day: date | None) -> str:
        """The clinic responsible on `day`; the present one for a day that is not known."""
        return site_on(self.stays, day) if self.stays else self.site_code

    @property
    def wrong_number_at(self) -> datetime | None:
        """When somebody was last told that the number is wrong, unless the contact details were changed since."""
        told = [attempt.at for attempt in self.attempts if attempt.outcome == "wrong_number"]
        if not told or (self.contact is not None and self.contact.updated_at >= told[-1]):
            return None
        return told[-1]

    def paused(self, day: date) -> Event | None:
        """The contact pause that `day` lies in: from its first day to its last (inclusive), or without an end."""
        for event in self.events:
            if event.type == "contact_pause" and event.effective_on <= day:
                until = event.payload.get("until")
                if until is None or day <= date.fromisoformat(until):
                    return event
        return None


@dataclass(slots=True)
class Expected:
    """A planned assessment with what came of it. `sets` holds every response set that is not void, primary first."""

    id: int
    member: Member
    timepoint: str
    occurrence: int
    protocol_version: str
    anchor_on: date | None
    facts: AssessmentFacts
    sets: tuple[Responses, ...]
    reason: Reason | None
    decline_reason: str | None
    state: State

    @property
    def site_code(self) -> str:
        """The clinic that the assessment counts for: the one responsible on its target date."""
        return self.member.site_on(self.facts.target_on)

    @property
    def primary(self) -> Responses | None:
        return self.sets[0] if self.sets else None


@dataclass(frozen=True, slots=True)
class Cohort:
    """Members by study id, assessments by member and protocol order, and the local day all states were derived for."""

    today: date
    members: tuple[Member, ...]

    def assessments(self) -> Iterable[Expected]:
        for member in self.members:
            yield from member.assessments
