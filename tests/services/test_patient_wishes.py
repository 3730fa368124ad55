"""Wishes instead of answers: when a reminder can come, that a call and a stop are noted once, and what is cancelled."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, Contact, ContactAttempt, Message, ParticipantEvent, PatientRequest
from proapp.services import patient_wishes, reminding, sessions
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.messages import queue
from proapp.services.sitting_reading import find_sitting
from tests.people import People, faults

TODAY = date(2026, 11, 23)  # a Monday; the tests' clock shows 10:00 in Umeå
TONIGHT = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
TOMORROW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LAST_DAY = date(2026, 12, 21)  # of m03


class Asking:
    """anna, whose m03 is open, and what she asks for; each wish is a request of its own."""

    def __init__(self, session: Any, runtime: Any) -> None:
        self.session, self.runtime = session, runtime
        self.people = People(runtime, None, None)
        self.id = self.people.participant("UME-001", randomized_on=date(2026, 8, 23))
        self.assessment = self.people.assessment_id(self.id, "m03")
        self.actor = Actor("patient", self.id, "patient")

    def sitting(self, participant_id: int | None = None) -> Any:
        return find_sitting(
            self.session,
            study=self.runtime.study,
            instruments=self.runtime.instruments,
            participant_id=participant_id or self.id,
            assessment_id=self.assessment,
            now=self.runtime.clock(),
            lock=True,
        )

    def offers(self) -> tuple[dict[str, datetime], str]:
        found = patient_wishes.offers(self.session, self.sitting(), vault=self.runtime.vault)
        self.session.commit()
        return dict(found.times), found.why_not

    def later(self, when: str) -> datetime:
        at = patient_wishes.remind_later(
            self.session,
            self.sitting(),
            when=when,
            vault=self.runtime.vault,
            actor=self.actor,
            now=self.runtime.clock(),
        )
        self.session.commit()
        return at

    def call(self) -> None:
        patient_wishes.call_me(self.session, self.sitting(), actor=self.actor, now=self.runtime.clock())
        self.session.commit()

    def stop(self) -> None:
        with self.runtime.writing.begin() as own:
            token = sessions.start(
                own, self.runtime.vault, kind="patient", now=self.runtime.clock(), participant_id=self.id
            )
            who = sessions.find_patient(own, token, now=self.runtime.clock())
        assert who is not None
        patient_wishes.no_more(
            self.session, study=self.runtime.study, who=who, actor=self.actor, now=self.runtime.clock()
        )
        self.session.commit()

    def noted(self) -> patient_wishes.Noted:
        return patient_wishes.noted(self.session, participant_id=self.id, now=self.runtime.clock())

    def requests(self) -> list[tuple[str, dict[str, Any]]]:
        rows = self.session.execute(select(PatientRequest.type, PatientRequest.payload).order_by(PatientRequest.id))
        return [(row.type, row.payload) for row in rows]

    def queued(self, assessment_id: int | None = None) -> int:
        now = self.runtime.clock()
        id_ = queue(
            self.session,
            key=f"reminder:{assessment_id or self.assessment}:opens+0:message",
            kind="reminder",
            channel="sms",
            due_at=now,
            now=now,
            actor=Actor("system", None, "worker"),
            participant_id=self.id,
            assessment_id=assessment_id or self.assessment,
        )
        self.session.commit()
        assert id_ is not None
        return id_

    def state_of(self, message_id: int) -> tuple[str, str | None]:
        self.session.expire_all()
        row = self.session.get_one(Message, message_id)
        return row.state, row.state_reason


@pytest.fixture
def anna(session, runtime):
    return Asking(session, runtime)


def test_in_the_morning_tonight_and_tomorrow_are_offered(anna):
    assert anna.offers() == ({"tonight": TONIGHT, "tomorrow": TOMORROW}, "")


@pytest.mark.parametrize(("hour", "minute", "offered"), [(16, 29, True), (16, 30, False), (21, 0, False)])
def test_from_half_past_five_tonight_is_too_soon(anna, clock, hour, minute, offered):
    clock.set(datetime(2026, 11, 23, hour, minute, tzinfo=UTC))
    times, _ = anna.offers()
    assert ("tonight" in times) is offered
    assert times["tomorrow"] == TOMORROW


def test_tomorrow_is_tomorrow_by_the_clock_on_the_wall_also_when_the_clocks_change(anna, clock, session):
    anna.id = anna.people.participant("UME-002", randomized_on=date(2026, 12, 28))
    anna.assessment = anna.people.assessment_id(anna.id, "m03")
    clock.set(datetime(2027, 3, 27, 9, 0, tzinfo=UTC))  # in the night the clocks go forward
    times, _ = anna.offers()
    assert times["tomorrow"] == datetime(2027, 3, 28, 8, 0, tzinfo=UTC)


def test_on_the_last_day_there_is_only_tonight_and_that_is_said(anna, clock):
    clock.set(datetime.combine(LAST_DAY, TOMORROW.timetz()))
    times, why = anna.offers()
    assert list(times) == ["tonight"]
    assert why == "last_day"


def test_after_the_window_nothing_is_offered(anna, clock):
    clock.set(datetime.combine(LAST_DAY + timedelta(days=2), TOMORROW.timetz()))  # in the days of grace
    assert anna.offers() == ({}, "last_day")
    with pytest.raises(Refused) as refused:
        anna.later("tomorrow")
    assert (refused.value.code, refused.value.params) == ("cannot_remind", {"why": "last_day"})


@pytest.mark.parametrize("channel", ["letter", "email", None])
def test_who_gets_no_messages_is_not_offered_one(session, runtime, anna, channel):
    anna.id = anna.people.participant("UME-002", randomized_on=date(2026, 8, 23), channel=channel)
    anna.assessment = anna.people.assessment_id(anna.id, "m03")
    assert anna.offers() == ({}, "no_messages")  # nobody in these tests has an e-mail address


def test_who_cannot_be_reached_is_told_so(session, anna, clock):
    session.get_one(Contact, anna.id).undeliverable_at = clock()
    session.commit()
    assert anna.offers() == ({}, "unreachable")


def test_nobody_is_promised_a_reminder_with_whom_contact_is_lost(anna):
    anna.people.event(anna.id, "lost_to_follow_up", TODAY)
    assert anna.offers() == ({}, "lost")
    with pytest.raises(Refused, match="cannot_remind"):
        anna.later("tomorrow")


def test_during_a_pause_no_reminder_is_offered(anna):
    anna.people.event(anna.id, "contact_pause", TODAY - timedelta(days=1), until="2026-11-30")
    assert anna.offers() == ({}, "paused")


def test_a_reminder_later_is_noted_with_its_instant_and_what_waits_is_cancelled(anna, session):
    message, other = anna.queued(), anna.queued(anna.people.assessment_id(anna.id, "m06"))
    assert anna.later("tomorrow") == TOMORROW
    assert anna.requests() == [("remind_later", {"at": "2026-11-24T09:00:00+00:00"})]
    assert anna.state_of(message) == ("cancelled", "asked_later")
    assert anna.state_of(other) == ("queued", None)
    assert anna.noted().later == {anna.assessment: TOMORROW}
    told = session.execute(select(AuditEvent.action, AuditEvent.actor_kind).order_by(AuditEvent.id)).all()
    assert [tuple(one) for one in told[2:]] == [("request.recorded", "patient"), ("message.cancelled", "patient")]
    assert list(faults(session)) == []


def test_asking_twice_is_asking_once_and_the_last_wish_counts(anna, clock):
    anna.later("tomorrow")
    anna.later("tomorrow")
    assert len(anna.requests()) == 1
    anna.later("tonight")
    assert anna.noted().later == {anna.assessment: TONIGHT}
    clock.set(TONIGHT)
    assert anna.noted().later == {}


@pytest.mark.parametrize("when", ["", "next year"])
def test_another_time_is_not_to_be_had(anna, when):
    with pytest.raises(Refused, match="cannot_remind"):
        anna.later(when)
    assert anna.requests() == []


def test_a_call_is_noted_once_until_somebody_has_been_in_touch(anna, session, clock):
    message = anna.queued()
    anna.call()
    anna.call()
    assert anna.requests() == [("call_me", {})]
    assert anna.state_of(message) == ("cancelled", "asked_to_call")
    assert anna.noted().call_at == clock()
    clock.forward(hours=1)
    for method, noted in (("none", True), ("phone", False)):  # a postponement is no call
        session.add(ContactAttempt(participant_id=anna.id, method=method, outcome="reached_will_answer", at=clock()))
        session.commit()
        assert (anna.noted().call_at is not None) is noted
    clock.forward(hours=1)
    anna.call()
    assert len(anna.requests()) == 2


def test_what_is_not_waited_for_cannot_be_put_off(anna, session):
    anna.people.answered(anna.id, "m03", submitted_at=datetime(2026, 11, 22, 9, tzinfo=UTC))
    for wish in (anna.call, lambda: anna.later("tomorrow")):
        with pytest.raises(Refused, match="not_waiting"):
            wish()
        session.rollback()
    assert anna.requests() == []


def test_somebody_elses_assessment_is_absent(anna):
    other = anna.people.participant("UME-002")
    with pytest.raises(NotFound):
        anna.sitting(other)


def test_no_more_is_a_stop_by_the_patient_from_today_on_and_cancels_everything(anna, session):
    messages = [anna.queued(), anna.queued(anna.people.assessment_id(anna.id, "m06"))]
    anna.stop()
    anna.stop()
    (event,) = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "pro_stop"))
    assert (event.effective_on, event.payload, event.recorded_by_id) == (TODAY, {"source": "patient"}, None)
    assert {anna.state_of(one) for one in messages} == {("cancelled", "pro_stop")}
    with pytest.raises(Refused, match="not_waiting"):
        anna.call()


@pytest.mark.parametrize("type_", ["pro_stop", "trial_withdrawal"])
def test_who_has_stopped_already_is_left_as_it_is(anna, session, type_):
    anna.people.event(anna.id, type_, TODAY - timedelta(days=3))
    anna.stop()
    assert len(list(session.scalars(select(ParticipantEvent.id).where(ParticipantEvent.type == "pro_stop")))) == (
        type_ == "pro_stop"
    )


def at_once(work, times=4):
    """The same thing by several phones at the same moment, each in a transaction of its own."""
    with ThreadPoolExecutor(times) as pool:
        for done in [pool.submit(work) for _ in range(times)]:
            done.result()


@pytest.mark.parametrize("wish", ["later", "call", "stop"])
def test_several_taps_at_the_same_moment_are_one_wish(runtime, anna, session, wish):
    def tap():
        with runtime.writing() as own:
            one = copy(anna)
            one.session = own
            {"later": lambda: one.later("tomorrow"), "call": one.call, "stop": one.stop}[wish]()

    at_once(tap)
    stops = session.scalars(select(ParticipantEvent.id).where(ParticipantEvent.type == "pro_stop")).all()
    assert len(anna.requests()) + len(stops) == 1
    assert list(faults(session)) == []


def test_the_reminder_that_was_asked_for_is_queued_when_its_time_has_come(runtime, anna, session, clock):
    anna.later("tomorrow")
    for moment, queued in ((TOMORROW - timedelta(minutes=1), 0), (TOMORROW, 1)):
        clock.set(moment)
        reminding.queue_due(
            session, study=runtime.study, now=clock(), actor=Actor("system", None, "worker"), vault=runtime.vault
        )
        session.commit()
        kinds = session.scalars(select(Message.kind).where(Message.assessment_id == anna.assessment)).all()
        assert kinds.count("remind_later") == queued
    assert anna.noted().later == {}
