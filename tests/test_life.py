"""A cohort's life with three real workers at once, some of them killed, gives exactly the messages that an independent
computation expects. The whole life of 200 participants, hour by hour, is tests/bench/simulation.py."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from tests.life import cohort, expected, hours_of
from tests.life_run import differences, run

DAYS = 112


def test_three_workers_some_of_them_killed_send_exactly_what_is_expected(database_url: str):
    people, hours = cohort(14, seed=36, days=DAYS), hours_of(DAYS, in_the_suite)
    wanted = expected(people, hours)
    assert_worth_looking_at(wanted)
    lived = run(database_url, people, hours, seed=5, kills=3)
    assert differences(lived.sent, wanted) == []
    assert lived.kills >= 2
    assert lived.kills_while_sending >= 1
    assert max(lived.handed_over.values()) == 1, "the gateway was given a message twice"
    assert len(lived.possibly) <= lived.kills
    reached = {lived.references[reference] for reference in lived.handed_over}
    electronic = {one for one in lived.sent if one.channel != "letter"}
    assert electronic - reached <= set(lived.possibly), "a message was lost, and nobody can see it"


def in_the_suite(hour: datetime) -> bool:
    """The end of the night, the hour of reminders, and the evening of wishes."""
    return hour.hour in (7, 9, 17)


def assert_worth_looking_at(wanted: list[Any]) -> None:
    kinds = Counter("later" if one.step.startswith("later") else one.channel for one in wanted)
    assert min(kinds["later"], kinds["letter"], kinds["sms"], kinds["email"]) > 0
