"""Two people at two desks do the same at the same moment: it is done once, and the other one is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from proapp.db.models import Assessment, AssessmentEvent, FormerSite, ParticipantEvent
from proapp.services import (
    declining,
    extension,
    participant_events,
    transfer,
    unscheduled,
)
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.sitting_reading import find_sitting
from tests.following import following
from tests.people import People, faults

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
UME = frozenset({"UME"})
STUDY = following()
DESKS = 4


@pytest.fixture
def house(runtime):
    object.__setattr__(runtime, "study", STUDY)
    return People(runtime, None, None)


@pytest.fixture
def anna(house):
    return house.participant(
        consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 10), enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


@pytest.fixture
def at_once(runtime, house, anna):
    """Do the same at every desk; returns what came of it, a refusal by its code."""
    nurse = Actor("staff", house.staff_id("berit"), "nurse")

    def call(deed):
        together = Barrier(DESKS)

        def at_a_desk(_number):
            together.wait(timeout=20)
            try:
                with runtime.writing.begin() as session:
                    deed(session, {"study": STUDY, "sites": UME, "actor": nurse, "now": NOW})
            except Refused as refused:
                return refused.code
            except NotFound:
                return "not_found"
            return "done"

        with ThreadPoolExecutor(DESKS) as desks:
            return sorted(desks.map(at_a_desk, range(DESKS)))

    return call


def count(runtime, model, *where):
    with runtime.reading() as session:
        assert list(faults(session)) == []
        return session.scalar(select(func.count()).select_from(model).where(*where))


def test_a_progression_is_recorded_once(at_once, runtime):
    def record(session, about):
        participant_events.record_event(session, study_id="UME-001", type="progression", effective_on=TODAY, **about)

    assert at_once(record) == ["already_recorded"] * (DESKS - 1) + ["done"]
    assert count(runtime, ParticipantEvent, ParticipantEvent.type == "progression") == 1
    assert count(runtime, Assessment, Assessment.timepoint == "prog") == 1


def test_a_transfer_is_made_once(at_once, runtime):
    def move(session, about):
        transfer.transfer(session, study_id="UME-001", to="LUN", effective_on=TODAY, note=None, **about)

    assert at_once(move) == ["done"] + ["not_found"] * (DESKS - 1)
    assert count(runtime, FormerSite) == 1


def test_more_time_is_given_once(at_once, runtime, house, anna):
    m03 = house.assessment_id(anna, "m03")

    def extend(session, about):
        until = TODAY + timedelta(days=45)
        extension.extend(session, assessment_id=m03, until=until, reason="In hospital", **about)

    assert at_once(extend) == ["done"] * DESKS  # the same again is no fault, and adds nothing
    assert count(runtime, AssessmentEvent) == 1


def test_an_assessment_is_opened_once(at_once, runtime):
    def open_(session, about):
        window = {"opens_on": TODAY, "closes_on": None, "reason": "The board"}
        unscheduled.open_assessment(session, study_id="UME-001", timepoint="extra", **window, **about)

    assert at_once(open_) == ["done"] * DESKS
    assert count(runtime, Assessment, Assessment.timepoint == "extra") == 1


def test_no_this_time_is_said_once(at_once, runtime, house, anna):
    """Each of them has to see what the one before has written while it waited for its turn."""
    about_m03 = {"participant_id": anna, "assessment_id": house.assessment_id(anna, "m03")}
    patient = Actor("patient", anna, "patient")

    def decline(session, about):
        given = {"study": STUDY, "instruments": runtime.instruments, "now": NOW, **about_m03}
        sitting = find_sitting(session, lock=True, **given)
        declining.decline(session, sitting, reason_code="too_ill", now=NOW, actor=patient)

    assert at_once(decline) == ["done"] * DESKS
    assert count(runtime, AssessmentEvent, AssessmentEvent.type == "declined") == 1
