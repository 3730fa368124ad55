"""axe finds nothing on any page of the product, in either language: whoever may open it, and when its form is refused.

The pages are those of the tests' world (tests/web/world.py), at its fixed moment: the browser's requests are answered by
the application itself, without a server between them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import update

from proapp.db.models import Participant, StaffUser
from tests.conftest import START
from tests.e2e.conftest import SHOWN, large_targets, no_sideways_scrolling
from tests.web.routes import ROUTES
from tests.web.world import ROLES, World, build

# What a page looks like does not depend on the engine.
pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
ORIGIN = "https://localhost"
WHO = (
    "anyone",
    "anyone_but_clinic",
    "patient",
    "clinic",
    "staff_pending",
    "staff_suspended",
    "coordinator",
    "administrator",
)


def pages_of(who: str) -> list[str]:
    """The addresses that `who` is the first of WHO to open; of the questionnaire all kinds of pages."""
    found = []
    for name, route in ROUTES.items():
        first = next((one for one in WHO if one in route.audience), None)
        if "GET" in route.methods and (first == who or (who == "clinic" and "clinic" in route.audience)):
            found.append((name, route))
    more = ["/assessment/{assessment}/c30/29"] if who in ("patient", "clinic") else []
    return [route.path for _, route in found] + more + (["/nowhere", "/staff/nowhere"] if who == "anyone" else [])


def forms_of(who: str) -> list[str]:
    first = {name: next((one for one in WHO if one in route.audience), None) for name, route in ROUTES.items()}
    return [route.path for name, route in ROUTES.items() if first[name] == who and route.methods == "GET POST"]


@pytest.fixture
def window(chromium: Browser) -> Any:
    context = chromium.new_context(base_url=ORIGIN, service_workers="block", timezone_id="Europe/Stockholm")
    page = context.new_page()
    page.clock.set_fixed_time(START)
    yield page
    context.close()


def answering(client: Any, prepared: dict[str, Any]) -> Callable[[Route], None]:
    """Hands what the browser asks to the application; `prepared` holds answers that are there already, by address."""

    def answer(route: Route) -> None:
        asked = route.request
        ready = prepared.pop(asked.url, None) or client.open(
            asked.url.removeprefix(ORIGIN), method=asked.method, base_url=ORIGIN, data=asked.post_data_buffer,
            headers={name: value for name, value in asked.headers.items() if name in ("content-type", "x-csrftoken")},
        )  # fmt: skip
        kept = {name: value for name, value in ready.headers.items() if name.lower() != "set-cookie"}
        route.fulfill(status=ready.status_code, headers=kept, body=ready.get_data())

    return answer


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("who", WHO)
def test_no_page_has_a_finding(people: Any, window: Page, axe: Any, who: str, language: str) -> None:
    world = build(people)
    client = in_language(world, who, language)
    prepared: dict[str, Any] = {}
    window.route("**/*", answering(client, prepared))
    seen = 0
    for path in [world.anna.address(one).replace("/offline/sv", f"/offline/{language}") for one in pages_of(who)]:
        answer = client.get(path, base_url=ORIGIN)
        if answer.mimetype == "text/html" and answer.status_code in (200, 404):
            prepared[ORIGIN + path] = answer
            check(window, path, axe, language)
            seen += 1
    for path in [world.anna.address(one) for one in forms_of(who)]:
        refused = client.post(path, base_url=ORIGIN, data={"csrf_token": token_of(client, path)})
        if refused.status_code == 422:
            prepared[ORIGIN + path] = refused
            check(window, path, axe, language)
            seen += 1
    assert seen >= 1


def in_language(world: World, who: str, language: str) -> Any:
    """The test client of somebody whose language this is."""
    with world.people.runtime.writing.begin() as session:
        session.execute(update(Participant).values(language=language))
    browser = world.browser({"anyone_but_clinic": "anyone"}.get(who, who))
    with world.people.runtime.writing.begin() as session:
        session.execute(update(StaffUser).values(language=language))
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
    return browser.client


def token_of(client: Any, path: str) -> str:
    found = re.search(
        r'name="csrf_token"[^>]*value="([^"]+)"', client.get(path, base_url=ORIGIN).get_data(as_text=True)
    )
    return found[1] if found else ""


def check(page: Page, path: str, axe: Any, language: str) -> None:
    """A patient's page on a small screen and on a desk; one of staff on a desk, dark for one language, light for the
    other."""
    page.goto(path)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("h1:visible")).to_have_count(1)
    looked_at(page, axe, language, staff=path.startswith("/staff"))


def looked_at(page: Page, axe: Any, language: str, *, staff: bool = False) -> None:
    for viewport, dark in SHOWN[language][: 1 if staff else None]:
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        axe(page)
        if not staff:
            no_sideways_scrolling(page)
            large_targets(page)


@pytest.mark.parametrize("language", ["sv", "en"])
def test_nothing_that_the_phone_shows_by_itself_has_a_finding(
    people: Any, window: Page, axe: Any, language: str
) -> None:
    """What a script puts in the place of the question: kept, received elsewhere, locked, the question, the list, and what
    is asked before one signs out with something not sent."""
    world = build(people)
    window.route("**/*", answering(in_language(world, "patient", language), {}))
    for last_before, address in (("c30/28", "c30/29"), ("lmc21/51", "review")):
        window.goto(world.anna.address(f"/assessment/{{assessment}}/{last_before}"))
        with window.expect_response("**/kept"):  # the questionnaire is here
            window.locator("input[name=answer]").first.check()
            window.locator("form#q button[value=save].button").click()
        expect(window).to_have_url(re.compile(f"{address}$"))
        looked_at(window, axe, language)
    for view in ("kept", "received", "locked"):
        window.evaluate(
            "name => document.getElementById('main').replaceChildren("
            "document.getElementById(`view-${name}`).content.cloneNode(true))",
            view,
        )
        expect(window.locator("main h1")).to_be_visible()
        looked_at(window, axe, language)
    window.evaluate(
        "() => document.body.append(document.getElementById('view-unsent').content.firstElementChild.cloneNode(true))"
    )
    window.evaluate("() => document.querySelector('dialog').showModal()")
    expect(window.locator("dialog[open]")).to_be_visible()
    looked_at(window, axe, language)


def test_nobody_else_opens_another_page() -> None:
    others = set(ROLES) - set(WHO)
    assert [name for name, route in ROUTES.items() if route.audience <= others] == []
