"""The personal code: shown once, kept as a hash, replaced and revoked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import ActivationCode, AuditEvent, AuthSession, Base, PatientPin
from proapp.services import enrolment, patient_access, sessions
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.vault import ALPHABET, grouped
from tests.people import People, faults

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
UME = frozenset({"UME"})


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def anna(house):
    return house.participant(consent_on=date(2026, 11, 20))


@pytest.fixture
def issue(session, runtime, nurse, anna):
    def call(now=NOW, **changes):
        given = {"study_id": "UME-001", "sites": UME, **changes}
        return enrolment.issue_code(session, vault=runtime.vault, actor=nurse, now=now, **given)

    return call


@pytest.fixture
def present(session, runtime, study):
    def call(code, now=NOW):
        return patient_access.present_code(
            session, runtime.vault, study=study, typed=code, address="192.0.2.1", device="Phone", now=now
        )

    return call


def test_the_code_opens_the_door_it_was_made_for(issue, present, anna):
    code = issue()
    assert len(code) == 12
    assert set(code) <= set(ALPHABET)
    participant_id, _token = present(grouped(code).lower())
    assert participant_id == anna


def test_only_a_slow_hash_of_the_code_is_kept(session, engine, issue):
    code = issue()
    row = session.scalars(select(ActivationCode)).one()
    assert row.code_hash.startswith("$argon2id$")
    assert row.expires_at == NOW + timedelta(days=14)
    session.commit()
    with engine.connect() as connection:
        dump = "".join(
            repr(tuple(found)) for table in Base.metadata.sorted_tables for found in connection.execute(table.select())
        )
    assert row.code_hash in dump
    assert code not in dump
    assert grouped(code) not in dump


def test_a_new_code_replaces_the_old_one(session, issue, present):
    old = issue()
    new = issue(now=NOW + timedelta(minutes=1))
    with pytest.raises(Refused, match="wrong_code"):
        present(old, NOW + timedelta(minutes=2))
    assert present(new, NOW + timedelta(minutes=2))
    actions = session.scalars(select(AuditEvent.action).where(AuditEvent.actor_kind == "staff")).all()
    assert actions == ["code.issued", "code.revoked", "code.issued"]


def test_the_code_is_good_for_fourteen_days(issue, present):
    code = issue()
    with pytest.raises(Refused, match="code_expired"):
        present(code, NOW + timedelta(days=14))
    assert present(code, NOW + timedelta(days=14, seconds=-1))


def test_a_new_sheet_leaves_phones_and_pin_alone(session, runtime, issue, anna):
    sessions.start(session, runtime.vault, kind="device", now=NOW, participant_id=anna)
    issue()
    assert session.scalars(select(AuthSession.ended_at)).all() == [None]
    assert session.get(PatientPin, anna) is not None


def test_a_lost_phone_is_shut_out_and_the_pin_taken_in_the_same_step(session, runtime, issue, anna):
    for kind in ("patient", "device"):
        sessions.start(session, runtime.vault, kind=kind, now=NOW, participant_id=anna)
    issue()
    issue(lost_phone=True, identity_check="Called back on the number in the record")
    session.expire_all()
    assert session.scalars(select(AuthSession.ended_at)).all() == [NOW, NOW]
    assert session.scalars(select(AuthSession.end_reason)).all() == ["lost_phone", "lost_phone"]
    assert session.get(PatientPin, anna) is None
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()[1:]
    assert [event.action for event in events] == [
        "code.revoked",
        "session.ended",
        "session.ended",
        "pin.removed",
        "code.issued",
    ]
    assert {event.reason for event in events} == {"Called back on the number in the record"}
    assert list(faults(session)) == []


def test_a_lost_phone_needs_a_word_on_how_the_caller_was_recognised(session, issue):
    for blank in (None, "", "  "):
        with pytest.raises(Refused, match="reason_required"):
            issue(lost_phone=True, identity_check=blank)
    assert session.scalars(select(ActivationCode.id)).all() == []


@pytest.mark.parametrize("type_", ["death", "trial_withdrawal", "pro_stop"])
def test_who_answers_no_more_gets_no_code(session, house, issue, anna, type_):
    house.event(anna, type_, date(2026, 11, 22))
    with pytest.raises(Refused, match="participant_ended"):
        issue()
    assert session.scalars(select(ActivationCode.id)).all() == []


def test_charlie_gets_no_code(issue):
    for study_id in ("UME-001", "UME-404"):
        with pytest.raises(NotFound):
            issue(study_id=study_id, sites=frozenset({"LUN"}))


def test_no_value_of_a_code_is_in_the_trail(session, issue):
    code = issue()
    row = session.scalars(select(ActivationCode)).one()
    for event in session.scalars(select(AuditEvent)):
        for secret in (code, row.lookup, row.code_hash):
            assert secret not in event.details
