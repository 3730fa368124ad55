"""A clinic's tablet in the hands of a participant: one questionnaire, nothing that leads away, nothing left behind."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, update

from proapp.db.models import Assessment, AuditEvent, AuthSession, PatientPin, ResponseSet
from proapp.services.vault import LINK_LENGTH, token_hash
from proapp.web.guard import PATIENT_COOKIE
from proapp.web.patient import tablet as tablet_page
from tests.people import PIN

RANDOMIZED_ON = date(2026, 8, 23)  # m03 is open on the tests' day


@pytest.fixture
def person(people: Any) -> int:
    return people.participant("UME-001", randomized_on=RANDOMIZED_ON, language="en")


@pytest.fixture
def own(people: Any, person: int) -> str:
    return f"/assessment/{people.assessment_id(person, 'm03')}"


@pytest.fixture
def tablet(people: Any, person: int) -> Any:
    return people.tablet(person, people.assessment_id(person, "m03"))


@pytest.fixture
def begun(tablet: Any, own: str) -> Any:
    """The tablet after two answers."""
    press(tablet, own, {"who": "self"})
    for item, code in ((1, 3), (2, 2)):
        press(tablet, f"{own}/c30/{item}", {"answer": str(code), "do": "save"})
    return tablet


@pytest.fixture
def square(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Press for a square and read it: what a camera would see."""
    seen: list[str] = []
    make = tablet_page.segno.make
    monkeypatch.setattr(tablet_page.segno, "make", lambda text, **how: seen.append(text) or make(text, **how))

    def show(browser: Any, address: str) -> str:
        assert press(browser, f"{address}/own-phone").status_code == 200
        base, token = seen[-1].split("#")
        assert base == "https://pro.example.org/l"
        assert token not in browser.text
        assert "<svg" in browser.text
        assert " style=" not in browser.text
        return token

    return show


def press(browser: Any, path: str, form: dict[str, str] | None = None) -> Any:
    """Send the form of a page after looking at it."""
    browser.get(path)
    return browser.post(path, form)


def scan(phone: Any, token: str) -> Any:
    phone.get("/l")
    return phone.post("/l", {"link": token})


def response_sets(runtime: Any) -> list[ResponseSet]:
    with runtime.reading() as session:
        return list(session.scalars(select(ResponseSet)))


def actions(runtime: Any) -> list[str]:
    with runtime.reading() as session:
        return [
            one for one in session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)) if "answer" not in one
        ]


# --- what is served


def test_from_the_first_page_to_the_receipt(runtime: Any, begun: Any, own: str) -> None:
    for item in range(3, 31):
        press(begun, f"{own}/c30/{item}", {"do": "skip"})
    assert press(begun, f"{own}/review").headers["Location"] == f"{own}/sent"
    begun.follow()
    assert "Give the tablet back to the staff." in begun.text
    assert all(number in begun.text for number in ("tel:112", "tel:1177", "Tell the staff before you leave."))
    (kept,) = response_sets(runtime)
    assert kept.receipt in begun.text
    assert (kept.mode, kept.respondent, kept.answered_items, kept.entered_by_id) == ("self_clinic", "self", 2, None)


@pytest.mark.parametrize("path", ["/home", "/contact", "/calendar.ics", "/pause", "/no-more", "/welcome/mobile"])
def test_what_else_is_the_participants_own_is_not_served_here(tablet: Any, own: str, path: str) -> None:
    assert tablet.get(path).headers["Location"] == own


def test_nor_is_declining_asking_for_later_or_signing_out(runtime: Any, tablet: Any, own: str) -> None:
    for path in (f"{own}/decline", f"{own}/undo-decline", f"{own}/not-now", "/sign-out", "/no-more"):
        tablet.get(own)
        assert tablet.post(path).headers["Location"] == own, path
    assert actions(runtime) == []


def test_another_assessment_of_the_same_participant_is_not_there(people: Any, person: int, tablet: Any) -> None:
    people.answered(person, "baseline", submitted_at=people.runtime.clock())
    other = f"/assessment/{people.assessment_id(person, 'baseline')}"
    absent = tablet.get("/assessment/987654").get_data()
    for path in (other, f"{other}/c30/1", f"{other}/review", f"{other}/sent", f"{other}/own-phone"):
        assert tablet.get(path).status_code == 404, path
    assert tablet.get(other).get_data() == absent
    assert people.patient(person).get(f"{other}/sent").status_code == 200


