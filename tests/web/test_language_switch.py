"""Whatever page one stands on, also one that answers a form, changing the language leads to a page that opens."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.web.routes import ROUTES
from tests.web.world import EVERYBODY, build

# Addresses are decided before the database is asked; one engine is enough.
pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def switch(browser: Any) -> str | None:
    """Where the page's language switch leads back to; a question keeps its answer in a form of its own."""
    found = re.search(r'action="/language".*?name="next" value="([^"]*)"', browser.text, re.DOTALL)
    return html.unescape(found[1]) if found else None


@pytest.mark.parametrize("who", EVERYBODY)
def test_the_language_switch_of_every_page_that_answers_a_form_leads_to_a_page(people: Any, who: str) -> None:
    world = build(people)
    wrong, seen = [], 0
    for name, route in ROUTES.items():
        if "POST" not in route.methods or not ({who, "anyone"} & route.audience) or name.startswith("gateway."):
            continue
        browser = world.browser(who)
        page = browser.post(world.anna.address(route.path))
        if page.mimetype != "text/html" or 300 <= page.status_code < 400:
            continue
        address = switch(browser)
        if address is None:
            wrong += [] if 'name="language"' in browser.text else [(name, "no switch")]
            continue
        seen += 1
        browser.post("/language", {"language": "sv", "next": address})
        if browser.follow().status_code != 200 or '<html lang="sv">' not in browser.text:
            wrong.append((name, address, browser.page.status_code))
    assert wrong == []
    assert seen or who == "statistician"


@pytest.mark.parametrize(
    ("who", "posted", "form", "back"),
    [
        ("patient", "/contact/pin", {"pin": "9999"}, "/contact"),
        ("nurse", "/staff/account/password", {"old": "x", "new": "y"}, "/staff/account"),
        ("nurse", "/staff/assessments/{assessment}/decline", {}, "/staff/assessments/{assessment}/reason"),
        ("administrator", "/staff/users/{user}/access", {}, "/staff/users/{user}"),
        ("administrator", "/staff/users/{user}/suspend", {}, "/staff/users/{user}"),
        ("administrator", "/staff/users/{user}/reset", {}, "/staff/users/{user}"),
    ],
)
def test_it_leads_to_the_page_on_which_the_form_stands(
    people: Any, clock: Any, who: str, posted: str, form: dict[str, str], back: str
) -> None:
    world = build(people)
    browser = world.browser(who)
    if "contact" in posted:
        clock.forward(minutes=20)  # the PIN is asked for once more
    browser.post(world.anna.address(posted), form)
    assert switch(browser) == world.anna.address(back)


def test_an_error_page_can_be_read_in_the_other_language(browser: Any) -> None:
    browser.get("/a")
    browser.get("/sign-out?x=1")
    assert switch(browser) == "/sign-out?x=1"
    browser.post("/language", {"language": "sv", "next": switch(browser)})
    assert browser.follow().status_code == 405
    assert '<html lang="sv">' in browser.text


@pytest.mark.parametrize(("path", "first"), [("/nothing", "/"), ("/staff/nothing", "/staff/")])
def test_a_page_that_is_not_there_looks_the_same_whatever_was_asked(browser: Any, path: str, first: str) -> None:
    browser.get("/a")
    browser.get(path)
    assert switch(browser) == first


def test_a_browser_that_never_had_a_form_is_given_none_by_an_error(browser: Any) -> None:
    browser.get("/nothing")
    assert switch(browser) is None
    assert "Set-Cookie" not in browser.page.headers


def test_while_something_is_away_the_error_asks_for_nothing_more(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError

    browser.get("/a")
    monkeypatch.setattr("proapp.web.public.render_template", broken)
    assert browser.get("/about/privacy").status_code == 500
    assert switch(browser) is None
