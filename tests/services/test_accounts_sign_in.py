"""Proving who one is: set-up once, then password and one-time number; the same answer for known and unknown."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, AuthSession, SignInAttempt, StaffInvitation, StaffUser
from proapp.services import accounts, audit_review, sessions
from proapp.services import staff_sign_in as signing_in
from proapp.services.audit import COMMAND_LINE
from proapp.services.errors import NotFound
from proapp.services.passwords import COMMON, LONGEST, weakness
from proapp.services.vault import grouped

EMAIL, PASSWORD = "eva@example.org", "quiet river under stones"


@pytest.fixture
def door(session, runtime, clock):
    """The verbs of signing in, with everything a request knows filled in."""

    class Door:
        address, device = "192.0.2.7", "Firefox, Windows"

        def invite(self, email=EMAIL, role="nurse", sites=("UME",)):
            return accounts.add(
                session, runtime.vault, email=email, name="Eva Ek", role=role, sites=sites, known_sites=("UME", "LUN"), actor=COMMAND_LINE, now=clock(),
            )  # fmt: skip

        def who(self, token):
            return sessions.find_staff(session, token, now=clock())

        def give_code(self, code):
            return signing_in.give_setup_code(
                session, runtime.vault, code=code, address=self.address, device=self.device, now=clock()
            )

        def choose(self, who, password=PASSWORD):
            return signing_in.choose_password(
                session, runtime.vault, who=who, password=password, study_code="BreCLIM-2", now=clock()
            )

        def secret(self, who):
            return signing_in.enrolment(session, runtime.vault, who=who, issuer="proapp", now=clock()).secret

        def confirm(self, who, typed):
            return signing_in.confirm_set_up(
                session, runtime.vault, who=who, typed=typed, address=self.address, device=self.device, now=clock()
            )

        def password(self, password=PASSWORD, email=EMAIL):
            return signing_in.give_password(
                session, runtime.vault, email=email, password=password, address=self.address, device=self.device, now=clock()
            )  # fmt: skip

        def number(self, who, typed):
            return signing_in.give_one_time_code(
                session, runtime.vault, who=who, typed=typed, address=self.address, device=self.device, now=clock()
            )

        def change(self, who, current, new):
            return signing_in.change_password(
                session, runtime.vault, who=who, current=current, new=new, study_code="BreCLIM-2", address=self.address, now=clock()
            )  # fmt: skip

    return Door()


def at(secret, clock, steps=0):
    return pyotp.TOTP(secret).at(clock() + timedelta(seconds=30 * steps))


@pytest.fixture
def eva(door, clock):
    """Invited and set up. Gives (secret, token of the session that set-up opened)."""
    who = door.who(door.give_code(door.invite().code).token)
    assert door.choose(who) is None
    secret = door.secret(who)
    token = door.confirm(who, at(secret, clock)).token
    clock.forward(minutes=5)
    return secret, token


# --- the first time


def test_the_whole_set_up_makes_a_usable_account_and_signs_in(session, door, eva, clock):
    secret, token = eva
    assert door.who(token).kind == "staff"
    user = session.scalars(select(StaffUser)).one()
    assert accounts.is_set_up(user)
    assert secret.encode() not in user.totp_sealed
    assert session.scalars(select(StaffInvitation.used_at)).one() == clock() - timedelta(minutes=5)
    told = list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)))
    assert told == ["user.added", "user.invited", "user.password_chosen", "user.set_up", "session.started"]
    assert list(audit_review.faults(session)) == []


def test_the_code_works_however_it_is_typed(door):
    code = door.invite().code
    assert door.give_code(f"  {grouped(code).lower()} ").token


def test_the_code_works_once(door, eva, session, runtime):
    assert door.give_code("ABCD EFGH JKMN").token is None
    invited = door.invite("bo@example.org")
    who = door.who(door.give_code(invited.code).token)
    door.choose(who)
    user_id = who.user_id
    session.get(StaffUser, user_id).totp_last_step = 1
    accounts.close_invitations(
        session,
        user_id=user_id,
        now=runtime.clock(),
        used_id=accounts.open_invitation(session, user_id=user_id, now=runtime.clock()).id,
    )
    session.expire_all()
    assert door.give_code(invited.code).token is None


def test_a_set_up_broken_off_can_be_begun_again_until_the_code_is_too_old(door, clock):
    code = door.invite().code
    door.choose(door.who(door.give_code(code).token))
    clock.forward(hours=71)
    assert door.give_code(code).token
    clock.forward(hours=1)
    assert door.give_code(code).token is None


def test_before_the_second_factor_is_confirmed_the_password_opens_nothing(door, clock):
    who = door.who(door.give_code(door.invite().code).token)
    door.choose(who)
    assert door.password().token is None
    assert door.confirm(who, "000000" if at(door.secret(who), clock) != "000000" else "000001").token is None
    assert door.password().token is None


def test_a_set_up_session_is_no_way_past_a_second_factor(door, eva):
    """Somebody who is set up and gives the password cannot choose a new password or key instead of the number."""
    pending = door.who(door.password().token)
    for act in (lambda: door.choose(pending), lambda: door.secret(pending), lambda: door.confirm(pending, "123456")):
        with pytest.raises(NotFound):
            act()


def test_a_suspended_person_cannot_set_up(session, door, clock):
    invited = door.invite()
    accounts.suspend(session, user_id=invited.user_id, reason="x", actor=COMMAND_LINE, now=clock())
    assert door.give_code(invited.code).token is None


def test_a_withdrawn_code_stops_a_set_up_that_is_under_way(session, runtime, door, clock):
    invited = door.invite()
    who = door.who(door.give_code(invited.code).token)
    door.choose(who)
    accounts.close_invitations(session, user_id=who.user_id, now=clock())
    with pytest.raises(NotFound):
        door.confirm(who, "123456")


def test_choosing_the_password_again_makes_a_new_key(door):
    who = door.who(door.give_code(door.invite().code).token)
    door.choose(who)
    first = door.secret(who)
    door.choose(who)
    assert door.secret(who) != first


def test_the_key_is_sealed_for_its_owner_and_the_address_for_the_app_is_standard(session, runtime, door, clock):
    who = door.who(door.give_code(door.invite().code).token)
    door.choose(who)
    key = signing_in.enrolment(session, runtime.vault, who=who, issuer="proapp BreCLIM-2", now=clock())
    parsed = pyotp.parse_uri(key.address)
    assert (parsed.secret, parsed.name, parsed.issuer) == (key.secret, EMAIL, "proapp BreCLIM-2")
    sealed = session.get(StaffUser, who.user_id).totp_sealed
    assert runtime.vault.open(sealed, bound_to=f"totp:{who.user_id}") == {"secret": key.secret}


def test_guessing_set_up_codes_is_throttled(door):
    door.invite()
    answers = [door.give_code(f"AAAA BBBB CC{number:02d}") for number in range(25)]
    assert all(answer.token is None for answer in answers)
    assert answers[-1].retry_at is not None


# --- every day


def test_password_then_number_signs_in_with_new_tokens(session, door, eva, clock):
    secret, _token = eva
    pending = door.password().token
    assert door.who(pending).kind == "staff_pending"
    token = door.number(door.who(pending), at(secret, clock)).token
    session.expire_all()
    assert token != pending
    assert door.who(token).kind == "staff"
    assert door.who(pending) is None


@pytest.mark.parametrize("typed", ["Eva@Example.org", "  eva@example.org  "])
def test_the_address_is_taken_in_any_case(door, eva, typed):
    assert door.password(email=typed).token


def test_a_password_typed_with_combining_signs_is_the_same_password(session, runtime, door, clock):
    who = door.who(door.give_code(door.invite().code).token)
    door.choose(who, "smörgåsbord i juli")
    door.confirm(who, at(door.secret(who), clock))
    assert door.password("smo\u0308rga\u030asbord i juli").token


def test_nothing_of_a_long_password_is_cut_off(session, door, clock):
    who = door.who(door.give_code(door.invite().code).token)
    long = "abcdefgh jklmnop " * 6
    door.choose(who, long + "x" * 26)
    door.confirm(who, at(door.secret(who), clock))
    assert door.password(long + "x" * 25 + "y").token is None
    assert door.password(long + "x" * 26).token


def test_wrong_unknown_suspended_and_invited_get_the_same_answer(session, door, eva, clock):
    door.invite("invited@example.org")
    other = door.invite("suspended@example.org")
    user = session.get(StaffUser, other.user_id)
    eva_row = session.scalars(select(StaffUser).where(StaffUser.email == EMAIL)).one()
    user.password_hash, user.totp_sealed, user.totp_last_step = eva_row.password_hash, eva_row.totp_sealed, 1
    accounts.suspend(session, user_id=user.id, reason="x", actor=COMMAND_LINE, now=clock())
    answers = [
        door.password("wrong wrong wrong"),
        door.password(email="nobody@example.org"),
        door.password(email="suspended@example.org"),
        door.password(email="invited@example.org"),
        door.password(email="", password=""),
    ]
    assert answers == [signing_in.Step()] * 5


def test_known_and_unknown_cost_one_slow_hash_each(session, runtime, door, eva, monkeypatch):
    """The slow hash is nearly all of the time; both pay for exactly one."""
    import proapp.services.vault as vault_module

    calls = []
    real = vault_module._HASHER.verify

    class Counting:
        def verify(self, stored, secret):
            calls.append(stored)
            return real(stored, secret)

        def check_needs_rehash(self, stored):
            return False

    monkeypatch.setattr(vault_module, "_HASHER", Counting())
    counts = []
    for email in (EMAIL, "nobody@example.org"):
        calls.clear()
        door.password("wrong wrong wrong", email=email)
        counts.append(len(calls))
    assert counts == [1, 1]


def test_failed_tries_are_counted_and_then_wait_alike_for_known_and_unknown(session, door, eva, clock):
    door.address = "198.51.100.1"  # eva never signed in from here
    for email in (EMAIL, "nobody@example.org"):
        answers = [door.password("wrong wrong wrong", email=email) for _ in range(6)]
        assert [answer.retry_at is not None for answer in answers] == [False] * 5 + [True]
    assert door.password().retry_at is not None  # even the right password waits now
    assert door.password().token is None
    clock.forward(minutes=1)
    assert door.password().token
    assert (
        session.scalars(select(SignInAttempt.succeeded).where(SignInAttempt.kind == "staff_password"))
        .all()
        .count(False)
        == 10
    )


@pytest.mark.slow_hashes
def test_a_cheaper_hash_is_made_anew_at_sign_in(session, runtime, door, eva):
    from argon2 import PasswordHasher

    cheap = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
    user = session.scalars(select(StaffUser)).one()
    user.password_hash = cheap.hash(runtime.vault._peppered(PASSWORD))
    assert door.password().token
    assert "m=19456" in user.password_hash
    assert door.password().token
    told = session.execute(select(AuditEvent.action, AuditEvent.actor_id).where(AuditEvent.entity == "staff_user"))
    assert [action for action, actor in told if actor == user.id].count("user.rehashed") == 1  # once, by the person


# --- the number


def pending(door):
    return door.who(door.password().token)


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_the_number_of_a_neighbouring_step_is_taken_for_clocks_that_differ(door, eva, clock, steps, right):
    secret, _token = eva
    assert (door.number(pending(door), at(secret, clock, steps)).token is not None) is right


@pytest.mark.parametrize("again", ["{}", " {} ", "{0:.3} {0:.0}", "{}\n"])
def test_a_number_works_once_however_it_is_typed_again(door, eva, clock, again):
    secret, _token = eva
    number = at(secret, clock)
    assert door.number(pending(door), f"{number[:3]} {number[3:]}").token
    assert door.number(pending(door), again.format(number)).token is None


def test_a_number_used_is_refused_also_after_a_failed_sign_in(door, eva, clock):
    secret, _token = eva
    number = at(secret, clock)
    assert door.number(pending(door), number).token
    assert door.password("wrong wrong wrong").token is None
    clock.forward(seconds=29)
    assert door.number(pending(door), number).token is None


def test_an_older_number_is_refused_once_a_newer_was_used(door, eva, clock):
    secret, _token = eva
    assert door.number(pending(door), at(secret, clock, 1)).token
    assert door.number(pending(door), at(secret, clock)).token is None
    clock.forward(seconds=30)
    assert door.number(pending(door), at(secret, clock)).token is None
    clock.forward(seconds=30)
    assert door.number(pending(door), at(secret, clock)).token


def test_the_number_that_confirmed_the_set_up_does_not_sign_in(door, clock):
    who = door.who(door.give_code(door.invite().code).token)
    door.choose(who)
    number = at(door.secret(who), clock)
    assert door.confirm(who, number).token
    assert door.number(pending(door), number).token is None


def test_one_number_in_two_requests_at_once_signs_in_once(runtime, session, door, eva, clock):
    import threading

    secret, _token = eva
    tokens = [door.password().token for _ in range(4)]
    session.commit()
    number, barrier, results = at(secret, clock), threading.Barrier(4), []

    def one(token):
        barrier.wait()
        with runtime.writing.begin() as own:
            who = sessions.find_staff(own, token, now=clock())
            step = signing_in.give_one_time_code(
                own, runtime.vault, who=who, typed=number, address="a", device="", now=clock()
            )
            results.append(step.token is not None)

    threads = [threading.Thread(target=one, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12 34 5", "１２３４５６", "-12345", "0x1234"]
)
def test_what_is_not_six_digits_is_wrong_and_counted(session, door, eva, typed):
    assert door.number(pending(door), typed) == signing_in.Step()
    assert (
        session.scalars(
            select(SignInAttempt.succeeded)
            .where(SignInAttempt.kind == "staff_totp")
            .order_by(SignInAttempt.id.desc())
            .limit(1)
        ).one()
        is False
    )


def test_five_wrong_numbers_wait_and_the_right_one_waits_too(door, eva, clock):
    secret, _token = eva
    who = pending(door)
    wrong = "000000" if at(secret, clock) not in {"000000"} else "111111"
    for _ in range(5):
        assert door.number(who, wrong).retry_at is None
    assert door.number(who, at(secret, clock)).retry_at == clock() + timedelta(minutes=5)


# --- one's own account


def test_a_new_password_needs_the_old_one_and_ends_the_other_devices(session, door, eva, clock):
    secret, token = eva
    other = door.number(pending(door), at(secret, clock)).token
    who = door.who(token)
    assert door.change(who, "wrong wrong wrong", "another long sentence") == "wrong_password"
    assert door.change(who, PASSWORD, "too short") == "too_short"
    assert door.password().token
    assert door.change(who, PASSWORD, "another long sentence") is None
    session.expire_all()
    assert door.who(token)
    assert door.who(other) is None
    assert door.password().token is None
    assert door.password("another long sentence").token


def test_guessing_the_password_of_an_open_session_is_throttled_too(door, eva):
    who = door.who(eva[1])
    answers = [door.change(who, "wrong wrong wrong", "another long sentence") for _ in range(6)]
    assert answers[:5] == ["wrong_password"] * 5
    assert answers[5] > door.who(eva[1]).last_seen_at


def test_signing_out_ends_the_session_for_good(session, door, eva, clock):
    who = door.who(eva[1])
    signing_in.sign_out(session, who=who, now=clock())
    session.expire_all()
    assert door.who(eva[1]) is None
    assert session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq.desc()).limit(1)).one() == "session.ended"


def test_one_ends_own_sessions_and_nobody_elses(session, runtime, door, eva, clock, people):
    session.commit()
    charlie = people.staff_id("charlie")
    foreign = sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=charlie)
    who = door.who(eva[1])
    for session_id in (door.who(foreign).session_id, 99999):
        with pytest.raises(NotFound):
            signing_in.end_own_session(session, who=who, session_id=session_id, now=clock())
    assert door.who(foreign)
    other = sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=who.user_id)
    signing_in.end_own_session(session, who=who, session_id=door.who(other).session_id, now=clock())
    session.expire_all()
    assert door.who(other) is None
    assert session.scalars(select(AuthSession).where(AuthSession.user_id == charlie)).one().ended_at is None


# --- passwords


@pytest.mark.parametrize(
    ("password", "found"),
    [
        ("elevensigns", "too_short"),
        ("twelve signs", None),
        ("            ", "common"),
        ("aaaaaaaaaaaaaaaa", "common"),
        ("abababababababab", "common"),
        ("abcdefghijklmnop", "common"),
        ("9876543210987654", None),
        ("Password1234", "common"),
        ("QWERTYUIOP12", "common"),
        ("sommaren2026", "common"),
        ("passwordpassword", "common"),
        ("correcthorsebatterystaple", "common"),
        ("eva.ek@example.org", "personal"),
        ("Evaexample2026!", "personal"),
        ("proapp-breclim-2", "personal"),
        ("BreCLIM2 BreCLIM2", "personal"),
        ("eva paddles slowly home", None),
        ("å" * 5 + "äöüéèçñß", None),
        ("correct horse battery staple", None),
        ("x1" * 64 + "abc", None),
        ("abcde" * 51, None),
        ("abcde" * 52, "too_long"),
        ("lösenord lösenord", "personal"),
        ("🐎🔋📎✅🐎🔋📎✅🌊🐎🔋📎", None),
    ],
)
def test_length_is_what_counts_and_the_first_guesses_are_refused(password, found):
    assert weakness(password, personal=("eva.ek@example.org", "Eva Ek", "BreCLIM-2")) == found


def test_the_list_of_common_passwords_holds_only_what_would_be_long_enough():
    assert len(COMMON) > 70
    assert [word for word in COMMON if len(word) < 11] == []
    assert all(word == word.casefold() for word in COMMON)


def test_at_least_128_signs_are_taken():
    assert LONGEST >= 128
