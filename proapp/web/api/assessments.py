"""Every expected assessment with its state, and nothing of what was answered."""

from __future__ import annotations

from typing import Any, cast

from proapp.services import cohort, cohort_page
from proapp.services.errors import NotFound
from proapp.services.members import Cohort, Expected
from proapp.web.api import blueprint, scope
from proapp.web.api.operations import Read, reading
from proapp.web.api.shapes import Assessment, AssessmentPage, AssessmentWalk, Mode
from proapp.web.guard import audience
from proapp.web.transactions import database, runtime, today


@blueprint.get("/assessments")
@audience("assessments:read")
@reading("Walk through the assessments", AssessmentPage, query=AssessmentWalk, refusals=(404,))
def assessments(asked: AssessmentWalk) -> Read:
    found, following = _found(asked)
    data = [_assessment(one) for one in found.assessments() if scope.is_shown(one)]
    return Read(AssessmentPage(data=data, next=following), len(found.members))


def _found(asked: AssessmentWalk) -> tuple[Cohort, str | None]:
    about: dict[str, Any] = {"study": runtime().study, "sites": scope.sites(asked.site), "today": today()}
    if asked.study_id is None:
        return cohort_page.load(database(), **about, after=asked.after or "", limit=asked.limit)
    found = cohort.load(database(), **about, study_id=asked.study_id)
    if not found.members:
        raise NotFound(asked.study_id)
    return found, None


def _assessment(one: Expected) -> Assessment:
    facts, state, answered = one.facts, one.state, one.primary
    return Assessment(
        study_id=one.member.study_id,
        site=one.site_code,
        timepoint=one.timepoint,
        occurrence=one.occurrence,
        protocol_version=one.protocol_version,
        target_on=facts.target_on,
        opens_on=facts.opens_on,
        closes_on=facts.closes_on,
        late_until=facts.late_until,
        extension_until=facts.extension_until,
        status=state.shown,
        expectation=state.expectation,
        not_expected_reason=state.not_expected_reason,
        collection=state.collection,
        phase=state.phase,
        timing=state.timing,
        missing_reason=state.reason_code,
        completed_on=facts.completed_on,
        submitted_at=facts.submitted_at,
        mode=cast("Mode | None", answered.mode if answered is not None else None),
        answered_items=answered.answered_items if answered is not None else None,
        scorable=facts.valid,
    )
