"""What a randomisation service tells: somebody takes part, somebody was randomised. The same request is done once.

A service that got no answer sends again, perhaps from another process and days later. It is known by its key, where it
gave one, and else by what it says: the same request gets the answer that it got, and another one with the same key is
refused. What was asked is kept as a keyed hash, so that nobody reads it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.orm import Session

from proapp.db.models import ApiWrite
from proapp.services import audit, enrolment, register
from proapp.services.api_tokens import Machine
from proapp.services.audit import Entry
from proapp.services.errors import Refused
from proapp.services.vault import Vault
from proapp.study.model import Study

BEFORE = frozenset({"study_id_taken", "already_randomized"})  # perhaps by this very request


@dataclass(frozen=True, slots=True)
class Told:
    """The answer, and whether it is that of an earlier request."""

    answer: Mapping[str, Any]
    again: bool


def enrol(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    machine: Machine,
    key: str | None,
    study_id: str,
    site_code: str,
    language: str,
    consent_on: date,
    now: datetime,
) -> Told:
    """A new participant, of whom no contact is known yet.

    Raises what services.enrolment.enrol raises, and Refused: key_used.
    """
    study_id = enrolment.as_written(study, study_id)
    asked = {"study_id": study_id, "site": site_code, "language": language, "consent_on": consent_on.isoformat()}

    def act() -> Mapping[str, Any]:
        enrolment.enrol(
            session,
            study=study,
            vault=vault,
            study_id=study_id,
            site_code=site_code,
            language=language,
            consent_on=consent_on,
            channel=None,
            mobile=None,
            email=None,
            sites=machine.sites,
            actor=machine.actor,
            now=now,
        )
        return asked

    return _once(session, vault, machine, key, {"do": "enrol", **asked}, act, now)


def randomize(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    machine: Machine,
    key: str | None,
    study_id: str,
    arm: str,
    randomized_on: date,
    randomized_time: time | None,
    override_reason: str | None,
    now: datetime,
) -> Told:
    """The arm, and the day from which the plan counts.

    Raises what services.enrolment.randomize raises, and Refused: key_used.
    """
    study_id = enrolment.as_written(study, study_id)
    at = randomized_time.isoformat("minutes") if randomized_time else None
    answer = {"study_id": study_id, "arm": arm, "randomized_on": randomized_on.isoformat(), "randomized_time": at}

    def act() -> Mapping[str, Any]:
        enrolment.randomize(
            session,
            study=study,
            study_id=study_id,
            sites=machine.sites,
            arm=arm,
            randomized_on=randomized_on,
            randomized_time=randomized_time,
            actor=machine.actor,
            now=now,
            override_reason=override_reason,
        )
        return answer

    asked = {"do": "randomize", **answer, "override_reason": override_reason}
    return _once(session, vault, machine, key, asked, act, now)


def _once(
    session: Session,
    vault: Vault,
    machine: Machine,
    key: str | None,
    asked: Mapping[str, Any],
    act: Callable[[], Mapping[str, Any]],
    now: datetime,
) -> Told:
    fingerprint = vault.keyed_hash("api write", audit.canonical(asked))
    key_hash = vault.keyed_hash("api key", key) if key is not None else None
    _take_turns(session, f"{asked['do']} {asked['study_id']}")
    if key_hash is not None:
        _take_turns(session, f"{machine.token_id} {key_hash}")
        known = _found(session, ApiWrite.token_id == machine.token_id, ApiWrite.key_hash == key_hash)
        if known is not None and known.fingerprint != fingerprint:
            raise Refused("key_used")
        if known is not None:
            return Told(known.answer, again=True)
    try:
        answer = act()
    except Refused as refused:
        known = _found(session, ApiWrite.fingerprint == fingerprint) if refused.code in BEFORE else None
        if known is None:
            raise
        return Told(known.answer, again=True)
    _keep(session, machine, key_hash, fingerprint, answer, now)
    return Told(answer, again=False)


def _take_turns(session: Session, name: str) -> None:
    """The same request twice at the same moment: the second waits, and finds the first one's answer. On SQLite writing
    transactions take turns anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('proapp api ' || :name))"), {"name": name})


def _found(session: Session, *conditions: ColumnElement[bool]) -> ApiWrite | None:
    return session.scalars(select(ApiWrite).where(*conditions).order_by(ApiWrite.id.desc()).limit(1)).first()


def _keep(
    session: Session,
    machine: Machine,
    key_hash: str | None,
    fingerprint: str,
    answer: Mapping[str, Any],
    now: datetime,
) -> None:
    participant = register.find(session, study_id=answer["study_id"], sites=machine.sites)
    row = ApiWrite(
        token_id=machine.token_id,
        participant_id=participant.id,
        key_hash=key_hash,
        fingerprint=fingerprint,
        answer=dict(answer),
        recorded_at=now,
    )
    session.add(row)
    session.flush()
    entry = Entry("api_write.recorded", "api_write", row.id, {}, site_code=participant.site_code)
    audit.record(session, entry, actor=machine.actor, now=now, participant_id=participant.id, locked=True)
