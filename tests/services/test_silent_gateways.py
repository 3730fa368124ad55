"""A gateway that takes messages and never answers: a few are lost sight of, not the whole outbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from proapp import delivery
from proapp.db.models import Contact
from proapp.gateways.protocol import Accepted, Outgoing, PassingFailure, UnknownOutcome
from proapp.services import audit, outbox, silent_gateways
from tests.messages import Memory, rows
from tests.people import People


@pytest.fixture
def ten(runtime: Any) -> None:
    people = People(runtime, None, lambda *_: None)
    for number in range(10):
        channel = "sms" if number < 8 else "email"
        person = people.participant(f"UME-{number:03}", channel=channel, activated=False)
        with runtime.writing.begin() as session:
            reached = {"mobile": "+46701740605", "email": "anna@example.org"}
            session.get(Contact, person).sealed = runtime.vault.seal(reached, bound_to=f"contact:{person}")
            about = {"kind": "test", "channel": channel, "participant_id": person, "site_code": "UME"}
            now = runtime.clock()
            outbox.queue(session, key=f"test:{person}", due_at=now, now=now, actor=audit.COMMAND_LINE, **about)


def no_answer(_message: Outgoing) -> Accepted:
    raise UnknownOutcome("no_answer")


def deliver(runtime: Any, **gateways: Memory) -> int:
    return delivery.deliver_once(runtime, gateways, worker="w1")


def states(runtime: Any, channel: str = "sms") -> list[str]:
    return [row.state for row in rows(runtime) if row.channel == channel]


@pytest.mark.usefixtures("ten")
def test_after_three_in_a_row_the_way_rests_and_the_other_does_not(runtime, clock):
    silent, well = Memory(answer=no_answer), Memory()
    deliver(runtime, sms=silent, email=well)
    assert states(runtime) == ["possibly_sent"] * 3 + ["queued"] * 5
    assert states(runtime, "email") == ["sent"] * 2
    clock.forward(minutes=9)
    assert deliver(runtime, sms=silent, email=well) == 0  # another worker, or this one three seconds later
    clock.forward(minutes=1)
    assert deliver(runtime, sms=silent, email=well) == 1  # one tries whether somebody answers
    clock.forward(minutes=11)
    assert deliver(runtime, sms=silent, email=well) == 0  # and the next one waits for longer


@pytest.mark.usefixtures("ten")
def test_an_answer_ends_it(runtime, clock):
    silent, well = Memory(answer=no_answer), Memory()
    deliver(runtime, sms=silent, email=well)
    clock.forward(minutes=10)
    assert deliver(runtime, sms=well, email=well) == 5
    assert states(runtime).count("sent") == 5


@pytest.mark.usefixtures("ten")
def test_refusals_are_answers(runtime):
    def busy(_message: Outgoing) -> Accepted:
        raise PassingFailure("gateway_fault")

    assert deliver(runtime, sms=Memory(answer=busy), email=Memory()) == 10


@pytest.mark.usefixtures("ten")
def test_workers_that_died_say_nothing_about_the_gateway(runtime, clock):
    for number in range(4):
        with runtime.writing.begin() as session:
            assert outbox.claim(
                session, worker=f"w{number}", study=runtime.study, vault=runtime.vault, base_url="https://x.org",
                now=clock(),
            )  # fmt: skip
    clock.forward(minutes=3)
    assert deliver(runtime, sms=Memory(), email=Memory()) == 6
    assert states(runtime).count("possibly_sent") == 4


@pytest.mark.parametrize(("number", "minutes"), [(3, 10), (4, 20), (5, 40), (6, 60), (400, 60)])
def test_it_rests_longer_each_time(number: int, minutes: int) -> None:
    assert silent_gateways.rest(number) == timedelta(minutes=minutes)
