"""Reading changes nothing; writing needs the form's own token."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.routes import GATEWAY, ROUTES, SCOPES
from tests.web.world import ROLES, World, build, fingerprint

pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

# Gateways and machines have no form; what they are let in by is tried in test_gateway.py and api/test_letting_in.py.
FACES = {name: route for name, route in ROUTES.items() if route.audience != GATEWAY and not route.audience <= SCOPES}
POSTS = sorted(name for name, route in FACES.items() if "POST" in route.methods)
GETS = sorted(name for name, route in FACES.items() if "GET" in route.methods)


@pytest.fixture
def world(people: Any) -> World:
    return build(people)


def somebody_allowed(world: World, name: str) -> Any:
    allowed = ROUTES[name].audience
    return world.browser(next((role for role in ROLES if role in allowed), min(allowed)))


def test_a_post_without_the_forms_token_is_refused_and_writes_nothing(world, engine):
    browsers = {name: somebody_allowed(world, name) for name in POSTS}
    before = fingerprint(engine)
    for name, browser in browsers.items():
        for form in ({}, {"csrf_token": ""}, {"csrf_token": "made up"}):
            page = browser.post(world.anna.address(ROUTES[name].path), form, token=False)
            assert page.status_code == 400, name
            assert "csrf" not in browser.text.lower().replace('name="csrf_token"', ""), name
        assert fingerprint(engine) == before, name


def test_the_token_of_another_browser_does_not_do(browsers):
    one, other = browsers(), browsers()
    one.get("/staff/sign-in")
    stolen = one.form_token()
    other.get("/staff/sign-in")
    form = {"email": "a@example.org", "password": "wrong wrong wrong"}
    assert other.post("/staff/sign-in", {**form, "csrf_token": stolen}).status_code == 400
    assert one.post("/staff/sign-in", {**form, "csrf_token": stolen}).status_code == 422


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_writes_nothing_but_when_a_session_was_last_used(world, engine, clock, method):
    browsers = {name: somebody_allowed(world, name) for name in GETS}
    clock.forward(minutes=2)  # so that the use is worth noting
    before = fingerprint(engine, but=("auth_session",))
    for name, browser in browsers.items():
        path = world.anna.address(ROUTES[name].path)
        page = browser.client.open(path, method=method, base_url="https://localhost")
        assert page.status_code < (400 if method == "GET" else 500), name
        assert fingerprint(engine, but=("auth_session",)) == before, name


def test_a_page_that_may_only_read_and_changes_something_is_an_error_and_writes_nothing(app, engine, browser):
    from proapp.db.models import StaffUser
    from proapp.web.guard import audience
    from proapp.web.transactions import database, now

    @audience("anyone")
    def careless():
        database().add(StaffUser(email="x@example.org", name="x", role="nurse", language="sv", created_at=now()))
        return "done"

    app.add_url_rule("/careless", "careless", careless)
    before = fingerprint(engine)
    assert browser.get("/careless").status_code == 500
    assert fingerprint(engine) == before


@pytest.mark.parametrize("end", ["refuses", "undoes", "keeps"])
def test_a_view_that_refuses_after_writing_leaves_nothing_behind_unless_it_says_so(app, engine, browser, end):
    from proapp.db.models import StaffUser
    from proapp.web.guard import audience
    from proapp.web.transactions import database, keep, now, undo

    @audience("anyone")
    def half_way():
        database().add(StaffUser(email="x@example.org", name="x", role="nurse", language="sv", created_at=now()))
        database().flush()
        if end == "undoes":
            undo()
            return "done", 200, {"Content-Type": "text/plain"}
        if end == "keeps":
            keep()
        return "not like this", 422, {"Content-Type": "text/plain"}

    app.add_url_rule("/half-way", "half_way", half_way, methods=["POST"])
    before = fingerprint(engine)
    browser.get("/a")
    browser.post("/half-way")
    assert (fingerprint(engine) == before) is (end != "keeps")


def test_a_refused_form_is_a_use_of_the_session_all_the_same(people, runtime, clock):
    """Whoever struggles with a form is not signed out while mending it."""
    berit = people.staff("berit")
    berit.get("/staff/participants/new")
    for _ in range(3):
        clock.forward(minutes=25)
        assert berit.post("/staff/participants/new", {"study_id": "nonsense"}).status_code == 422


def test_a_view_that_fails_after_writing_leaves_nothing_behind(app, engine, browser):
    from proapp.db.models import StaffUser
    from proapp.web.guard import audience
    from proapp.web.transactions import database, now

    @audience("anyone")
    def half_way():
        database().add(StaffUser(email="x@example.org", name="x", role="nurse", language="sv", created_at=now()))
        database().flush()
        raise RuntimeError("half way")

    app.add_url_rule("/half-way", "half_way", half_way, methods=["POST"])
    before = fingerprint(engine)
    browser.get("/a")
    assert browser.post("/half-way").status_code == 500
    assert "half way" not in browser.text
    assert fingerprint(engine) == before
