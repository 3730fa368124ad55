"""Another language for a participant: pages and messages from now on. Answers keep the language they were given in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from proapp.services import audit, register
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.participant_events import append
from proapp.study.model import Study


def change_language(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    language: str,
    actor: Actor,
    now: datetime,
) -> int | None:
    """Pages and messages in another language from now on; what was answered keeps the language it was answered in.

    Returns the event's id, None when that already is the language. Raises NotFound, and Refused: language_not_offered.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    if language not in study.languages:
        raise Refused("language_not_offered")
    before = participant.language
    if language == before:
        return None
    row, entry = append(
        session,
        participant,
        type="language_change",
        effective_on=register.today_at(study, participant.site_code, now),
        payload={"from": before, "to": language},
        actor=actor,
        now=now,
    )
    participant.language = language
    session.flush()
    details = {"old": {"language": before}, "new": {"language": language}}
    changed = Entry("participant.changed", "participant", participant.id, details, site_code=participant.site_code)
    audit.record(session, entry, changed, actor=actor, now=now, participant_id=participant.id, locked=True)
    return row.id
