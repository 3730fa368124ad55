"""Who takes part, and since when."""

from __future__ import annotations

from datetime import date
from typing import Any

from proapp.services import cohort, cohort_page
from proapp.services.errors import NotFound
from proapp.services.members import Member
from proapp.study.status import ParticipantFacts, stop_of
from proapp.web.api import blueprint, scope
from proapp.web.api.operations import Read, reading
from proapp.web.api.shapes import Nothing, Participant, ParticipantPage, Walk
from proapp.web.guard import audience, machine
from proapp.web.transactions import database, runtime, today

STOPS = {"pro_stop": "stopped", "trial_withdrawal": "withdrawn", "death": "dead"}


@blueprint.get("/participants")
@audience("participants:read")
@reading("Walk through the participants", ParticipantPage, query=Walk, refusals=(404,))
def participants(asked: Walk) -> Read:
    found, following = cohort_page.load(
        database(),
        study=runtime().study,
        sites=scope.sites(asked.site),
        today=today(),
        after=asked.after or "",
        limit=asked.limit,
    )
    data = [_participant(member) for member in found.members]
    return Read(ParticipantPage(data=data, next=following), len(data))


@blueprint.get("/participants/<study_id>")
@audience("participants:read")
@reading("One participant", Participant, refusals=(404,))
def participant(_asked: Nothing, study_id: str) -> Read:
    study, sites = runtime().study, machine().sites
    found = cohort.load(database(), study=study, sites=sites, today=today(), study_id=study_id)
    if not found.members:
        raise NotFound(study_id)
    return Read(_participant(found.members[0]), 1)


def _participant(member: Member) -> Participant:
    status, since = _status(member.facts)
    arm: dict[str, Any] = {"arm": member.facts.arm} if machine().sees_arms else {}
    return Participant(
        study_id=member.study_id,
        site=member.site_code,
        language=member.language,
        enrolled_at=member.enrolled_at,
        consent_on=member.facts.consent_on,
        randomized_on=member.facts.randomized_on,
        status=status,
        status_on=since,
        **arm,
    )


def _status(facts: ParticipantFacts) -> tuple[Any, date | None]:
    stopped_on, why = stop_of(facts, today=today())
    if why is not None:
        return STOPS[why], stopped_on
    if facts.randomized_on is not None:
        return "randomized", facts.randomized_on
    return "enrolled", facts.consent_on
