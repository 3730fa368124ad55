"""The audit trail as a data set, for the archive: who did what, when and why, with the chain of hashes.

What the trail says of answers that may not be used is left out like the answers themselves, and so is whatever could
reach a person; of such a row the hash cannot be recomputed from the file, and `details_cut` says so.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import AuditEvent
from proapp.export.cases import data_use, is_withheld
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut
from proapp.services.audit import canonical, participant_chain
from proapp.services.audit_list import ANSWER_ENTITIES
from proapp.services.cohort import Cohort, Member

PAGE = 5000
REACHES_A_PERSON = frozenset({"address", "email", "mobile", "name", "note", "phone", "text"})

_TABLE = Table(
    "audit_trail",
    "one act that was recorded before as-of, whatever day it is about",
    ("chain", "seq"),
    (
        Column("chain", "text", "Chain of hashes: one per participant, and system",
               "Hashkedja: en per deltagare, och system"),
        Column("seq", "integer", "Number in the chain", "Nummer i kedjan", derivation="1, 2, … without a gap"),
        Column("at", "text", "When, to the microsecond", "När, på mikrosekunden",
               derivation="ISO 8601 in UTC; the very text that is hashed"),
        Column("study_id", "text", "Participant's study id", "Deltagarens studienummer",
               empty="not about a participant of this export"),
        Column("actor", "text", "Who acted, as a pseudonym", "Vem som handlade, som pseudonym",
               derivation="kind and number of the account, never a name"),
        Column("role", "code", "Role at that time", "Roll vid tillfället"),
        Column("action", "code", "What was done", "Vad som gjordes"),
        Column("entity", "code", "Kind of thing it was done to", "Vad det gällde"),
        Column("entity_id", "text", "Which one", "Vilken"),
        Column("site_code", "code", "Site", "Klinik", empty="about no site"),
        Column("details", "text", "Old and new values, as JSON", "Gamla och nya värden, som JSON",
               empty="left out, see details_cut"),
        Column("details_cut", "code", "What was left out of details", "Vad som utelämnats ur details",
               meanings(data_use="answers that may not be used", contact="what could reach a person"),
               empty="nothing"),
        Column("reason", "text", "Reason in words", "Orsak i ord", empty="none was given"),
        Column("prev_hash", "text", "Hash of the event before it", "Föregående händelses hash"),
        Column("hash", "text", "Hash of this event", "Händelsens hash",
               derivation="SHA-256 over prev_hash and the event"),
    ),
)  # fmt: skip


def table() -> Table:
    return _TABLE


def rows(session: Session, cohort: Cohort, cut: Cut) -> Generator[tuple[Cell, ...]]:
    """In the order of recording, a page at a time; one statement."""
    members = {participant_chain(one.id): one for one in cohort.members}
    withheld = {str(given.id) for one in cohort.assessments() if is_withheld(one) for given in one.sets}
    query = (
        select(*AuditEvent.__table__.columns)
        .where(AuditEvent.at < cut.as_of)
        .order_by(AuditEvent.id)
        .execution_options(yield_per=PAGE)
    )
    with session.connection().execute(query) as result:
        for event in result:
            member = members.get(event.chain)
            details, left_out = _details(event, member, cut, withheld)
            actor = event.actor_kind if event.actor_id is None else f"{event.actor_kind}:{event.actor_id}"
            yield (
                event.chain, event.seq, event.at.astimezone(UTC).isoformat(timespec="microseconds"),
                member.study_id if member else None, actor, event.actor_role, event.action, event.entity,
                event.entity_id, event.site_code, details, left_out, event.reason, event.prev_hash, event.hash,
            )  # fmt: skip


def _details(event: Any, member: Member | None, cut: Cut, withheld: AbstractSet[str]) -> tuple[str | None, str | None]:
    """(details, what was left out of them). `withheld` are the response sets whose answers may not be used, whenever
    they were given; answers of sets that this cut does not see go by the day they were recorded."""
    if event.entity in ANSWER_ENTITIES and member is not None:
        set_id = event.entity_id.partition("/")[0]
        if set_id in withheld or _forbidden(member, event.at, cut):
            return None, "data_use"
    said = json.loads(event.details)
    shown = _without_ways(said)
    return (event.details, None) if shown == said else (canonical(shown), "contact")


def _forbidden(member: Member, at: datetime, cut: Cut) -> bool:
    decision, until = data_use(member)
    if decision == "delete_if_lawful":
        return True
    return decision == "keep_until" and (until or date.min) < local_date(at, cut.study.zone())


def _without_ways(said: Any) -> Any:
    """`said` without the values that could reach a person, at any depth."""
    if isinstance(said, dict):
        return {key: _without_ways(value) for key, value in said.items() if key not in REACHES_A_PERSON}
    return [_without_ways(one) for one in said] if isinstance(said, list) else said
