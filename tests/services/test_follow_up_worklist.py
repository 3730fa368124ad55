from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from proapp.db.models import ContactAttempt
from proapp.services import follow_up
from proapp.services.follow_up import Work
from tests.crowd import crowd

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
UME = frozenset({"UME"})
DUE_FOR_11_DAYS = date(2026, 8, 12)  # randomised on: three months later is 12 November
CLOSED = date(2026, 6, 1)  # the window after three months closed on 29 September, its grace on 13 October


def work(runtime: Any, sites: frozenset[str] | None = UME, **wanted: Any) -> Work:
    with runtime.reading() as session:
        return follow_up.work(session, study=runtime.study, sites=sites, now=runtime.clock(), **wanted)


def attempt(runtime: Any, participant_id: int, assessment_id: int | None, **values: Any) -> None:
    row = {"method": "phone", "outcome": "no_answer", "at": NOW, **values}
    with runtime.writing.begin() as session:
        session.execute(
            insert(ContactAttempt), {"participant_id": participant_id, "assessment_id": assessment_id, **row}
        )


def answered_baseline(people: Any, participant_id: int) -> None:
    people.answered(participant_id, "baseline", submitted_at=datetime(2026, 8, 1, 9, tzinfo=UTC), codes={})


def test_an_overdue_assessment_nobody_rang_about_is_a_row(runtime: Any, people: Any) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    (row,) = work(runtime).rows
    assert (row.item.reason, row.member.study_id, row.last_contact) == ("overdue", "UME-001", None)
    assert row.assessment is not None
    assert row.assessment.timepoint == "m03"


def test_somebody_who_was_rung_once_is_not_forgotten(runtime: Any, people: Any, clock: Any) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    attempt(runtime, person, people.assessment_id(person, "m03"), outcome="left_message")
    seen = []
    for _ in range(4):
        seen.append([row.item.reason for row in work(runtime).rows])
        clock.forward(days=1)
    assert seen == [[], [], [], ["call_again"]]


def test_a_missed_assessment_stays_until_its_reason_is_recorded(runtime: Any, people: Any) -> None:
    person = people.participant("UME-001", randomized_on=CLOSED)
    answered_baseline(people, person)
    assert {row.item.reason for row in work(runtime, wanted="reasons").rows} == {"reason_needed"}
    assert work(runtime).reasons == 1


def test_another_site_sees_nothing_of_it(runtime: Any, people: Any) -> None:
    people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    assert work(runtime, frozenset({"LUN"})).total == 0
    assert work(runtime, frozenset({"LUN"}), site="UME").total == 0
    assert work(runtime, None, site="UME").total > 0
    assert work(runtime, None, site="LUN").total == 0


def test_a_site_of_ones_own_narrows_the_list(runtime: Any, people: Any) -> None:
    people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    people.participant("LUN-001", randomized_on=DUE_FOR_11_DAYS)
    both = work(runtime, frozenset({"UME", "LUN"}))
    assert {row.member.study_id for row in both.rows} == {"UME-001", "LUN-001"}
    assert {row.member.study_id for row in work(runtime, frozenset({"UME", "LUN"}), site="LUN").rows} == {"LUN-001"}


def test_counts_do_not_depend_on_the_reason_that_is_shown(runtime: Any, people: Any) -> None:
    due, missed = (
        people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS),
        people.participant("UME-002", randomized_on=CLOSED),
    )
    answered_baseline(people, due)
    answered_baseline(people, missed)
    for wanted, rows in ((None, 2), ("calls", 1), ("reasons", 1), ("closing", 0), ("overdue", 1), ("idle", 0)):
        found = work(runtime, wanted=wanted)
        assert (len(found.rows), found.total, found.calls, found.closing, found.reasons) == (rows, 2, 1, 0, 1)


def test_what_closes_within_two_working_days_comes_first_and_is_counted(runtime: Any, people: Any) -> None:
    overdue = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    closing = people.participant("UME-002", randomized_on=date(2026, 7, 28))  # 28 October + 28 days = 25 November
    answered_baseline(people, overdue)
    answered_baseline(people, closing)
    found = work(runtime)
    assert [row.item.reason for row in found.rows] == ["closing_soon", "overdue"]
    assert found.closing == 1
    assert found.rows[0].item.by_when == date(2026, 11, 25)


