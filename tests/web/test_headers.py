"""What every answer carries, whatever its status, and what no answer may lead to."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest

from tests.web.routes import ROUTES
from tests.web.world import ROLES, World, build

pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.fixture
def world(people: Any) -> World:
    return build(people)


def check(page: Any, *, static: bool = False) -> None:
    for name, value in ALWAYS.items():
        assert page.headers[name] == value
    directives = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert directives["default-src"] == directives["base-uri"] == directives["object-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == directives["form-action"] == "'self'"
    assert not re.search(r"unsafe|\*|https?:", page.headers["Content-Security-Policy"])
    age = int(re.search(r"max-age=(\d+)", page.headers["Strict-Transport-Security"])[1])
    assert age >= 31536000
    assert "includeSubDomains" in page.headers["Strict-Transport-Security"]
    if not static:
        assert page.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in page.headers
    assert "X-Powered-By" not in page.headers
    for cookie in page.headers.getlist("Set-Cookie"):
        check_cookie(cookie)


def check_cookie(cookie: str) -> None:
    parts = {part.strip() for part in cookie.split(";")}
    assert cookie.startswith("__Host-")
    assert {"Secure", "HttpOnly", "Path=/"} <= parts
    assert parts & {"SameSite=Lax", "SameSite=Strict"}
    assert not any(part.startswith("Domain") for part in parts)


@pytest.mark.parametrize("who", ["anyone", "patient", "clinic", "staff_pending", "staff_suspended", *ROLES])
def test_every_answer_of_every_page_carries_them(world, who):
    browser, statuses = world.browser(who), set()
    for name, route in ROUTES.items():
        if "GET" in route.methods:
            page = browser.client.get(
                world.anna.address(route.path), base_url="https://localhost", headers={"Origin": "https://evil.example"}
            )
            check(page, static=name == "static")
            statuses.add(page.status_code)
    assert 200 in statuses
    assert statuses & {302, 303, 403}


def test_a_patients_pages_travel_compressed_and_only_where_that_is_asked_for(world):
    browser = world.browser("patient")
    accepts = {"Accept-Encoding": "gzip, br"}
    for path in ("/home", f"/assessment/{world.anna.assessment}/c30/1", f"/assessment/{world.anna.assessment}/copy"):
        plain = browser.client.get(path, base_url="https://localhost")
        light = browser.client.get(path, base_url="https://localhost", headers=accepts)
        assert "Content-Encoding" not in plain.headers
        assert light.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in light.headers["Vary"]
        assert len(gzip.decompress(light.data)) >= len(light.data) * 2
        assert int(light.headers["Content-Length"]) == len(light.data)
    refused = browser.client.post("/pause", base_url="https://localhost", headers=accepts)
    staff = world.browser("nurse").client.get("/staff/work", base_url="https://localhost", headers=accepts)
    assert "Content-Encoding" not in refused.headers
    assert "Content-Encoding" not in staff.headers


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/staff/nothing", 404), ("/language", 405), ("/static/0/nothing.css", 404)])  # fmt: skip
def test_pages_of_errors_carry_them_too(browser, path, status):
    page = browser.get(path)
    assert page.status_code == status
    check(page, static=path.startswith("/static"))


def test_refused_forms_carry_them_too(browser):
    check(browser.post("/staff/sign-in", {"email": "x"}, token=False))
    assert browser.page.status_code == 400
    browser.get("/staff/sign-in")
    check(browser.post("/staff/sign-in", {"email": "x"}))
    assert browser.page.status_code == 422


def test_faults_of_ours_carry_them_and_say_nothing_of_how_we_work(app, browser):
    from proapp.web.guard import audience

    @audience("anyone")
    def broken():
        raise RuntimeError("SELECT secret FROM anna")

    app.add_url_rule("/broken", "broken", broken)
    page = browser.get("/broken")
    assert page.status_code == 500
    check(page)
    for word in ("Traceback", "RuntimeError", "SELECT", "anna", "flask", "werkzeug", "sqlalchemy"):
        assert word.lower() not in browser.text.lower()
    assert re.search(r"<strong[^>]*>[0-9A-F]{8}</strong>", browser.text)


def test_an_old_address_of_a_file_is_not_kept_and_the_right_one_is_kept_for_good(browser):
    browser.get("/staff/sign-in")
    style = re.search(r'href="(/static/[^"]+\.css)"', browser.text)[1]
    assert "immutable" in browser.get(style).headers["Cache-Control"]
    check(browser.page, static=True)
    assert browser.get("/static/0/staff.css").headers["Cache-Control"] == "no-cache"


def test_no_page_holds_inline_script_or_style_or_a_foreign_address(world):
    for who in ("anyone", "patient", "clinic", "staff_suspended", *ROLES):
        browser = world.browser(who)
        for name, route in ROUTES.items():
            if "GET" not in route.methods or not (route.audience & {who, "anyone"}):
                continue
            page = browser.get(world.anna.address(route.path))
            if page.mimetype != "text/html":
                continue
            body = page.get_data(as_text=True)
            assert not re.search(r"<script(?![^>]*\bsrc=)", body), name
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", body), name
            for address in re.findall(r'(?:src|href|action)="([^"]*)"', body):
                assert not re.match(r"(https?:)?//", address), (name, address)


ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "http:/evil.example",
    "//evil.example/%2e%2e",
    "/%0d%0aLocation:https://evil.example",
    "/\r\nLocation: https://evil.example",
    "/\tevil.example",
    " //evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "@evil.example",
    ".evil.example",
    "/" + "a" * 4000,
    "\x00/staff",
    "／／evil.example",
]


def test_the_language_switch_leads_nowhere_else(browser):
    browser.get("/a")
    for next_ in ELSEWHERE:
        page = browser.post("/language", {"language": "sv", "next": next_, "csrf_token": browser.form_token()})
        assert page.status_code == 303
        location = page.headers["Location"]
        assert re.fullmatch(r"/(?![/\\])[^\\\s]*", location), next_
        assert len(location) < 600
        assert "evil.example" not in location or location.startswith("/%0d%0a")


def test_the_language_switch_comes_back_to_the_same_page(browser):
    browser.get("/a")
    assert (
        browser.post("/language", {"language": "en", "next": "/staff/sign-in?x=1"}).headers["Location"]
        == "/staff/sign-in?x=1"
    )


def test_a_host_header_from_outside_is_never_an_address_of_ours(browser):
    page = browser.client.post("/sign-out", base_url="https://evil.example")
    assert "evil.example" not in page.headers.get("Location", "")
    page = browser.client.get(
        "/home", base_url="https://localhost", headers={"X-Forwarded-Host": "evil.example", "Host": "localhost"}
    )
    assert "evil.example" not in page.headers["Location"]
