"""Exports of what the plan did not foresee: repeated progressions, assessments opened by hand, participants who move; and
that a cut is the same whenever it is taken."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import ParticipantEvent
from proapp.services import (
    event_corrections,
    extension,
    language_change,
    participant_events,
    transfer,
    unscheduled,
)
from proapp.services.audit import Actor
from tests.following import following
from tests.people import People

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY, YESTERDAY = date(2026, 11, 23), date(2026, 11, 22)
UME, LUN = frozenset({"UME"}), frozenset({"LUN"})


@pytest.fixture
def runtime(runtime):
    object.__setattr__(runtime, "study", following())
    return runtime


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def anna(house):
    return house.participant(
        consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 10), enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


@pytest.fixture
def tell(runtime, house, anna):
    """Two progressions, an extra assessment, more time, another language, and then a transfer: all on the same day."""
    nurse = Actor("staff", house.staff_id("berit"), "nurse")
    about = {"study": runtime.study, "study_id": "UME-001", "sites": UME, "actor": nurse, "now": NOW}

    def told():
        with runtime.writing.begin() as session:
            for on in (date(2026, 11, 18), date(2026, 11, 2)):
                participant_events.record_event(session, type="progression", effective_on=on, **about)
            extra = {"timepoint": "extra", "opens_on": TODAY, "closes_on": None, "reason": "The board"}
            unscheduled.open_assessment(session, **extra, **about)
            m03 = {name: value for name, value in about.items() if name != "study_id"}
            until = date(2027, 1, 10)
            found = house.assessment_id(anna, "m03")
            extension.extend(session, assessment_id=found, until=until, reason="In hospital", **m03)
            language_change.change_language(session, language="en", **about)
            transfer.transfer(session, to="LUN", effective_on=date(2026, 11, 10), note=None, **about)

    return told


def test_every_assessment_has_its_row_number_and_site(export, tell):
    tell()
    rows = export(TODAY).by("assessments", "timepoint", "occurrence", "instrument")
    found = {key[:2]: (row["site_code"], row["target_on"]) for key, row in rows.items() if key[2] == "c30"}
    assert found["prog", "1"] == ("UME", "2026-11-09")
    assert found["prog", "2"] == ("LUN", "2026-11-25")
    assert found["extra", "1"] == ("LUN", "2026-11-23")
    assert found["m03", "1"] == ("LUN", "2026-11-10")
    assert found["baseline", "1"] == ("UME", "2026-08-01")
    assert found["op1", "1"] == ("LUN", "")
    assert rows["m03", "1", "c30"]["extension_until"] == "2027-01-10"
    (person,) = export(TODAY).table("participants")
    assert (person["site_code"], person["language"]) == ("LUN", "en")
    assert (person["transferred_on"], person["progression_on"]) == ("2026-11-10", "2026-11-02")


def test_flags_add_up_to_the_compliance_table(export, tell):
    tell()
    made = export(TODAY)
    flags = [row for row in made.table("assessments") if row["instrument"] == "c30" and row["in_population"] == "1"]
    counted = {row["timepoint"]: row["population"] for row in made.table("compliance") if row["arm_code"] == "all"}
    assert {code: str(sum(row["timepoint"] == code for row in flags)) for code in counted} == counted
    assert set(counted) >= {"prog", "op1"}
    assert "extra" not in counted


def test_a_cut_is_the_same_before_and_after_what_came_later(export, tell):
    before = export(YESTERDAY)
    tell()
    assert export(YESTERDAY).content == before.content


def test_a_correction_leaves_earlier_cuts_alone(runtime, export, house, tell):
    tell()
    before = export(TODAY)
    nurse, later = Actor("staff", house.staff_id("charlie"), "nurse"), NOW + timedelta(days=3)
    about = {"study": runtime.study, "study_id": "UME-001", "sites": LUN, "actor": nurse, "now": later, "reason": "No"}
    with runtime.writing.begin() as session:
        events = {event.type: event for event in _events(session)}
        gone = event_corrections.Correction(events["progression"].id, None)
        event_corrections.put_right(session, correction=gone, approved=True, **about)
        event_corrections.revoke_event(session, event_id=events["site_transfer"].id, **about)
    assert export(TODAY).content == before.content
    after = export(TODAY + timedelta(days=3))
    assert {row["site_code"] for row in after.table("assessments")} == {"UME"}
    assert ("prog", "2") not in after.by("assessments", "timepoint", "occurrence", "instrument")


def _events(session):
    return session.scalars(select(ParticipantEvent).order_by(ParticipantEvent.id)).all()


def test_without_the_arms_a_time_point_of_one_arm_is_told_by_no_table(house, anna, export, runtime):
    (only_one,) = (point.code for point in runtime.study.timepoints if point.arms)
    nurse = Actor("staff", house.staff_id("berit"), "nurse")
    with runtime.writing.begin() as session:
        unscheduled.open_assessment(
            session, study=runtime.study, study_id="UME-001", sites=UME, timepoint=only_one, opens_on=TODAY,
            closes_on=None, reason="The board", actor=nurse, now=NOW,
        )  # fmt: skip
    whole, blind = export(TODAY), export(TODAY, arms=False)
    assert only_one in {row["timepoint"] for row in whole.table("assessments")}
    for name in ("assessments", "items_wide", "scores_wide"):
        assert only_one not in {row["timepoint"] for row in blind.table(name)}, name
    counted = [made.table("participants")[0]["n_planned"] for made in (whole, blind)]
    assert int(counted[0]) == int(counted[1]) + 1
