"""The test message: sent at enrolment and by hand, never to who is not to be written to, and never without end."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from proapp.db.models import Contact, Message, Participant
from proapp.services import contact_check, outbox
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from tests.people import People, faults

UME = frozenset({"UME"})


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def send(session, study, nurse, clock):
    def call(study_id="UME-001", sites=UME, actor=nurse):
        return contact_check.send(session, study=study, study_id=study_id, sites=sites, actor=actor, now=clock())

    return call


def settle(session, **values):
    session.execute(update(Message).values(**values))


def deliver(session, runtime, study, clock, message_id, status="delivered"):
    """What worker and gateway do with the message."""
    claimed = outbox.claim(
        session, worker="w1", study=study, vault=runtime.vault, base_url="https://pro.example.org", now=clock()
    )
    assert claimed.id == message_id
    outbox.handed_over(session, message_id, worker="w1", gateway="46elks", provider_ref="s1", now=clock())
    clock.forward(minutes=1)
    outbox.receive(session, gateway="46elks", provider_ref="s1", status=status, now=clock())
    session.expire_all()
    return claimed.outgoing


def test_a_test_that_arrives_verifies_the_contact(session, runtime, study, house, send, nurse, clock):
    house.participant("UME-001", language="sv")
    outgoing = deliver(session, runtime, study, clock, send())
    assert (outgoing.channel, outgoing.to) == ("sms", "+46701740605")
    found = contact_check.standing(session, study_id="UME-001", sites=UME, actor=nurse)
    assert (found.verified_at, found.undeliverable_at) == (clock(), None)
    assert (found.last.state, found.last.at) == ("delivered", clock())
    assert list(faults(session)) == []


def test_a_test_that_does_not_arrive_is_seen(session, runtime, study, house, send, nurse, clock):
    house.participant("UME-001")
    deliver(session, runtime, study, clock, send(), "failed")
    found = contact_check.standing(session, study_id="UME-001", sites=UME, actor=nurse)
    assert (found.verified_at, found.undeliverable_at) == (None, clock())
    assert found.last.state == "failed"


def test_before_any_test_there_is_none(session, house, nurse):
    house.participant("UME-001")
    assert contact_check.standing(session, study_id="UME-001", sites=UME, actor=nurse).last is None


def test_no_second_one_while_one_is_on_its_way_and_at_most_three_a_day(session, house, send, clock):
    house.participant("UME-001")
    for _ in range(3):
        send()
        with pytest.raises(Refused, match="test_waiting"):
            send()
        settle(session, state="sent")
    with pytest.raises(Refused, match="tests_today"):
        send()
    clock.forward(days=1, minutes=1)
    send()
    assert session.scalars(select(Message.key).order_by(Message.id)).all() == [f"test:1:{n}" for n in (1, 2, 3, 4)]


def test_the_message_is_of_no_use_a_day_later(session, house, send, clock):
    house.participant("UME-001")
    assert session.get(Message, send()).not_after == clock() + timedelta(days=1)


def test_who_gets_letters_gets_no_test(session, house, send):
    house.participant("UME-001", channel="letter")
    house.participant("UME-002", channel=None)
    for study_id in ("UME-001", "UME-002"):
        with pytest.raises(Refused, match="test_by_letter"):
            send(study_id)


@pytest.mark.parametrize("event", ["death", "pro_stop", "trial_withdrawal"])
def test_nobody_who_has_died_or_stopped_gets_one(session, house, send, event):
    anna = house.participant("UME-001", consent_on=date(2026, 11, 1))
    house.event(anna, event, date(2026, 11, 20))
    with pytest.raises(Refused, match="test_ended"):
        send()
    assert session.scalar(select(Message.id)) is None


def test_an_event_between_queueing_and_sending_cancels_it(session, runtime, study, house, send, clock):
    anna = house.participant("UME-001", consent_on=date(2026, 11, 1))
    message = send()
    session.commit()
    house.event(anna, "death", date(2026, 11, 20))
    claimed = outbox.claim(
        session, worker="w1", study=study, vault=runtime.vault, base_url="https://x.org", now=clock()
    )
    assert claimed is None
    assert session.get(Message, message, populate_existing=True).state == "cancelled"


def test_another_site_and_who_sees_no_contact_data_find_nobody(session, house, send, nurse):
    house.participant("UME-001")
    monitor = Actor("staff", house.staff_id("mona"), "monitor")
    for study_id, sites, actor in (
        ("UME-001", frozenset({"LUN"}), nurse),
        ("UME-999", UME, nurse),
        ("UME-001", None, monitor),
    ):
        with pytest.raises(NotFound):
            send(study_id, sites, actor)
        with pytest.raises(NotFound):
            contact_check.standing(session, study_id=study_id, sites=sites, actor=actor)


def test_the_first_one_goes_out_at_enrolment_where_a_telephone_or_mailbox_is_there(session, house, nurse, clock):
    channels = ("sms", "email", "letter")
    people = [house.participant(f"UME-00{number}", channel=channel) for number, channel in enumerate(channels)]
    for participant_id, channel in zip(people, channels, strict=True):
        person = session.get(Participant, participant_id)
        queued = contact_check.at_enrolment(session, person, channel=channel, actor=nurse, now=clock())
        assert (queued is None) is (channel == "letter")
    assert session.scalars(select(Message.channel).order_by(Message.id)).all() == ["sms", "email"]
    assert session.scalar(select(Contact.verified_at)) is None