@pytest.mark.parametrize("path", ["/", "/a", "/pin", "/l"])
def test_nobody_signs_in_on_a_tablet_that_is_out(tablet: Any, own: str, path: str) -> None:
    tablet.get(path)
    assert tablet.follow().request.path == own


def test_no_code_and_no_link_is_taken_on_it(runtime: Any, tablet: Any, own: str, square: Any) -> None:
    token = square(tablet, own)
    for path, form in (("/a", {"code": "ABCD"}), ("/l", {"link": token}), ("/pin", {"pin": PIN}), ("/forget", {})):
        tablet.get(own)
        assert tablet.post(path, form).headers["Location"] == own, path
    with runtime.reading() as session:
        offer = session.scalar(select(AuthSession).where(AuthSession.token_hash == token_hash(token)))
        assert offer.ended_at is None


def test_its_pages_lead_nowhere_else_and_tell_scripts_to_keep_nothing(begun: Any, own: str) -> None:
    allowed = re.compile(
        rf"{own}(/.*)?|/about/\w+|/staff/resume|/static/.*|/language|/look(\?next=.*)?|#.*|data:.*|tel:.*|/tablet"
    )
    for path in (own, f"{own}/c30/1", f"{own}/c30/2", f"{own}/review", f"{own}/own-phone", "/about/privacy"):
        begun.get(path)
        begun.follow()
        assert 'data-clinic="3600"' in begun.text, path
        assert "data-idle" not in begun.text
        assert "Sign out" not in begun.text
        found = re.findall(r'(?:href|action)="([^"]*)"', begun.text)
        assert [one for one in found if not allowed.fullmatch(one) and one != "/"] == [], path


def test_the_first_question_has_no_way_back_and_the_second_has(begun: Any, own: str) -> None:
    assert 'class="back"' not in begun.get(f"{own}/c30/1").get_data(as_text=True)
    assert f'href="{own}/c30/1"' in begun.get(f"{own}/c30/2").get_data(as_text=True)


def test_a_phones_pages_are_as_they_were(people: Any, person: int, begun: Any, own: str) -> None:
    """The pages of items are made once for all phones that show the same; the tablet's are others."""
    phone = people.patient(person)
    begun.get(f"{own}/c30/2")
    phone.get(f"{own}/c30/2")
    assert "Pause, continue later" in phone.text
    assert "data-clinic" not in phone.text
    begun.get(f"{own}/c30/2")
    assert "Continue on your own phone" in begun.text
    assert "Pause, continue later" not in begun.text


def test_with_nothing_answered_there_is_no_link_to_declining(tablet: Any, own: str) -> None:
    press(tablet, own, {"who": "self"})
    tablet.get(f"{own}/review")
    assert "decline" not in tablet.text
    assert "give the tablet back to the staff and tell them" in tablet.text


def test_the_language_is_the_participants_and_can_be_switched(tablet: Any, own: str) -> None:
    tablet.get(own)
    assert '<html lang="en">' in tablet.text
    tablet.post("/language", {"language": "sv", "next": own})
    tablet.follow()
    assert '<html lang="sv">' in tablet.text
    assert "data-clinic" in tablet.text


def test_a_window_that_closed_meanwhile_is_told_without_a_way_out(
    people: Any, person: int, begun: Any, own: str
) -> None:
    people.event(person, "pro_stop", date(2026, 11, 20))
    people.runtime.clock.forward(minutes=2)
    begun.get(f"{own}/c30/3")
    assert "has closed" in begun.text
    assert "Give the tablet back to the staff." in begun.text
    assert "/home" not in begun.text


# --- when it is over


def test_when_its_time_is_over_the_tablet_waits_for_staff_and_nothing_is_left(begun: Any, own: str, clock: Any) -> None:
    clock.forward(minutes=61)
    for path in (f"{own}/c30/3", "/home", "/", "/a", "/pin", "/l"):
        assert begun.get(path).headers["Location"] == "/tablet", path
    page = begun.get("/tablet")
    assert page.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert page.headers["Cache-Control"] == "no-store"
    assert begun.client.get_cookie(PATIENT_COOKIE) is None
    assert "Give the tablet back to the staff" in begun.text
    assert "You continue on your phone" not in begun.text
    assert 'data-clinic=""' in begun.text


def test_an_answer_that_comes_too_late_for_the_tablet_is_not_taken_and_the_others_are_kept(
    runtime: Any, people: Any, person: int, begun: Any, own: str, clock: Any
) -> None:
    begun.get(f"{own}/c30/3")
    clock.forward(minutes=61)
    assert begun.post(f"{own}/c30/3", {"answer": "1"}).headers["Location"] == "/tablet"
    phone = people.patient(person)
    assert phone.get(own).headers["Location"] == f"{own}/c30/3"


