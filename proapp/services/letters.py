"""Letters that are due: the outbox's rows that no gateway takes, because somebody at the clinic writes an envelope.

A letter that was sent is a contact like any other, so it is noted in the contact log too, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db import queries
from proapp.db.models import Message, Participant
from proapp.services import cohort, contact_log, messages
from proapp.services.audit import Actor
from proapp.services.cohort import Expected, Scope
from proapp.services.composing import decided_again, require_openable
from proapp.services.errors import NotFound
from proapp.services.reminding_facts import cases
from proapp.services.vault import CannotOpen, Vault
from proapp.services.work_cases import may_contact
from proapp.study.model import Study
from proapp.study.status import is_waiting


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to send. `last_on` is the last day on which an answer is of use."""

    message_id: int
    assessment: Expected
    due_on: date
    last_on: date | None


def due(
    session: Session, *, study: Study, sites: frozenset[str] | None, now: datetime, site: str | None = None
) -> tuple[Letter, ...]:
    """Letters to send today, the longest due first. Of participants who paused, stopped or answered meanwhile none.

    Eight statements, whatever the number of participants. A site outside `sites` gives none.
    """
    allowed = sites if site is None else frozenset({site}) if sites is None or site in sites else frozenset[str]()
    rows = session.execute(Scope(allowed).limit(queries.messages_for_people(now))).all()
    wanted = [row for row in rows if row.channel == "letter" and row.state == "queued"]
    if not wanted:
        return ()
    people = cohort.load(session, study=study, sites=allowed, today=local_date(now, study.zone(site)))
    by_id = {one.id: one for one in people.assessments()}
    found = (_letter(row, by_id.get(row.assessment_id), study, now) for row in wanted)
    return tuple(letter for letter in found if letter is not None)


def mark_sent(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    message_id: int,
    actor: Actor,
    now: datetime,
) -> str:
    """Note that the letter has been posted; returns the study id. Pressing twice is pressing once.

    Raises NotFound, and Refused: not_a_letter, no_longer_wanted(reason).
    """
    query = select(Participant.study_id, Message.assessment_id, Message.state, Message.channel).join(Message)
    query = Scope(sites).limit(query.where(Message.id == message_id))
    row = session.execute(query).first()
    if row is None:
        raise NotFound(str(message_id))
    messages.letter_posted(session, message_id, sites=sites, actor=actor, now=now)
    if row.state != "sent":
        contact_log.letter_sent(
            session,
            study=study,
            sites=sites,
            study_id=row.study_id,
            assessment_id=row.assessment_id,
            actor=actor,
            now=now,
        )
    return str(row.study_id)


def unwanted(
    session: Session, *, study: Study, vault: Vault, now: datetime, lock: bool = False
) -> list[tuple[Any, str]]:
    """Letters in the list that the plan does not want any more: the row, and why. What was changed after it was put
    there (the study or the site has closed, an amendment took the step out) speaks against a letter as it does against
    a message. With `lock` the participants are held, and those passed over that somebody else holds.
    """
    table, people = Message.__table__, Participant.__table__
    query = (
        select(table, people.c.site_code)
        .join(people, people.c.id == table.c.participant_id)
        .where(table.c.state == "queued", table.c.channel == "letter", table.c.assessment_id.is_not(None))
        .order_by(table.c.id)
    )
    if lock:
        query = query.with_for_update(key_share=True, of=[table, people], skip_locked=True)
    rows = session.execute(query).all()
    known = cases(session, study=study, vault=vault, assessment_ids=[row.assessment_id for row in rows])
    found: list[tuple[Any, str]] = []
    for row in rows:
        if row.assessment_id in known:
            decision = decided_again(session, row, known[row.assessment_id], study, now)
            if decision.verdict == "not" and not (decision.reason == "no_contact" and _is_shut(session, row, vault)):
                found.append((row, decision.reason))
    return found


def _is_shut(session: Session, row: Any, vault: Vault) -> bool:
    """Whether there is a contact that cannot be read: it is not known then that there is none."""
    try:
        require_openable(session, row.participant_id, vault)
    except CannotOpen:
        return True
    return False


def drop_unwanted(session: Session, *, study: Study, vault: Vault, actor: Actor, now: datetime) -> int:
    """Take them out of the list; returns how many. The caller commits."""
    found = unwanted(session, study=study, vault=vault, now=now, lock=True)
    for row, why in found:
        messages.cancel_letter(session, row, why, actor=actor, now=now)
    return len(found)


def _letter(row: Any, assessment: Expected | None, study: Study, now: datetime) -> Letter | None:
    if assessment is None or not is_waiting(assessment.state) or (row.not_after is not None and now >= row.not_after):
        return None
    zone = study.zone(assessment.member.site_code)
    if not may_contact(assessment.member, local_date(now, zone)):
        return None
    facts = assessment.facts
    last_on = max((day for day in (facts.closes_on, facts.extension_until) if day), default=None)
    return Letter(row.id, assessment, local_date(row.due_at, zone), last_on)
