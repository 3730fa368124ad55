"""A rest from reminders, asked for by the patient: from when until when, at once, and to be ended at any time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, Message, ParticipantEvent
from proapp.services import patient_pauses, sessions
from proapp.services.audit import Actor
from proapp.services.errors import Refused
from proapp.services.messages import queue
from proapp.services.patient_pauses import Pause
from tests.people import People

TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)


class Asking:
    """anna and what she asks for; each wish is a request of its own."""

    def __init__(self, session: Any, runtime: Any) -> None:
        self.session, self.runtime = session, runtime
        self.id = People(runtime, None, None).participant("UME-001", randomized_on=date(2026, 8, 23))
        token = sessions.start(session, runtime.vault, kind="patient", now=runtime.clock(), participant_id=self.id)
        self.who: Any = sessions.find_patient(session, token, now=runtime.clock())
        session.commit()

    def _said(self) -> dict[str, Any]:
        actor = Actor("patient", self.id, "patient")
        return {"study": self.runtime.study, "who": self.who, "actor": actor, "now": self.runtime.clock()}

    def pause(self, from_on: date, until_on: date, reason: str | None = None) -> None:
        patient_pauses.pause(self.session, from_on=from_on, until_on=until_on, reason=reason, **self._said())
        self.session.commit()

    def end(self) -> None:
        patient_pauses.end_pause(self.session, **self._said())
        self.session.commit()

    def current(self) -> Pause | None:
        return patient_pauses.current(self.session, study=self.runtime.study, who=self.who, now=self.runtime.clock())

    def events(self) -> list[ParticipantEvent]:
        query = select(ParticipantEvent).where(ParticipantEvent.type.in_(("contact_pause", "revoked")))
        return list(self.session.scalars(query.order_by(ParticipantEvent.id)))

    def queued(self) -> Message:
        now: datetime = self.runtime.clock()
        id_ = queue(
            self.session,
            key="reminder:1:opens+0:message",
            kind="reminder",
            channel="sms",
            due_at=now,
            now=now,
            actor=Actor("system", None, "worker"),
            participant_id=self.id,
        )
        self.session.commit()
        return self.session.get_one(Message, id_)


@pytest.fixture
def anna(session, runtime):
    return Asking(session, runtime)


def test_a_pause_is_an_event_by_the_patient_and_cancels_what_is_queued(anna, session):
    message = anna.queued()
    anna.pause(TODAY, TODAY + 6 * DAY, " Away ")
    assert anna.current() == Pause(TODAY, TODAY + 6 * DAY)
    (event,) = anna.events()
    assert (event.payload, event.reason, event.recorded_by_id) == ({"until": "2026-11-29"}, "Away", None)
    session.refresh(message)
    assert (message.state, message.state_reason) == ("cancelled", "paused")
    told = session.execute(select(AuditEvent.action, AuditEvent.actor_kind).order_by(AuditEvent.id)).all()
    assert [tuple(one) for one in told[1:]] == [("event.recorded", "patient"), ("message.cancelled", "patient")]


def test_a_pause_to_come_leaves_what_is_queued(anna, session):
    message = anna.queued()
    anna.pause(TODAY + DAY, TODAY + 6 * DAY)
    session.refresh(message)
    assert message.state == "queued"
    assert anna.current() == Pause(TODAY + DAY, TODAY + 6 * DAY)


def test_twice_is_once_and_another_pause_takes_its_place(anna):
    anna.pause(TODAY, TODAY + 6 * DAY)
    anna.pause(TODAY, TODAY + 6 * DAY)
    assert len(anna.events()) == 1
    anna.pause(TODAY, TODAY + 13 * DAY)
    assert anna.current() == Pause(TODAY, TODAY + 13 * DAY)
    assert [one.type for one in anna.events()] == ["contact_pause", "revoked", "contact_pause"]


def test_ending_one_that_has_begun_keeps_the_days_that_were_rested(anna, clock):
    anna.pause(TODAY, TODAY + 6 * DAY)
    clock.forward(days=2)
    anna.end()
    assert anna.current() is None
    first, second = anna.events()
    assert second.supersedes_id == first.id
    assert (second.type, second.effective_on, second.payload) == ("contact_pause", TODAY, {"until": "2026-11-24"})
    anna.end()
    assert len(anna.events()) == 2


def test_ending_one_that_has_not_begun_takes_it_back(anna):
    anna.pause(TODAY + DAY, TODAY + 6 * DAY)
    anna.end()
    assert anna.current() is None
    assert [one.type for one in anna.events()] == ["contact_pause", "revoked"]


def test_a_pause_is_over_after_its_last_day_and_the_local_day_counts(anna, clock):
    anna.pause(TODAY, TODAY)
    clock.forward(hours=13, minutes=59)  # 23:59 in Umeå
    assert anna.current() is not None
    clock.forward(minutes=1)
    assert anna.current() is None


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (-1, 3, "from_in_past"),
        (367, 368, "from_too_far"),
        (2, 1, "until_before_from"),
        (0, 184, "pause_too_long"),
    ],
)
def test_days_that_will_not_do_are_refused(anna, first, last, code):
    with pytest.raises(Refused) as refused:
        anna.pause(TODAY + first * DAY, TODAY + last * DAY)
    assert refused.value.code == code
    assert anna.events() == []


def test_a_pause_that_staff_recorded_without_an_end_is_seen_and_ended(anna, session, runtime):
    People(runtime, None, None).event(anna.id, "contact_pause", TODAY - 10 * DAY, until=None)
    assert anna.current() == Pause(TODAY - 10 * DAY, None)
    anna.end()
    assert anna.current() is None
