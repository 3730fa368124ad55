"""Staff sign in, set up and sign out in a browser."""

from __future__ import annotations

import re

import pyotp
import pytest
from sqlalchemy import func, select

from proapp.db.models import AuthSession, SignInAttempt
from proapp.services import accounts
from proapp.services.audit import COMMAND_LINE

EMAIL, PASSWORD = "eva@example.org", "quiet river under stones"


@pytest.fixture
def invite(runtime):
    def one(email=EMAIL, role="nurse", sites=("UME",)):
        with runtime.writing.begin() as session:
            return accounts.add(
                session, runtime.vault, email=email, name="Eva Ek", role=role, sites=sites, known_sites=("UME", "LUN"),
                actor=COMMAND_LINE, now=runtime.clock(), language="en",
            )  # fmt: skip

    return one


@pytest.fixture
def set_up(browser, invite, clock):
    """Goes through the set-up in `browser`; gives the secret of the authenticator app."""

    def go(role="nurse", sites=("UME",)):
        code = invite(role=role, sites=sites).code
        browser.get("/staff/set-up")
        assert browser.post("/staff/set-up", {"code": code}).headers["Location"] == "/staff/set-up/password"
        browser.follow()
        page = browser.post("/staff/set-up/password", {"password": PASSWORD, "again": PASSWORD})
        assert page.headers["Location"] == "/staff/set-up/app"
        browser.follow()
        secret = re.search(r"<code translate=\"no\">([A-Z2-7 ]+)</code>", browser.text)[1].replace(" ", "")
        assert browser.post("/staff/set-up/app", {"code": number(secret, clock)}).headers["Location"] == "/staff/"
        clock.forward(minutes=5)
        return secret

    return go


def number(secret, clock):
    return pyotp.TOTP(secret).at(clock())


def sign_in(browser, secret, clock):
    browser.get("/staff/sign-in")
    browser.post("/staff/sign-in", {"email": EMAIL, "password": PASSWORD})
    browser.follow()
    return browser.post("/staff/second-factor", {"code": number(secret, clock)})


def cookies(page):
    return [line for line in page.headers.getlist("Set-Cookie") if line.startswith("__Host-proapp-staff=")]


def test_set_up_from_link_to_first_page(browser, set_up):
    set_up(role="administrator", sites=())
    assert browser.get("/staff/").headers["Location"] == "/staff/users"
    assert browser.get("/staff/users").status_code == 200


def test_the_link_uses_nothing_up_however_often_it_is_opened(browser, invite):
    code = invite().code
    for _ in range(3):
        assert browser.get("/staff/set-up").status_code == 200
    assert browser.post("/staff/set-up", {"code": code}).status_code == 303


def test_the_picture_holds_the_address_for_the_app_and_no_script_or_style(browser, invite):
    browser.post("/staff/set-up", {"code": invite().code})
    browser.follow()
    browser.post("/staff/set-up/password", {"password": PASSWORD, "again": PASSWORD})
    browser.follow()
    assert "<svg" in browser.text
    assert "style=" not in browser.text
    assert "otpauth" not in browser.text


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ("short", "short", "at least 12 characters"),
        (PASSWORD, PASSWORD + "x", "not the same"),
        ("passwordpassword", "passwordpassword", "first that a stranger would try"),
        ("eva@example.org", "eva@example.org", "easy to guess"),
        ("", "", "Write the password you want."),
    ],
)
def test_a_password_that_is_not_good_enough_is_explained(browser, invite, first, second, sentence):
    browser.post("/staff/set-up", {"code": invite().code})
    browser.follow()
    page = browser.post("/staff/set-up/password", {"password": first, "again": second})
    assert page.status_code == 422
    assert sentence in browser.text
    assert "<title>Error: " in browser.text
    assert 'role="alert"' in browser.text


def test_a_wrong_set_up_code_is_explained_and_keeps_what_was_typed(browser):
    browser.get("/staff/set-up")
    page = browser.post("/staff/set-up", {"code": "AAAA-BBBB-CCCC"})
    assert page.status_code == 422
    assert "does not work" in browser.text
    assert "AAAA-BBBB-CCCC" in browser.text


