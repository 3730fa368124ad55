"""The register: one participant, found by study id within the reader's sites.

Every service that is told a study id starts here, so that somebody else's participant is exactly as absent as one that
does not exist, and so that all who write about one participant take turns.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Participant
from proapp.services.errors import NotFound, Refused
from proapp.study.model import Study

LONGEST_REASON = 500


def find(session: Session, *, study_id: str, sites: frozenset[str] | None, lock: bool = False) -> Participant:
    """The participant `study_id` of one of `sites` (None = all); with `lock`, writers of this participant take turns.

    Raises NotFound for an absent and for a foreign participant alike.
    """
    query = select(Participant).where(Participant.study_id == study_id)
    if sites is not None:
        query = query.where(Participant.site_code.in_(sorted(sites)))
    if lock:  # SQLite has no row locks: there a writing transaction has the database to itself
        query = query.with_for_update(key_share=True)
    found = session.scalar(query)
    if found is None:
        raise NotFound(study_id)
    return found


def today_at(study: Study, site_code: str, now: datetime) -> date:
    """The calendar day at the participant's site."""
    return local_date(now, study.zone(site_code))


def required_reason(reason: str | None) -> str:
    """`reason` without surrounding space. Raises Refused: reason_required, reason_too_long(longest)."""
    text = optional_reason(reason)
    if text is None:
        raise Refused("reason_required")
    return text


def optional_reason(reason: str | None) -> str | None:
    """`reason` without surrounding space, None when nothing is left. Raises Refused: reason_too_long(longest)."""
    text = (reason or "").strip()
    if len(text) > LONGEST_REASON:
        raise Refused("reason_too_long", longest=LONGEST_REASON)
    return text or None