def test_awake_says_whether_it_goes_on(begun: Any, clock: Any) -> None:
    assert begun.get("/tablet/awake").status_code == 204
    clock.forward(minutes=59)
    assert begun.get("/tablet/awake").status_code == 204
    clock.forward(minutes=59)
    assert begun.get("/tablet/awake").status_code == 204, "asking is use"
    clock.forward(minutes=61)
    assert begun.get("/tablet/awake").headers["Location"] == "/tablet"


def test_a_stranger_at_the_tablets_last_page_sees_only_words(browser: Any) -> None:
    assert browser.get("/tablet").status_code == 200
    assert "Clear-Site-Data" not in browser.page.headers


# --- on to the own phone


def test_the_phone_goes_on_at_the_first_open_question_and_the_tablet_lets_go(
    runtime: Any, begun: Any, own: str, square: Any, browser: Any
) -> None:
    assert press(begun, f"{own}/c30/3", {"answer": "1", "do": "pause"}).headers["Location"] == f"{own}/own-phone"
    assert scan(browser, square(begun, own)).headers["Location"] == "/pin"
    assert begun.get(f"{own}/own-phone").status_code == 200, "until the PIN is right the tablet keeps its place"
    browser.get("/pin")
    assert browser.post("/pin", {"pin": PIN}).headers["Location"] == own
    assert browser.follow().request.path == f"{own}/c30/4"
    assert begun.get(f"{own}/c30/4").headers["Location"] == "/tablet"
    begun.follow()
    assert "You continue on your phone" in begun.text
    (kept,) = response_sets(runtime)
    assert kept.mode == "self_clinic"
    assert actions(runtime) == [
        "response_set.started",
        "tablet.phone_offered",
        "patient.link_followed",
        "patient.signed_in",
        "tablet.left_for_phone",
    ]


def test_the_square_is_long_enough_kept_as_a_hash_and_works_once(
    runtime: Any, tablet: Any, own: str, square: Any, browsers: Any
) -> None:
    token = square(tablet, own)
    assert len(token) == LINK_LENGTH
    assert 31**LINK_LENGTH > 2**128
    assert scan(browsers(), token).headers["Location"] == "/pin"
    assert scan(browsers(), token).headers["Location"] == "/"
    with runtime.reading() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "patient.link_followed"))
        assert token not in event.details
        assert token_hash(token) not in event.details


def test_looking_ahead_burns_no_square(tablet: Any, own: str, square: Any, browsers: Any) -> None:
    token = square(tablet, own)
    robot = browsers()
    for path in ("/l", f"/l?link={token}", f"/l/{token}"):
        for method in ("GET", "HEAD"):
            robot.client.open(path, method=method, base_url="https://localhost")
    assert scan(browsers(), token).headers["Location"] == "/pin"


def test_a_square_dies_after_a_quarter_of_an_hour_with_the_next_one_and_with_the_tablet(
    runtime: Any, tablet: Any, own: str, square: Any, browsers: Any, clock: Any
) -> None:
    first = square(tablet, own)
    second = square(tablet, own)
    assert scan(browsers(), first).headers["Location"] == "/"
    clock.forward(minutes=15)
    assert scan(browsers(), second).headers["Location"] == "/"
    third = square(tablet, own)
    with runtime.writing.begin() as session:
        session.execute(update(Assessment).values(closes_on=date(2026, 11, 1), late_until=date(2026, 11, 1)))
    assert scan(browsers(), third).headers["Location"] == "/", "there is nothing to answer any more"


def test_the_token_of_a_square_is_no_cookie(tablet: Any, own: str, square: Any, browser: Any) -> None:
    browser.cookie(PATIENT_COOKIE, square(tablet, own))
    for path in (own, f"{own}/c30/1", "/home"):
        assert browser.get(path).headers["Location"] == "/pin"
    assert browser.get("/pin").headers["Location"] == "/a?other=1"


def test_with_a_wrong_pin_the_phone_opens_nothing_and_the_tablet_goes_on(
    begun: Any, own: str, square: Any, browser: Any
) -> None:
    scan(browser, square(begun, own))
    browser.get("/pin")
    assert browser.post("/pin", {"pin": "9999"}).status_code == 422
    assert browser.get(own).headers["Location"] == "/pin"
    assert begun.get(f"{own}/c30/3").status_code == 200


