"""Who needs a call today, and in what order. 23 November 2026 is a Monday."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from proapp.study.status import AssessmentFacts, ParticipantFacts, state
from proapp.study.worklist import Case, Task, worklist

TODAY = date(2026, 11, 23)
STARTED = datetime(2026, 11, 20, tzinfo=UTC)


def days(number):
    return timedelta(days=number)


def task(study, *, target=0, closes=28, key=1, kind="scheduled", came=None, today=TODAY, **rest):
    """An assessment whose target was `target` days ago and which closes `closes` days from now; grace 14 days."""
    closes_on = None if closes is None else TODAY + days(closes)
    facts = AssessmentFacts(
        timepoint="baseline" if kind == "baseline" else "m03",
        kind=kind,
        target_on=TODAY - days(target),
        opens_on=TODAY - days(target if kind == "baseline" else target + 14),
        closes_on=closes_on,
        late_until=closes_on and closes_on + days(14),
        **(came or {}),
    )
    return Task(key, facts, state(facts, ParticipantFacts(TODAY, TODAY, "SURG"), today=today, study=study), **rest)


def case(*tasks, key=1, activated=True, has_channel=True, **rest):
    return Case(key, TODAY - days(40), activated, has_channel, tasks, **rest)


@pytest.fixture
def ask(small):
    def asked(*cases, today=TODAY):
        return [(item.rank, item.reason) for item in worklist(cases, today=today, study=small)]

    return asked


def test_nobody_needs_a_call(ask, small):
    assert ask(case(task(small)), case(task(small, target=2)), case()) == []


def test_a_baseline_that_waits_comes_first(ask, small):
    assert ask(case(task(small, kind="baseline", target=2, closes=None))) == []
    assert ask(case(task(small, kind="baseline", target=3, closes=None))) == [(1, "baseline_incomplete")]


@pytest.mark.parametrize(
    ("closes", "listed"), [(0, True), (2, True), (3, False), (-1, False), (-12, True), (-14, True)]
)
def test_what_closes_within_two_working_days_comes_second(ask, small, closes, listed):
    """In its grace period it closes with the grace: 14 days later."""
    shown = ask(case(task(small, target=2 - min(closes, 0), closes=closes, attempts=1)))
    assert shown == ([(2, "closing_soon")] if listed else [])


def test_a_weekend_makes_it_urgent_earlier(ask, small):
    friday = TODAY + days(4)
    closing_on_tuesday = task(small, target=1, closes=8, today=friday)
    assert ask(case(closing_on_tuesday), today=friday) == [(2, "closing_soon")]


def test_begun_but_not_sent_closes_as_well(ask, small):
    assert ask(case(task(small, closes=1, came={"started_at": STARTED}))) == [(2, "closing_soon")]


def test_no_way_to_reach_somebody_who_is_asked_something(ask, small):
    upcoming = task(small, target=-60, closes=90)
    done = task(small, came={"submitted_at": STARTED})
    assert ask(case(task(small), has_channel=False)) == [(3, "no_channel")]
    assert ask(case(upcoming, has_channel=False)) == [(3, "no_channel")]
    assert ask(case(done, has_channel=False)) == []


def test_overdue_without_a_contact_attempt(ask, small):
    assert ask(case(task(small, target=3))) == [(4, "overdue")]
    assert ask(case(task(small, target=3, attempts=1))) == []


def test_an_agreed_day_has_come(ask, small):
    assert ask(case(task(small, target=3, attempts=1, next_on=TODAY))) == [(4, "call_again")]
    assert ask(case(task(small, target=3, attempts=1, next_on=TODAY + days(1)))) == []


@pytest.mark.parametrize(("contact", "listed"), [(date(2026, 11, 18), True), (date(2026, 11, 19), False)])
def test_a_contact_without_an_agreed_day_comes_back_after_three_working_days(ask, small, contact, listed):
    """Wednesday to Monday: Thursday, Friday, Monday."""
    rung = {"attempts": 1, "attempted_on": contact}
    assert ask(case(task(small, target=9, **rung))) == ([(4, "call_again")] if listed else [])
    assert ask(case(task(small, target=2, **rung))) == []  # not overdue yet
    assert ask(case(task(small, target=9, **rung, next_on=TODAY + days(1)))) == []


def test_begun_and_idle_for_more_than_a_day(ask, small):
    begun = {"started_at": STARTED}
    assert ask(case(task(small, came=begun, idle_hours=24))) == []
    assert ask(case(task(small, came=begun, idle_hours=24.1))) == [(5, "idle")]
    assert ask(case(task(small, came=begun))) == []


def test_not_activated_three_days_after_enrolment(ask, small):
    waiting = Case(1, TODAY - days(2), activated=False, has_channel=True, tasks=(task(small),))
    assert ask(waiting) == []
    assert ask(waiting._replace(enrolled_on=TODAY - days(3))) == [(6, "not_activated")]
    assert ask(waiting._replace(enrolled_on=TODAY - days(3), next_on=TODAY + days(1))) == []


def test_a_later_day_agreed_about_a_questionnaire_is_no_call_about_the_code(ask, small):
    agreed = task(small, next_on=TODAY + days(2))
    waiting = Case(1, TODAY - days(9), activated=False, has_channel=True, tasks=(agreed,))
    assert ask(waiting) == []
    due_again = waiting._replace(tasks=(agreed._replace(next_on=TODAY),))
    assert [reason for _, reason in ask(due_again)] != []


def test_a_missed_assessment_needs_its_reason_and_keeps_needing_it(ask, small):
    missed = task(small, target=60, closes=-20)
    assert ask(case(missed)) == [(8, "reason_needed")]
    assert ask(case(missed, may_contact=False)) == [(8, "reason_needed")]
    assert ask(case(task(small, target=60, closes=-20, came={"reason_code": "forgot"}))) == []


def test_answers_about_to_be_submitted_need_no_reason(ask, small):
    begun = {"started_at": STARTED}
    assert ask(case(task(small, target=60, closes=-15, came={**begun, "last_answer_at": STARTED}))) == []
    assert ask(case(task(small, target=60, closes=-15, came=begun))) == [(8, "reason_needed")]


def test_nobody_is_called_who_may_not_be_contacted(ask, small):
    assert ask(case(task(small, target=3), has_channel=False, may_contact=False)) == []


def test_one_call_a_participant_for_the_most_pressing_reason(ask, small):
    several = case(
        task(small, target=3, key=1),
        task(small, closes=1, key=2),
        task(small, target=60, closes=-20, key=3),
        activated=False,
        has_channel=False,
    )
    assert ask(several) == [(2, "closing_soon"), (8, "reason_needed")]


def test_a_row_is_hidden_until_its_date_unless_the_status_has_changed(ask, small):
    tomorrow = TODAY + days(1)
    assert ask(case(task(small, closes=1, next_on=tomorrow))) == []
    assert ask(case(task(small, closes=1, next_on=tomorrow, next_set_when="due"))) == []
    assert ask(case(task(small, closes=1, next_on=tomorrow, next_set_when="open"))) == [(2, "closing_soon")]
    assert ask(case(task(small, target=60, closes=-20, next_on=tomorrow))) == []


def test_rows_come_by_rank_and_then_by_days_left(small):
    cases = [
        case(task(small, target=60, closes=-20), key=1),
        case(task(small, target=5, closes=20), key=2),
        case(task(small, target=5, closes=9), key=3),
        case(task(small, closes=2), key=4),
        case(task(small, closes=0), key=5),
        case(task(small, kind="baseline", target=5, closes=None), key=6),
        case(task(small, target=60, closes=-30), key=7),
    ]
    assert [item.case for item in worklist(cases, today=TODAY, study=small)] == [6, 5, 4, 3, 2, 1, 7]
    assert worklist(cases, today=TODAY, study=small) == worklist(reversed(cases), today=TODAY, study=small)


def test_a_row_says_what_the_sentence_and_the_buttons_need(small):
    (row,) = worklist([case(task(small, target=5, closes=9, key=17), key=4)], today=TODAY, study=small)
    assert (row.case, row.task, row.by_when, row.days_left) == (4, 17, TODAY + days(9), 9)
    assert row.params == {"timepoint": "m03", "days_due": 5, "attempts": 0}
    assert row.actions == ("call", "enter_answers", "decline", "snooze")
    (row,) = worklist([case(task(small, target=60, closes=-20))], today=TODAY, study=small)
    assert row.params == {"timepoint": "m03", "closed_on": TODAY - days(6)}
    assert row.actions == ("record_reason", "enter_answers", "extend")
    longer = task(small, target=60, closes=-20)
    longer = longer._replace(facts=longer.facts._replace(extension_until=TODAY - days(2)))
    (row,) = worklist([case(longer)], today=TODAY, study=small)
    assert row.params["closed_on"] == TODAY - days(2)  # the true last day, not that of the grace
    (row,) = worklist([case(task(small), has_channel=False)], today=TODAY, study=small)
    assert (row.task, row.by_when, row.params) == (None, None, {})


# --- what comes from outside the clinic, and from the reminder plan --------------------------------------------------


def only(study, *cases):
    return worklist(cases, today=TODAY, study=study)


@pytest.mark.parametrize("fault", ["undeliverable", "wrong_number"])
def test_messages_that_do_not_arrive_are_a_row_at_once(small, fault):
    (row,) = only(small, case(task(small), fault=fault, fault_on=TODAY))
    assert (row.rank, row.reason, row.task, row.params) == (3, fault, None, {"since": TODAY})
    assert only(small, case(task(small, came={"submitted_at": STARTED}), fault=fault, fault_on=TODAY)) == []
    assert only(small, case(task(small), fault=fault, fault_on=TODAY, may_contact=False)) == []


def test_a_fault_is_put_off_only_by_who_knew_of_it(small):
    known = case(task(small), fault="undeliverable", fault_on=TODAY - days(2), next_on=TODAY + days(1))
    assert only(small, known._replace(next_set_on=TODAY - days(1))) == []
    assert [row.reason for row in only(small, known._replace(next_set_on=TODAY - days(3)))] == ["undeliverable"]


def test_a_day_agreed_about_a_questionnaire_does_not_hide_a_fault(small):
    agreed = task(small, next_on=TODAY + days(2))
    assert [row.reason for row in only(small, case(agreed, fault="undeliverable", fault_on=TODAY))] == ["undeliverable"]


def test_a_more_pressing_row_tells_what_the_same_call_is_about(small):
    (row,) = only(small, case(task(small, closes=1), fault="undeliverable", fault_on=TODAY, asked_on=TODAY))
    assert (row.reason, set(row.also)) == ("closing_soon", {"undeliverable", "asked_to_call"})


def test_a_call_that_was_asked_for_has_a_day(small):
    """Asked on Friday: by Monday."""
    (row,) = only(small, case(asked_on=TODAY - days(3)))
    assert (row.rank, row.reason, row.by_when, row.days_left) == (7, "asked_to_call", TODAY, 0)
    (row,) = only(small, case(asked_on=TODAY - days(4)))
    assert row.days_left == -3


def test_a_wish_is_heard_although_nobody_is_to_be_rung(small):
    (row,) = only(small, case(task(small, target=3), asked_on=TODAY, may_contact=False))
    assert row.reason == "asked_to_call"
    (row,) = only(small, case(stop_asked_on=TODAY, may_contact=False))
    assert (row.rank, row.reason, row.params) == (7, "stop_to_confirm", {"asked_on": TODAY})
    put_off = case(asked_on=TODAY, next_on=TODAY + days(1), next_set_on=TODAY)
    assert only(small, put_off) == []


@pytest.mark.parametrize(
    ("signals", "reason"),
    [
        ({"unclear_on": TODAY}, "possibly_sent"),
        ({"failed_on": TODAY, "failed_why": "too_late", "unclear_on": TODAY}, "message_failed"),
        ({"letter_due_on": TODAY}, "letter_due"),
        ({"task_due_on": TODAY}, "task_due"),
        ({"task_due_on": TODAY, "letter_due_on": TODAY, "unclear_on": TODAY}, "possibly_sent"),
        ({"task_due_on": TODAY, "letter_due_on": TODAY}, "letter_due"),
    ],
)
def test_steps_of_the_plan_that_are_for_people_are_rows(small, signals, reason):
    (row,) = only(small, case(task(small, **signals)))
    assert (row.reason, row.params["since"]) == (reason, TODAY)
    assert only(small, case(task(small, came={"submitted_at": STARTED}, **signals))) == []
    assert only(small, case(task(small, next_on=TODAY + days(1), **signals))) == []


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"target": 3}, "overdue"),
        ({"target": 3, "attempts": 1, "next_on": TODAY}, "call_again"),
        ({"target": 3, "attempts": 1, "attempted_on": TODAY - days(1)}, "task_due"),
    ],
)
def test_a_task_of_the_plan_comes_after_what_says_more(small, state, reason):
    (row,) = only(small, case(task(small, task_due_on=TODAY, **state)))
    assert row.reason == reason


def test_a_test_message_that_did_not_arrive_is_a_row_about_the_participant(small):
    (row,) = only(small, case(task(small), test_failed_on=TODAY, test_failed_why="message_refused"))
    assert (row.reason, row.task, row.params) == ("message_failed", None, {"since": TODAY, "why": "message_refused"})
    (row,) = only(small, case(task(small), test_failed_on=TODAY, fault="undeliverable", fault_on=TODAY))
    assert row.reason == "undeliverable"


def test_a_baseline_waits_for_the_code_of_who_never_signed_in(small):
    """It is told as what it is, as urgently as the baseline."""
    waiting = task(small, kind="baseline", target=5, closes=None)
    (row,) = only(small, Case(1, TODAY - days(5), activated=False, has_channel=True, tasks=(waiting,)))
    assert (row.rank, row.reason, row.params["days"]) == (1, "not_activated", 5)
    assert row.actions[0] == "new_code"
    (row,) = only(small, Case(1, TODAY - days(5), activated=True, has_channel=True, tasks=(waiting,)))
    assert (row.rank, row.reason) == (1, "baseline_incomplete")