def test_nobody_gets_past_the_password_step_without_one(browser, invite):
    browser.post("/staff/set-up", {"code": invite().code})
    assert browser.get("/staff/set-up/app").headers["Location"] == "/staff/set-up/password"
    assert browser.get("/staff/second-factor").headers["Location"] == "/staff/set-up/password"
    assert browser.get("/staff/account").headers["Location"] == "/staff/second-factor"


def test_password_and_number_sign_in_and_the_cookie_is_strict(browser, browsers, set_up, clock):
    secret = set_up()
    other = browsers()
    page = sign_in(other, secret, clock)
    assert page.headers["Location"] == "/staff/"
    (cookie,) = cookies(page)
    assert {part.strip() for part in cookie.split(";")[1:]} == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert other.get("/staff/account").status_code == 200


def test_each_step_gives_a_new_token_and_the_old_one_opens_nothing(browsers, set_up, clock):
    secret, browser = set_up(), browsers()
    browser.get("/staff/sign-in")
    first = (
        cookies(browser.post("/staff/sign-in", {"email": EMAIL, "password": PASSWORD}))[0]
        .split(";")[0]
        .split("=", 1)[1]
    )
    browser.follow()
    second = (
        cookies(browser.post("/staff/second-factor", {"code": number(secret, clock)}))[0].split(";")[0].split("=", 1)[1]
    )
    assert first != second
    stranger = browsers()
    stranger.cookie("__Host-proapp-staff", first)
    assert stranger.get("/staff/account").headers["Location"] == "/staff/sign-in"


def test_a_token_chosen_by_a_stranger_is_never_adopted(browsers, set_up, clock):
    secret, browser = set_up(), browsers()
    browser.cookie("__Host-proapp-staff", "A" * 43)
    page = sign_in(browser, secret, clock)
    assert "A" * 43 not in page.headers["Set-Cookie"]


def test_with_the_password_alone_no_page_opens(browsers, set_up, app):
    set_up()
    browser = browsers()
    browser.get("/staff/sign-in")
    browser.post("/staff/sign-in", {"email": EMAIL, "password": PASSWORD})
    for path in ("/staff/account", "/staff/study", "/staff/work", "/staff/participants", "/staff/"):
        assert browser.get(path).headers["Location"] == "/staff/second-factor"


def test_known_unknown_and_not_yet_set_up_get_the_same_page(browsers, set_up, invite):
    set_up()
    invite("invited@example.org")
    pages = []
    for email in (EMAIL, "nobody@example.org", "invited@example.org"):
        browser = browsers()
        browser.get("/staff/sign-in")
        page = browser.post("/staff/sign-in", {"email": email, "password": "wrong wrong wrong"})
        body = re.sub(r'value="[^"]+"', "", page.get_data(as_text=True))
        pages.append((page.status_code, body, cookies(page)))
    assert pages[0] == pages[1] == pages[2]
    assert pages[0][0] == 422


def test_what_was_typed_is_kept_but_never_the_password(browser, set_up):
    set_up()
    browser.client.delete_cookie("__Host-proapp-staff", domain="localhost")
    browser.get("/staff/sign-in")
    browser.post("/staff/sign-in", {"email": EMAIL, "password": "wrong wrong wrong"})
    assert EMAIL in browser.text
    assert "wrong wrong wrong" not in browser.text


def test_an_address_that_nobody_has_gets_the_same_answer_as_a_wrong_password(browsers, set_up):
    """Status, headers, cookies and body, at each of the tries and when there have been too many."""
    set_up()
    stranger, somebody = browsers(), browsers()
    for _ in range(7):
        told = []
        for browser, email in ((somebody, EMAIL), (stranger, "nobody@example.org")):
            browser.get("/staff/sign-in")
            page = browser.post("/staff/sign-in", {"email": email, "password": "wrong wrong wrong"})
            headers = {name for name, _ in page.headers} | {page.headers.get("Retry-After")}
            body = re.sub(r'name="csrf_token"[^>]*>', "", browser.text).replace(email, "…")
            told.append((page.status_code, headers, [line.split("=")[0] for line in cookies(page)], body))
        assert told[0] == told[1]
    assert told[0][0] == 429