def test_whoever_has_no_pin_chooses_one_and_goes_straight_on(
    runtime: Any, people: Any, square: Any, browser: Any
) -> None:
    newcomer = people.participant("UME-002", randomized_on=RANDOMIZED_ON, language="en", activated=False)
    assessment = people.assessment_id(newcomer, "m03")
    tablet, own = people.tablet(newcomer, assessment), f"/assessment/{assessment}"
    sheet = people.staff("berit")
    sheet.get("/staff/participants/UME-002/sheet")
    sheet.post("/staff/participants/UME-002/sheet")
    code = "".join(re.findall(r"<span>([A-Z2-9]{4})</span>", sheet.text))
    scan(browser, square(tablet, own))
    assert "Choose your PIN" in browser.get("/pin").get_data(as_text=True)
    assert browser.post("/pin", {"pin": "1111", "again": "1111"}).status_code == 422
    assert browser.post("/pin", {"pin": "2580", "again": "2580"}).headers["Location"] == own
    assert browser.follow().status_code == 200
    # The sheet opens another phone with that PIN, and lets nobody choose one instead.
    other = people.make_browser(people.app)
    other.get("/a")
    other.post("/a", {"code": code})
    assert "Enter your PIN" in other.get("/pin").get_data(as_text=True)
    assert other.post("/pin", {"pin": "2580"}).headers["Location"] == "/home"
    told = actions(runtime)
    assert told.count("patient.activated") == told.count("patient.pin_chosen") == 1


def test_a_pin_is_not_chosen_instead_of_another(runtime: Any, tablet: Any, own: str, square: Any, browser: Any) -> None:
    scan(browser, square(tablet, own))
    assert "Enter your PIN" in browser.get("/pin").get_data(as_text=True)
    assert browser.post("/pin", {"pin": "2580", "again": "2580"}).status_code == 422
    with runtime.reading() as session:
        assert runtime.vault.matches(session.scalar(select(PatientPin.pin_hash)), PIN)


def test_a_phone_that_is_signed_in_goes_straight_on(
    runtime: Any, people: Any, person: int, begun: Any, own: str, square: Any
) -> None:
    phone, token = people.patient(person), square(begun, own)
    assert scan(phone, token).headers["Location"] == own
    assert phone.follow().request.path == f"{own}/c30/3"
    assert begun.get(f"{own}/c30/3").headers["Location"] == "/tablet"
    assert actions(runtime)[-2:] == ["patient.link_followed", "tablet.left_for_phone"]
    assert scan(people.patient(person), token).headers["Location"] == "/"


def test_a_phone_that_is_known_asks_for_its_pin_and_goes_on(
    people: Any, person: int, begun: Any, own: str, square: Any, browser: Any
) -> None:
    scan(browser, square(begun, own))
    browser.get("/pin")
    browser.post("/pin", {"pin": PIN})
    browser.post("/sign-out")
    again = people.tablet(person, people.assessment_id(person, "m03"))
    assert scan(browser, square(again, own)).headers["Location"] == "/pin"
    browser.get("/pin")
    assert browser.post("/pin", {"pin": PIN}).headers["Location"] == own
    assert again.get(own).headers["Location"] == "/tablet"


def test_on_the_phone_of_somebody_else_it_opens_nothing_and_is_not_used_up(
    people: Any, begun: Any, own: str, square: Any, browser: Any
) -> None:
    eva = people.patient(people.participant("UME-009", randomized_on=RANDOMIZED_ON, language="en"))
    token = square(begun, own)
    assert scan(eva, token).headers["Location"] == "/"
    assert eva.get("/home").status_code == 200
    assert scan(browser, token).headers["Location"] == "/pin"


def test_there_is_no_square_for_what_was_sent(people: Any, person: int, tablet: Any, own: str) -> None:
    tablet.get(f"{own}/own-phone")
    token = tablet.form_token()
    people.answered(person, "m03", submitted_at=people.runtime.clock(), mode="self_clinic")
    for page in (tablet.get(f"{own}/own-phone"), tablet.post(f"{own}/own-phone", {"csrf_token": token})):
        assert page.headers["Location"] == own
    assert tablet.follow().request.path == f"{own}/sent"


def test_what_was_answered_at_the_clinic_is_among_what_was_sent(people: Any, person: int) -> None:
    people.answered(person, "m03", submitted_at=people.runtime.clock(), mode="self_clinic")
    phone = people.patient(person)
    phone.get("/home")
    assert f'href="/assessment/{people.assessment_id(person, "m03")}/sent"' in phone.text
