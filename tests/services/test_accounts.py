"""Who works here: invited once, changed with a reason, shut out at once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, AuthSession, StaffInvitation, StaffUser
from proapp.services import account_list, accounts, audit_review, sessions
from proapp.services.audit import COMMAND_LINE, Actor
from proapp.services.errors import NotFound, Refused

SITES = ("UME", "LUN", "GOT")


@pytest.fixture
def add(session, runtime, clock):
    def one(email="eva@example.org", role="nurse", sites=("UME",), name="Eva Ek", actor=COMMAND_LINE, **more):
        return accounts.add(
            session, runtime.vault, email=email, name=name, role=role, sites=sites, known_sites=SITES, actor=actor, now=clock(), **more,
        )  # fmt: skip

    return one


@pytest.fixture
def usable(session, runtime, clock, add):
    """An account that was set up: with a password and a confirmed second factor."""

    def one(email, role="nurse", sites=("UME",)):
        user = session.get(StaffUser, add(email, role, sites).user_id)
        user.password_hash = runtime.vault.slow_hash("long enough words")
        user.totp_sealed = runtime.vault.seal({"secret": "A" * 32}, bound_to=f"totp:{user.id}")
        user.totp_last_step = 1
        accounts.close_invitations(session, user_id=user.id, now=clock())
        session.flush()
        return user.id

    return one


def actions(session):
    return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)))


def last_event(session):
    return session.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc()).limit(1)).one()


def signed_in(session, runtime, clock, user_id):
    return sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=user_id)


# --- inviting


def test_an_invitation_makes_a_code_that_is_stored_as_a_slow_hash_only(session, add, clock):
    invited = add()
    row = session.scalars(select(StaffInvitation)).one()
    assert len(invited.code) == 12
    assert row.code_hash.startswith("$argon2id$")
    assert invited.code not in str(vars(row))
    assert row.expires_at - clock() == timedelta(hours=72)


def test_adding_is_two_events_in_the_systems_chain_without_code_or_address(session, add):
    invited = add(role="nurse", sites=("UME", "LUN"))
    assert actions(session) == ["user.added", "user.invited"]
    told = session.scalars(select(AuditEvent)).all()
    assert {event.chain for event in told} == {"system"}
    assert json.loads(told[0].details) == {"role": "nurse", "sites": ["LUN", "UME"]}
    text = " ".join(event.details for event in told)
    assert invited.code not in text
    assert "example.org" not in text
    assert list(audit_review.faults(session)) == []


def test_the_address_is_kept_in_one_form(session, add):
    add(email="  Eva.Ek@Example.ORG ")
    assert session.scalars(select(StaffUser.email)).all() == ["eva.ek@example.org"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"email": "eva"}, "email_invalid"),
        ({"email": "eva@example"}, "email_invalid"),
        ({"email": "eva ek@example.org"}, "email_invalid"),
        ({"email": "eva\x00@example.org"}, "email_invalid"),
        ({"email": "e" * 65 + "@example.org"}, "email_invalid"),
        ({"email": "e@" + "x" * 250 + ".org"}, "email_invalid"),
        ({"name": "  "}, "name_invalid"),
        ({"name": "E" * 121}, "name_invalid"),
        ({"name": "Eva\x1b[31m"}, "name_invalid"),
        ({"role": "owner", "sites": ()}, "role_unknown"),
        ({"role": "nurse", "sites": ()}, "sites_needed"),
        ({"role": "investigator", "sites": ()}, "sites_needed"),
        ({"role": "nurse", "sites": ("UME", "XXX")}, "site_unknown"),
        ({"role": "coordinator", "sites": ("UME",)}, "sites_not_used"),
        ({"role": "administrator", "sites": ("UME",)}, "sites_not_used"),
    ],
)
def test_what_cannot_be_added_is_refused_and_leaves_nothing(session, add, given, code):
    with pytest.raises(Refused) as refused:
        add(**given)
    assert refused.value.code == code
    assert session.scalars(select(StaffUser)).all() == []
    assert actions(session) == []


@pytest.mark.parametrize("again", ["eva@example.org", "EVA@EXAMPLE.ORG", " eva@example.org "])
def test_an_address_is_never_used_twice_even_after_suspension(session, add, clock, again):
    first = add()
    accounts.suspend(session, user_id=first.user_id, reason="left", actor=COMMAND_LINE, now=clock())
    with pytest.raises(Refused) as refused:
        add(email=again)
    assert refused.value.code == "email_taken"
    assert len(session.scalars(select(StaffUser)).all()) == 1


# --- changing


def test_a_change_of_role_ends_every_session_and_keeps_old_new_and_reason(session, runtime, clock, usable):
    user_id = usable("eva@example.org")
    token = signed_in(session, runtime, clock, user_id)
    changed = accounts.change(
        session, user_id=user_id, role="coordinator", sites=(), known_sites=SITES, reason=" new job ", actor=COMMAND_LINE, now=clock()
    )  # fmt: skip
    session.expire_all()
    assert changed
    assert sessions.find_staff(session, token, now=clock()) is None
    event = last_event(session)
    assert (event.action, event.reason) == ("user.changed", "new job")
    assert json.loads(event.details) == {
        "old": {"role": "nurse", "sites": ["UME"]},
        "new": {"role": "coordinator", "sites": []},
        "sessions_ended": 1,
    }


def test_a_change_of_sites_alone_is_a_change_too(session, runtime, clock, usable):
    user_id = usable("eva@example.org")
    token = signed_in(session, runtime, clock, user_id)
    accounts.change(session, user_id=user_id, role="nurse", sites=("LUN",), known_sites=SITES, reason="moved", actor=COMMAND_LINE, now=clock())  # fmt: skip
    session.expire_all()
    assert sessions.find_staff(session, token, now=clock()) is None
    again = signed_in(session, runtime, clock, user_id)
    assert sessions.find_staff(session, again, now=clock()).sites == {"LUN"}


def test_nothing_to_change_writes_nothing_and_ends_nothing(session, runtime, clock, usable):
    user_id = usable("eva@example.org", sites=("UME", "LUN"))
    token, before = signed_in(session, runtime, clock, user_id), actions(session)
    assert not accounts.change(
        session, user_id=user_id, role="nurse", sites=("LUN", "UME"), known_sites=SITES, reason="x", actor=COMMAND_LINE, now=clock()
    )  # fmt: skip
    assert actions(session) == before
    assert sessions.find_staff(session, token, now=clock())


@pytest.mark.parametrize("reason", ["", "   ", "\n\t"])
def test_a_change_without_a_reason_is_refused(session, clock, usable, reason):
    user_id = usable("eva@example.org")
    for act in (
        lambda: accounts.change(
            session,
            user_id=user_id,
            role="monitor",
            sites=(),
            known_sites=SITES,
            reason=reason,
            actor=COMMAND_LINE,
            now=clock(),
        ),
        lambda: accounts.suspend(session, user_id=user_id, reason=reason, actor=COMMAND_LINE, now=clock()),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == "reason_needed"
    assert session.get(StaffUser, user_id).role == "nurse"


def test_nobody_changes_the_own_account(session, runtime, clock, usable):
    me = usable("ada@example.org", "administrator", ())
    usable("bo@example.org", "administrator", ())
    actor = Actor("staff", me, "administrator")
    acts = [
        lambda: accounts.change(
            session, user_id=me, role="monitor", sites=(), known_sites=SITES, reason="x", actor=actor, now=clock()
        ),
        lambda: accounts.suspend(session, user_id=me, reason="x", actor=actor, now=clock()),
        lambda: accounts.reactivate(session, user_id=me, reason="x", actor=actor, now=clock()),
        lambda: accounts.reset(session, runtime.vault, user_id=me, reason="x", actor=actor, now=clock()),
    ]
    for act in acts:
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == "own_account"


def test_the_last_administrator_who_can_sign_in_stays(session, runtime, clock, usable, add):
    last = usable("ada@example.org", "administrator", ())
    add("invited@example.org", "administrator", ())  # invited is not yet able to let anybody in
    for act in (
        lambda: accounts.suspend(session, user_id=last, reason="x", actor=COMMAND_LINE, now=clock()),
        lambda: accounts.change(
            session,
            user_id=last,
            role="monitor",
            sites=(),
            known_sites=SITES,
            reason="x",
            actor=COMMAND_LINE,
            now=clock(),
        ),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == "last_administrator"
    usable("bo@example.org", "administrator", ())
    accounts.suspend(session, user_id=last, reason="x", actor=COMMAND_LINE, now=clock())
    assert session.get(StaffUser, last).suspended_at == clock()


def test_two_administrators_who_suspend_each_other_at_once_do_not_both_succeed(runtime, session, clock, usable):
    import threading

    ids = [usable("ada@example.org", "administrator", ()), usable("bo@example.org", "administrator", ())]
    session.commit()
    barrier, results = threading.Barrier(2), []

    def suspend(target, me):
        barrier.wait()
        try:
            with runtime.writing.begin() as own:
                accounts.suspend(
                    own, user_id=target, reason="x", actor=Actor("staff", me, "administrator"), now=clock()
                )
            results.append("done")
        except Refused as refused:
            results.append(refused.code)

    threads = [threading.Thread(target=suspend, args=pair) for pair in (ids, reversed(ids))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["done", "last_administrator"]


# --- suspending and resetting


def test_suspension_ends_sessions_and_open_codes_and_is_undone_with_a_reason(session, runtime, clock, usable, add):
    user_id = usable("eva@example.org")
    token = signed_in(session, runtime, clock, user_id)
    accounts.suspend(session, user_id=user_id, reason="on leave", actor=COMMAND_LINE, now=clock())
    session.expire_all()
    assert sessions.find_staff(session, token, now=clock()) is None
    assert session.scalars(select(AuthSession.end_reason)).one() == "suspended"
    with pytest.raises(Refused, match="already_suspended"):
        accounts.suspend(session, user_id=user_id, reason="x", actor=COMMAND_LINE, now=clock())
    accounts.reactivate(session, user_id=user_id, reason="back", actor=COMMAND_LINE, now=clock())
    with pytest.raises(Refused, match="not_suspended"):
        accounts.reactivate(session, user_id=user_id, reason="x", actor=COMMAND_LINE, now=clock())
    assert actions(session)[-2:] == ["user.suspended", "user.reactivated"]


def test_suspending_an_invited_person_takes_the_code_back(session, clock, add):
    invited = add()
    accounts.suspend(session, user_id=invited.user_id, reason="mistake", actor=COMMAND_LINE, now=clock())
    accounts.reactivate(session, user_id=invited.user_id, reason="mistake", actor=COMMAND_LINE, now=clock())
    assert accounts.open_invitation(session, user_id=invited.user_id, now=clock()) is None


def test_a_reset_takes_both_factors_and_makes_a_new_code_only(session, runtime, clock, usable):
    user_id = usable("eva@example.org")
    token = signed_in(session, runtime, clock, user_id)
    first = accounts.reset(
        session, runtime.vault, user_id=user_id, reason="lost phone", actor=COMMAND_LINE, now=clock()
    )
    second = accounts.reset(session, runtime.vault, user_id=user_id, reason="again", actor=COMMAND_LINE, now=clock())
    session.expire_all()
    user = session.get(StaffUser, user_id)
    assert not accounts.is_set_up(user)
    assert user.password_hash is None
    assert sessions.find_staff(session, token, now=clock()) is None
    assert first.code != second.code
    still_open = session.scalars(
        select(StaffInvitation).where(StaffInvitation.revoked_at.is_(None), StaffInvitation.used_at.is_(None))
    ).all()
    assert len(still_open) == 1


def test_a_suspended_account_is_not_reset(session, runtime, clock, usable):
    user_id = usable("eva@example.org")
    accounts.suspend(session, user_id=user_id, reason="x", actor=COMMAND_LINE, now=clock())
    with pytest.raises(Refused, match="suspended"):
        accounts.reset(session, runtime.vault, user_id=user_id, reason="x", actor=COMMAND_LINE, now=clock())


def test_an_absent_person_is_not_found(session, runtime, clock):
    for act in (
        lambda: accounts.suspend(session, user_id=99, reason="x", actor=COMMAND_LINE, now=clock()),
        lambda: accounts.end_sessions(session, user_id=99, actor=COMMAND_LINE, now=clock()),
        lambda: accounts.find_id(session, email="nobody@example.org"),
        lambda: account_list.one(session, runtime.vault, user_id=99, now=clock()),
    ):
        with pytest.raises(NotFound):
            act()


# --- the list


def test_the_list_says_how_each_account_stands(session, runtime, clock, usable, add):
    usable("active@example.org")
    suspended = usable("suspended@example.org")
    accounts.suspend(session, user_id=suspended, reason="x", actor=COMMAND_LINE, now=clock())
    add("late@example.org")
    clock.forward(hours=72)
    add("invited@example.org")
    found = {one.email.split("@")[0]: one.state for one in account_list.listing(session, runtime.vault, now=clock())}
    assert found == {"active": "active", "suspended": "suspended", "late": "needs_code", "invited": "invited"}


def test_somebody_unseen_for_ninety_days_is_flagged(session, runtime, clock, usable):
    user_id = usable("eva@example.org")
    clock.forward(days=80)
    signed_in(session, runtime, clock, user_id)
    clock.forward(days=90)
    assert not account_list.one(session, runtime.vault, user_id=user_id, now=clock()).dormant
    clock.forward(seconds=1)
    assert account_list.one(session, runtime.vault, user_id=user_id, now=clock()).dormant


def test_open_sessions_and_last_use_are_counted(session, runtime, clock, usable):
    user_id = usable("eva@example.org")
    signed_in(session, runtime, clock, user_id)
    clock.forward(minutes=10)
    signed_in(session, runtime, clock, user_id)
    one = account_list.one(session, runtime.vault, user_id=user_id, now=clock())
    assert (one.open_sessions, one.last_seen_at) == (2, clock())
    clock.forward(minutes=25)
    assert account_list.one(session, runtime.vault, user_id=user_id, now=clock()).open_sessions == 1


def test_the_list_costs_the_same_for_three_and_for_sixty_people(session, runtime, clock, add, statements):
    for number in range(3):
        add(f"a{number}@example.org")
    counts = []
    for batch in (0, 57):
        for number in range(batch):
            add(f"b{number}@example.org")
        session.flush()
        session.expire_all()
        statements.clear()
        assert len(account_list.listing(session, runtime.vault, now=clock())) == 3 + batch
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 5
