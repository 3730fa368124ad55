"""Patients and their own contact details: only in part before the PIN, never anybody else's, and no value in the trail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, Contact, ContactAttempt
from proapp.services import contacts, patient_contact, reminding_facts, sessions
from proapp.services.audit import Actor
from proapp.services.errors import Refused
from proapp.services.patient_contact import masked_email, masked_mobile
from tests.people import People, faults

LATER = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def people(runtime):
    return People(runtime, None, None)


@pytest.fixture
def anna(people, runtime):
    return who(people.participant("UME-001"), runtime)


def who(participant_id, runtime):
    with runtime.writing.begin() as session:
        token = sessions.start(
            session, runtime.vault, kind="patient", now=runtime.clock(), participant_id=participant_id
        )
        found = sessions.find_patient(session, token, now=runtime.clock())
        assert found is not None
        return found


def actor(patient):
    return Actor("patient", patient.participant_id, "patient")


@pytest.fixture
def do(session, runtime):
    """Call a function of patient_contact as this patient, a little later."""

    def call(function, patient, **wanted):
        done = function(session, vault=runtime.vault, who=patient, actor=actor(patient), now=LATER, **wanted)
        session.commit()
        return done

    return call


def events(session):
    return session.execute(
        select(AuditEvent.action, AuditEvent.details, AuditEvent.actor_kind).order_by(AuditEvent.id)
    ).all()


@pytest.mark.parametrize(
    ("mobile", "shown"),
    [("+46701740605", "070-••• •• 05"), ("+4791234567", "+47 9• •• •• 67"), (None, "")],
)
def test_of_a_number_only_the_beginning_and_the_end_are_shown(mobile, shown):
    assert masked_mobile(mobile) == shown


@pytest.mark.parametrize(
    ("email", "shown"),
    [("anna.larsson@example.se", "a•••@e•••.se"), ("b@larsson.example.com", "b•••@l•••.com"), (None, "")],
)
def test_of_an_address_neither_name_nor_domain_is_shown(email, shown):
    assert masked_email(email) == shown


def test_another_number_replaces_the_recorded_one_and_what_was_known_about_it(session, runtime, anna, do):
    row = session.get(Contact, anna.participant_id)
    row.verified_at = row.undeliverable_at = row.confirmed_at = runtime.clock()
    row.undeliverable_reason = "unknown_number"
    session.commit()
    assert do(patient_contact.set_field, anna, field="mobile", typed="070-174 06 77") == ("mobile",)
    kept = session.get(Contact, anna.participant_id)
    assert contacts.opened(runtime.vault, kept).mobile == "+46701740677"
    assert (kept.verified_at, kept.undeliverable_at, kept.undeliverable_reason, kept.confirmed_at) == (None,) * 4
    assert kept.updated_at == LATER
    assert kept.updated_by_id is None


def test_the_trail_says_which_field_changed_and_that_it_was_the_patient(session, anna, do):
    do(patient_contact.set_field, anna, field="mobile", typed="070-174 06 77")
    (event,) = events(session)
    assert event.action == "contact.changed"
    assert event.actor_kind == "patient"
    assert '"mobile"' in event.details
    assert "174" not in event.details
    assert list(faults(session)) == []


def test_without_a_number_messages_go_another_way(session, runtime, anna, do):
    do(patient_contact.set_field, anna, field="mobile", typed=None)
    assert patient_contact.read(session, vault=runtime.vault, who=anna).details.channel == "letter"
    do(patient_contact.set_field, anna, field="email", typed="anna@example.se")
    do(patient_contact.choose_channel, anna, channel="email")
    do(patient_contact.set_field, anna, field="mobile", typed="070-174 06 77")
    do(patient_contact.set_field, anna, field="email", typed="")
    own = patient_contact.read(session, vault=runtime.vault, who=anna)
    assert (own.details.channel, own.details.email) == ("sms", None)


def test_choosing_how_to_be_reminded_confirms_and_twice_is_once(session, runtime, anna, do):
    assert not patient_contact.is_confirmed(session, anna)
    assert do(patient_contact.choose_channel, anna, channel="sms") == ()
    assert patient_contact.is_confirmed(session, anna)
    assert do(patient_contact.choose_channel, anna, channel="sms") == ()
    assert [event.action for event in events(session)] == ["contact.confirmed"]


@pytest.mark.parametrize(("channel", "code"), [("email", "email_missing"), ("pigeon", "channel_unknown")])
def test_a_channel_that_leads_nowhere_is_refused(session, anna, do, channel, code):
    with pytest.raises(Refused) as refused:
        do(patient_contact.choose_channel, anna, channel=channel)
    assert refused.value.code == code
    assert events(session) == []


def test_everything_can_be_changed_at_once(session, runtime, anna, do):
    changed = do(patient_contact.change, anna, channel="email", mobile="", email="anna@example.se")
    assert set(changed) == {"channel", "mobile", "email"}
    own = patient_contact.read(session, vault=runtime.vault, who=anna)
    assert own.details == contacts.ContactDetails("email", None, "anna@example.se")
    assert own.confirmed_at == LATER
    assert [event.action for event in events(session)] == ["contact.changed"]


def test_a_number_that_two_people_share_is_taken_and_only_staff_see_that_it_is_shared(session, runtime, people, do):
    for study_id in ("UME-002", "UME-003"):
        spouse = who(people.participant(study_id, channel=None), runtime)
        do(patient_contact.change, spouse, channel="sms", mobile="070-174 06 77", email="")
    first, second = events(session)
    assert "shared_mobile" not in first.details
    assert '"shared_mobile":true' in second.details


def test_one_without_any_details_gets_them(session, runtime, people, do):
    bo = who(people.participant("UME-003", channel=None), runtime)
    assert patient_contact.read(session, vault=runtime.vault, who=bo).details.channel == "letter"
    do(patient_contact.choose_channel, bo, channel="letter")
    assert patient_contact.is_confirmed(session, bo)
    assert patient_contact.read(session, vault=runtime.vault, who=bo).details.mobile is None


@pytest.mark.parametrize("doubt", ["gateway", "caller"])
def test_who_says_that_a_doubted_number_is_right_is_believed(session, runtime, anna, do, clock, doubt):
    do(patient_contact.choose_channel, anna, channel="sms")
    row = session.get(Contact, anna.participant_id)
    clock.forward(minutes=1)
    if doubt == "gateway":
        row.undeliverable_at, row.undeliverable_reason = clock(), "absent"
    else:
        session.add(
            ContactAttempt(participant_id=anna.participant_id, method="phone", outcome="wrong_number", at=clock())
        )
    session.commit()
    before = reminding_facts.person(session, anna.participant_id, vault=runtime.vault)[1]
    assert before.undeliverable or before.wrong_number
    assert do(patient_contact.change, anna, channel="sms", mobile="070-174 06 05", email="") == ()
    assert not reminding_facts.person(session, anna.participant_id, vault=runtime.vault)[1].undeliverable
    assert not reminding_facts.person(session, anna.participant_id, vault=runtime.vault)[1].wrong_number
    assert [event.action for event in events(session)] == ["contact.confirmed"] * 2


def test_a_change_by_staff_has_to_be_confirmed_anew(session, runtime, people, anna, do):
    do(patient_contact.choose_channel, anna, channel="sms")
    contacts.change(
        session,
        vault=runtime.vault,
        study_id="UME-001",
        sites=None,
        channel="sms",
        mobile="070-174 06 78",
        email=None,
        actor=Actor("staff", people.staff_id("berit"), "nurse"),
        now=LATER,
    )
    assert not patient_contact.is_confirmed(session, anna)
