"""What can happen in an invented participant's life, as plain values in time. `build` turns each into rows and their
audit events; nothing here knows tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that was recorded at the instant `at`."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled(Step):
    """Consent, contact and plan. `shared` names why a number that somebody else has was accepted."""

    consent_on: date
    channel: str
    shared: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated(Step):
    """The patient used the printed code and chose a PIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReplaced(Step):
    """Staff printed a new sheet; the old code stopped working."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened(Step):
    """An event of the participant, of any type but consent. `corrects` replaces the event of the same type."""

    type: str
    on: date
    time: time | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    corrects: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed(Step):
    """Another date of randomisation, which waits for a second person."""

    on: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(Step):
    """Answers to one assessment; `at` is when the first was given.

    `items` is after how many the person left (None: after the last); `only` names the item numbers of the core that
    hold an answer, when all others were skipped. `again_at`: the rest came after a pause. `sent`: and then sent it.
    """

    timepoint: str
    mode: str = "self_remote"
    respondent: str = "self"
    seconds: int = 8
    items: int | None = None
    only: tuple[int, ...] | None = None
    again_at: datetime | None = None
    sent: bool = False
    completed_on: date | None = None
    ENTERED: ClassVar[frozenset[str]] = frozenset({"paper", "phone", "interview"})  # by staff, for the participant
    IN_OFFICE_HOURS: ClassVar[frozenset[str]] = ENTERED | {"self_clinic"}

    @property
    def by_staff(self) -> bool:
        return self.mode in self.ENTERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept(Step):
    """The worker submitted what had been begun, after the window was over."""

    timepoint: str
    completed_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Voided(Step):
    """An investigator declared the answers void; they are kept and ignored."""

    timepoint: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Step):
    """declined, decline_undone or extended; by the patient unless `by_staff`."""

    timepoint: str
    type: str
    by_staff: bool = False
    until: date | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained(Step):
    """Why an assessment is missing. source: patient, staff or system."""

    timepoint: str
    code: str
    source: str = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacted(Step):
    """Staff tried to reach the participant, or postponed the row (method none)."""

    timepoint: str | None
    method: str
    outcome: str
    next_on: date | None = None
    note: str | None = None


@dataclass(slots=True)
class Life:
    """One invented participant: who, and what happened, in order of time. `story` names the tale it tells."""

    story: str
    site_code: str
    language: str
    consent_on: date
    arm: str
    steps: list[Step]
