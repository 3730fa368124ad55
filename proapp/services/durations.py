"""How long a questionnaire takes, by the experience of the study itself: patients are told what others needed, once
enough have answered. Until then the estimate of the packs is all there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from statistics import median

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, ResponseSet
from proapp.instruments.model import Instrument
from proapp.study.model import Study
from proapp.study.versions import versions

AT_LEAST = 10  # fewer could be one slow person and one quick one
NEWEST = 200  # what is read at most, so that the page costs the same in a trial of any size
WITHOUT_A_BREAK = timedelta(hours=2)  # who took longer had a rest in the middle, which says nothing about the questions

Packs = tuple[str, ...]


def minutes(
    session: Session | Connection, asked: Collection[Packs], *, study: Study, instruments: Mapping[str, Instrument]
) -> dict[Packs, int]:
    """For each list of packs the whole minutes that an average patient needs. One statement, whatever is asked.

    The median from start to submission of what patients answered themselves at time points with the same packs; of
    fewer than `AT_LEAST`, the sum that the packs state.
    """
    taken = _taken(session, asked, study)
    return {packs: max(1, round(_usual(packs, taken.get(packs, ()), instruments))) for packs in asked}


def _usual(packs: Packs, taken: Sequence[float], instruments: Mapping[str, Instrument]) -> float:
    if len(taken) >= AT_LEAST:
        return median(taken)
    return sum(instruments[code].minutes for code in packs if code in instruments)


def _taken(session: Session | Connection, asked: Collection[Packs], study: Study) -> Mapping[Packs, list[float]]:
    """The minutes of each sitting, by the packs that its own version of the study asked then."""
    packs_of = {
        (timepoint.code, version.number): timepoint.instruments
        for version in versions(study)
        for timepoint in version.timepoints
        if timepoint.instruments in asked
    }
    rows = session.execute(
        select(Assessment.timepoint, ResponseSet.protocol_version, ResponseSet.started_at, ResponseSet.submitted_at)
        .join(Assessment, Assessment.id == ResponseSet.assessment_id)
        .where(
            Assessment.timepoint.in_(sorted({code for code, _number in packs_of})),
            ResponseSet.mode == "self_remote",
            ResponseSet.submitted_at.is_not(None),
            ResponseSet.auto_submitted.is_(False),
            ResponseSet.void_reason.is_(None),
        )
        .order_by(ResponseSet.submitted_at.desc(), ResponseSet.id.desc())
        .limit(NEWEST)
    )
    taken: dict[Packs, list[float]] = defaultdict(list)
    for timepoint, version, started_at, submitted_at in rows:
        packs = packs_of.get((timepoint, version))
        assert submitted_at is not None  # by the condition above
        if packs is not None and submitted_at - started_at <= WITHOUT_A_BREAK:
            taken[packs].append((submitted_at - started_at) / timedelta(minutes=1))
    return taken
