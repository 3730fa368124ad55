"""A clinic's tablet: handed over for one assessment, by one member of staff, who is locked out meanwhile."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, AuthSession, StaffUser
from proapp.services import answering, clinic, sessions, staff_sign_in
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.passwords import normal_password
from proapp.services.sessions import LIMITS
from proapp.services.sweep import sweep
from tests.people import People, faults

PASSWORD = "a long walk by the river"
RANDOMIZED_ON = date(2026, 8, 23)  # m03 is open on the tests' day, m06 is not


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def anna(house):
    return house.participant("UME-001", randomized_on=RANDOMIZED_ON)


@pytest.fixture
def m03(house, anna):
    return house.assessment_id(anna, "m03")


@pytest.fixture
def sign_in(anna, session, runtime, house, clock):
    """A signed-in member of staff: (the person as pages know it, the token of the cookie)."""
    ids = {name: house.staff_id(name) for name in ("berit", "ivar", "charlie")}

    def one(name="berit"):
        user_id = ids[name]
        token = sessions.start(session, runtime.vault, kind="staff", now=clock(), user_id=user_id)
        return sessions.find_staff(session, token, now=clock()), token

    return one


@pytest.fixture
def hand_over(session, runtime, study, clock, m03):
    def call(who, assessment_id=m03):
        return clinic.hand_over(
            session, runtime.vault, study=study, who=who, assessment_id=assessment_id, device="iPad", now=clock()
        )

    return call


@pytest.fixture
def resume(anna, session, runtime, house, clock):
    berit = house.staff_id("berit")
    with runtime.writing.begin() as other:
        other.get(StaffUser, berit).password_hash = runtime.vault.slow_hash(normal_password(PASSWORD))

    def call(who, password=PASSWORD):
        return staff_sign_in.resume(
            session, runtime.vault, who=who, password=password, address="192.0.2.1", now=clock()
        )

    return call


def patient(session, token, clock):
    return sessions.find_patient(session, token, now=clock())


def staff(session, token, clock):
    return sessions.find_staff(session, token, now=clock())


def told(session, action):
    return session.scalars(select(AuditEvent).where(AuditEvent.action == action)).all()


def test_one_assessment_is_handed_over_and_the_session_of_staff_is_suspended(
    session, sign_in, hand_over, anna, m03, clock
):
    berit, before = sign_in()
    handed = hand_over(berit)
    tablet = patient(session, handed.patient, clock)
    assert (tablet.kind, tablet.participant_id, tablet.assessment_id) == ("clinic", anna, m03)
    assert handed.language == "sv"
    assert staff(session, before, clock) is None, "the cookie from before opens nothing any more"
    suspended = staff(session, handed.staff, clock)
    assert (suspended.kind, suspended.session_id, suspended.assessment_id) == (
        "staff_suspended",
        berit.session_id,
        m03,
    )
    row = session.get(AuthSession, tablet.session_id)
    assert row.handed_over_by_id == berit.user_id
    assert row.confirmed_at is None, "nobody has given a PIN"


def test_each_step_is_in_the_trail_and_no_token_is(session, sign_in, hand_over, resume, clock, m03):
    handed = hand_over(sign_in()[0])
    suspended, tablet = staff(session, handed.staff, clock), patient(session, handed.patient, clock)
    step = resume(suspended)
    clinic.take_back(session, tablet, actor=Actor("staff", suspended.user_id, "nurse"), now=clock())
    for action, chain in (
        ("tablet.handed_over", f"p{tablet.participant_id}"),
        ("session.suspended", "system"),
        ("session.resumed", "system"),
        ("tablet.taken_back", f"p{tablet.participant_id}"),
    ):
        (event,) = told(session, action)
        assert (event.chain, event.actor_kind, event.actor_id) == (chain, "staff", suspended.user_id), action
        for token in (handed.patient, handed.staff, step.token):
            assert token not in event.details
    assert list(faults(session)) == []


@pytest.mark.parametrize("name", ["charlie", "nobody at all"])
def test_another_sites_assessment_is_as_absent_as_none(session, sign_in, hand_over, m03, name):
    who, wanted = sign_in("charlie")[0], m03 if name == "charlie" else 987654
    with pytest.raises(NotFound):
        hand_over(who, wanted)
    assert told(session, "tablet.handed_over") == []


def test_only_what_can_be_answered_now_is_handed_over(session, house, sign_in, hand_over, anna, m03, clock):
    eva = house.participant("UME-002", randomized_on=RANDOMIZED_ON)
    house.answered(eva, "m03", submitted_at=clock(), mode="paper")
    berit, token = sign_in()
    for assessment in (house.assessment_id(anna, "m06"), house.assessment_id(eva, "m03")):  # not open yet; answered
        with pytest.raises(Refused, match="cannot_be_filled_in"):
            hand_over(berit, assessment)
    assert staff(session, token, clock).kind == "staff", "whoever is refused is not locked out"


def test_what_was_begun_in_time_can_be_finished_on_the_tablet(house, sign_in, hand_over, clock):
    """The window is over, the hours in which a sitting may go on are not."""
    late = house.participant("UME-003", randomized_on=date(2026, 7, 12))  # m03 is taken until 23 November
    clock.set(clock() + timedelta(hours=13))
    house.answered(late, "m03", codes={"c30": {1: 2}}, started_at=clock() - timedelta(minutes=30))
    clock.forward(hours=2)
    assert hand_over(sign_in()[0], house.assessment_id(late, "m03")).patient


def test_a_second_tablet_with_the_same_assessment_takes_the_place_of_the_first(session, sign_in, hand_over, clock):
    first = hand_over(sign_in()[0])
    second = hand_over(sign_in("ivar")[0])
    assert patient(session, first.patient, clock) is None
    assert patient(session, second.patient, clock).kind == "clinic"
    assert clinic.how_it_ended(session, first.patient) == "handed_over_again"
    # The first nurse taking back what is over does not close what is out now.
    assert staff(session, first.staff, clock).kind == "staff_suspended"


def test_the_tablet_closes_after_an_hour_without_use_and_after_three_in_all(session, sign_in, hand_over, clock):
    assert (LIMITS["clinic"].idle, LIMITS["clinic"].absolute) == (timedelta(minutes=60), timedelta(hours=3))
    handed = hand_over(sign_in()[0])
    clock.forward(minutes=59)
    tablet = patient(session, handed.patient, clock)
    for _ in range(3):
        sessions.touch(session, tablet.session_id, now=clock())
        clock.forward(minutes=40)
        assert patient(session, handed.patient, clock)
    sessions.touch(session, tablet.session_id, now=clock())
    clock.forward(minutes=2)
    assert patient(session, handed.patient, clock) is None
    assert clinic.how_it_ended(session, handed.patient) == ""


def test_a_tablets_session_is_told_from_every_other(session, runtime, sign_in, anna, clock):
    phone = sessions.start(session, runtime.vault, kind="patient", now=clock(), participant_id=anna)
    assert clinic.how_it_ended(session, phone) is None
    assert clinic.how_it_ended(session, "made up") is None


def test_the_password_gives_a_new_token_and_the_days_limit_goes_on(session, sign_in, hand_over, resume, clock):
    berit, before = sign_in()
    clock.forward(minutes=10)
    began = session.get(AuthSession, berit.session_id).created_at
    handed = hand_over(berit)
    clock.forward(hours=2)  # longer than staff may be idle: somebody else had the tablet
    step = resume(staff(session, handed.staff, clock))
    back = staff(session, step.token, clock)
    assert (back.kind, back.session_id, back.assessment_id) == ("staff", berit.session_id, None)
    assert back.confirmed_at == clock()
    for worthless in (before, handed.staff):
        assert staff(session, worthless, clock) is None
    session.expire_all()
    assert session.get(AuthSession, berit.session_id).expires_at == began + LIMITS["staff"].absolute


def test_a_suspended_session_is_not_waited_for_longer_than_a_tablet_can_be_out(session, sign_in, hand_over, clock):
    handed = hand_over(sign_in()[0])
    clock.forward(hours=3)
    assert staff(session, handed.staff, clock) is None


def test_wrong_passwords_are_counted_like_those_of_a_sign_in(session, sign_in, hand_over, resume, clock):
    suspended = staff(session, hand_over(sign_in()[0]).staff, clock)
    for _ in range(5):
        step = resume(suspended, "not the password")
        assert (step.token, step.retry_at) == (None, None)
    refused = resume(suspended)
    assert refused.token is None
    assert refused.retry_at > clock()
    clock.set(refused.retry_at)
    assert resume(suspended).token
    assert len(told(session, "session.resumed")) == 1


def test_a_session_ended_elsewhere_is_not_resumed(session, sign_in, hand_over, resume, clock):
    suspended = staff(session, hand_over(sign_in()[0]).staff, clock)
    sessions.end(session, now=clock(), reason="suspended", user_id=suspended.user_id)
    with pytest.raises(NotFound):
        resume(suspended)


# --- the answers


@pytest.fixture
def begin(session, runtime, study, anna, m03, clock):
    def call(who="self", on_tablet=True):
        return answering.open_sitting(
            session,
            study=study,
            instruments=runtime.instruments,
            participant_id=anna,
            assessment_id=m03,
            respondent=who,
            on_tablet=on_tablet,
            now=clock(),
            actor=Actor("patient", anna, "patient"),
        )

    return call


@pytest.mark.parametrize(("who", "mode"), [("self", "self_clinic"), ("helped", "self_clinic"), ("proxy", "proxy")])
def test_what_begins_on_the_tablet_is_the_patients_own_at_the_clinic(begin, who, mode):
    sitting = begin(who)
    assert (sitting.own.mode, sitting.own.respondent) == (mode, who)


@pytest.mark.parametrize(("first", "mode"), [(False, "self_remote"), (True, "self_clinic")])
def test_one_begun_elsewhere_is_continued_and_keeps_its_mode(begin, first, mode):
    begun, again = begin(on_tablet=first), begin(on_tablet=not first)
    assert again.own.id == begun.own.id
    assert again.own.mode == mode


def test_one_begun_on_the_tablet_and_left_is_submitted_by_the_worker(session, runtime, study, house, anna, clock):
    house.answered(anna, "m03", codes={"c30": {1: 2, 2: 3}}, mode="self_clinic")
    clock.forward(days=120)
    report = sweep(session, study=study, instruments=runtime.instruments, vault=runtime.vault, now=clock())
    assert [one.study_id for one in report.submitted] == ["UME-001"]
