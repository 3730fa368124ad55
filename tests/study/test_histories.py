"""What must hold for every history and every clock: generated, not chosen."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, date, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proapp.study.compliance import as_of, flow
from proapp.study.events import Event, anchors, participant_facts
from proapp.study.schedule import plan
from proapp.study.status import AssessmentFacts, Shown, abandoned, accepts_answers, may_answer, state

STOCKHOLM = ZoneInfo("Europe/Stockholm")
FIRST = date(2025, 1, 1)
TYPES = ("pro_consent", "randomized", "surgery", "pro_stop", "trial_withdrawal", "death", "off_treatment", "revoked")
PHASES = ("BEFORE", "OPEN", "DUE", "GRACE", "CLOSED")

day = st.integers(0, 900).map(lambda number: FIRST + timedelta(days=number))
noon = day.map(lambda on: datetime(on.year, on.month, on.day, 11, tzinfo=UTC))


@st.composite
def histories(draw):
    """Events of one participant, some of them correcting earlier ones, in the order of their ids."""
    events = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        kind = draw(st.sampled_from(TYPES)) if number > 1 else "pro_consent"
        corrected = [event.id for event in events if event.type == kind or kind == "revoked"]
        supersedes = (
            draw(st.sampled_from(corrected)) if corrected and (kind == "revoked" or draw(st.booleans())) else None
        )
        arm = draw(st.sampled_from(["SURG", "ONC"])) if kind == "randomized" else None
        events.append(Event(number, kind, draw(day), draw(noon), supersedes, arm))
    return events


@st.composite
def collections(draw):
    """What came of an assessment: nothing, a start, a submission, a decline; perhaps a reason or an extension."""
    started_at = draw(st.none() | noon)
    submitted_at = started_at and draw(
        st.none() | st.integers(0, 400).map(lambda days: started_at + timedelta(days=days))
    )
    return {
        "extension_days": draw(st.none() | st.integers(1, 30)),
        "cancelled_reason": draw(st.sampled_from([None, None, None, "amendment"])),
        "started_at": started_at,
        "last_answer_at": started_at,
        "submitted_at": submitted_at,
        "completed_on": submitted_at and submitted_at.date(),
        "valid": draw(st.booleans()) if submitted_at else None,
        "declined": draw(st.booleans()),
        "reason_code": draw(st.sampled_from([None, "forgot"])),
    }


def assessments(study, events, came):
    found = []
    for planned, facts in zip(plan(study, anchors(events)), came, strict=False):
        days = facts["extension_days"]
        extension = planned.late_until + timedelta(days=days) if days and planned.late_until else None
        kind = study.timepoint(planned.timepoint).kind
        rest = {key: value for key, value in facts.items() if key != "extension_days"}
        found.append(
            AssessmentFacts(
                planned.timepoint,
                kind,
                planned.target_on,
                planned.opens_on,
                planned.closes_on,
                planned.late_until,
                extension,
                **rest,
            )
        )
    return found


came = st.lists(collections(), min_size=4, max_size=4)


@given(events=histories(), came=came, today=day)
def test_exactly_one_status_is_shown_at_every_instant(small, events, came, today):
    for assessment in assessments(small, events, came):
        current = state(assessment, participant_facts(events), today=today, study=small)
        assert current.shown in get_args(Shown)
        assert (current.not_expected_reason is not None) == (current.expectation == "NOT_EXPECTED")
        assert (current.shown == "not_expected") == (current.expectation == "NOT_EXPECTED")
        assert (current.shown == "missed") <= (current.reason_code is not None)


@given(events=histories(), came=came, today=day)
def test_a_submission_never_becomes_missed_or_not_expected(small, events, came, today):
    for assessment in assessments(small, events, came):
        if assessment.submitted_at is not None:
            current = state(assessment, participant_facts(events), today=today, study=small)
            assert current.shown == ("completed" if assessment.valid else "completed_unscorable")


@given(events=histories(), came=came, today=day, later=st.integers(0, 400))
def test_time_alone_never_reopens_what_closed_nor_removes_what_came(small, events, came, today, later):
    participant = participant_facts(events)
    for assessment in assessments(small, events, came):
        before = state(assessment, participant, today=today, study=small)
        after = state(assessment, participant, today=today + timedelta(days=later), study=small)
        assert before.collection == after.collection
        assert before.timing == after.timing
        if before.expectation == after.expectation:
            assert PHASES.index(before.phase) <= PHASES.index(after.phase)
        if before.phase == "CLOSED":
            assert after.phase == "CLOSED"
            assert not may_answer(after)
        if before.expectation == "NOT_EXPECTED":
            assert after == before or after.expectation == "NOT_EXPECTED"


@given(events=histories())
def test_windows_are_in_order(small, events):
    for planned in plan(small, anchors(events)):
        dates = [planned.opens_on, planned.target_on, planned.closes_on, planned.late_until]
        known = [on for on in dates if on is not None]
        assert known == sorted(known)


@given(events=histories(), seed=st.integers(0, 999))
def test_the_plan_does_not_depend_on_the_order_in_which_events_were_recorded(small, events, seed):
    shuffled = random.Random(seed).sample(events, len(events))
    assert participant_facts(shuffled) == participant_facts(events)
    assert plan(small, anchors(shuffled)) == plan(small, anchors(events))


@st.composite
def populations(draw):
    return draw(st.lists(st.tuples(histories(), came), min_size=1, max_size=6))


def rows_of(study, people, **known):
    return [
        (assessment, participant_facts(events, **known))
        for events, came in people
        for assessment in assessments(study, events, came)
    ]


@given(people=populations(), cut_off=day)
def test_every_participant_is_counted_exactly_once(small, people, cut_off):
    rows = rows_of(small, people)
    counts = flow(rows, cut_off=cut_off, study=small)
    for (timepoint, arm), group in counts.items():
        assert group.identity_holds
        assert group.received == group.timing.total()
        assert group.accepted <= min(group.received_valid, group.reached)
        if arm is None:
            arms = [other for key, other in counts.items() if key[0] == timepoint and key[1] is not None]
            assert group.population == sum(other.population for other in arms)
            assert group.missing == sum((other.missing for other in arms), start=type(group.missing)())


@given(people=populations(), cut_off=day, known_at=noon)
def test_a_cut_off_sees_the_same_then_and_later(small, people, cut_off, known_at):
    """What was recorded, or happened, afterwards changes nothing."""

    def seen(people):
        known = {"cut_off": cut_off, "known_at": known_at}
        return flow(rows_of(small, people, **known), cut_off=cut_off, known_at=known_at, study=small)

    def as_recorded_then(facts):
        """A submission that was not there yet; the plan is the same, so that only collection differs."""
        submitted_at = facts["submitted_at"]
        if submitted_at and (submitted_at > known_at or facts["completed_on"] > cut_off):
            return {**facts, "submitted_at": None, "completed_on": None, "valid": None}
        return facts

    then = [(events, [as_recorded_then(facts) for facts in came]) for events, came in people]
    assert seen(people) == seen(then)


@given(events=histories(), cut_off=day, known_at=noon)
def test_what_was_recorded_or_happened_later_does_not_count_at_a_cut_off(events, cut_off, known_at):
    then = [event for event in events if event.recorded_at <= known_at]
    assert participant_facts(events, cut_off=cut_off, known_at=known_at) == participant_facts(then, cut_off=cut_off)
    facts = participant_facts(events, cut_off=cut_off, known_at=known_at)
    assert all(on <= cut_off for on in facts if isinstance(on, date))


@given(came=collections(), cut_off=day)
def test_as_of_keeps_what_had_come_by_then(came, cut_off):
    came.pop("extension_days")
    facts = AssessmentFacts("m03", "scheduled", FIRST, FIRST, FIRST, FIRST, **came)
    then = as_of(facts, cut_off=cut_off)
    submitted = facts.submitted_at is not None and facts.completed_on <= cut_off
    assert (then.submitted_at is not None) == submitted
    assert then.started_at == facts.started_at


@given(events=histories(), came=came, hours=st.integers(0, 24 * 900))
def test_what_is_begun_is_either_still_taken_or_submitted_as_it_is(small, events, came, hours):
    """No moment exists at which begun answers are refused and not yet kept."""
    now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    participant = participant_facts(events)
    for assessment in assessments(small, events, came):
        begun = assessment._replace(
            submitted_at=None, declined=False, cancelled_reason=None, started_at=now, last_answer_at=now
        )
        taken = accepts_answers(begun, participant, now=now, study=small, zone=STOCKHOLM)
        given_up = abandoned(begun, participant, now=now, study=small, zone=STOCKHOLM)
        assert taken != given_up


@pytest.fixture
def server_zone():
    """Sets the time zone of the process, as a server elsewhere would have it, and puts it back."""
    before = os.environ.get("TZ")

    def move(name):
        os.environ["TZ"] = name
        time.tzset()

    yield move
    if before is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_results_are_equal_whatever_the_time_zone_of_the_server(small, server_zone):
    @settings(max_examples=25, derandomize=True, database=None)
    @given(people=populations(), hours=st.integers(0, 24 * 900))
    def collect(people, hours):
        now = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        for assessment, participant in rows_of(small, people):
            today = now.astimezone(STOCKHOLM).date()
            told.append(state(assessment, participant, today=today, study=small))
            told.append(accepts_answers(assessment, participant, now=now, study=small, zone=STOCKHOLM))
            told.append(abandoned(assessment, participant, now=now, study=small, zone=STOCKHOLM))
        told.append(flow(rows_of(small, people), cut_off=now.date(), study=small))

    results = []
    for name in ("UTC", "Europe/Stockholm", "Pacific/Auckland"):
        server_zone(name)
        told = []
        collect()
        results.append(told)
    assert len(results[0]) > 100
    assert results[0] == results[1] == results[2]
