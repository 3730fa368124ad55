"""The facts of many participants at once: in scope, in few statements, and as they stood at a cut-off."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from proapp.db.models import AssessmentEvent, MissedReason, ParticipantEvent
from proapp.services import cohort

TODAY = date(2026, 11, 23)


def load(runtime, **options):
    options = {"sites": None, "today": TODAY, **options}
    with runtime.reading() as session:
        return cohort.load(session, study=runtime.study, **options)


def shown(loaded, study_id):
    return {one.timepoint: one.state.shown for one in loaded.assessments() if one.member.study_id == study_id}


def at(day, hour=9):
    return datetime.combine(day, datetime.min.time(), tzinfo=UTC) + timedelta(hours=hour)


def test_states_follow_from_the_facts(people, runtime):
    person = people.participant("UME-001", consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 20))
    people.answered(person, "baseline", submitted_at=at(date(2026, 8, 2)))
    found = shown(load(runtime), "UME-001")
    assert found["baseline"] == "completed"
    assert found["m03"] == "due"
    assert found["m06"] == "upcoming"


def test_every_time_point_has_its_row_before_randomisation(people, runtime):
    people.participant("UME-001", consent_on=TODAY)
    found = shown(load(runtime), "UME-001")
    assert list(found) == [timepoint.code for timepoint in runtime.study.timepoints]
    assert set(found.values()) == {"due", "unscheduled"}


def test_a_scope_of_sites_hides_the_others(people, runtime):
    people.participant("UME-001")
    people.participant("LUN-001")
    assert [one.study_id for one in load(runtime, sites=frozenset({"LUN"})).members] == ["LUN-001"]
    assert load(runtime, sites=frozenset()).members == ()
    assert load(runtime, sites=frozenset({"LUN"}), study_id="UME-001").members == ()


def test_the_newest_reason_counts(people, runtime):
    person = people.participant("UME-001", randomized_on=date(2026, 1, 10))
    missed = people.assessment_id(person, "m03")
    for code in ("forgot", "too_ill"):
        with runtime.writing.begin() as session:
            session.add(
                MissedReason(
                    assessment_id=missed,
                    code=code,
                    health_related="?",
                    avoidable="?",
                    source="staff",
                    recorded_at=at(TODAY),
                )
            )
    found = {one.timepoint: one for one in load(runtime).assessments()}
    assert found["m03"].state.shown == "missed"
    assert found["m03"].reason.code == "too_ill"
    assert found["m06"].state.shown == "missed_unexplained"


def reason_by(runtime, people, person, timepoint, code, source, moment):
    with runtime.writing.begin() as session:
        session.add(
            MissedReason(
                assessment_id=people.assessment_id(person, timepoint), code=code, health_related="?", avoidable="?",
                source=source, recorded_at=moment,
            )
        )  # fmt: skip


def decided(runtime, people, person, timepoint, type_, moment):
    with runtime.writing.begin() as session:
        assessment = people.assessment_id(person, timepoint)
        session.add(AssessmentEvent(assessment_id=assessment, type=type_, payload={}, recorded_at=moment))


def test_the_reason_of_a_decline_goes_when_the_decline_is_taken_back(people, runtime):
    """Missed later, it is red: what the patient said about another day explains nothing."""
    enrolled_at = at(date(2026, 1, 10))
    person = people.participant("UME-001", randomized_on=date(2026, 1, 10), enrolled_at=enrolled_at)
    said_no, back, again = (at(date(2026, 4, day)) for day in (10, 11, 12))
    decided(runtime, people, person, "m03", "declined", said_no)
    reason_by(runtime, people, person, "m03", "too_ill", "patient", said_no)
    then = {one.timepoint: one for one in load(runtime, cut_off=said_no.date(), today=said_no.date()).assessments()}
    assert (then["m03"].state.shown, then["m03"].state.reason_code) == ("declined", "too_ill")

    decided(runtime, people, person, "m03", "decline_undone", back)
    found = {one.timepoint: one for one in load(runtime).assessments()}
    assert (found["m03"].state.shown, found["m03"].reason) == ("missed_unexplained", None)

    decided(runtime, people, person, "m03", "declined", again)
    found = {one.timepoint: one for one in load(runtime).assessments()}
    assert (found["m03"].state.shown, found["m03"].state.reason_code) == ("declined", "refused_this")


def test_staffs_reason_stands_when_the_one_given_after_it_no_longer_counts(people, runtime):
    person = people.participant("UME-001", randomized_on=date(2026, 1, 10))
    reason_by(runtime, people, person, "m03", "forgot", "staff", at(date(2026, 7, 1)))
    reason_by(runtime, people, person, "m03", "too_ill", "patient", at(date(2026, 7, 2)))
    found = {one.timepoint: one for one in load(runtime).assessments()}
    assert found["m03"].reason.code == "forgot"


@pytest.mark.parametrize(("registered_on", "shown"), [(date(2026, 5, 23), "missed_unexplained"), (date(2026, 5, 24), "missed")])  # fmt: skip
def test_the_systems_reason_counts_while_the_window_was_over_when_it_was_given(people, runtime, registered_on, shown):
    """The last day to answer was 23 May: known that day it could be answered, known the day after it could not."""
    person = people.participant("UME-001", randomized_on=date(2026, 1, 11))
    reason_by(runtime, people, person, "m03", "registered_after_window", "system", at(registered_on))
    found = {one.timepoint: one for one in load(runtime).assessments()}
    assert found["m03"].facts.late_until == date(2026, 5, 23)
    assert found["m03"].state.shown == shown


@pytest.mark.parametrize(("enrolled_on", "shown"), [(date(2026, 1, 11), "missed_unexplained"), (date(2026, 1, 12), "missed")])  # fmt: skip
def test_a_baseline_is_the_systems_fault_only_if_enrolled_after_it_was_over(people, runtime, enrolled_on, shown):
    person = people.participant("UME-001", randomized_on=date(2026, 1, 11), enrolled_at=at(enrolled_on))
    reason_by(runtime, people, person, "baseline", "registered_after_window", "system", at(date(2026, 2, 1)))
    found = {one.timepoint: one for one in load(runtime).assessments()}
    assert found["baseline"].state.shown == shown


def test_a_decline_can_be_undone(people, runtime):
    person = people.participant("UME-001", randomized_on=date(2026, 8, 20))
    due = people.assessment_id(person, "m03")
    for type_, expected in (("declined", "declined"), ("decline_undone", "due")):
        with runtime.writing.begin() as session:
            session.add(AssessmentEvent(assessment_id=due, type=type_, recorded_at=at(TODAY)))
        assert shown(load(runtime), "UME-001")["m03"] == expected


def test_progress_of_an_unfinished_set_comes_from_its_answers(people, runtime):
    person = people.participant("UME-001", randomized_on=date(2026, 8, 20))
    people.answered(person, "m03", codes={"c30": {1: 2, 2: 2, 3: 1}})
    found = next(one for one in load(runtime).assessments() if one.timepoint == "m03")
    assert found.state.shown == "in_progress"
    assert (found.primary.answered_items, found.primary.last_answer_at) == (3, runtime.clock())


def test_of_two_finished_sets_the_one_completed_first_is_primary(people, runtime):
    person = people.participant("UME-001", randomized_on=date(2026, 8, 20))
    people.answered(person, "m03", submitted_at=at(date(2026, 11, 21)), mode="self_remote")
    people.answered(person, "m03", submitted_at=at(date(2026, 11, 22)), completed_on=date(2026, 11, 20), mode="paper")
    found = next(one for one in load(runtime).assessments() if one.timepoint == "m03")
    assert [one.mode for one in found.sets] == ["paper", "self_remote"]


def test_a_corrected_event_counts_and_the_old_one_is_kept(people, runtime):
    person = people.participant("UME-001", randomized_on=date(2026, 8, 20))
    old = load(runtime).members[0].events[-1]
    with runtime.writing.begin() as session:
        session.add(
            ParticipantEvent(
                participant_id=person,
                type="randomized",
                effective_on=date(2026, 8, 27),
                payload={"arm": "ONC"},
                supersedes_id=old.id,
                recorded_at=at(TODAY),
            )
        )
    member = load(runtime).members[0]
    assert (member.facts.randomized_on, member.facts.arm) == (date(2026, 8, 27), "ONC")
    assert [event.id for event in member.superseded] == [old.id]


@pytest.mark.parametrize("later", ["submission", "death", "randomisation", "reason"])
def test_what_came_after_the_cut_off_changes_nothing(people, runtime, later):
    cut = date(2026, 6, 30)
    person = people.participant(
        "UME-001", consent_on=date(2026, 1, 5), randomized_on=date(2026, 1, 10), enrolled_at=at(date(2026, 1, 5))
    )
    waiting = people.participant("UME-002", consent_on=date(2026, 6, 1), enrolled_at=at(date(2026, 6, 1)))
    before = _plain(load(runtime, cut_off=cut, today=cut))
    if later == "submission":
        people.answered(person, "m06", started_at=at(date(2026, 7, 2)), submitted_at=at(date(2026, 7, 2)))
    elif later == "death":
        people.event(person, "death", date(2026, 7, 1))
    elif later == "randomisation":
        people.event(waiting, "randomized", date(2026, 7, 1), arm="ONC")
    else:
        with runtime.writing.begin() as session:
            session.add(
                MissedReason(
                    assessment_id=people.assessment_id(person, "m03"), code="forgot", health_related="?", avoidable="Y",
                    source="staff", recorded_at=at(TODAY),
                )
            )  # fmt: skip
    assert _plain(load(runtime, cut_off=cut, today=cut)) == before
    assert _plain(load(runtime)) != before


def _plain(loaded):
    return [(one.member.study_id, one.timepoint, one.facts, one.state, one.reason) for one in loaded.assessments()]


def test_the_number_of_statements_does_not_grow(people, runtime, statements):
    people.participant("UME-001", randomized_on=date(2026, 8, 20))
    statements.clear()
    load(runtime)
    alone = len(statements)
    for number in range(2, 12):
        person = people.participant(f"UME-{number:03d}", randomized_on=date(2026, 8, 20))
        people.answered(person, "m03", codes={"c30": {1: 1}})
    statements.clear()
    load(runtime)
    assert len(statements) == alone == 7
