"""A cohort's life with three real workers at once, some of them killed, gives exactly the messages that an independent
computation expects: whatever the gateway does, while staff and participants write, and while the study is amended.

Which life it is can be chosen (36, 40, 44, 51, 52, 58 and 64 hold what is looked for):
PROAPP_TEST_LIFE=64 lives another. The whole life of 200 participants, hour by hour, is tests/bench/simulation.py.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime

from tests.life import CLOSING, Person, amendment, cohort, hours_of
from tests.life_expected import Expected, expected
from tests.life_run import Outcome, run, wrong

DAYS = 112


def test_three_workers_some_of_them_killed_send_exactly_what_is_expected(database_url: str):
    seed = int(os.environ.get("PROAPP_TEST_LIFE", "40"))
    people, hours = cohort(14, seed=seed, days=DAYS), hours_of(DAYS, in_the_suite)
    amended = amendment(people, DAYS, seed=seed)
    wanted = expected(people, hours, amended)
    lived = run(database_url, people, hours, seed=seed, kills=3, amended=amended)
    assert wrong(lived, wanted) == [], f"PROAPP_TEST_LIFE={seed}"
    assert_worth_looking_at(people, wanted, lived)


def in_the_suite(hour: datetime) -> bool:
    """The hour of reminders on weekdays and some Saturdays, on every third day the evening of wishes, on some the end of
    the night, and now and then the night itself."""
    day = hour.toordinal()
    is_reminding = hour.hour == 9 and (hour.weekday() < 5 or day % 14 == 6)
    return is_reminding or (hour.hour == 17 and day % 3 == 0) or (hour.hour in (22, 2, 6, 7) and day % 23 in (0, 1))


def assert_worth_looking_at(people: list[Person], wanted: Expected, lived: Outcome) -> None:
    kinds = Counter("later" if one.step.startswith("later") else one.channel for one in wanted.sent)
    assert min(kinds["later"], kinds["letter"], kinds["sms"], kinds["email"]) > 0
    assert {one.timepoint for one in wanted.sent} >= {"baseline", "m03", "n02"}  # the last is of the amended study
    assert [one for one in people if one.site == CLOSING], "somebody is at the site that closes"
    assert lived.kills >= 2
    assert lived.kills_while_sending >= 1
    assert min(len(wanted.refused), lived.put_off, lived.reports) > 0
    assert sum(lived.facts_refused.values()) < lived.facts / 2
