"""The plan as rows: in step with the events, whatever their order, and never moved under somebody's hands."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from proapp.db.models import Assessment, AuditEvent, MissedReason, Participant, ParticipantEvent, ResponseSet
from proapp.services import planning
from proapp.services.audit import WORKER
from proapp.services.planning import Dates, Stored
from proapp.study.events import Event
from proapp.study.schedule import Anchors, plan
from tests.conftest import definitions

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STUDY = definitions()[0]


def person(session, study_id="UME-001", enrolled_at=NOW) -> int:
    row = Participant(study_id=study_id, site_code=study_id[:3], language="sv", enrolled_at=enrolled_at)
    session.add(row)
    session.flush()
    return row.id


def happened(session, participant_id, type_, on, **payload) -> int:
    supersedes = payload.pop("supersedes", None)
    row = ParticipantEvent(
        participant_id=participant_id,
        type=type_,
        effective_on=on,
        payload=payload,
        recorded_at=NOW,
        supersedes_id=supersedes,
    )
    session.add(row)
    session.flush()
    return row.id


def replan(session, study, participant_id, now=NOW):
    return planning.replan(session, study, participant_id, actor=WORKER, now=now)


def rows(session, participant_id) -> dict[str, Assessment]:
    session.expire_all()
    found = session.scalars(select(Assessment).where(Assessment.participant_id == participant_id))
    return {row.timepoint: row for row in found}


def test_consent_plans_everything_and_dates_only_the_baseline(session, study):
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 11, 20))
    replan(session, study, anna)
    found = rows(session, anna)
    assert set(found) == {timepoint.code for timepoint in study.timepoints}
    assert found["baseline"].opens_on == found["baseline"].target_on == date(2026, 11, 20)
    assert found["baseline"].closes_on is None
    assert {row.target_on for code, row in found.items() if code != "baseline"} == {None}


@pytest.mark.parametrize(
    ("anchor", "targets"),
    [
        (date(2026, 8, 31), {"m03": date(2026, 11, 30), "m06": date(2027, 2, 28), "m18": date(2028, 2, 29)}),
        (date(2024, 2, 29), {"m12": date(2025, 2, 28), "m24": date(2026, 2, 28), "m03": date(2024, 5, 29)}),
        (date(2026, 1, 31), {"m03": date(2026, 4, 30), "m12": date(2027, 1, 31)}),
    ],
)
def test_month_ends_are_clamped_in_the_rows(session, study, anchor, targets):
    anna = person(session)
    happened(session, anna, "pro_consent", anchor - timedelta(days=7))
    happened(session, anna, "randomized", anchor, arm="SURG")
    replan(session, study, anna)
    found = rows(session, anna)
    assert {code: found[code].target_on for code in targets} == targets
    m03 = study.timepoint("m03")
    assert found["m03"].opens_on == targets["m03"] - timedelta(days=m03.before_days)
    assert found["m03"].closes_on == targets["m03"] + timedelta(days=m03.after_days)
    assert found["baseline"].closes_on == found["baseline"].late_until == anchor


def test_replanning_twice_changes_nothing(session, study):
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 11, 1))
    happened(session, anna, "randomized", date(2026, 11, 20), arm="ONC")
    assert len(replan(session, study, anna)) == len(study.timepoints)
    audited = session.scalars(select(AuditEvent.id)).all()
    assert replan(session, study, anna, now=NOW + timedelta(days=400)) == ()
    assert session.scalars(select(AuditEvent.id)).all() == audited


def test_every_row_written_has_one_audit_event(session, study):
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 11, 1))
    replan(session, study, anna)
    happened(session, anna, "randomized", date(2026, 11, 23), arm="ONC")
    replan(session, study, anna)
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
    assert [event.action for event in events] == ["assessment.planned"] * 7 + ["assessment.moved"] * 7
    assert {event.chain for event in events} == {f"p{anna}"}
    assert {event.site_code for event in events} == {"UME"}
    assert len({event.entity_id for event in events}) == 7


def test_an_opened_assessment_keeps_its_dates_and_its_protocol(session, study):
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 1, 1))
    wrong = happened(session, anna, "randomized", date(2026, 8, 20), arm="ONC")
    replan(session, study, anna)
    before = rows(session, anna)["m03"]
    dates = (before.target_on, before.opens_on, before.closes_on, before.late_until)
    before.protocol_version = "earlier"
    opened(session, before.id)
    happened(session, anna, "randomized", date(2026, 8, 10), arm="ONC", supersedes=wrong)
    replan(session, study, anna)
    found = rows(session, anna)
    after = found["m03"]
    assert (after.target_on, after.opens_on, after.closes_on, after.late_until) == dates
    assert after.protocol_version == "earlier"
    assert found["m06"].target_on == date(2027, 2, 10)


def test_an_opened_baseline_still_ends_with_the_randomisation(session, study):
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 11, 1))
    replan(session, study, anna)
    opened(session, rows(session, anna)["baseline"].id)
    happened(session, anna, "randomized", date(2026, 11, 20), arm="ONC")
    replan(session, study, anna)
    baseline = rows(session, anna)["baseline"]
    assert baseline.closes_on == baseline.late_until == date(2026, 11, 20)
    assert baseline.opens_on == date(2026, 11, 1)


def opened(session, assessment_id) -> None:
    session.add(
        ResponseSet(
            assessment_id=assessment_id,
            mode="self_remote",
            respondent="self",
            protocol_version="1",
            packs={},
            started_at=NOW,
        )
    )
    session.flush()


def test_the_number_of_statements_does_not_depend_on_the_number_of_assessments(session, study, statements):
    counts = []
    for study_id, keep in (("UME-001", 7), ("UME-002", 2)):
        version = study.model_copy(update={"timepoints": study.timepoints[:keep]})
        anna = person(session, study_id)
        happened(session, anna, "pro_consent", date(2025, 1, 1))
        happened(session, anna, "randomized", date(2025, 1, 10), arm="ONC")
        statements.clear()
        replan(session, version, anna)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 8


def test_a_window_over_before_it_was_planned_is_the_systems_fault(session, study):
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 1, 1))
    happened(session, anna, "randomized", date(2026, 1, 31), arm="ONC")
    replan(session, study, anna)
    m03 = rows(session, anna)["m03"]
    reasons = {reason.assessment_id: reason for reason in session.scalars(select(MissedReason))}
    assert reasons[m03.id].code == "registered_after_window"
    assert (reasons[m03.id].source, reasons[m03.id].avoidable, reasons[m03.id].health_related) == ("system", "Y", "N")
    # The sixth month (target 31 July, late until 11 September) is over too; the twelfth is still to come.
    assert {row.timepoint for row in rows(session, anna).values() if row.id in reasons} == {"baseline", "m03", "m06"}
    replan(session, study, anna)
    assert len(session.scalars(select(MissedReason.id)).all()) == 3


def test_a_baseline_that_could_have_been_answered_is_not_excused_by_the_system(session, study):
    anna = person(session, enrolled_at=NOW - timedelta(days=10))
    happened(session, anna, "pro_consent", date(2026, 11, 10))
    replan(session, study, anna, now=NOW - timedelta(days=10))
    happened(session, anna, "randomized", date(2026, 11, 20), arm="ONC")
    replan(session, study, anna)
    assert session.scalars(select(MissedReason.code)).all() == []


def test_a_window_that_was_open_is_not_excused_when_a_correction_moves_it_into_the_past(session, study):
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 1, 1))
    wrong = happened(session, anna, "randomized", date(2026, 8, 20), arm="ONC")
    replan(session, study, anna)  # the third month has been open since 6 November
    happened(session, anna, "randomized", date(2026, 6, 20), arm="ONC", supersedes=wrong)
    replan(session, study, anna)
    m03 = rows(session, anna)["m03"]
    assert m03.late_until < date(2026, 11, 23)
    assert m03.id not in session.scalars(select(MissedReason.assessment_id)).all()


def test_time_points_of_the_other_arm_are_cancelled_and_come_back(session, study):
    timepoints = tuple(
        timepoint.model_copy(update={"arms": ("SURG",)}) if timepoint.code == "m06" else timepoint
        for timepoint in study.timepoints
    )
    version = study.model_copy(update={"timepoints": timepoints})
    version.__dict__.pop("timepoints_by_code", None)
    anna = person(session)
    happened(session, anna, "pro_consent", date(2026, 11, 1))
    replan(session, version, anna)
    wrong = happened(session, anna, "randomized", date(2026, 11, 20), arm="ONC")
    replan(session, version, anna)
    assert rows(session, anna)["m06"].cancelled_reason == "not_applicable_arm"
    assert rows(session, anna)["m06"].target_on is None
    happened(session, anna, "randomized", date(2026, 11, 20), arm="SURG", supersedes=wrong)
    replan(session, version, anna)
    assert rows(session, anna)["m06"].cancelled_reason is None
    assert rows(session, anna)["m06"].target_on == date(2027, 5, 20)


def test_the_folded_dates_do_not_depend_on_the_order_of_recording():
    history = [
        ("pro_consent", date(2026, 1, 5), None, None),
        ("randomized", date(2026, 2, 1), None, "SURG"),
        ("death", date(2027, 1, 1), None, None),
        ("pro_stop", date(2026, 12, 1), None, None),
    ]
    found = set()
    for order in permutations(range(len(history))):
        events = [
            Event(number, *history[index][:2], NOW, history[index][2], history[index][3])
            for number, index in enumerate(order, start=1)
        ]
        found.add(planning.anchors_of(events))
    assert found == {Anchors(date(2026, 1, 5), date(2026, 2, 1), "SURG")}


days = st.dates(date(2024, 1, 1), date(2027, 12, 31))


@given(consent=days, wait=st.integers(0, 60), shift=st.integers(-20, 20), steps=st.permutations([0, 1, 2]))
@settings(max_examples=60, deadline=None)
def test_the_plan_ends_the_same_through_whatever_steps_it_came(consent, wait, shift, steps):
    """Pure: replanning after each of several events in any order leaves what one replanning at the end would."""
    first = consent + timedelta(days=wait)
    right = max(consent, first + timedelta(days=shift))
    events = [
        Event(1, "pro_consent", consent, NOW),
        Event(2, "randomized", first, NOW, None, "ONC"),
        Event(3, "randomized", right, NOW, 2, "ONC"),
    ]
    at_once = stored_after([], events)
    stepwise: list[Stored] = []
    known: list[Event] = []
    for step in steps:
        known.append(events[step])
        stepwise = stored_after(stepwise, known)
    assert {(row.timepoint, row.dates) for row in stepwise} == {(row.timepoint, row.dates) for row in at_once}
    assert planning.changes(STUDY, stepwise, planning.anchors_of(events)) == ()
    assert {(row.timepoint, row.dates) for row in at_once} == {
        (planned.timepoint, Dates.of(planned)) for planned in plan(STUDY, Anchors(consent, right, "ONC"))
    }


def stored_after(stored: list[Stored], events: list[Event]) -> list[Stored]:
    table = {(row.timepoint, row.occurrence): row for row in stored}
    for change in planning.changes(STUDY, stored, planning.anchors_of(events)):
        key = (change.timepoint, change.occurrence)
        number = table[key].id if key in table else len(table) + 1
        table[key] = Stored(number, *key, change.new, change.cancelled_reason, opened=False, completed_on=None)
    return list(table.values())


@pytest.mark.parametrize("reverse", [False, True])
def test_recording_death_before_randomisation_plans_the_same_rows(session, study, reverse):
    plans = []
    for study_id in ("UME-001", "UME-002"):
        anna = person(session, study_id)
        happened(session, anna, "pro_consent", date(2026, 9, 1))
        story = [("randomized", date(2026, 10, 1), {"arm": "ONC"}), ("death", date(2026, 11, 1), {})]
        for type_, on, payload in story[:: -1 if (study_id == "UME-002") == reverse else 1]:
            happened(session, anna, type_, on, **payload)
            replan(session, study, anna)
        plans.append({code: (row.opens_on, row.late_until) for code, row in rows(session, anna).items()})
    assert plans[0] == plans[1]


def test_a_window_that_was_never_open_is_still_excused_after_a_correction(session, study):
    """Its first dates were over when they became known, and so are the corrected ones: nobody was asked, ever."""
    anna = person(session)
    happened(session, anna, "pro_consent", date(2025, 12, 1))
    wrong = happened(session, anna, "randomized", date(2026, 1, 31), arm="ONC")
    replan(session, study, anna)
    happened(session, anna, "randomized", date(2026, 2, 2), arm="ONC", supersedes=wrong)
    replan(session, study, anna, now=NOW + timedelta(days=1))
    m03 = rows(session, anna)["m03"]
    given = session.scalars(select(MissedReason.recorded_at).where(MissedReason.assessment_id == m03.id)).all()
    assert given == [NOW, NOW + timedelta(days=1)]
