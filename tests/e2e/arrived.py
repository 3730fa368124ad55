"""What has reached the clinic, read from the database behind the server's back."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import select

from proapp.db.models import Answer, Assessment, Participant, ResponseSet
from tests.e2e.conftest import Site


def stored(site: Site, study_id: str) -> dict[tuple[str, int], int | None]:
    """What counts in the database."""
    with site.runtime.reading() as session:
        rows = session.scalars(
            select(Answer).where(Answer.response_set_id == set_of(site, study_id)).order_by(Answer.id)
        ).all()
    return {(row.instrument, row.item): row.code for row in rows if not row.overtaken}


def arrived(site: Site, study_id: str, given: Mapping[tuple[str, int], int]) -> None:
    """Wait until the database holds just this."""
    deadline = time.monotonic() + 40
    while stored(site, study_id) != given and time.monotonic() < deadline:
        time.sleep(0.1)
    assert stored(site, study_id) == given, study_id


def set_of(site: Site, study_id: str) -> int:
    with site.runtime.reading() as session:
        return session.scalars(
            select(ResponseSet.id)
            .join(Assessment, Assessment.id == ResponseSet.assessment_id)
            .join(Participant, Participant.id == Assessment.participant_id)
            .where(Participant.study_id == study_id)
        ).one()
