"""Handing a tablet over to a participant: a look first, then the deed; locked out until the password is given."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, AuthSession, StaffUser
from proapp.services.passwords import normal_password
from proapp.web.guard import PATIENT_COOKIE, STAFF_COOKIE
from proapp.web.look import COOKIE as LOOK_COOKIE
from tests.web.routes import ROUTES, STAFF

PASSWORD = "quiet river under stones"
PERSON = "/staff/participants/UME-001"


@pytest.fixture
def anna(people: Any) -> int:
    return people.participant("UME-001", randomized_on=date(2026, 8, 23), language="en")  # m03 is open, m06 is not


@pytest.fixture
def own(people: Any, anna: int) -> str:
    return f"/assessment/{people.assessment_id(anna, 'm03')}"


@pytest.fixture
def look(own: str) -> str:
    return f"/staff{own.replace('assessment', 'assessments')}/hand-over"


def with_password(people: Any, name: str) -> Any:
    """A browser of a member of staff who has a password; returns it."""
    with people.runtime.writing.begin() as session:
        user = session.get(StaffUser, people.staff_id(name))
        user.password_hash = people.runtime.vault.slow_hash(normal_password(PASSWORD))
    return people.staff(name)


@pytest.fixture
def tablet(people: Any, look: str) -> Any:
    """berit's browser, handed over to anna."""
    browser = with_password(people, "berit")
    browser.get(look)
    browser.post(look)
    return browser


def resume(browser: Any, password: str = PASSWORD) -> Any:
    browser.get("/staff/resume")
    return browser.post("/staff/resume", {"password": password})


def events(runtime: Any, action: str) -> list[AuditEvent]:
    with runtime.reading() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == action)))


# --- before


def test_the_participant_page_offers_it_for_what_can_be_answered_now(people: Any, anna: int, look: str) -> None:
    for name in ("berit", "ivar", "karin"):
        shown = people.staff(name).get(PERSON).get_data(as_text=True)
        assert shown.count("/hand-over") == 1, name
        assert look in shown
    for name in ("mona", "stina"):
        assert "/hand-over" not in people.staff(name).get(PERSON).get_data(as_text=True), name


def test_the_worklist_offers_it_for_a_baseline(people: Any, anna: int) -> None:
    people.participant("UME-002", consent_on=date(2026, 11, 20))
    shown = people.staff("berit").get("/staff/work").get_data(as_text=True)
    assert shown.count("/hand-over") == 1


def test_the_look_says_what_it_leads_to_and_does_nothing(people: Any, runtime: Any, anna: int, look: str) -> None:
    berit = people.staff("berit")
    berit.get(look)
    assert berit.page.status_code == 200
    for words in ("UME-001", "nothing else", "locked on this device", "no PIN", "Hand over to UME-001"):
        assert words in berit.text
    assert berit.get(PERSON).status_code == 200
    assert events(runtime, "tablet.handed_over") == []


def test_what_cannot_be_answered_is_not_handed_over(people: Any, runtime: Any, anna: int) -> None:
    berit, later = people.staff("berit"), people.assessment_id(anna, "m06")
    berit.get(PERSON)
    for page in (
        berit.get(f"/staff/assessments/{later}/hand-over"),
        berit.post(f"/staff/assessments/{later}/hand-over"),
    ):
        assert page.headers["Location"] == f"{PERSON}#a{later}"
    assert "cannot be answered now" in berit.get(PERSON).get_data(as_text=True)
    assert events(runtime, "tablet.handed_over") == []


def test_a_nurse_of_another_site_finds_nothing_to_hand_over(people: Any, runtime: Any, look: str) -> None:
    charlie = people.staff("charlie")
    charlie.get("/staff/work")
    for page in (charlie.get(look), charlie.post(look)):
        assert page.status_code == 404
        assert page.get_data() == charlie.get("/staff/assessments/987654/hand-over").get_data()
    assert charlie.get("/staff/work").status_code == 200
    assert events(runtime, "tablet.handed_over") == []


# --- handed over


def test_the_browser_becomes_the_participants_and_keeps_nothing_of_staff(people: Any, own: str, look: str) -> None:
    berit = with_password(people, "berit")
    berit.get(look)
    before = berit.client.get_cookie(STAFF_COOKIE).value
    page = berit.post(look)
    assert page.headers["Location"] == own
    assert page.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert berit.client.get_cookie(STAFF_COOKIE).value != before
    berit.follow()
    assert "Who is answering?" in berit.text
    for word in ("Berit", "UME-001", "berit@"):
        assert word not in berit.text


