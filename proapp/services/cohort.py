"""The facts about many participants at once, as the pure rooms want them, in a fixed number of statements.

Worklist, grid, participant page, compliance and export all start from here, so they cannot disagree. Site scope is
applied in every statement. With a cut-off only what had happened by the end of that local day is seen, and of that only
what was recorded by then (or before another moment, if one is given). The plan is computed anew from it: the same cut
gives the same answer whenever it is taken.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy.orm import Session

from proapp.services import cohort_rows as rows
from proapp.services.cohort_assessments import MODE_ORDER, read_assessments
from proapp.services.cohort_rows import Scope
from proapp.services.members import Attempt, Cohort, Contact, Event, Expected, Member, Reason, Responses
from proapp.study.model import Study

__all__ = (
    "MODE_ORDER", "Attempt", "Cohort", "Contact", "Event", "Expected", "Member", "Reason", "Responses", "Scope",
    "load",
)  # fmt: skip


def load(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    today: date,
    participant_id: int | None = None,
    study_id: str | None = None,
    cut_off: date | None = None,
    known_before: datetime | None = None,
    former: bool = False,
    study_ids: frozenset[str] | None = None,
) -> Cohort:
    """Everything needed to derive states on the local day `today`; at `cut_off` only facts up to that day (inclusive),
    as recorded before `known_before` (default: its end).

    Seven statements, whatever the number of participants. An unknown or foreign participant gives an empty cohort.
    `former` takes in who has left one of the sites, whole: for services.former_sites, which decides what is shown.
    `study_ids` takes in these only, a page of them for example.
    """
    scope = Scope(sites, participant_id, study_id, former, study_ids)
    horizon = rows.Horizon.of(cut_off, study.zone(), known_before)
    members = rows.read_members(session, scope, horizon)
    reasons = rows.read_reasons(session, scope, horizon)
    decisions = rows.read_decisions(session, scope, horizon)
    answers = rows.read_answers_so_far(session, scope, horizon)
    found = read_assessments(session, scope, study, horizon, members, reasons, decisions, answers, today)
    for member_id, expected in found:
        members[member_id].assessments.append(expected)
    for member_id, attempt in rows.read_attempts(session, scope, horizon):
        if member_id in members:
            members[member_id].attempts.append(attempt)
    order = {timepoint.code: number for number, timepoint in enumerate(study.timepoints)}
    for member in members.values():
        member.assessments.sort(key=lambda one: (order.get(one.timepoint, len(order)), one.timepoint, one.occurrence))
    return Cohort(today, tuple(members.values()))
