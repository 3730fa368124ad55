"""One trial of eleven people, counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from proapp.study.compliance import DEFINITIONS, flow
from proapp.study.schedule import Anchors, plan
from proapp.study.status import AssessmentFacts, ParticipantFacts

RANDOMIZED = date(2026, 1, 15)  # m03: target 15 April, 1 April to 13 May, late until 27 May
CUT_OFF = date(2026, 6, 1)
KEYS = ("timepoint", "target_on", "opens_on", "closes_on", "late_until")


def person(study, *, arm="SURG", randomized_on=RANDOMIZED, stops=None, **came):
    """All assessments of a participant; `came` is what came of m03."""
    anchors = Anchors(randomized_on - timedelta(days=7), randomized_on, arm)
    participant = ParticipantFacts(anchors.consent_on, randomized_on, arm, **(stops or {}))
    for planned in plan(study, anchors):
        dates = {key: getattr(planned, key) for key in KEYS}
        facts = AssessmentFacts(kind=study.timepoint(planned.timepoint).kind, **dates)
        yield facts._replace(**came) if planned.timepoint == "m03" else facts, participant


def submitted(on, *, valid=True, at=None):
    moment = at or datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
    return {"started_at": moment, "submitted_at": moment, "completed_on": on, "valid": valid}


@pytest.fixture
def rows(small):
    people = [
        person(small, **submitted(date(2026, 4, 15))),
        person(small, **submitted(date(2026, 4, 20), valid=False)),
        person(small, **submitted(date(2026, 5, 20))),  # late
        person(small, **submitted(date(2026, 3, 20))),  # early
        person(small, **submitted(date(2026, 6, 1))),  # out of window, on the day of the cut-off
        person(small, **submitted(date(2026, 6, 2))),  # after the cut-off: missing at it
        person(small, reason_code="too_ill"),
        person(small, declined=True),
        person(small, stops={"died_on": date(2026, 2, 1)}),
        person(small, stops={"died_on": date(2026, 4, 20)}),
        person(small, arm="ONC", **submitted(date(2026, 4, 15))),
        person(small, arm="ONC", randomized_on=date(2026, 5, 1)),
        person(small, arm="ONC", randomized_on=date(2026, 6, 2)),  # after the cut-off: not in the population
    ]
    return [row for one in people for row in one]


def test_every_number_of_a_time_point(small, rows):
    m03 = flow(rows, cut_off=CUT_OFF, study=small)["m03", "SURG"]
    assert m03.population == 10
    assert m03.expected == 9
    assert (m03.received_valid, m03.received_invalid, m03.received) == (4, 1, 5)
    assert m03.timing == {"in_window": 2, "late": 1, "early": 1, "out_of_window": 1}
    assert m03.not_expected == {"death": 1}
    assert m03.missing == {"unexplained": 1, "too_ill": 1, "refused_this": 1, "death_in_window": 1}
    assert (m03.missing_total, m03.unexplained) == (4, 1)
    assert (m03.pending, m03.not_reached, m03.reached) == (0, 0, 10)
    assert m03.accepted == 1
    assert m03.completion_rate == 1 / 9
    assert m03.available_data_rate == m03.available_data_rate_reached == 1 / 10
    assert m03.identity_holds


def test_those_whose_window_is_open_are_not_reached_and_never_missing(small, rows):
    m03 = flow(rows, cut_off=CUT_OFF, study=small)["m03", "ONC"]
    assert (m03.population, m03.not_reached, m03.reached, m03.missing_total) == (2, 1, 1, 0)
    assert m03.completion_rate == 1
    assert m03.available_data_rate == 1 / 2
    assert m03.available_data_rate_reached == 1


def test_an_unknown_anchor_is_pending(small, rows):
    counts = flow(rows, cut_off=CUT_OFF, study=small)
    op1 = counts["op1", "SURG"]
    assert (op1.pending, op1.not_expected, op1.population) == (8, {"death": 2}, 10)
    assert op1.completion_rate is None
    assert ("op1", "ONC") not in counts


def test_both_arms_together(small, rows):
    counts = flow(rows, cut_off=CUT_OFF, study=small)
    assert counts["m03", None].population == 12
    assert counts["m03", None].accepted == 2


def test_other_timing_classes_can_be_accepted(small, rows):
    wide = flow(rows, cut_off=CUT_OFF, study=small, accepted_timing=frozenset({"early", "in_window", "late"}))
    assert wide["m03", "SURG"].accepted == 3


def test_what_arrived_after_it_was_known_is_not_counted(small):
    keyed_later = person(small, **submitted(date(2026, 4, 15), at=datetime(2026, 7, 1, tzinfo=UTC)))
    rows = list(keyed_later)
    assert flow(rows, cut_off=CUT_OFF, study=small)["m03", "SURG"].received == 1
    known_at = datetime(2026, 6, 30, tzinfo=UTC)
    assert flow(rows, cut_off=CUT_OFF, known_at=known_at, study=small)["m03", "SURG"].missing == {"unexplained": 1}


def test_without_consent_nobody_is_in_the_population(small):
    rows = [(facts, participant._replace(consent_on=None)) for facts, participant in person(small)]
    assert flow(rows, cut_off=CUT_OFF, study=small)["m03", None].population == 0


def test_unscheduled_assessments_have_no_rate(small):
    facts, participant = next(person(small))
    rows = [(facts._replace(timepoint="extra", kind="unscheduled"), participant)]
    assert ("extra", None) not in flow(rows, cut_off=CUT_OFF, study=small)


def test_an_empty_study_has_its_time_points_and_no_rates(small):
    counts = flow([], cut_off=CUT_OFF, study=small)
    assert list(counts) == [
        *[("baseline", arm) for arm in ("SURG", "ONC", None)],
        *[("m03", arm) for arm in ("SURG", "ONC", None)],
        *[("m06", arm) for arm in ("SURG", "ONC", None)],
        *[("op1", arm) for arm in ("SURG", None)],
    ]
    for group in counts.values():
        assert group.identity_holds
        assert group.completion_rate is group.available_data_rate is group.available_data_rate_reached is None


def test_a_time_point_of_an_earlier_version_is_counted_too(small):
    facts, participant = next(person(small))
    counts = flow([(facts._replace(timepoint="w04"), participant)], cut_off=CUT_OFF, study=small)
    assert counts["w04", None].population == counts["w04", "SURG"].population == 1


def test_the_definitions_name_both_rates_in_both_languages():
    for text in map(" ".join, DEFINITIONS.values()):
        assert "ompletion rate" in text
        assert "vailable-data rate" in text
        assert "SISAQOL" not in text
    assert len(DEFINITIONS["en"]) == len(DEFINITIONS["sv"])
