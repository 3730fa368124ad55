"""Correcting the date of randomisation: seen before, done once, and never under somebody's hands."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from sqlalchemy import func, select

from proapp.db.models import Assessment, AuditEvent, ParticipantEvent
from proapp.services import event_corrections
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.event_corrections import Correction
from proapp.services.planning import Dates
from tests.people import People, faults

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
UME = frozenset({"UME"})
WRONG, RIGHT = date(2026, 8, 10), date(2026, 8, 20)


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def anna(house):
    return house.participant(
        consent_on=date(2026, 8, 1), randomized_on=WRONG, arm="ONC", enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


@pytest.fixture
def correct(session, study, nurse, anna):
    def call(new_date=RIGHT, new_time=None, new_arm=None, **changes):
        given = {"study_id": "UME-001", "sites": UME, "reason": "A slip of the pen", "approved": True, **changes}
        who = {"study_id": given["study_id"], "sites": given["sites"]}
        correction = Correction(event_corrections.randomization(session, **who).id, new_date, new_time, new_arm)
        return event_corrections.put_right(session, study=study, correction=correction, actor=nurse, now=NOW, **given)

    return call


def plan_rows(session) -> dict[str, Dates]:
    session.expire_all()
    return {
        row.timepoint: Dates(row.anchor_on, row.target_on, row.opens_on, row.closes_on, row.late_until)
        for row in session.scalars(select(Assessment))
    }


def test_the_preview_shows_what_the_correction_does_and_writes_nothing(session, study, correct):
    before = plan_rows(session)
    seen = correct(dry_run=True, reason=None)
    assert plan_rows(session) == before
    assert session.scalar(select(func.count()).select_from(AuditEvent)) == 0
    done = correct()
    assert done == seen
    after = plan_rows(session)
    assert [move.timepoint for move in seen] == [timepoint.code for timepoint in study.timepoints]
    assert {move.timepoint: (move.old, move.new) for move in seen} == {
        code: (before[code], after[code]) for code in after
    }
    assert after["m03"].target_on == date(2026, 11, 20)
    assert after["baseline"].closes_on == RIGHT


def test_the_old_event_stays_and_is_superseded(session, correct, nurse):
    correct(new_time=time(14, 15))
    old, new = session.scalars(
        select(ParticipantEvent).where(ParticipantEvent.type == "randomized").order_by(ParticipantEvent.id)
    ).all()
    assert (old.effective_on, new.effective_on, new.effective_time) == (WRONG, RIGHT, time(14, 15))
    assert (new.supersedes_id, new.payload, new.reason) == (old.id, {"arm": "ONC"}, "A slip of the pen")
    assert new.recorded_by_id == nurse.id


def test_one_audit_event_for_each_row_and_the_reason_is_in_the_trail(session, study, correct):
    correct()
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
    assert [event.action for event in events] == ["event.recorded", *["assessment.moved"] * len(study.timepoints)]
    assert events[0].reason == "A slip of the pen"
    assert list(faults(session)) == []


def test_an_opened_assessment_keeps_its_dates_and_says_so(session, house, anna, correct):
    house.answered(anna, "m03", codes={}, started_at=NOW)
    before = plan_rows(session)["m03"]
    move = next(move for move in correct() if move.timepoint == "m03")
    assert (move.moves, move.old, move.new) == (False, before, before)
    assert plan_rows(session)["m03"] == before


def test_answers_that_would_count_differently_are_pointed_out(house, anna, correct):
    at = datetime(2026, 10, 30, 9, tzinfo=UTC)  # in the window as it was (from 27 October), early in the new one
    house.answered(anna, "m03", codes={}, started_at=at, submitted_at=at)
    moves = {move.timepoint: move for move in correct(date(2026, 8, 25), dry_run=True)}
    assert moves["m03"].mismatch
    assert not moves["m06"].mismatch
    assert not next(move for move in correct(date(2026, 8, 11), dry_run=True) if move.timepoint == "m03").mismatch


def test_a_baseline_that_would_come_after_randomisation_is_pointed_out(house, anna, correct):
    at = datetime(2026, 8, 8, 9, tzinfo=UTC)
    house.answered(anna, "baseline", codes={}, started_at=at, submitted_at=at)
    earlier = {move.timepoint: move for move in correct(date(2026, 8, 5), dry_run=True)}
    assert earlier["baseline"].mismatch
    assert earlier["baseline"].new.closes_on == date(2026, 8, 5)
    later = {move.timepoint: move for move in correct(RIGHT, dry_run=True)}
    assert not later["baseline"].mismatch


@pytest.mark.parametrize(
    ("new_date", "changes", "code"),
    [
        (WRONG, {}, "nothing_changed"),
        (date(2026, 11, 24), {}, "date_in_future"),
        (date(2026, 7, 31), {}, "date_before_consent"),
        (RIGHT, {"reason": None}, "reason_required"),
        (RIGHT, {"reason": "  "}, "reason_required"),
        (RIGHT, {"reason": "x" * 501}, "reason_too_long"),
    ],
)
def test_a_correction_that_cannot_be_is_refused_and_writes_nothing(session, correct, new_date, changes, code):
    before = plan_rows(session)
    with pytest.raises(Refused) as refused:
        correct(new_date, **changes)
    assert refused.value.code == code
    assert plan_rows(session) == before
    assert session.scalar(select(func.count()).select_from(AuditEvent)) == 0


def test_only_the_time_may_be_corrected_and_then_nothing_moves(session, correct):
    before = plan_rows(session)
    assert correct(WRONG, new_time=time(8, 0)) == ()
    assert plan_rows(session) == before


def test_a_correction_can_be_corrected(session, correct):
    correct()
    correct(date(2026, 8, 15), reason="Looked again")
    assert plan_rows(session)["m03"].target_on == date(2026, 11, 15)
    assert session.scalar(select(func.count()).where(ParticipantEvent.type == "randomized")) == 3


def test_who_is_not_randomised_has_nothing_to_correct(house, correct):
    house.participant("UME-002", consent_on=date(2026, 8, 1))
    with pytest.raises(Refused, match="not_randomized"):
        correct(study_id="UME-002")


def test_not_beyond_death(house, anna, correct):
    house.event(anna, "death", date(2026, 8, 15))
    with pytest.raises(Refused, match="after_end"):
        correct(date(2026, 8, 16))


def test_charlie_corrects_nothing(correct):
    for study_id in ("UME-001", "UME-404"):
        for dry_run in (True, False):
            with pytest.raises(NotFound):
                correct(study_id=study_id, sites=frozenset({"LUN"}), dry_run=dry_run)
