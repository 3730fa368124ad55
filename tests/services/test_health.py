"""Whether everything runs, as the tables tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from proapp.db.models import Installation, Message, StudyVersion
from proapp.services import health
from proapp.services.sweep import note_run
from tests.conftest import START
from tests.people import People

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def add(runtime: Any) -> Callable[..., None]:
    """A message; times are given as how long ago."""
    numbers = iter(range(1, 100_000))

    def added(state: str, *, due: timedelta = HOUR, **more: Any) -> None:
        moments = {name: START - ago for name, ago in more.items() if isinstance(ago, timedelta)}
        plain = {name: value for name, value in more.items() if name not in moments}
        row = {
            "key": f"test:{next(numbers)}", "kind": "reminder", "channel": "sms", "due_at": START - due,
            "queued_at": START - due, "next_try_at": START - due, "state": state, "attempts": 0, **plain, **moments,
        }  # fmt: skip
        with runtime.writing.begin() as session:
            session.execute(insert(Message), row)

    return added


def ticked(runtime: Any, ago: timedelta, name: str = "last_tick") -> None:
    with runtime.writing.begin() as session:
        session.execute(insert(Installation), {"name": name, "value": (START - ago).isoformat()})


def found(runtime: Any) -> health.Health:
    with runtime.reading() as session:
        return health.health(session, study=runtime.study, now=START)


def test_an_empty_database_is_well(runtime: Any) -> None:
    now = found(runtime)
    assert now.troubles == ()
    assert (now.last_tick, now.states, now.delivery_rate) == (None, {}, None)


@pytest.mark.parametrize(("ago", "late"), [(9 * MINUTE, False), (11 * MINUTE, True)])
def test_a_clock_that_stands_still_is_told(runtime: Any, ago: timedelta, late: bool) -> None:
    ticked(runtime, ago)
    assert (found(runtime).troubles == ("tick_late",)) is late


def test_a_sign_of_life_from_the_future_is_no_sign_of_life(runtime: Any) -> None:
    """The machine's clock was wrong when it was given, and has been put back since: does anything still tick?"""
    ticked(runtime, -2 * HOUR)
    assert found(runtime).troubles == ("tick_late",)
    with runtime.writing.begin() as session:
        note_run(session, START)
    assert found(runtime).troubles == ()
    assert found(runtime).last_tick == START


def test_a_clock_that_was_never_started_is_told_soon_after_the_installation(runtime: Any) -> None:
    with runtime.writing.begin() as session:
        row = {"number": "1", "content_hash": "x", "text": "", "recorded_at": START - 11 * MINUTE}
        session.execute(insert(StudyVersion), row)
    assert found(runtime).troubles == ("tick_late",)


@pytest.mark.parametrize(("due", "late"), [(14 * MINUTE, False), (16 * MINUTE, True)])
def test_a_message_that_could_have_gone_and_waits(runtime: Any, add: Any, due: timedelta, late: bool) -> None:
    add("sent", due=HOUR, handed_over_at=HOUR)
    add("queued", due=due)
    now = found(runtime)
    assert (now.troubles == ("queue_late",)) is late
    assert now.oldest_waiting == START - due


def test_a_message_for_the_morning_and_a_letter_are_not_late(runtime: Any, add: Any) -> None:
    add("queued", due=10 * HOUR, next_try_at=-HOUR)
    add("queued", due=3 * DAY, channel="letter")
    now = found(runtime)
    assert now.troubles == ()
    assert now.states == {"queued": 1}


def test_a_gateway_that_refuses_for_long_is_told_with_its_reasons(runtime: Any, add: Any) -> None:
    tried = {"attempts": 5, "gateway": "46elks", "state_reason": "no_connection"}
    add("sent", due=11 * HOUR, handed_over_at=HOUR)
    add("queued", due=11 * HOUR, next_try_at=-MINUTE, **{**tried, "attempts": 1})  # waited for the morning, then once
    add("queued", due=50 * MINUTE, next_try_at=-MINUTE, **tried)
    assert found(runtime).troubles == ()
    add("queued", due=70 * MINUTE, next_try_at=-MINUTE, **tried)
    add("failed", due=2 * DAY, settled_at=23 * HOUR, gateway="smtp", state_reason="recipient_refused")
    add("failed", due=3 * DAY, settled_at=25 * HOUR, gateway="smtp", state_reason="recipient_refused")
    assert "gateway_failing" in found(runtime).troubles
    with runtime.reading() as session:
        assert health.failures(session, now=START) == [
            ("46elks", "no_connection", 3), ("smtp", "recipient_refused", 1),
        ]  # fmt: skip


