"""P1: code, PIN, known phone; the same words for unknown and replaced; patience with the right person, none with guessing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import ActivationCode, AuthSession, PatientPin
from proapp.services.vault import grouped
from proapp.web.guard import PATIENT_COOKIE
from proapp.web.patient.devices import DEVICE_COOKIE
from tests.people import PIN


@pytest.fixture
def new_code(runtime: Any) -> Any:
    """Issues a code to a participant as the sheet prints it; returns the code."""

    def issue(participant_id: int) -> str:
        code = runtime.vault.new_code()
        with runtime.writing.begin() as session:
            session.add(
                ActivationCode(
                    participant_id=participant_id,
                    lookup=runtime.vault.lookup("activation", code),
                    code_hash=runtime.vault.slow_hash(code),
                    created_at=runtime.clock(),
                    expires_at=runtime.clock() + timedelta(days=14),
                )
            )
        return code

    return issue


@pytest.fixture
def newcomer(people: Any) -> int:
    return people.participant("UME-007", activated=False, language="en")


def enter(browser: Any, code: str) -> Any:
    browser.get("/a?other=1")
    return browser.post("/a", {"code": code})


def choose(browser: Any, pin: str = "2580", again: str | None = None) -> Any:
    browser.get("/pin")
    return browser.post("/pin", {"pin": pin, "again": pin if again is None else again})


def sign_in(browser: Any, code: str, pin: str = "2580") -> None:
    assert enter(browser, code).headers["Location"] == "/pin"
    assert choose(browser, pin).headers["Location"] == "/welcome/mobile"


def alter(runtime: Any, **values: Any) -> None:
    with runtime.writing.begin() as session:
        for name, value in values.items():
            for row in session.scalars(select(ActivationCode)):
                setattr(row, name, value)


def test_a_new_code_leads_to_a_pin_and_the_first_steps_and_the_phone_is_known(
    browser: Any, new_code: Any, newcomer: int
) -> None:
    enter(browser, new_code(newcomer))
    browser.follow()
    assert "Choose your PIN" in browser.text
    assert choose(browser).headers["Location"] == "/welcome/mobile"
    cookies = {line.split("=")[0]: line for line in browser.page.headers.getlist("Set-Cookie")}
    for name in (PATIENT_COOKIE, DEVICE_COOKIE):
        assert name.startswith("__Host-")
        for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
            assert part in cookies[name]
    assert "Max-Age" not in cookies[PATIENT_COOKIE]
    assert browser.follow().status_code == 200


def test_the_code_is_taken_in_any_spelling(browsers: Any, new_code: Any, newcomer: int) -> None:
    code = new_code(newcomer)
    for typed in (code.lower(), grouped(code), f"  {code[:4]} {code[4:8]} {code[8:].lower()} "):
        assert enter(browsers(), typed).headers["Location"] == "/pin"


def test_looking_at_the_page_uses_nothing_up(browser: Any, new_code: Any, newcomer: int, runtime: Any) -> None:
    code = new_code(newcomer)
    for _ in range(3):
        browser.get(f"/a?other=1#{code}")
    with runtime.reading() as session:
        assert session.scalars(select(ActivationCode.used_at)).all() == [None]
    assert enter(browser, code).headers["Location"] == "/pin"


def test_unknown_mistyped_and_replaced_codes_get_the_same_page(
    browsers: Any, new_code: Any, newcomer: int, runtime: Any
) -> None:
    code = new_code(newcomer)
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    pages = []
    for typed in ("ABCDEFGHJKMN", wrong):
        page = enter(browsers(), typed)
        pages.append((page.status_code, _without(page, typed)))
    alter(runtime, revoked_at=runtime.clock())
    page = enter(browsers(), code)
    pages.append((page.status_code, _without(page, code)))
    assert pages[0][0] == 422
    assert pages[0] == pages[1] == pages[2]


def test_a_code_mistyped_differently_each_time_is_warned_of_the_wait_too(browser: Any) -> None:
    told = []
    for letter in "ABCDEFGHJKMNPQRSTUVWX":
        enter(browser, f"ABCDEFGHJKM{letter}")
        told.append(re.findall(r"You have \d tr\w+ left", browser.text)[:1])
    assert told[:17] == [[]] * 17
    assert told[17:] == [["You have 2 tries left"], ["You have 1 try left"], [], []]
    assert "you have to wait" in browser.text


def test_without_scripts_the_page_says_to_type_the_code(browser: Any) -> None:
    browser.get("/a")
    assert re.search(r"<noscript>\s*<p>Type the code that stands on the paper", browser.text)


def _without(page: Any, typed: str) -> str:
    """The page without what was typed into it and without the tokens of its forms."""
    text = page.get_data(as_text=True).replace(typed, "")
    return re.sub(r'name="csrf_token" value="[^"]+"', "", text)


def test_what_was_typed_stays_in_the_field_and_the_summary_leads_there(browser: Any) -> None:
    enter(browser, "ABCD EFGH")
    assert browser.page.status_code == 422
    assert 'value="ABCD EFGH"' in browser.text
    assert 'href="#code"' in browser.text
    assert "<title>Error:" in browser.text
    assert "12 letters and digits" in browser.text


def test_an_old_code_that_was_never_used_sends_to_the_clinic(
    browser: Any, new_code: Any, newcomer: int, clock: Any
) -> None:
    code = new_code(newcomer)
    clock.forward(days=14)
    enter(browser, code)
    assert browser.page.status_code == 422
    assert "This code is too old" in browser.text
    assert "0980-319 201" in browser.text


def test_after_leaving_the_study_the_words_are_neutral(
    browser: Any, new_code: Any, newcomer: int, people: Any, clock: Any
) -> None:
    people.event(newcomer, "trial_withdrawal", clock().date())
    enter(browser, new_code(newcomer))
    assert "There is nothing to answer" in browser.text
    for word in ("withdraw", "death", "died", "stopped"):
        assert word not in browser.text


def test_a_pin_that_will_not_do_is_refused_gently(browser: Any, new_code: Any, newcomer: int, runtime: Any) -> None:
    enter(browser, new_code(newcomer))
    for pin, again, sentence in (
        ("123", "123", "Choose between 4 and 12 digits"),
        ("1234", "1234", "easy to guess"),
        ("2580", "2581", "not the same"),
    ):
        assert choose(browser, pin, again).status_code == 422
        assert sentence in browser.text
        assert "<title>Error:" in browser.text
        assert f'value="{pin}"' not in browser.text
    with runtime.reading() as session:
        assert session.scalars(select(PatientPin)).all() == []
        assert session.scalars(select(ActivationCode.used_at)).all() == [None]


def test_a_used_code_opens_another_phone_only_with_the_pin(browsers: Any, new_code: Any, newcomer: int) -> None:
    code = new_code(newcomer)
    sign_in(browsers(), code)
    other = browsers()
    enter(other, code)
    other.follow()
    assert "Enter your PIN" in other.text
    assert "once more" not in other.text
    assert other.post("/pin", {"pin": "9999", "again": "9999"}).status_code == 422
    assert other.post("/pin", {"pin": "2580"}).headers["Location"] == "/home"


def test_a_used_code_still_opens_another_phone_long_after_its_fourteen_days(
    browsers: Any, new_code: Any, newcomer: int, clock: Any
) -> None:
    code = new_code(newcomer)
    sign_in(browsers(), code)
    clock.forward(days=300)
    other = browsers()
    assert enter(other, code).headers["Location"] == "/pin"
    assert other.post("/pin", {"pin": "2580"}).headers["Location"] == "/home"


def test_a_new_code_replaces_a_forgotten_pin_and_signs_every_browser_out(
    browsers: Any, new_code: Any, newcomer: int, runtime: Any, clock: Any
) -> None:
    first = browsers()
    sign_in(first, new_code(newcomer))
    alter(runtime, revoked_at=clock())
    clock.forward(minutes=1)
    second = browsers()
    sign_in(second, new_code(newcomer), "7391")
    assert first.get("/home").status_code == 303
    assert first.follow().status_code == 200
    assert "Enter your PIN" not in first.text  # the phone of before is no longer known either
    assert second.get("/home").status_code == 200


def test_a_known_phone_does_not_choose_a_new_pin_with_a_code_it_has_not_shown(
    browser: Any, new_code: Any, newcomer: int, clock: Any
) -> None:
    sign_in(browser, new_code(newcomer))
    clock.forward(hours=1)
    new_code(newcomer)
    browser.get("/")
    browser.follow()
    assert "Enter your PIN" in browser.text
    assert browser.post("/pin", {"pin": "7391", "again": "7391"}).status_code == 422


def test_a_code_issued_after_the_page_was_opened_can_not_be_used_from_it(
    browser: Any, new_code: Any, newcomer: int, runtime: Any, clock: Any
) -> None:
    enter(browser, new_code(newcomer))
    clock.forward(minutes=1)
    alter(runtime, revoked_at=clock())
    new_code(newcomer)
    assert choose(browser).status_code in {303, 422}
    with runtime.reading() as session:
        assert session.scalars(select(PatientPin)).all() == []


def test_after_a_rest_the_phone_asks_only_for_the_pin_and_says_that_nothing_is_lost(
    browser: Any, new_code: Any, newcomer: int, clock: Any
) -> None:
    sign_in(browser, new_code(newcomer))
    clock.forward(minutes=31)
    browser.get("/home")
    browser.follow()
    assert "Enter your PIN" in browser.text
    assert "Everything you saved is still there." in browser.text
    assert browser.post("/pin", {"pin": "2580"}).headers["Location"] == "/home"
    assert browser.page.headers.getlist("Set-Cookie")
    assert DEVICE_COOKIE not in str(browser.page.headers.getlist("Set-Cookie"))


def test_five_wrong_pins_close_the_door_for_a_quarter_of_an_hour(
    people: Any, browsers: Any, new_code: Any, clock: Any
) -> None:
    person = people.participant("UME-008", language="en")
    code = new_code(person)
    with people.runtime.writing.begin() as session:
        for row in session.scalars(select(ActivationCode)):
            row.used_at = clock()
    browser = browsers()
    enter(browser, code)
    for number in range(1, 6):
        assert browser.post("/pin", {"pin": "0001"}).status_code == 422
        assert ("You have" in browser.text) == (number in {3, 4})
    page = browser.post("/pin", {"pin": PIN})
    assert page.status_code == 429
    assert page.headers["Retry-After"] == "900"
    assert "wait 15 minutes" in browser.text
    assert "0980-319 201" in browser.text
    other = browsers()
    enter(other, code)
    assert other.post("/pin", {"pin": PIN}).status_code == 429
    clock.forward(minutes=15)
    enter(other, code)
    assert other.post("/pin", {"pin": PIN}).headers["Location"] == "/home"


def test_guessing_codes_is_stopped_by_address(browser: Any, runtime: Any) -> None:
    statuses = []
    for number in range(22):
        browser.get("/a")
        statuses.append(
            browser.post("/a", {"code": f"ABCDEFGHJK{number:02d}".replace("0", "X").replace("1", "Y")}).status_code
        )
    assert statuses[0] == 422
    assert statuses[-1] == 429
    assert "0980-319 201" in browser.text


def test_somebody_elses_code_does_not_take_over_a_signed_in_phone(
    browser: Any, new_code: Any, newcomer: int, people: Any, runtime: Any
) -> None:
    sign_in(browser, new_code(newcomer))
    other = people.participant("UME-009", activated=False)
    browser.get("/a")
    assert "<h1>You are signed in on this phone</h1>" in browser.text
    assert "<details><summary>" in browser.text  # one way on; the field for another code is folded away
    with runtime.reading() as session:
        before = len(session.scalars(select(AuthSession)).all())
    assert browser.post("/a", {"code": new_code(other)}).status_code == 422
    assert "Somebody else is signed in" in browser.text
    assert "<details open>" in browser.text
    assert browser.get("/home").status_code == 200
    with runtime.reading() as session:
        assert len(session.scalars(select(AuthSession)).all()) == before


def test_ones_own_code_on_a_signed_in_phone_leads_home(browser: Any, new_code: Any, newcomer: int) -> None:
    code = new_code(newcomer)
    sign_in(browser, code)
    browser.get("/a")
    assert browser.post("/a", {"code": code}).headers["Location"] == "/home"


def test_signing_out_ends_the_session_on_the_server(browser: Any, new_code: Any, newcomer: int) -> None:
    sign_in(browser, new_code(newcomer))
    browser.get("/home")
    stolen = browser.client.get_cookie(PATIENT_COOKIE, domain="localhost").value
    page = browser.post("/sign-out")
    assert page.headers["Clear-Site-Data"] == '"cache"'  # in the store another person's answers may wait
    browser.follow()
    assert "You are signed out." in browser.text
    browser.cookie(PATIENT_COOKIE, stolen)
    assert browser.get("/home").status_code == 303


def test_the_session_changes_with_every_sign_in(browser: Any, new_code: Any, newcomer: int) -> None:
    enter(browser, new_code(newcomer))
    pending = browser.client.get_cookie(PATIENT_COOKIE, domain="localhost").value
    choose(browser)
    signed_in = browser.client.get_cookie(PATIENT_COOKIE, domain="localhost").value
    assert pending != signed_in
    browser.cookie(PATIENT_COOKIE, pending)
    assert browser.get("/home").status_code == 303


def test_a_phone_can_be_forgotten(browser: Any, new_code: Any, newcomer: int) -> None:
    sign_in(browser, new_code(newcomer))
    browser.get("/home")
    browser.post("/sign-out")
    browser.follow()
    assert "This is not my phone" in browser.text
    browser.post("/forget")
    browser.follow()
    assert "Your personal code" in browser.text
    assert browser.get("/pin").headers["Location"] == "/a?other=1"


def test_half_way_in_is_not_in(browser: Any, new_code: Any, newcomer: int) -> None:
    enter(browser, new_code(newcomer))
    for path in ("/home", "/calendar.ics", "/assessment/1"):
        assert browser.get(path).headers["Location"] == "/pin"


def test_the_pin_page_without_a_code_leads_to_the_code(browser: Any) -> None:
    assert browser.get("/pin").headers["Location"] == "/a?other=1"
    assert browser.post("/pin", {"pin": "2580"}).headers["Location"] == "/a"


def test_signing_in_is_audited_without_any_secret(browser: Any, new_code: Any, newcomer: int, runtime: Any) -> None:
    from proapp.db.models import AuditEvent

    code = new_code(newcomer)
    sign_in(browser, code)
    with runtime.reading() as session:
        events = session.execute(select(AuditEvent.action, AuditEvent.details, AuditEvent.site_code)).all()
    assert [event.action for event in events] == [
        "patient.code_accepted",
        "patient.activated",
        "patient.pin_chosen",
        "patient.signed_in",
    ]
    assert all(event.site_code == "UME" for event in events)
    assert not any(secret in event.details for event in events for secret in ("2580", code))
