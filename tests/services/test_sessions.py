"""Signed-in browsers: limits hold, an ended session stays ended, and the cookie alone says nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import AuthSession
from proapp.services import sessions
from proapp.services.sessions import LIMITS
from proapp.services.vault import token_hash


@pytest.fixture
def berit(people, session):
    return people.staff_id("berit")


@pytest.fixture
def token(session, runtime, clock, berit):
    return sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=berit, device="Firefox")


def find(session, token, clock):
    return sessions.find_staff(session, token, now=clock())


def test_a_token_leads_to_the_person_with_role_and_sites(session, token, clock, berit):
    who = find(session, token, clock)
    assert (who.user_id, who.role, who.sites, who.kind) == (berit, "nurse", frozenset({"UME"}), "staff")


def test_the_row_holds_a_hash_and_never_the_token(session, token):
    row = session.scalars(select(AuthSession)).one()
    assert row.token_hash == token_hash(token)
    assert token not in str(vars(row).values())


@pytest.mark.parametrize("wrong", ["", "x", "A" * 43, "\x00", "å" * 43])
def test_an_unknown_token_leads_nowhere(session, token, clock, wrong):
    assert find(session, wrong, clock) is None
    assert sessions.find_patient(session, wrong, now=clock()) is None


def test_a_staff_token_is_no_patient_token(session, token, clock):
    assert sessions.find_patient(session, token, now=clock()) is None


@pytest.mark.parametrize("kind", ["staff", "staff_pending"])
def test_idle_too_long_ends_it(session, runtime, clock, berit, kind):
    token = sessions.start(session, runtime.vault, kind=kind, now=clock(), user_id=berit)
    clock.forward(seconds=LIMITS[kind].idle.total_seconds() - 1)
    assert find(session, token, clock)
    clock.forward(seconds=1)
    assert find(session, token, clock) is None


def test_staff_are_signed_out_after_half_an_hour_and_after_twelve_hours():
    assert LIMITS["staff"].idle <= timedelta(minutes=30)
    assert LIMITS["staff"].absolute <= timedelta(hours=12)


def test_use_keeps_it_open_but_not_beyond_the_absolute_limit(session, token, clock):
    for _ in range(35):
        clock.forward(minutes=20)
        who = find(session, token, clock)
        assert who
        sessions.touch(session, who.session_id, now=clock())
    clock.forward(minutes=20)
    assert find(session, token, clock) is None


def test_it_is_noted_at_most_once_a_minute(session, token, clock):
    who = find(session, token, clock)
    clock.forward(seconds=59)
    assert not sessions.needs_touch(who, now=clock())
    clock.forward(seconds=1)
    assert sessions.needs_touch(who, now=clock())


def test_an_ended_session_is_not_raised_again_by_a_late_touch(session, token, clock):
    who = find(session, token, clock)
    sessions.end(session, now=clock(), reason="signed_out", session_id=who.session_id)
    clock.forward(minutes=2)
    sessions.touch(session, who.session_id, now=clock())
    sessions.confirm(session, who.session_id, now=clock())
    assert find(session, token, clock) is None
    row = session.scalars(select(AuthSession)).one()
    session.refresh(row)
    assert row.last_seen_at == clock() - timedelta(minutes=2)


def test_a_suspended_person_is_out_at_once_even_while_rows_live(session, token, clock, berit):
    from proapp.db.models import StaffUser

    session.get(StaffUser, berit).suspended_at = clock()
    session.flush()
    assert find(session, token, clock) is None


def test_ending_all_but_one_keeps_that_one(session, runtime, clock, berit, token):
    other = sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=berit)
    keep = find(session, token, clock).session_id
    assert sessions.end(session, now=clock(), reason="x", user_id=berit, keep_session_id=keep) == 1
    assert find(session, token, clock)
    assert find(session, other, clock) is None


def test_ending_somebodys_sessions_leaves_everybody_elses(session, runtime, clock, people, token):
    charlie = people.staff_id("charlie") if session.commit() is None else 0
    other = sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=charlie)
    sessions.end(session, now=clock(), reason="x", user_id=charlie)
    assert find(session, token, clock)
    assert find(session, other, clock) is None


def test_ending_nobodys_sessions_is_a_mistake(session, clock):
    with pytest.raises(ValueError, match="whose"):
        sessions.end(session, now=clock(), reason="x")


def test_living_lists_what_still_opens_something_newest_use_first(session, runtime, clock, berit, token):
    clock.forward(minutes=5)
    newer = sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=berit, device="Edge")
    ended = sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=berit, device="Opera")
    sessions.end(session, now=clock(), reason="x", session_id=find(session, ended, clock).session_id)
    assert [row.device for row in sessions.living(session, now=clock(), user_id=berit)] == ["Edge", "Firefox"]
    clock.forward(minutes=26)
    assert [row.device for row in sessions.living(session, now=clock(), user_id=berit)] == ["Edge"]
    assert find(session, newer, clock)


def test_two_sign_ins_never_share_a_token(session, runtime, clock, berit):
    tokens = {sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=berit) for _ in range(50)}
    assert len(tokens) == 50


def test_finding_costs_one_statement(session, token, clock, statements):
    session.flush()
    session.expire_all()
    statements.clear()
    find(session, token, clock)
    assert len(statements) == 1
