"""Leaving the trial, stopping the questionnaires, death; and taking back what was recorded by mistake."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from proapp.db.models import ActivationCode, AuditEvent, AuthSession, ParticipantEvent
from proapp.services import enrolment, sessions
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from tests.people import People, faults

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
UME = frozenset({"UME"})


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def anna(house):
    return house.participant(consent_on=date(2026, 10, 1), randomized_on=date(2026, 10, 10))


@pytest.fixture
def record(session, study, nurse, anna):
    def call(type="pro_stop", **changes):
        given = {"study_id": "UME-001", "sites": UME, "effective_on": TODAY, **changes}
        return enrolment.record_event(session, study=study, type=type, actor=nurse, now=NOW, **given)

    return call


@pytest.fixture
def revoke(session, study, nurse, anna):
    def call(event_id, **changes):
        given = {"study_id": "UME-001", "sites": UME, "reason": "The wrong Anna", **changes}
        return enrolment.revoke_event(session, study=study, event_id=event_id, actor=nurse, now=NOW, **given)

    return call


def issue(session, runtime, nurse):
    return enrolment.issue_code(
        session, vault=runtime.vault, study_id="UME-001", sites=UME, actor=nurse, now=NOW - timedelta(hours=1)
    )


def sign_in(session, runtime, participant_id):
    for kind in ("patient", "device"):
        sessions.start(session, runtime.vault, kind=kind, now=NOW, participant_id=participant_id)


@pytest.mark.parametrize("type_", ["pro_stop", "death"])
def test_a_stop_is_one_event_with_one_audit_event(session, record, anna, nurse, type_):
    event = session.get(ParticipantEvent, record(type_, note=" By telephone "))
    assert (event.type, event.effective_on, event.reason) == (type_, TODAY, "By telephone")
    assert (event.recorded_by_id, event.payload) == (nurse.id, {})
    audited = session.scalars(select(AuditEvent)).one()
    assert (audited.action, audited.chain, audited.entity_id) == ("event.recorded", f"p{anna}", str(event.id))


@pytest.mark.parametrize(
    ("decision", "until", "payload"),
    [
        ("keep", None, {"data_use": "keep"}),
        ("keep_until", date(2026, 11, 1), {"data_use": "keep_until", "until": "2026-11-01"}),
        ("delete_if_lawful", None, {"data_use": "delete_if_lawful"}),
    ],
)
def test_leaving_the_trial_keeps_the_decision_about_the_data(session, record, decision, until, payload):
    event = session.get(ParticipantEvent, record("trial_withdrawal", data_use=decision, keep_until=until))
    assert event.payload == payload


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "data_use_required"),
        ({"data_use": "whatever"}, "data_use_required"),
        ({"data_use": "keep_until"}, "keep_until_required"),
        ({"data_use": "keep_until", "keep_until": TODAY + timedelta(days=1)}, "keep_until_out_of_range"),
        ({"data_use": "keep_until", "keep_until": date(2026, 9, 30)}, "keep_until_out_of_range"),
    ],
)
def test_leaving_the_trial_needs_a_decision_about_the_data(session, record, changes, code):
    with pytest.raises(Refused) as refused:
        record("trial_withdrawal", **changes)
    assert refused.value.code == code
    assert session.scalars(select(AuditEvent.id)).all() == []


@pytest.mark.parametrize(
    ("type_", "changes", "code"),
    [
        ("pro_stop", {"effective_on": TODAY + timedelta(days=1)}, "date_in_future"),
        ("death", {"effective_on": date(2026, 9, 30)}, "date_before_consent"),
        ("randomized", {}, "type_unknown"),
        ("revoked", {}, "type_unknown"),
        ("pro_stop", {"note": "x" * 501}, "reason_too_long"),
    ],
)
def test_an_event_that_cannot_be_is_refused(record, type_, changes, code):
    with pytest.raises(Refused) as refused:
        record(type_, **changes)
    assert refused.value.code == code


def test_the_same_event_twice_is_refused_and_says_when_it_was(record):
    record("death")
    with pytest.raises(Refused) as refused:
        record("death", effective_on=date(2026, 11, 1))
    assert (refused.value.code, refused.value.params) == ("already_recorded", {"type": "death", "effective_on": TODAY})


def test_nothing_happens_after_death(record):
    record("death", effective_on=date(2026, 11, 1))
    with pytest.raises(Refused, match="after_end"):
        record("pro_stop", effective_on=date(2026, 11, 2))
    assert record("pro_stop", effective_on=date(2026, 11, 1))


def test_stopping_first_and_dying_later_are_both_kept(session, record):
    record("pro_stop", effective_on=date(2026, 11, 1))
    record("death")
    assert session.scalar(select(func.count()).select_from(ParticipantEvent)) == 4


@pytest.mark.parametrize("type_", ["death", "trial_withdrawal"])
def test_leaving_and_death_close_every_door_at_once(session, runtime, record, nurse, anna, type_):
    issue(session, runtime, nurse)
    sign_in(session, runtime, anna)
    record(type_, data_use="keep")
    assert session.scalars(select(AuthSession.ended_at)).all() == [NOW, NOW]
    assert session.scalars(select(ActivationCode.revoked_at)).all() == [NOW]
    actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)).all()
    assert actions == ["code.issued", "event.recorded", "code.revoked", "session.ended", "session.ended"]
    assert list(faults(session)) == []


def test_stopping_the_questionnaires_leaves_the_doors_alone(session, runtime, record, nurse, anna):
    sign_in(session, runtime, anna)
    record("pro_stop")
    assert session.scalars(select(AuthSession.ended_at)).all() == [None, None]


def test_somebody_elses_phone_stays_signed_in(session, runtime, house, record, anna):
    lena = house.participant("UME-002")
    sign_in(session, runtime, lena)
    record("death")
    assert session.scalars(select(AuthSession.ended_at)).all() == [None, None]


def test_a_mistake_is_taken_back_by_a_new_event(session, record, revoke):
    wrong = record("death")
    assert revoke(wrong) == ()  # nothing moves
    event = session.scalars(select(ParticipantEvent).where(ParticipantEvent.supersedes_id == wrong)).one()
    assert (event.type, event.supersedes_id, event.reason) == ("revoked", wrong, "The wrong Anna")
    assert event.payload == {"type": "death"}
    assert session.scalar(select(func.count()).select_from(ParticipantEvent)) == 4  # nothing was removed
    assert record("death", effective_on=date(2026, 11, 20))  # and the right date can be recorded now


def test_where_nothing_in_the_plan_changes_one_person_is_enough(record, revoke):
    """The shipped study counts nothing from surgery. (Where something is: test_events_of_all_kinds.)"""
    assert revoke(record("surgery")) == ()
    assert revoke(record("progression")) == ()


def test_taking_back_needs_a_reason(session, record, revoke):
    wrong = record("death")
    for blank in (None, "", " \n"):
        with pytest.raises(Refused, match="reason_required"):
            revoke(wrong, reason=blank)
    assert session.scalar(select(func.count()).where(ParticipantEvent.type == "revoked")) == 0


def test_an_event_is_taken_back_once(record, revoke):
    wrong = record("death")
    revoke(wrong)
    with pytest.raises(Refused, match="already_revoked"):
        revoke(wrong)


@pytest.mark.parametrize("type_", ["pro_consent", "randomized"])
def test_consent_and_randomisation_are_not_taken_back(session, revoke, type_):
    event_id = session.scalar(select(ParticipantEvent.id).where(ParticipantEvent.type == type_))
    with pytest.raises(Refused, match="cannot_revoke"):
        revoke(event_id)


def test_charlie_and_a_foreign_event_are_not_found(house, record, revoke):
    house.participant("UME-002")
    wrong = record("death")
    for study_id, sites in (("UME-001", {"LUN"}), ("UME-002", {"UME"}), ("UME-404", {"UME"})):
        with pytest.raises(NotFound):
            revoke(wrong, study_id=study_id, sites=frozenset(sites))
    with pytest.raises(NotFound):
        revoke(10**6)
    with pytest.raises(NotFound):
        record("pro_stop", sites=frozenset({"LUN"}))
