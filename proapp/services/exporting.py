"""Exports as acts: who took data out, when, what was asked for, and the hash by which the same file is known again.

The file itself is kept nowhere. It can be made again from what was asked for at any time, and its hash tells whether it
is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import AuditEvent, StaffUser
from proapp.instruments.model import Instrument
from proapp.services import audit
from proapp.services.audit import SYSTEM, Actor, Entry
from proapp.services.cohort import Cohort
from proapp.services.errors import Refused
from proapp.study.model import Study
from proapp.study.schedule import close_instant
from proapp.version import __version__

CREATED = "export.created"
LISTED_BY_MACHINE = "export.listed"
FROZEN = "export.frozen"
LONGEST_NAME = 60
Profile = Literal["analysis", "site", "archive"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
SEES_ARMS = frozenset({"coordinator", "statistician"})
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
class Asked:
    """What decides, with the data, about the bytes of an export: the last local day that counts, the moment before
    which something must have been recorded to be known (None: the end of that day), and who it is made for.

    `site` is the one of the profile site. Without `arms` nothing tells who is in which arm. `key_id` names the key of
    the ids, where those of the study are not shown.
    """

    cut_off: date
    as_of: datetime | None = None
    profile: Profile = "analysis"
    site: str | None = None
    arms: bool = True
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What is remembered of an export. `definitions` are those of study, protocol, instruments and program."""

    asked: Asked
    sha256: str
    bytes: int
    rows: Mapping[str, int]
    definitions: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An export that was made, or a cut that was frozen under a name. `who` is empty for the command line; `role` says
    how it was made."""

    at: datetime
    who: str
    role: str
    made: Made
    named: str = ""


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


def ask(
    study: Study,
    *,
    now: datetime,
    cut_off: date | None = None,
    as_of: datetime | None = None,
    profile: Profile = "analysis",
    site: str | None = None,
    arms: bool = True,
    key_id: str | None = None,
) -> Asked:
    """What was asked for, made whole. Each clock comes from the other where only one is given: the cut-off is the day
    that `as_of` ends or lies in (without it, today), `as_of` the end of the cut-off day, or now while it lasts. To the
    second. Who works at a site does not see the arms.

    Raises Refused: cut_off_in_future(today), as_of_in_future, as_of_before_cut_off(cut_off), site_needed,
    site_unknown(site), site_of_no_use, archive_has_arms, archive_has_ids.
    """
    _check_profile(study, profile, site)
    if profile == "archive" and not arms:
        raise Refused("archive_has_arms")
    if profile == "archive" and key_id is not None:
        raise Refused("archive_has_ids")  # the trail names them in what is hashed
    day, known = _clocks(cut_off, as_of, now, study.zone())
    return Asked(day, known, profile, site, arms and profile != "site", key_id)


def _check_profile(study: Study, profile: Profile, site: str | None) -> None:
    if profile == "site" and site is None:
        raise Refused("site_needed")
    if profile != "site" and site is not None:
        raise Refused("site_of_no_use")
    if site is not None and site not in {one.code for one in study.sites}:
        raise Refused("site_unknown", site=site)


def _clocks(cut_off: date | None, as_of: datetime | None, now: datetime, zone: ZoneInfo) -> tuple[date, datetime]:
    now = now.replace(microsecond=0)
    if as_of is not None and as_of > now:
        raise Refused("as_of_in_future")
    day = cut_off or local_date(now if as_of is None else as_of - timedelta(seconds=1), zone)
    check_cut_off(day, today=local_date(now, zone))
    if as_of is None:
        return day, min(close_instant(day, zone), now)
    if local_date(as_of, zone) < day:
        raise Refused("as_of_before_cut_off", cut_off=day)
    return day, as_of.astimezone(UTC).replace(microsecond=0)


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
    audit.record(session, Entry(CREATED, "export", made.sha256[:16], _details(made)), actor=actor, now=now)


def record_listing(session: Session, exports: int, *, actor: Actor, now: datetime) -> None:
    """Note in the audit trail that a machine was told which exports there are."""
    audit.record(session, Entry(LISTED_BY_MACHINE, "export", "list", {"rows": exports}), actor=actor, now=now)


def new_name(session: Session, name: str) -> str:
    """The name of a cut to be frozen, without blanks at its ends.

    Raises Refused: name_needed, name_too_long(longest), name_taken(name).
    """
    name = " ".join(name.split())
    if not name:
        raise Refused("name_needed")
    if len(name) > LONGEST_NAME:
        raise Refused("name_too_long", longest=LONGEST_NAME)
    told = session.scalars(select(AuditEvent.details).where(AuditEvent.chain == SYSTEM, AuditEvent.action == FROZEN))
    if name.casefold() in {json.loads(details)["named"].casefold() for details in told}:
        raise Refused("name_taken", name=name)
    return name


def freeze(session: Session, made: Made, *, name: str, signer: Actor, now: datetime) -> None:
    """Note that `signer` has given this cut a name: these are the data of an analysis. Raises as `new_name`."""
    details = {"named": new_name(session, name), **_details(made)}
    audit.record(session, Entry(FROZEN, "export", made.sha256[:16], details), actor=signer, now=now)


def _details(made: Made) -> dict[str, Any]:
    said = asdict(made)
    return {**said.pop("asked"), **said}


def earlier(session: Session, *, action: str = CREATED, limit: int = LISTED) -> Sequence[Earlier]:
    """Exports made before (or, with FROZEN, the cuts that have a name), the newest first. One statement."""
    rows = session.execute(
        select(AuditEvent.at, StaffUser.name, AuditEvent.actor_role, AuditEvent.details)
        .outerjoin(StaffUser, (StaffUser.id == AuditEvent.actor_id) & (AuditEvent.actor_kind == "staff"))
        .where(AuditEvent.chain == SYSTEM, AuditEvent.action == action)
        .order_by(AuditEvent.seq.desc())
        .limit(limit)
    )
    return [Earlier(at, name or "", role, *_told(json.loads(details))) for at, name, role, details in rows]


def _told(said: dict[str, Any]) -> tuple[Made, str]:
    """An export of before there were two clocks has no `as_of`: it was what was known at the end of the day."""
    named = said.pop("named", "")
    asked = {one.name: said.pop(one.name) for one in fields(Asked) if one.name in said}
    asked["cut_off"] = date.fromisoformat(asked["cut_off"])
    if asked.get("as_of"):
        asked["as_of"] = datetime.fromisoformat(asked["as_of"])
    return Made(Asked(**asked), **said), named