def test_too_many_tries_answer_429_with_the_time_and_are_kept_in_the_database(runtime, browser, clock):
    browser.get("/staff/sign-in")
    for _ in range(5):
        assert (
            browser.post("/staff/sign-in", {"email": "nobody@example.org", "password": "wrong wrong wrong"}).status_code
            == 422
        )
    page = browser.post("/staff/sign-in", {"email": "nobody@example.org", "password": "wrong wrong wrong"})
    assert page.status_code == 429
    assert page.headers["Retry-After"] == "60"
    assert "Please try again at 10:01." in browser.text
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInAttempt)) == 5


def test_a_wrong_number_is_explained_and_stays_on_the_page(browsers, set_up, clock):
    secret, browser = set_up(), browsers()
    browser.get("/staff/sign-in")
    browser.post("/staff/sign-in", {"email": EMAIL, "password": PASSWORD})
    browser.follow()
    wrong = "000000" if number(secret, clock) != "000000" else "000001"
    assert browser.post("/staff/second-factor", {"code": wrong}).status_code == 422
    assert "That number is not right" in browser.text
    assert browser.post("/staff/second-factor", {"code": number(secret, clock)}).status_code == 303


def test_signing_out_clears_the_browser_and_kills_a_copied_cookie(browser, browsers, set_up):
    set_up()
    copied = browser.client.get_cookie("__Host-proapp-staff").value
    browser.get("/staff/account")
    page = browser.post("/staff/sign-out")
    assert page.headers["Location"] == "/staff/sign-in"
    assert page.headers["Clear-Site-Data"] == '"cache", "storage"'
    thief = browsers()
    thief.cookie("__Host-proapp-staff", copied)
    assert thief.get("/staff/account").headers["Location"] == "/staff/sign-in"


def test_a_session_left_alone_for_half_an_hour_is_over(browser, set_up, clock):
    set_up()
    browser.get("/staff/account")
    clock.forward(minutes=30)
    assert browser.get("/staff/account").headers["Location"] == "/staff/sign-in"


def test_who_is_signed_in_is_led_past_the_sign_in_page(browser, set_up):
    set_up()
    assert browser.get("/staff/sign-in").headers["Location"] == "/staff/"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("berit", "/staff/work"),
        ("ivar", "/staff/work"),
        ("karin", "/staff/work"),
        ("mona", "/staff/work"),
        ("stina", "/staff/export"),
        ("ada", "/staff/users"),
    ],
)
def test_each_role_begins_where_its_work_is(people, name, place):
    assert people.staff(name).get("/staff/").headers["Location"] == place


def test_the_device_is_named_but_the_header_is_not_copied(browsers, set_up, runtime, clock):
    secret, browser = set_up(), browsers()
    header = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0 <script>"}
    browser.get("/staff/sign-in")
    browser.post("/staff/sign-in", {"email": EMAIL, "password": PASSWORD}, headers=header)
    browser.follow()
    browser.post("/staff/second-factor", {"code": number(secret, clock)}, headers=header)
    with runtime.reading() as session:
        devices = session.scalars(select(AuthSession.device).order_by(AuthSession.id.desc()).limit(1)).all()
    assert devices == ["Firefox, Windows"]


ODD = ("", "x" * 300, "\x00", "' OR 1=1 --", "{{7*7}}", "<script>alert(1)</script>", "%(x)s", "\ud7ff")


def test_odd_input_is_refused_or_wrong_and_never_an_error(browser):
    for field in ("email", "password"):
        for value in ODD:
            browser.get("/staff/sign-in")
            form = {"email": f"a{len(value)}@example.org", "password": "wrong wrong wrong", field: value}
            assert browser.post("/staff/sign-in", form).status_code == 422, (field, value)
            assert "<script>alert" not in browser.text
            main = re.sub(r'value="[^"]+"', "", browser.text.split("<main")[1].split("</main")[0])
            assert "49" not in main
