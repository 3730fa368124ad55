"""A part of the participants at a time, for whoever walks through all of them.

The order is that of the study ids and a page begins after one of them, so a walk neither misses nor repeats anybody who
was there when it began, whatever happens meanwhile.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import Participant
from proapp.services import cohort
from proapp.services.cohort import Cohort, Scope
from proapp.study.model import Study


def load(
    session: Session, *, study: Study, sites: frozenset[str] | None, today: date, after: str, limit: int
) -> tuple[Cohort, str | None]:
    """At most `limit` participants of `sites` whose study id comes after `after`, and where the next page begins.

    One statement more than `cohort.load`, whatever the number of participants.
    """
    query = select(Participant.study_id).where(Participant.study_id > after)
    found = session.scalars(Scope(sites).limit(query).order_by(Participant.study_id).limit(limit + 1)).all()
    wanted = found[:limit]
    people = cohort.load(session, study=study, sites=sites, today=today, study_ids=frozenset(wanted))
    return people, wanted[-1] if len(found) > limit else None
