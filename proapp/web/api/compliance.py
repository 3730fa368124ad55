"""The counts and rates of the compliance page, from the same function."""

from __future__ import annotations

from proapp.export.compliance import Flows, flows
from proapp.services import exporting, former_sites
from proapp.services.errors import Refused
from proapp.study.compliance import DEFINITIONS, Flow
from proapp.web.api import blueprint, scope
from proapp.web.api.operations import Read, reading
from proapp.web.api.shapes import AtCutOff, Compliance, ComplianceRow
from proapp.web.guard import audience, machine
from proapp.web.problems import Problem
from proapp.web.transactions import database, runtime, today


@blueprint.get("/compliance")
@audience("compliance:read")
@reading("How complete the answers are", Compliance, query=AtCutOff, refusals=(404, 422))
def compliance(asked: AtCutOff) -> Read:
    cut_off, study = asked.cutoff or today(), runtime().study
    try:
        exporting.check_cut_off(cut_off, today=today())
    except Refused:
        raise Problem(422, "cutoff_in_future", "The cut-off is still to come; send today or an earlier day.") from None
    found = former_sites.load_responsible(
        database(), study=study, sites=scope.sites(asked.site), today=cut_off, cut_off=cut_off
    )
    data = _rows(flows(found, study))
    return Read(Compliance(cutoff=cut_off, definitions=list(DEFINITIONS["en"]), data=data), len(found.members))


def _rows(found: Flows) -> list[ComplianceRow]:
    study = runtime().study
    arms = (None, *(arm.code for arm in study.arms if machine().sees_arms))
    return [
        _row(timepoint.code, arm, found[timepoint.code, arm])
        for timepoint in study.timepoints
        for arm in arms
        if (timepoint.code, arm) in found
    ]


def _row(timepoint: str, arm: str | None, counts: Flow) -> ComplianceRow:
    return ComplianceRow(
        timepoint=timepoint,
        arm=arm,
        population=counts.population,
        pending=counts.pending,
        not_reached=counts.not_reached,
        reached=counts.reached,
        not_expected=dict(counts.not_expected),
        expected=counts.expected,
        received_valid=counts.received_valid,
        received_invalid=counts.received_invalid,
        received_timing=dict(counts.timing),
        accepted=counts.accepted,
        missing=dict(counts.missing),
        completion_denominator=counts.expected_reached,
        completion_rate=counts.completion_rate,
        available_data_rate=counts.available_data_rate,
        available_data_rate_reached=counts.available_data_rate_reached,
    )
