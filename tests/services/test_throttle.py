"""Guessing is hopeless, and nobody can be kept out by a stranger."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from proapp.db.models import SignInAttempt
from proapp.services import throttle
from proapp.services.throttle import RULES, address_key, delay, subject_key

KINDS = tuple(RULES)


def attempt(session, clock, *, kind="staff_password", subject="s", address="a", right=False):
    """One try as a view makes it: ask, then count. Returns the verdict."""
    verdict = throttle.check(session, kind=kind, subject=subject, address=address, now=clock())
    if verdict.allowed:
        throttle.note(session, kind=kind, subject=subject, address=address, succeeded=right, now=clock())
    return verdict


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_five_failures_cost_nothing_and_the_sixth_try_waits(session, clock, kind):
    seen = [attempt(session, clock, kind=kind) for _ in range(5)]
    assert [verdict.remaining for verdict in seen] == [5, 4, 3, 2, 1]
    refused = attempt(session, clock, kind=kind)
    assert not refused.allowed
    assert refused.remaining == 0
    assert refused.retry_at == clock() + RULES[kind].first


def test_the_tries_left_of_an_address_count_when_they_are_fewer(session, clock):
    """A code mistyped differently each time never fails twice as the same code."""
    rule = RULES["patient_code"]
    seen = [
        attempt(session, clock, kind="patient_code", subject=f"typed {number}") for number in range(rule.per_address)
    ]
    assert [verdict.remaining for verdict in seen] == [5] * 16 + [4, 3, 2, 1]
    assert not attempt(session, clock, kind="patient_code", subject="typed once more").allowed
    clock.forward(minutes=15)
    assert attempt(session, clock, kind="patient_code", subject="typed then").remaining == 5


def test_a_pin_waits_fifteen_minutes_after_five_failures(session, clock):
    for _ in range(5):
        attempt(session, clock, kind="patient_pin")
    clock.forward(minutes=14, seconds=59)
    assert not attempt(session, clock, kind="patient_pin").allowed
    clock.forward(seconds=1)
    assert attempt(session, clock, kind="patient_pin").allowed


@pytest.mark.parametrize("kind", KINDS)
def test_each_further_failure_doubles_the_delay_up_to_the_longest(kind):
    rule = RULES[kind]
    delays = [delay(rule, failures) for failures in range(rule.free + 40)]
    assert delays[: rule.free] == [timedelta(0)] * rule.free
    assert delays[rule.free] == rule.first
    assert all(
        later == min(2 * earlier, rule.longest)
        for earlier, later in zip(delays[rule.free :], delays[rule.free + 1 :], strict=False)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_than_a_hundred_and_ten_failures_a_day_are_possible_against_one_person(kind):
    """NIST SP 800-63B 3.2.2 allows at most 100 failures in a row; the doubling gets near it only after a day of trying."""
    rule, spent, failures = RULES[kind], timedelta(0), 0
    while spent < timedelta(days=1):
        failures += 1
        spent += delay(rule, failures)
    assert failures < 110


def test_a_success_starts_the_count_anew(session, clock):
    for _ in range(4):
        attempt(session, clock)
    assert attempt(session, clock, right=True).remaining == 1
    assert attempt(session, clock).remaining == 5


def test_a_refused_try_is_not_counted_so_hammering_prolongs_nothing(session, clock):
    for _ in range(5):
        attempt(session, clock)
    retry_at = attempt(session, clock).retry_at
    for _ in range(50):
        clock.forward(seconds=1)
        assert attempt(session, clock).retry_at == retry_at
    assert session.scalar(select(func.count()).select_from(SignInAttempt)) == 5


def test_failures_are_forgotten_after_the_memory_of_the_rule(session, clock):
    for _ in range(5):
        attempt(session, clock)
    clock.forward(days=1)
    assert attempt(session, clock).remaining == 5


def test_one_subject_does_not_pay_for_another(session, clock):
    for _ in range(6):
        attempt(session, clock, subject="s")
    assert attempt(session, clock, subject="t").remaining == 5


def test_kinds_are_counted_apart(session, clock):
    for _ in range(6):
        attempt(session, clock, kind="patient_pin")
    assert attempt(session, clock, kind="patient_code").allowed


def test_a_stranger_elsewhere_cannot_keep_out_somebody_who_signs_in_from_a_known_address(session, clock):
    attempt(session, clock, address="home", right=True)
    for hour in range(24 * 14):
        clock.forward(hours=1)
        attempt(session, clock, address=f"stranger {hour}")
    assert not attempt(session, clock, address="stranger").allowed
    assert attempt(session, clock, address="home").remaining == 5


def test_failures_from_a_known_address_count_against_it(session, clock):
    attempt(session, clock, address="home", right=True)
    for _ in range(5):
        attempt(session, clock, address="home")
    assert not attempt(session, clock, address="home").allowed


def test_an_address_that_tries_many_subjects_is_stopped(session, clock):
    limit = RULES["patient_code"].per_address
    for number in range(limit):
        assert attempt(session, clock, kind="patient_code", subject=f"code {number}").allowed
    refused = attempt(session, clock, kind="patient_code", subject="another")
    assert not refused.allowed
    assert refused.retry_at == clock() + throttle.ADDRESS_WINDOW
    assert attempt(session, clock, kind="patient_code", subject="another", address="b").allowed
    clock.forward(minutes=15)
    assert attempt(session, clock, kind="patient_code", subject="another").allowed


def test_when_the_budget_of_all_is_spent_only_known_addresses_are_heard(session, clock):
    attempt(session, clock, subject="berit", address="clinic", right=True)
    clock.forward(days=10)
    for number in range(RULES["staff_password"].budget):
        assert attempt(session, clock, subject=f"s{number}", address=f"a{number}").allowed
    refused = attempt(session, clock, subject="new", address="new")
    assert not refused.allowed
    assert refused.retry_at == clock() + throttle.BUDGET_WINDOW
    assert attempt(session, clock, subject="berit", address="clinic").allowed


def test_counts_hold_over_processes(runtime, clock):
    for _ in range(5):
        with runtime.writing.begin() as one_process:
            attempt(one_process, clock)
    with runtime.writing.begin() as another:
        assert not attempt(another, clock).allowed


def test_twenty_tries_at_the_same_moment_are_not_twenty_free_tries(runtime, clock):
    barrier, allowed = threading.Barrier(20), []

    def one():
        barrier.wait()
        with runtime.writing.begin() as session:
            allowed.append(attempt(session, clock).allowed)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 5


def test_old_attempts_are_deleted_and_recent_ones_kept(session, clock):
    attempt(session, clock, subject="old")
    clock.forward(days=91)
    attempt(session, clock, subject="new")
    assert throttle.forget(session, now=clock()) == 1
    assert session.scalars(select(SignInAttempt.subject)).all() == ["new"]


def test_failures_since_counts_per_subject_and_leaves_out_successes(session, clock):
    attempt(session, clock, subject="s")
    clock.forward(hours=2)
    attempt(session, clock, subject="s")
    attempt(session, clock, subject="t", right=True)
    found = throttle.failures_since(session, kinds=("staff_password",), since=clock() - timedelta(hours=1))
    assert found == {"s": 1}


def test_what_is_stored_names_nobody(runtime):
    assert "anna" not in subject_key(runtime.vault, "anna@example.org")
    assert len(subject_key(runtime.vault, "x")) == 64
    assert subject_key(runtime.vault, "x") != address_key(runtime.vault, "x")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        (None, "192.0.2.1", False),
        (None, "nonsense", False),
    ],
)
def test_an_ipv6_household_is_one_address(runtime, one, other, same):
    assert (address_key(runtime.vault, one) == address_key(runtime.vault, other)) is same