def test_messages_due_and_nothing_sent_for_two_days(runtime: Any, add: Any) -> None:
    add("sent", due=3 * DAY, handed_over_at=3 * DAY)
    add("failed", due=20 * HOUR, settled_at=19 * HOUR, state_reason="recipient_refused")
    assert found(runtime).troubles == ()  # one wrong number is no silence of the system
    add("failed", due=20 * HOUR, settled_at=19 * HOUR, state_reason="too_late")
    add("cancelled", due=20 * HOUR, settled_at=19 * HOUR)
    now = found(runtime)
    assert now.troubles == ("nothing_sent",)
    assert (now.due, now.handed_over, now.failed, now.oldest_unsent) == (1, 0, 2, START - 20 * HOUR)
    add("sent", due=20 * HOUR, handed_over_at=20 * HOUR)
    assert found(runtime).troubles == ()


def test_messages_of_which_nobody_knows_are_no_messages_that_went(runtime: Any, add: Any) -> None:
    for hours in range(1, 6):
        add("possibly_sent", due=hours * 9 * HOUR, settled_at=hours * 9 * HOUR, state_reason="no_answer")
    now = found(runtime)
    assert (now.due, now.handed_over, now.unknown) == (5, 0, 2)
    assert now.troubles == ("nothing_sent",)


def test_many_of_which_nobody_knows_are_told_though_others_go(runtime: Any, add: Any) -> None:
    add("sent", due=2 * HOUR, handed_over_at=2 * HOUR)
    for _ in range(4):
        add("possibly_sent", settled_at=23 * HOUR, state_reason="no_answer")
    add("possibly_sent", settled_at=25 * HOUR, state_reason="no_answer")
    assert found(runtime).troubles == ()
    add("possibly_sent", settled_at=HOUR, state_reason="no_answer")
    assert found(runtime).troubles == ("outcomes_unknown",)


def test_the_limit_of_the_day_is_told_when_it_is_reached(runtime: Any, add: Any) -> None:
    follow_up = runtime.study.follow_up.model_copy(update={"cap_study": 2})
    few = replace(runtime, study=runtime.study.model_copy(update={"follow_up": follow_up}))
    person = People(runtime, None, lambda *_: None).participant()
    add("sent", due=HOUR, handed_over_at=HOUR, participant_id=person)
    add("sent", due=11 * HOUR, handed_over_at=11 * HOUR, participant_id=person)  # yesterday in Stockholm
    add("sent", due=HOUR, handed_over_at=HOUR)  # to staff
    assert found(few).troubles == ()
    add("possibly_sent", due=HOUR, settled_at=HOUR, participant_id=person)
    assert (found(few).troubles, found(few).tried_today) == (("cap_reached",), 2)


def test_the_first_message_of_a_trial_is_no_silence(runtime: Any, add: Any) -> None:
    add("queued", due=MINUTE)
    assert found(runtime).troubles == ()


def test_the_delivery_rate_is_of_what_left_lately(runtime: Any, add: Any) -> None:
    for state in ("delivered", "delivered", "sent", "failed"):
        add(state, due=2 * DAY, handed_over_at=2 * DAY, settled_at=2 * DAY)
    add("delivered", due=9 * DAY, handed_over_at=9 * DAY)
    add("failed", due=DAY, settled_at=DAY)  # never left
    now = found(runtime)
    assert (now.left, now.arrived, now.delivery_rate) == (4, 2, 0.5)


def test_a_worker_leaves_a_sign_of_life(runtime: Any) -> None:
    ticked(runtime, MINUTE, "worker:host-1")
    assert found(runtime).workers == {"host-1": START - MINUTE}


def test_the_number_of_statements_does_not_grow(runtime: Any, add: Any, statements: list[str]) -> None:
    counts = []
    for number in (1, 20):
        for _ in range(number):
            add("sent", handed_over_at=HOUR)
        ticked(runtime, MINUTE, "last_tick" if number == 1 else "worker:a")
        statements.clear()
        found(runtime)
        counts.append(len(statements))
    assert counts == [2, 2]


@pytest.mark.parametrize("channel", ["sms", "email"])
def test_messages_that_only_the_log_gets_are_told_until_one_went_through_a_gateway(
    runtime: Any, add: Callable[..., None], channel: str
) -> None:
    add("sent", channel="email" if channel == "sms" else "sms", gateway="smtp", handed_over_at=MINUTE)
    add("sent", channel=channel, gateway="log", handed_over_at=HOUR)
    assert (found(runtime).troubles, found(runtime).into_the_log) == (("no_gateway",), (channel,))
    add("delivered", channel=channel, gateway="smtp", handed_over_at=MINUTE)
    assert found(runtime).troubles == ()


def test_a_demonstration_may_write_to_the_log(runtime: Any, add: Callable[..., None]) -> None:
    add("sent", gateway="log", handed_over_at=HOUR)
    with runtime.writing.begin() as session:
        session.execute(insert(Installation), {"name": "kind", "value": "demo"})
    assert found(runtime).troubles == ()
