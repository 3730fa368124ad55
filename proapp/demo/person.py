"""An invented participant while the story is told: what the next step has to know of the ones before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from proapp.demo import steps
from proapp.demo.answers import Trajectory
from proapp.demo.steps import Life
from proapp.services.audit import Actor
from proapp.services.contacts import ContactDetails
from proapp.services.plan_changes import Stored
from proapp.study.events import Event


@dataclass(slots=True)
class Person:
    """A participant while the story is told."""

    study_id: str
    life: Life
    contact: ContactDetails
    trajectory: Trajectory
    nurse: Actor
    doctor: Actor
    colleagues: Mapping[tuple[str, str], Actor] = field(default_factory=dict)  # by site and role
    id: int = 0
    code_id: int = 0
    sheets: int = 0
    proposal: int = 0
    seen: str = ""  # the hash of what the newest proposal would do
    events: list[Event] = field(default_factory=list)
    plan: dict[str, Stored] = field(default_factory=dict)
    sets: dict[str, tuple[int, dict[str, dict[int, int]]]] = field(default_factory=dict)  # newest by time point

    @property
    def patient(self) -> Actor:
        return Actor("patient", self.id, "patient")

    @property
    def death_at(self) -> datetime | None:
        return next((s.at for s in self.life.steps if isinstance(s, steps.Happened) and s.type == "death"), None)
