"""Exports as acts: who took data out, when, up to which day, and the hash by which the same file is known again.

The file itself is kept nowhere. It can be made again from the same cut-off at any time, and its hash tells whether it
is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import AuditEvent, StaffUser
from proapp.instruments.model import Instrument
from proapp.services import audit
from proapp.services.audit import SYSTEM, Actor, Entry
from proapp.services.cohort import Cohort
from proapp.services.errors import Refused
from proapp.study.model import Study
from proapp.version import __version__

CREATED = "export.created"
LISTED_BY_MACHINE = "export.listed"
LISTED = 50


@dataclass(frozen=True, slots=True)
class Contents:
    """What an export at the cut-off would hold, counted in assessments. `open` may still be answered."""

    participants: int
    randomised: int
    assessments: int
    received: int
    due: int
    open: int


@dataclass(frozen=True, slots=True)
class Made:
    """What is remembered of an export. `definitions` are those of study, protocol, instruments and program."""

    cut_off: date
    sha256: str
    bytes: int
    rows: Mapping[str, int]
    definitions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An export that was made. `who` is empty for the command line; `role` says how it was made."""

    at: datetime
    who: str
    role: str
    made: Made


def definitions(study: Study, instruments: Mapping[str, Instrument]) -> dict[str, Any]:
    """Versions that decide about the bytes: where they differ, an equal hash cannot be expected."""
    return {
        "proapp": __version__,
        "protocol": study.number,
        "study": study.content_hash,
        "instruments": {
            code: {"hash": instruments[code].content_hash, "algorithm": instruments[code].algorithm_version}
            for code in study.instruments
        },
    }


def check_cut_off(day: date, *, today: date) -> None:
    """Raises Refused: cut_off_in_future."""
    if day > today:
        raise Refused("cut_off_in_future", today=today)


def contents(cohort: Cohort) -> Contents:
    """Counts for the page, from a cohort loaded at the cut-off."""
    states = [one.state for one in cohort.assessments()]
    received = sum(one.collection == "SUBMITTED" for one in states)
    closed = sum(
        one.expectation == "EXPECTED" and one.collection != "SUBMITTED" and one.phase == "CLOSED" for one in states
    )
    return Contents(
        participants=len(cohort.members),
        randomised=sum(member.facts.randomized_on is not None for member in cohort.members),
        assessments=len(states),
        received=received,
        due=received + closed,
        open=sum(one.shown in ("open", "due", "late", "in_progress") for one in states),
    )


def record(session: Session, made: Made, *, actor: Actor, now: datetime) -> None:
    """Note in the audit trail that the data went out. To be called before anybody gets the file."""
    details = {**asdict(made), "cut_off": made.cut_off.isoformat()}
    audit.record(session, Entry(CREATED, "export", made.sha256[:16], details), actor=actor, now=now)


def record_listing(session: Session, exports: int, *, actor: Actor, now: datetime) -> None:
    """Note in the audit trail that a machine was told which exports there are."""
    audit.record(session, Entry(LISTED_BY_MACHINE, "export", "list", {"rows": exports}), actor=actor, now=now)


def earlier(session: Session, *, limit: int = LISTED) -> Sequence[Earlier]:
    """Exports made before, the newest first. One statement."""
    rows = session.execute(
        select(AuditEvent.at, StaffUser.name, AuditEvent.actor_role, AuditEvent.details)
        .outerjoin(StaffUser, (StaffUser.id == AuditEvent.actor_id) & (AuditEvent.actor_kind == "staff"))
        .where(AuditEvent.chain == SYSTEM, AuditEvent.action == CREATED)
        .order_by(AuditEvent.seq.desc())
        .limit(limit)
    )
    return [Earlier(at, name or "", role, _made(details)) for at, name, role, details in rows]


def _made(details: str) -> Made:
    said = json.loads(details)
    return Made(**{**said, "cut_off": date.fromisoformat(said["cut_off"])})
