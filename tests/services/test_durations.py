"""What a patient is told about the time it takes comes from those who have answered, once there are enough of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from proapp.services.durations import AT_LEAST, minutes

ALL = ("c30", "br23", "lmc21")
BEGUN = datetime(2026, 11, 1, 10, tzinfo=UTC)


def told(runtime: Any, *asked: tuple[str, ...]) -> list[int]:
    with runtime.reading() as session:
        found = minutes(session, asked, study=runtime.study, instruments=runtime.instruments)
    return [found[packs] for packs in asked]


@pytest.fixture
def sent(people: Any) -> Any:
    """sent(9, 10, 12) → so many participants answered at the beginning, each in so many minutes."""
    count = iter(range(1, 400))

    def send(*taken: float, **more: Any) -> None:
        for number in taken:
            person = people.participant(f"UME-{next(count):03}", consent_on=date(2026, 10, 1))
            end = BEGUN + timedelta(minutes=number)
            people.answered(person, "baseline", codes={}, started_at=BEGUN, submitted_at=end, **more)

    return send


def test_until_ten_have_answered_it_is_what_the_packs_say(runtime: Any, sent: Any) -> None:
    sent(*[40] * (AT_LEAST - 1))
    assert told(runtime, ALL) == [17]
    sent(40)
    assert told(runtime, ALL) == [40]


def test_it_is_the_median_in_whole_minutes(runtime: Any, sent: Any) -> None:
    sent(8, 8, 8, 9, 9.4, 9.4, 30, 40, 50, 60)
    assert told(runtime, ALL) == [9]


def test_it_is_never_less_than_a_minute(runtime: Any, sent: Any) -> None:
    sent(*[0.1] * AT_LEAST)
    assert told(runtime, ALL) == [1]


def test_who_rested_in_the_middle_says_nothing_about_the_questions(runtime: Any, sent: Any) -> None:
    sent(*[600] * 30)
    sent(*[12] * (AT_LEAST - 1))
    assert told(runtime, ALL) == [17]
    sent(12)
    assert told(runtime, ALL) == [12]


@pytest.mark.parametrize("mode", ["proxy", "paper", "phone", "self_clinic"])
def test_only_what_patients_answered_themselves_on_a_phone_counts(runtime: Any, sent: Any, mode: str) -> None:
    sent(*[40] * AT_LEAST, mode=mode)
    assert told(runtime, ALL) == [17]


def test_other_packs_are_another_questionnaire(runtime: Any, sent: Any) -> None:
    sent(*[40] * AT_LEAST)
    assert told(runtime, ("c30",), ALL) == [7, 40]


def test_what_was_asked_by_another_version_is_compared_by_its_packs(runtime: Any, people: Any, sent: Any) -> None:
    """The rows name a version in which the same time point had one pack only."""
    from dataclasses import replace

    from proapp.study.versions import Activation, combine

    short = [one.model_copy(update={"instruments": ("c30",)}) for one in runtime.study.timepoints]
    old = runtime.study.model_copy(update={"number": "old", "timepoints": tuple(short)})
    people.runtime = replace(runtime, study=old)
    sent(*[6] * AT_LEAST)
    both = combine(old, [Activation("UME", date(2026, 1, 1), runtime.study)])
    assert told(replace(runtime, study=both), ALL, ("c30",)) == [17, 6]


def test_it_is_one_statement_however_many_have_answered(runtime: Any, sent: Any, statements: list[str]) -> None:
    counts = []
    for more in (0, 12):
        sent(*[10] * more)
        statements.clear()
        told(runtime, ALL, ("c30",))
        counts.append(len(statements))
    assert counts == [1, 1]