def test_no_page_of_staff_opens_with_either_cookie(people: Any, look: str) -> None:
    berit = with_password(people, "berit")
    copied = berit.client.get_cookie(STAFF_COOKIE).value
    berit.get(look)
    berit.post(look)
    thief = people.make_browser(people.app)
    thief.cookie(STAFF_COOKIE, copied)
    for path in (PERSON, "/staff/", "/staff/work", "/staff/account", look):
        assert berit.get(path).headers["Location"] == "/staff/resume", path
        assert thief.get(path).headers["Location"] == "/staff/sign-in", path
    for path in (look, "/staff/sign-out", "/staff/account/sessions/end-others"):
        berit.get("/staff/resume")
        assert berit.post(path).headers["Location"] == "/staff/resume", "leaving needs the password"


def test_the_locked_page_says_who_may_go_on_and_nothing_of_the_participant(tablet: Any, own: str) -> None:
    tablet.get("/staff/resume")
    assert "Berit, give your password" in tablet.text
    for word in ("UME-001", "berit@", "Worklist", "Participants"):
        assert word not in tablet.text
    tablet.get("/")
    assert tablet.follow().request.path == own, "the way back to the questions"


def test_the_session_is_listed_as_suspended_and_can_be_ended_from_another_device(people: Any, tablet: Any) -> None:
    desk = people.staff("berit")
    desk.get("/staff/account")
    assert "Suspended: handed over to a participant" in desk.text
    desk.post("/staff/account/sessions/end-others")
    assert tablet.get("/staff/resume").headers["Location"] == "/staff/sign-in"


def test_an_account_that_is_suspended_meanwhile_is_not_resumed(people: Any, tablet: Any) -> None:
    ada, berit = people.staff("ada"), people.staff_id("berit")
    ada.get(f"/staff/users/{berit}")
    assert ada.post(f"/staff/users/{berit}/suspend", {"suspend-reason": "Left"}).status_code == 303
    assert tablet.get("/staff/resume").headers["Location"] == "/staff/sign-in"


def test_colleagues_see_where_it_is_being_answered(people: Any, anna: int, tablet: Any, own: str, clock: Any) -> None:
    tablet.follow()
    tablet.post(own, {"who": "self"})
    tablet.follow()
    tablet.post(f"{own}/c30/1", {"answer": "2", "do": "save"})
    shown = people.staff("ivar").get(PERSON).get_data(as_text=True)
    assert "1 of 74 answered so far, at the clinic" in shown
    assert "On the clinic&#39;s tablet since 23 November 2026 10:00, handed over by Berit." in shown
    assert "the clinic&#39;s tablet handed over" in shown  # the history
    clock.forward(minutes=61)
    assert "On the clinic&#39;s tablet" not in people.staff("ivar").get(PERSON).get_data(as_text=True)


def test_a_colleague_ends_it_from_another_device_and_the_nurse_stays_locked_out(
    people: Any, runtime: Any, tablet: Any, own: str, look: str
) -> None:
    ivar, charlie = people.staff("ivar"), people.staff("charlie")
    ivar.get(PERSON)
    assert f'action="{look}/end"' in ivar.text
    charlie.get("/staff/work")
    assert charlie.post(f"{look}/end").status_code == 404
    assert tablet.get(own).status_code == 200
    assert ivar.post(f"{look}/end").headers["Location"].startswith(PERSON)
    ivar.follow()
    assert "The tablet shows nothing of it any more." in ivar.text
    assert f'action="{look}/end"' not in ivar.text
    assert tablet.get(own).headers["Location"] == "/tablet"
    assert tablet.get(PERSON).headers["Location"] == "/staff/resume"
    (event,) = events(runtime, "tablet.taken_back")
    assert event.actor_id == people.staff_id("ivar")
    ivar.post(f"{look}/end")
    assert len(events(runtime, "tablet.taken_back")) == 1


def test_an_answer_from_the_phone_shows_as_such(people: Any, anna: int) -> None:
    people.answered(anna, "m03", codes={"c30": {1: 2}})
    shown = people.staff("ivar").get(PERSON).get_data(as_text=True)
    assert "1 of 74 answered so far, on the participant&#39;s own phone" in shown


# --- and back


