"""What a machine reads: states, dates and counts of its sites; never an answer, a contact, or an arm it may not see."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent
from proapp.services import exporting
from proapp.services.audit import COMMAND_LINE
from proapp.services.exporting import Asked, Made
from tests.crowd import crowd

pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
V1 = "/api/v1"
READS = ("participants:read", "assessments:read", "compliance:read")
DONE = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def anna(people: Any) -> int:
    """Randomised three months ago; the three-month assessment is sent."""
    anna: int = people.participant("UME-001", randomized_on=date(2026, 8, 20))
    people.answered(anna, "m03", started_at=DONE, submitted_at=DONE)
    return anna


def get(machine: Any, path: str, status: int = 200) -> Any:
    page = machine.get(V1 + path)
    assert page.status_code == status, page.get_data(as_text=True)
    return page.get_json()


def test_a_participant_is_told_with_dates_and_without_the_arm(people, anna):
    machine = people.machine(*READS)
    found = get(machine, "/participants/UME-001")
    assert found == {
        "study_id": "UME-001",
        "site": "UME",
        "language": "sv",
        "enrolled_at": "2026-11-23T09:00:00Z",
        "consent_on": "2026-08-20",
        "randomized_on": "2026-08-20",
        "status": "randomized",
        "status_on": "2026-08-20",
    }
    assert get(machine, "/participants") == {"data": [found], "next": None}
    assert get(people.machine(*READS, arms=True), "/participants/UME-001") == {**found, "arm": "SURG"}


@pytest.mark.parametrize(
    ("event", "status"), [("pro_stop", "stopped"), ("trial_withdrawal", "withdrawn"), ("death", "dead")]
)
def test_what_ended_is_told_with_its_day(people, anna, event, status):
    people.event(anna, event, date(2026, 11, 1))
    found = get(people.machine(*READS), "/participants/UME-001")
    assert (found["status"], found["status_on"]) == (status, "2026-11-01")


def test_an_assessment_is_told_with_its_state_and_counts(people, anna):
    found = get(people.machine(*READS), "/assessments?study_id=UME-001")
    assert found["next"] is None
    by_timepoint = {one["timepoint"]: one for one in found["data"]}
    items = sum(map(len, people.every_item().values()))
    sent = by_timepoint["m03"]
    assert (sent["status"], sent["timing"], sent["mode"]) == ("completed", "in_window", "self_remote")
    assert (sent["completed_on"], sent["answered_items"], sent["scorable"]) == ("2026-11-20", items, True)
    assert by_timepoint["baseline"]["status"] == "missed_unexplained"
    assert by_timepoint["m06"]["status"] == "upcoming"
    assert by_timepoint["m06"]["answered_items"] is None


def test_a_walk_meets_everybody_once(people):
    for number in range(1, 8):
        people.participant(f"{('UME', 'LUN')[number % 2]}-{number:03}")
    machine, seen, after = people.machine(*READS), [], ""
    while after is not None:
        page = get(machine, f"/participants?limit=3&after={after}")
        if not seen:
            people.participant("LUN-000")  # enrolled meanwhile: nobody is met twice or missed for it
        seen += [one["study_id"] for one in page["data"]]
        after = page["next"]
    assert seen == ["LUN-001", "LUN-003", "LUN-005", "LUN-007", "UME-002", "UME-004", "UME-006"]
    page = get(machine, "/assessments?limit=3&after=LUN-003")
    assert {one["study_id"] for one in page["data"]} == {"LUN-005", "LUN-007", "UME-002"}
    assert page["next"] == "UME-002"


def test_another_site_is_as_absent_as_none(people, anna):
    people.participant("LUN-001")
    lund = people.machine(*READS, sites=("LUN",))
    assert [one["study_id"] for one in get(lund, "/participants")["data"]] == ["LUN-001"]
    assert {one["study_id"] for one in get(lund, "/assessments")["data"]} == {"LUN-001"}
    assert get(lund, "/compliance")["data"][0]["population"] == 0
    for path in ("/participants/{}", "/assessments?study_id={}"):
        assert get(lund, path.format("UME-001"), 404) == get(lund, path.format("UME-999"), 404)
    for path in ("/participants?site={}", "/assessments?site={}", "/compliance?site={}"):
        assert get(lund, path.format("UME"), 404) == get(lund, path.format("XXX"), 404)
    everywhere = people.machine(*READS)
    assert [one["study_id"] for one in get(everywhere, "/participants?site=UME")["data"]] == ["UME-001"]


def test_compliance_is_that_of_the_page_and_by_arm_for_those_who_may(people, anna):
    blind, seeing = people.machine(*READS), people.machine(*READS, arms=True)
    told = get(blind, "/compliance")
    assert {row["arm"] for row in told["data"]} == {None}
    m03 = next(row for row in told["data"] if row["timepoint"] == "m03")
    assert (m03["population"], m03["accepted"], m03["completion_rate"]) == (1, 1, 1.0)
    by_arm = get(seeing, "/compliance?cutoff=2026-11-23")["data"]
    assert [row["accepted"] for row in by_arm if row["timepoint"] == "m03"] == [1, 1, 0]
    assert get(blind, "/compliance?cutoff=2026-11-24", 422)["type"].endswith(":cutoff_in_future")


def test_time_points_of_one_arm_only_are_not_told_to_whoever_may_not_see_arms(people, anna, app):
    runtime = app.extensions["proapp"]
    points = [
        point.model_copy(update={"arms": ("SURG",) if point.code == "m06" else ()})
        for point in runtime.study.timepoints
    ]
    study = runtime.study.model_copy(update={"timepoints": tuple(points)})
    vars(study).pop("timepoints_by_code", None)
    app.extensions["proapp"] = replace(runtime, study=study)
    seen = [
        {one["timepoint"] for one in get(people.machine(*READS, arms=arms), "/assessments")["data"]}
        for arms in (False, True)
    ]
    assert seen[1] - seen[0] == {"m06"}


def test_exports_are_listed_and_each_listing_is_in_the_trail(people, runtime):
    made = Made(Asked(date(2026, 11, 1)), "0" * 64, 4711, {"participants": 3}, {})
    with runtime.writing.begin() as session:
        exporting.record(session, made, actor=COMMAND_LINE, now=runtime.clock())
    machine = people.machine("exports:read")
    [told] = get(machine, "/exports")["data"]
    assert told == {
        "created_at": "2026-11-23T09:00:00Z",
        "role": "command_line",
        "cutoff": "2026-11-01",
        "sha256": "0" * 64,
        "bytes": 4711,
        "rows": {"participants": 3},
    }
    with runtime.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "export.listed")).one()
        assert (event.actor_kind, event.actor_id) == ("machine", machine.token_id)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        (f"after={'x' * 41}", "after"),
        ("+46701740605=1", ""),
        ("limit=5&limit=6", None),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_with_what_to_mend(people, query, where):
    page = people.machine(*READS).get(f"{V1}/participants?{query}")
    said = page.get_json()
    assert (page.status_code, said["type"]) == (400, "urn:proapp:problem:query")
    assert [fault["where"] for fault in said.get("faults", [])] == ([] if where is None else [where])
    assert "46701740605" not in page.get_data(as_text=True)


def test_no_answer_contact_or_note_goes_out(people, anna, runtime):
    lisa = people.participant("UME-002", randomized_on=date(2026, 8, 20))
    people.answered(lisa, "m03", codes={"c30": {1: 4}})
    berit = people.staff("berit")
    berit.get("/staff/participants/UME-002")
    note = {"method": "phone", "outcome": "no_answer", "note": "Utflyttad i sommar"}
    assert berit.post("/staff/participants/UME-002/log-contact", note).status_code == 303
    machine = people.machine(*READS, arms=True)
    told = [get(machine, path) for path in ("/participants", "/assessments", "/compliance", "/participants/UME-002")]
    text = json.dumps(told)
    for private in ("46701740605", "0701740605", "Utflyttad", "sealed", "mobile", "email", "c30"):
        assert private not in text


@pytest.mark.parametrize("path", ["/participants?limit=200", "/assessments?limit=200", "/compliance"])
def test_the_number_of_statements_is_the_same_for_one_and_for_many(people, runtime, statements, path):
    machine = people.machine(*READS)
    counts = []
    for numbers in (range(1, 2), range(2, 40)):
        crowd(runtime, numbers)
        get(machine, path)  # the first of a day makes the counter's row
        statements.clear()
        get(machine, path)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 14