def test_a_row_is_hidden_until_the_day_it_was_postponed_to(runtime: Any, people: Any, clock: Any) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    later = {"method": "none", "outcome": "postponed", "next_on": date(2026, 11, 25)}
    attempt(runtime, person, people.assessment_id(person, "m03"), **later)
    assert work(runtime).total == 0
    clock.forward(days=2)
    assert [row.item.reason for row in work(runtime).rows] == ["overdue"]


def test_a_postponement_ends_when_the_participant_begins_to_answer(runtime: Any, people: Any, clock: Any) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    attempt(
        runtime,
        person,
        people.assessment_id(person, "m03"),
        method="none",
        outcome="postponed",
        next_on=date(2026, 12, 5),
    )
    clock.forward(days=1)
    people.answered(person, "m03", codes={"c30": {1: 2}})
    clock.forward(days=2)
    assert work(runtime).total == 1


def test_a_postponement_is_not_a_contact(runtime: Any, people: Any, clock: Any) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    attempt(
        runtime,
        person,
        people.assessment_id(person, "m03"),
        method="none",
        outcome="postponed",
        next_on=date(2026, 11, 24),
    )
    clock.forward(days=2)
    (row,) = work(runtime).rows
    assert row.item.params["attempts"] == 0
    assert row.last_contact is None


def test_the_row_knows_the_last_contact_and_who_made_it(runtime: Any, people: Any) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    attempt(
        runtime, person, people.assessment_id(person, "m03"),
        outcome="left_message", next_on=date(2026, 11, 23), at=NOW - timedelta(days=3), recorded_by_id=people.staff_id("berit"),
    )  # fmt: skip
    (row,) = work(runtime).rows
    assert row.item.reason == "call_again"
    assert row.last_contact is not None
    assert (row.last_contact.outcome, row.last_by) == ("left_message", "Berit")


@pytest.mark.parametrize("stop", ["death", "trial_withdrawal", "pro_stop", "lost_to_follow_up"])
def test_nobody_is_to_be_rung_after_a_stop(runtime: Any, people: Any, stop: str) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    people.event(person, stop, date(2026, 11, 20))
    assert work(runtime).calls == 0


def test_a_stop_that_lies_ahead_stops_nothing_yet(runtime: Any, people: Any) -> None:
    person = people.participant("UME-001", randomized_on=DUE_FOR_11_DAYS)
    answered_baseline(people, person)
    people.event(person, "lost_to_follow_up", date(2026, 12, 20))
    assert work(runtime).calls == 1


def test_who_never_signed_in_is_a_row_without_an_assessment(runtime: Any, people: Any) -> None:
    people.participant("UME-001", consent_on=date(2026, 11, 18), activated=False, enrolled_at=NOW - timedelta(days=5))
    reasons = {row.item.reason: row for row in work(runtime).rows}
    assert set(reasons) <= {"baseline_incomplete", "not_activated"}
    assert reasons


def test_the_next_day_on_which_windows_open_is_told(runtime: Any, people: Any) -> None:
    for number in (1, 2):
        answered_baseline(people, people.participant(f"UME-00{number}", randomized_on=date(2026, 9, 10)))
    found = work(runtime)
    assert found.total == 0
    assert found.next_opening is not None
    assert (found.next_opening.day, found.next_opening.windows) == (date(2026, 11, 26), 2)


def statements_of_a_worklist(runtime: Any, statements: list[str]) -> tuple[int, int]:
    statements.clear()
    found = work(runtime)
    return len(statements), found.total


def test_two_thousand_participants_take_as_many_statements_as_twenty(runtime: Any, statements: list[str]) -> None:
    crowd(runtime, range(1, 21))
    few = statements_of_a_worklist(runtime, statements)
    crowd(runtime, range(21, 2001))
    many = statements_of_a_worklist(runtime, statements)
    assert few[0] == many[0] <= 10
    assert (few[1], many[1]) == (30, 3000)  # everybody lacks a channel, every other a reason