def test_the_password_brings_the_nurse_back_and_leaves_nothing_of_the_participant(
    people: Any, runtime: Any, tablet: Any, own: str
) -> None:
    tablet.follow()
    tablet.post("/language", {"language": "sv", "next": own})
    tablet.follow()
    tablet.post("/look", {"size": "largest"})
    assert tablet.client.get_cookie(LOOK_COOKIE) is not None
    page = resume(tablet)
    assert page.headers["Location"] == f"{PERSON}#a{own.rsplit('/', 1)[1]}"
    assert page.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert tablet.client.get_cookie(PATIENT_COOKIE) is None
    assert tablet.client.get_cookie(LOOK_COOKIE) is None
    tablet.get(PERSON)
    assert "You are signed in again." in tablet.text
    assert '<html lang="en">' in tablet.text, "the language the participant chose is gone too"
    assert tablet.get(own).headers["Location"] == "/a"
    (event,) = events(runtime, "tablet.taken_back")
    assert (event.actor_kind, event.actor_id, event.site_code) == ("staff", people.staff_id("berit"), "UME")


def test_a_wrong_password_opens_nothing_and_the_questionnaire_goes_on(tablet: Any, own: str) -> None:
    assert resume(tablet, "not the password").status_code == 422
    assert "That is not the password of Berit." in tablet.text
    assert tablet.get("/staff/work").headers["Location"] == "/staff/resume"
    assert tablet.get(own).status_code == 200


def test_tries_are_limited_like_those_of_a_sign_in(tablet: Any, own: str, clock: Any) -> None:
    for _ in range(5):
        resume(tablet, "not the password")
    page = resume(tablet)
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) > 0
    assert tablet.get(own).status_code == 200
    clock.forward(minutes=2)
    assert resume(tablet).status_code == 303


def test_the_tries_count_together_with_those_of_the_sign_in_page(tablet: Any, browsers: Any) -> None:
    stranger = browsers()
    stranger.get("/staff/sign-in")
    for _ in range(3):
        stranger.post("/staff/sign-in", {"email": "berit@example.org", "password": "wrong wrong wrong"})
    for _ in range(2):
        resume(tablet, "not the password")
    assert resume(tablet).status_code == 429


def test_somebody_else_signs_in_in_full_and_has_the_tablet_back(
    people: Any, runtime: Any, tablet: Any, own: str, clock: Any
) -> None:
    with_password(people, "ivar")
    secret = pyotp.random_base32()
    with runtime.writing.begin() as session:
        user = session.get(StaffUser, people.staff_id("ivar"))
        user.totp_sealed = runtime.vault.seal({"secret": secret}, bound_to=f"totp:{user.id}")
        user.totp_last_step = 0
    tablet.get("/staff/sign-in")
    tablet.post("/staff/sign-in", {"email": "ivar@example.org", "password": PASSWORD})
    assert tablet.get(own).status_code == 200, "the password alone is not enough"
    tablet.get("/staff/second-factor")
    page = tablet.post("/staff/second-factor", {"code": pyotp.TOTP(secret).at(clock())})
    assert page.headers["Location"] == "/staff/"
    assert page.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert tablet.get(own).headers["Location"] == "/a"
    (event,) = events(runtime, "tablet.taken_back")
    assert event.actor_id == people.staff_id("ivar")
    with runtime.reading() as session:
        kinds = set(session.scalars(select(AuthSession.kind).where(AuthSession.ended_at.is_(None))))
    assert kinds == {"staff"}, "nothing is left waiting for a password"


def test_after_the_phone_took_over_the_nurse_goes_on_where_she_was(
    people: Any, anna: int, tablet: Any, own: str
) -> None:
    with people.runtime.writing.begin() as session:
        for row in session.scalars(select(AuthSession).where(AuthSession.kind == "clinic")):
            row.ended_at, row.end_reason = people.runtime.clock(), "continued_on_phone"
    assert tablet.get(own).headers["Location"] == "/tablet"
    tablet.follow()
    assert "You continue on your phone" in tablet.text
    assert resume(tablet).headers["Location"].startswith(PERSON)
    assert events(people.runtime, "tablet.taken_back") == []


def test_no_route_of_staff_is_open_to_a_suspended_session_by_its_declaration() -> None:
    """The walk of every route tries them all; here is what they declare."""
    open_ = [name for name, route in ROUTES.items() if "staff_suspended" in route.audience]
    assert open_ == ["staff.resume"]
    assert not any(route.audience & STAFF and "staff_suspended" in route.audience for route in ROUTES.values())
