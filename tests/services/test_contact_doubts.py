"""What is known against an address belongs to that address: it goes on while the address is kept, and ends with it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from proapp import delivery
from proapp.db.models import AuditEvent, Contact, Message
from proapp.services import contact_check, contact_log, contacts, follow_up, patient_contact, reminding_facts, sessions
from proapp.services.audit import Actor
from proapp.services.contact_log import Note
from proapp.services.errors import Refused
from proapp.services.vault import Vault
from tests.conftest import SECRET
from tests.messages import OPENED_TODAY, Memory, rows, states
from tests.people import People, faults

OLD, NEW, EMAIL = "070-174 06 05", "070-174 06 77", "anna@example.se"
UME = frozenset({"UME"})


@pytest.fixture
def house(runtime: Any) -> People:
    return People(runtime, None, lambda *_: None)


@pytest.fixture
def anna(house: People) -> int:
    return house.participant(randomized_on=OPENED_TODAY)


@pytest.fixture
def nurse(house: People) -> Actor:
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def change(runtime, nurse, clock):
    def call(channel="sms", mobile=OLD, email=None):
        clock.forward(minutes=1)
        about = {"vault": runtime.vault, "study_id": "UME-001", "sites": UME, "actor": nurse, "now": clock()}
        with runtime.writing.begin() as session:
            return contacts.change(session, channel=channel, mobile=mobile, email=email, **about)

    return call


@pytest.fixture
def told_wrong(runtime, nurse, clock):
    def call(method="phone"):
        clock.forward(minutes=1)
        about = {"study": runtime.study, "sites": UME, "study_id": "UME-001", "assessment_id": None}
        with runtime.writing.begin() as session:
            contact_log.log(session, **about, noted=Note(method, "wrong_number"), actor=nurse, now=clock())

    return call


def reach(runtime: Any, participant_id: int) -> Any:
    with runtime.reading() as session:
        return reminding_facts.person(session, participant_id, vault=runtime.vault)[1]


def tick(runtime: Any, gateway: Memory) -> None:
    list(delivery.queue_due(runtime, now=runtime.clock()))
    delivery.deliver_once(runtime, gateway.both(), worker="w1")


def worklist(runtime: Any) -> list[str]:
    with runtime.reading() as session:
        found = follow_up.work(session, study=runtime.study, sites=UME, now=runtime.clock())
        return [reason for row in found.rows for reason in (row.item.reason, *row.item.also)]


def test_an_email_address_that_is_added_sends_nothing_to_the_stranger(runtime, anna, told_wrong, change):
    gateway = Memory()
    told_wrong()
    assert change(email=EMAIL) == ("email",)
    tick(runtime, gateway)
    assert gateway.given == []
    assert "wrong_number" in worklist(runtime)
    assert reach(runtime, anna).wrong_number


def test_another_number_ends_it(runtime, anna, told_wrong, change):
    gateway = Memory()
    told_wrong()
    change(email=EMAIL)
    change(mobile=NEW, email=EMAIL)
    tick(runtime, gateway)
    assert [one.to for one in gateway.given] == ["+46701740677"]
    assert "wrong_number" not in worklist(runtime)


def test_by_the_other_way_messages_go_and_the_wrong_number_is_remembered(runtime, anna, told_wrong, change):
    gateway = Memory()
    told_wrong()
    change("email", email=EMAIL)
    tick(runtime, gateway)
    assert [(one.channel, one.to) for one in gateway.given] == [("email", EMAIL)]
    assert reach(runtime, anna).doubted == (("sms", "wrong_number"),)
    assert "wrong_number" not in worklist(runtime)
    change("sms", email=EMAIL)
    assert reach(runtime, anna).wrong_number
    assert "wrong_number" in worklist(runtime)


def test_what_a_gateway_found_goes_on_with_its_address(runtime, anna, change, clock):
    with runtime.writing.begin() as session:
        row = session.get(Contact, anna)
        row.undeliverable_at = since = clock()
        row.undeliverable_reason = "absent"
    change(email=EMAIL)
    with runtime.reading() as session:
        row = session.get(Contact, anna)
        assert (row.undeliverable_at, row.undeliverable_reason) == (since, "absent")
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "contact.changed"))
        assert event.details == '{"doubted":["mobile"],"fields":["email"]}'
        assert not [one for one in faults(session) if "hash" in one.sentence]
    change("email", email=EMAIL)
    assert not reach(runtime, anna).undeliverable
    change(mobile=NEW, email=EMAIL)
    assert not reach(runtime, anna).undeliverable
    assert reach(runtime, anna).doubted == ()


def test_a_verified_number_stays_verified_when_something_else_changes(runtime, anna, change, clock):
    with runtime.writing.begin() as session:
        session.get(Contact, anna).verified_at = verified = clock()
    change(email=EMAIL)
    with runtime.reading() as session:
        assert session.get(Contact, anna).verified_at == verified
    change(mobile=NEW, email=EMAIL)
    with runtime.reading() as session:
        assert session.get(Contact, anna).verified_at is None


def test_the_patient_who_says_that_it_is_right_is_believed(runtime, anna, told_wrong, change, clock):
    told_wrong()
    change(email=EMAIL)
    clock.forward(minutes=1)
    with runtime.writing.begin() as session:
        token = sessions.start(session, runtime.vault, kind="patient", now=clock(), participant_id=anna)
        who = sessions.find_patient(session, token, now=clock())
        patient_contact.change(
            session, vault=runtime.vault, who=who, channel="sms", mobile=OLD, email=EMAIL,
            actor=Actor("patient", anna, "patient"), now=clock(),
        )  # fmt: skip
    assert not reach(runtime, anna).wrong_number
    assert reach(runtime, anna).doubted == ()


def test_another_key_keeps_what_is_known(runtime, anna, told_wrong, change, nurse, clock):
    told_wrong()
    change("email", email=EMAIL)
    both = Vault(SECRET, (b"n" * 32, b"k" * 32))
    with runtime.writing.begin() as session:
        assert contacts.reseal_all(session, vault=both, actor=nurse, now=clock()) == 1
        assert reminding_facts.person(session, anna, vault=both)[1].doubted == (("sms", "wrong_number"),)


# --- test messages --------------------------------------------------------------------------------------------------


def send_test(runtime: Any, nurse: Actor) -> int:
    with runtime.writing.begin() as session:
        return contact_check.send(
            session, study=runtime.study, study_id="UME-001", sites=UME, actor=nurse, now=runtime.clock()
        )


def test_a_wrong_number_gets_no_test_message(runtime, anna, told_wrong, change, nurse):
    gateway = Memory()
    send_test(runtime, nurse)
    told_wrong()
    delivery.deliver_once(runtime, gateway.both(), worker="w1")
    assert (gateway.given, states(runtime)) == ([], [(None, "cancelled", "wrong_number")])
    for _ in range(2):
        with pytest.raises(Refused, match="test_wrong_number"):
            send_test(runtime, nurse)
        change(email=EMAIL)
    change(mobile=NEW, email=EMAIL)
    assert send_test(runtime, nurse)


@pytest.mark.parametrize("what", ["study", "site"])
def test_after_the_closing_there_is_no_test_message(runtime, anna, nurse, what):
    object.__setattr__(runtime, "study", closing(runtime.study, what, date(2026, 11, 23)))
    waiting = send_test(runtime, nurse)
    runtime.clock.forward(hours=15)  # the next day in Stockholm
    with pytest.raises(Refused, match=f"test_{what}_closed"):
        send_test(runtime, nurse)
    delivery.deliver_once(runtime, Memory().both(), worker="w1")
    assert [(row.id, row.state_reason) for row in rows(runtime)] == [(waiting, f"{what}_closed")]


def closing(study: Any, what: str, day: date) -> Any:
    if what == "study":
        return study.model_copy(update={"closes_on": day})
    sites = tuple(one.model_copy(update={"closed_on": day}) for one in study.sites)
    return study.model_copy(update={"sites": sites})


# --- the participant's word -----------------------------------------------------------------------------------------


def confirm(runtime: Any, nurse: Actor, sites: Any = UME) -> None:
    with runtime.writing.begin() as session:
        contact_check.confirm(session, study_id="UME-001", sites=sites, actor=nurse, now=runtime.clock())


def verified(runtime: Any, anna: int) -> Any:
    with runtime.reading() as session:
        return session.get(Contact, anna).verified_at


def test_the_participant_says_that_the_test_message_came(runtime, anna, nurse, clock):
    with pytest.raises(Refused, match="no_test"):
        confirm(runtime, nurse)
    send_test(runtime, nurse)
    with pytest.raises(Refused, match="no_test"):  # it has not left yet
        confirm(runtime, nurse)
    delivery.deliver_once(runtime, Memory().both(), worker="w1")
    said = clock.forward(minutes=2)
    confirm(runtime, nurse)
    clock.forward(minutes=2)
    confirm(runtime, nurse)
    assert verified(runtime, anna) == said
    with runtime.reading() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "contact.verified"))
        (message,) = session.scalars(select(Message.id))
        assert event.details == f'{{"by":"participant","message":{message}}}'


def test_a_test_to_an_earlier_number_says_nothing_about_this_one(runtime, anna, nurse, change):
    send_test(runtime, nurse)
    delivery.deliver_once(runtime, Memory().both(), worker="w1")
    change(mobile=NEW)
    with pytest.raises(Refused, match="no_test"):
        confirm(runtime, nurse)
    assert verified(runtime, anna) is None
