"""A randomisation service enrols and randomises: each once, however often it asks, and with a word in the trail."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from proapp.db.models import ApiWrite, AuditEvent, Contact, Participant, ParticipantEvent
from proapp.web.api.writes import REFUSALS
from tests.people import faults
from tests.web.test_trail import events, rows
from tests.web.world import fingerprint

ONE_ENGINE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WRITES = ("participants:write", "randomizations:write", "participants:read")
PEOPLE, DRAWS = "/api/v1/participants", "/api/v1/randomizations"
NEW = {"study_id": "UME-007", "site": "UME", "language": "sv", "consent_on": "2026-11-20"}
DRAWN = {"study_id": "UME-007", "arm": "SURG", "randomized_on": "2026-11-23", "randomized_time": "09:30"}


def post(machine: Any, path: str, body: Any, key: str | None = None, **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return machine.client.post(path, json=body, headers=headers, base_url="https://localhost", **more)


@pytest.fixture
def ready(people: Any) -> Any:
    """A service that may write, and UME-007 with a baseline."""
    machine = people.machine(*WRITES)
    assert post(machine, PEOPLE, NEW).status_code == 201
    with people.runtime.reading() as session:
        anna = session.scalar(select(Participant.id).where(Participant.study_id == "UME-007"))
    sent = datetime(2026, 11, 21, 9, tzinfo=UTC)
    people.answered(anna, "baseline", codes={}, started_at=sent, submitted_at=sent)
    return machine


def test_somebody_is_enrolled_and_randomised_and_the_trail_names_the_token(people, ready, runtime):
    page = post(ready, DRAWS, DRAWN)
    assert (page.status_code, page.get_json()) == (201, DRAWN)
    told = ready.get(f"{PEOPLE}/UME-007").get_json()
    assert (told["status"], told["consent_on"], told["randomized_on"]) == ("randomized", "2026-11-20", "2026-11-23")
    with runtime.reading() as session:
        assert session.scalar(select(Contact)) is None
        [event] = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized"))
        assert (event.payload, event.recorded_by_id) == ({"arm": "SURG"}, None)
        by_machine = session.scalars(select(AuditEvent).where(AuditEvent.action.in_(("participant.enrolled", "event.recorded", "api_write.recorded"))))  # fmt: skip
        assert {(one.actor_kind, one.actor_id, one.site_code) for one in by_machine} == {
            ("machine", ready.token_id, "UME")
        }
        assert list(faults(session)) == []


@ONE_ENGINE
def test_the_site_sees_who_told_it_and_that_the_contact_is_missing(people, ready):
    berit = people.staff("berit")
    assert berit.get("/staff/participants/UME-007").status_code == 200
    assert "a machine" in berit.text
    assert berit.get("/staff/participants/UME-007/contact").status_code == 200
    mona = people.staff("mona")
    assert mona.get("/staff/audit").status_code == 200
    assert "Robot" in mona.text


@ONE_ENGINE
def test_every_row_has_its_event(people, engine):
    machine = people.machine(*WRITES)
    before, heard = rows(engine), len(events(engine))
    assert post(machine, PEOPLE, NEW).status_code == 201
    added = [name for name, _ in rows(engine).keys() - before.keys()]
    assert sorted(event.entity for event in events(engine)[heard:]) == sorted(added)
    assert set(added) == {"participant", "participant_event", "assessment", "api_write"}


@pytest.mark.parametrize("key", [None, "one"])
def test_the_same_again_is_answered_alike_and_done_once(people, ready, engine, key):
    path_and_body = [(PEOPLE, {**NEW, "study_id": "UME-008"}), (DRAWS, DRAWN)]
    for number, (path, body) in enumerate(path_and_body):
        first = post(ready, path, body, key and f"{key}{number}")
        before = fingerprint(engine)
        again = post(ready, path, body, key and f"{key}{number}")
        assert (first.status_code, first.get_json()) == (again.status_code, again.get_json()) == (201, body)
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert fingerprint(engine) == before


@ONE_ENGINE
def test_a_new_token_of_the_same_service_is_known_by_what_it_says(people, ready):
    assert post(ready, DRAWS, DRAWN, "one").status_code == 201
    follower = people.machine(*WRITES)
    for path, body in ((PEOPLE, NEW), (DRAWS, DRAWN)):
        assert post(follower, path, body).get_json() == body
    lund = people.machine(*WRITES, sites=("LUN",))
    for path, body in ((PEOPLE, NEW), (DRAWS, DRAWN)):
        assert post(lund, path, body).status_code == 404


@ONE_ENGINE
def test_something_else_with_the_same_key_or_for_the_same_person_is_a_conflict(people, ready, engine):
    assert post(ready, DRAWS, DRAWN, "one").status_code == 201
    before = fingerprint(engine)
    others = [
        (PEOPLE, {**NEW, "study_id": "UME-009"}, "one", "key_used"),
        (DRAWS, {**DRAWN, "arm": "ONC"}, "one", "key_used"),
        (DRAWS, {**DRAWN, "arm": "ONC"}, None, "already_randomized"),
        (PEOPLE, {**NEW, "language": "en"}, "two", "study_id_taken"),
    ]
    for path, body, key, code in others:
        page = post(ready, path, body, key)
        assert (page.status_code, page.get_json()["type"]) == (409, f"urn:proapp:problem:{code}")
        assert "SURG" not in page.get_data(as_text=True)
    assert fingerprint(engine) == before


@ONE_ENGINE
def test_who_was_enrolled_by_staff_is_not_enrolled_again(people):
    people.participant("UME-007")
    assert post(people.machine(*WRITES), PEOPLE, NEW).get_json()["type"].endswith(":study_id_taken")


@ONE_ENGINE
def test_a_randomisation_that_was_revoked_can_be_told_anew(people, ready, runtime):
    assert post(ready, DRAWS, DRAWN).status_code == 201
    with runtime.reading() as session:
        [event] = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized"))
    with runtime.writing.begin() as session:
        revoked = ParticipantEvent(participant_id=event.participant_id, type="revoked", effective_on=date(2026, 11, 23), payload={}, supersedes_id=event.id, recorded_at=runtime.clock())  # fmt: skip
        session.add(revoked)
    page = post(ready, DRAWS, DRAWN)
    assert page.status_code == 201
    assert "Idempotent-Replayed" not in page.headers


def test_eight_at_the_same_moment_are_one(people, app, runtime):
    machine = people.machine(*WRITES)
    token = machine.client.environ_base["HTTP_AUTHORIZATION"]
    together = threading.Barrier(8)

    def send(number: int) -> int:
        client = app.test_client(use_cookies=False)
        together.wait(10)
        headers = {"Authorization": token, "Idempotency-Key": "one"}
        return client.post(PEOPLE, json=NEW, headers=headers, base_url="https://localhost").status_code

    with ThreadPoolExecutor(8) as crowd:
        answers = set(crowd.map(send, range(8)))
    assert answers <= {201, 503}  # a database that is busy says so, and the service comes again
    assert 201 in answers
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(ApiWrite)) == 1


@ONE_ENGINE
@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (PEOPLE, {**NEW, "site": "XXX"}, 404, "not_found"),
        (PEOPLE, {**NEW, "site": "LUN"}, 422, "study_id_of_other_site"),
        (PEOPLE, {**NEW, "study_id": "nobody"}, 422, "study_id_pattern"),
        (PEOPLE, {**NEW, "language": "fi"}, 422, "language_not_offered"),
        (PEOPLE, {**NEW, "consent_on": "2026-11-24"}, 422, "date_in_future"),
        (DRAWS, {**DRAWN, "study_id": "UME-999"}, 404, "not_found"),
        (DRAWS, {**DRAWN, "arm": "BOTH"}, 422, "arm_unknown"),
        (DRAWS, {**DRAWN, "randomized_on": "2026-11-24"}, 422, "date_in_future"),
        (DRAWS, {**DRAWN, "randomized_time": "23:59"}, 422, "time_in_future"),
        (DRAWS, {**DRAWN, "randomized_on": "2026-11-19"}, 422, "date_before_consent"),
        (DRAWS, {**DRAWN, "randomized_on": "2026-11-20"}, 409, "baseline_missing"),
    ],
)
def test_what_the_study_does_not_allow_is_refused_and_leaves_nothing(ready, engine, path, body, status, code):
    before = fingerprint(engine)
    page = post(ready, path, {"study_id": "UME-008", **body} if path == PEOPLE and "UME-007" in body.values() else body)
    assert (page.status_code, page.get_json()["type"]) == (status, f"urn:proapp:problem:{code}")
    assert fingerprint(engine) == before


@ONE_ENGINE
def test_a_baseline_can_be_done_without_for_a_reason_that_is_kept(ready, runtime):
    page = post(ready, DRAWS, {**DRAWN, "randomized_on": "2026-11-20", "baseline_override_reason": "On paper"})
    assert page.status_code == 201
    with runtime.reading() as session:
        [event] = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized"))
        assert (event.payload, event.reason) == ({"arm": "SURG", "baseline_overridden": True}, "On paper")


@ONE_ENGINE
@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({**NEW, "mobile": "+46701740605"}, 422, [""]),
        ({key: NEW[key] for key in ("study_id", "site", "language")}, 422, ["consent_on"]),
        ({**NEW, "consent_on": "soon", "study_id": 7}, 422, ["study_id", "consent_on"]),
        ({**NEW, "study_id": "UME\0"}, 422, ["study_id"]),
        ([NEW], 400, []),
    ],
)
def test_a_body_that_is_not_as_described_is_refused_with_what_to_mend(people, body, status, where):
    page = post(people.machine(*WRITES), PEOPLE, body)
    assert page.status_code == status
    assert [fault["where"] for fault in page.get_json().get("faults", [])] == where
    assert "46701740605" not in page.get_data(as_text=True)


@ONE_ENGINE
@pytest.mark.parametrize("key", ["", "x" * 201, "å"])
def test_a_key_that_is_none_is_refused(people, key):
    assert post(people.machine(*WRITES), PEOPLE, NEW, key).status_code == 400


@ONE_ENGINE
def test_a_form_or_a_cookie_writes_nothing(people, engine):
    machine, karin = people.machine(*WRITES), people.staff("karin")
    before = fingerprint(engine)
    page = machine.client.post(PEOPLE, data=NEW, base_url="https://localhost")
    assert (page.status_code, page.get_json()["type"]) == (415, "urn:proapp:problem:not_json")
    assert karin.client.post(PEOPLE, json=NEW, base_url="https://localhost").status_code == 401
    assert karin.post(PEOPLE, NEW).status_code == 401
    assert fingerprint(engine) == before


@ONE_ENGINE
def test_what_was_sent_is_not_kept_as_it_was(people, ready, engine):
    post(ready, DRAWS, {**DRAWN, "baseline_override_reason": "Secret reason"}, "secret-key")
    with engine.connect() as connection:
        kept = repr(connection.execute(select(ApiWrite.__table__)).all())
    assert "ecret" not in kept


def test_every_refusal_of_the_services_has_a_sentence():
    raised = "study_id_pattern study_id_of_other_site study_id_taken site_not_open date_in_future language_not_offered already_randomized arm_unknown time_in_future date_before_consent after_end baseline_missing reason_too_long key_used"  # fmt: skip
    assert set(REFUSALS) == set(raised.split())
