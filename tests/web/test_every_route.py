"""Every route, for every role and for strangers, against a table written by hand; and what nobody else's pages may show."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask, g

from proapp.web.guard import UndeclaredRoute, audience, require_audiences
from tests.web.routes import GATEWAY, ROUTES, SCOPES, STAFF
from tests.web.world import EVERYBODY, ROLES, World, build, fingerprint, without_tokens

# Who may open what is decided before the database is asked; one engine is enough.
pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

ABSENT = {
    "assessment": 987654,
    "participant": "UME-987",
    "event": 987654,
    "user": 987654,
    "message": 987654,
    "proposal": 987654,
}
OF_A_PARTICIPANT = {name: route for name, route in ROUTES.items() if re.search(r"\{(participant|assessment|event|message|proposal)\}", route.path)}  # fmt: skip


@pytest.fixture
def world(people: Any) -> World:
    return build(people)


@pytest.fixture
def watched_app(app: Flask) -> Flask:
    """Marks the answers that a view has made itself, so that a redirect of the guard is told from one of a view."""

    def watched(view):
        def run(*args, **kwargs):
            g.view_ran = True
            return view(*args, **kwargs)

        run.audience = view.audience
        return run

    app.view_functions.update({name: watched(view) for name, view in app.view_functions.items()})

    @app.after_request
    def mark(response):
        response.headers["X-View-Ran"] = "yes" if g.get("view_ran") else "no"
        return response

    return app


def open_(browser: Any, path: str, method: str) -> Any:
    return browser.get(path) if method == "GET" else browser.post(path)


# --- the table


def test_every_route_is_in_the_table_with_its_methods_and_audience(app):
    found = {
        rule.endpoint: (set(rule.methods) - {"HEAD", "OPTIONS"}, set(app.view_functions[rule.endpoint].audience))
        for rule in app.url_map.iter_rules()
    }
    expected = {name: (set(route.methods.split()), set(route.audience)) for name, route in ROUTES.items()}
    assert found.keys() - expected.keys() == set(), "add these to tests/web/routes.py"
    assert expected.keys() - found.keys() == set(), "these are gone; take them out of tests/web/routes.py"
    assert {name: found[name] for name in found if found[name] != expected[name]} == {}


def test_every_address_of_the_table_leads_to_its_view(app, world):
    adapter = app.url_map.bind("localhost")
    for name, route in ROUTES.items():
        path = world.anna.address(route.path).split("?")[0]
        assert {adapter.match(path, method=method)[0] for method in route.methods.split()} == {name}


@pytest.mark.parametrize("who", EVERYBODY)
def test_each_person_opens_what_is_theirs_and_nothing_else(watched_app, world, who):
    wrong = []
    for name, route in ROUTES.items():
        for method in route.methods.split():
            page = open_(world.browser(who), world.anna.address(route.path), method)
            if judged(page) != expected(who, route.audience):
                wrong.append((name, method, judged(page), page.headers.get("Location")))
    assert wrong == []


def expected(who: str, allowed: frozenset[str]) -> str:
    if allowed == {"anyone_but_clinic"}:
        return "led away" if who == "clinic" else "opened"
    if "anyone" in allowed or who in allowed:
        return "opened"
    if allowed <= SCOPES:
        return "forbidden" if who in SCOPES else "not let in"
    if (who in ROLES and allowed <= STAFF) or allowed == GATEWAY:
        return "forbidden"
    return "led away"


def judged(page: Any) -> str:
    assert page.status_code < 500
    if page.headers["X-View-Ran"] == "yes":
        return "opened"
    return {401: "not let in", 403: "forbidden", 303: "led away"}[page.status_code]


# --- deny by default


def test_a_view_without_an_audience_keeps_the_app_from_starting(app):
    app.view_functions["forgotten"] = lambda: "hello"
    with pytest.raises(UndeclaredRoute, match="forgotten"):
        require_audiences(app)


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("everybody",),
        ("nurse", "owner"),
        ("anyone", "nurse"),
        ("patient", "anyone"),
        ("clinic", "nurse"),
        ("clinic", "patient_pending"),
    ],
)
def test_an_audience_that_is_none_is_refused_where_it_is_declared(app, names):
    with pytest.raises(UndeclaredRoute):
        audience(*names)


def test_what_is_not_there_is_a_plain_404(browser):
    for path in (
        "/nothing",
        "/staff/nothing",
        "/.git/config",
        "/debug",
        "/metrics",
        "/console",
        "/staff/users/abc",
        "/static/0/../../wsgi.py",
        "/static/0/nothing.css",
        "/static/0/css/base.css.map",
    ):
        assert browser.get(path).status_code == 404, path
        assert "Traceback" not in browser.text


def test_other_methods_are_refused(browser):
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        assert browser.client.open("/staff/sign-in", method=method, base_url="https://localhost").status_code in (
            400,
            405,
        )


# --- two sites


def test_another_sites_participant_is_as_absent_as_none(world, engine):
    """charlie, lisa and a machine of Lund ask for anna of Umeå by every address and method: the same answer as for nobody at all."""
    machines = {
        one.audience: outsider(world, one.audience) for one in OF_A_PARTICIPANT.values() if one.audience <= SCOPES
    }
    before = fingerprint(engine, but=("auth_session",))
    for name, route in OF_A_PARTICIPANT.items():
        for method in route.methods.split():
            answers = []
            for path in (world.anna.address(route.path), route.path.format(**ABSENT)):
                page = open_(machines.get(route.audience) or outsider(world, route.audience), path, method)
                answers.append((page.status_code, *ignoring_what_was_asked(page, path)))
            assert answers[0] == answers[1], (name, method)
            assert answers[0][0] == 404 or name == "staff.find", (name, method)
            assert fingerprint(engine, but=("auth_session",)) == before, (name, method)


def outsider(world: World, allowed: frozenset[str]) -> Any:
    """Somebody of Lund who may open such a page, for participants of Lund."""
    if "patient" in allowed:
        return world.people.patient(world.lisa.participant_id)
    if "clinic" in allowed:
        return world.people.tablet(world.lisa.participant_id, world.lisa.assessment)
    if allowed <= SCOPES:
        return world.people.machine(*allowed, sites=("LUN",))
    assert "nurse" in allowed, "an outsider is missing for this kind of page"
    return world.people.staff("charlie")


def ignoring_what_was_asked(page: Any, path: str) -> list[str]:
    """Body and forwarding address without the asker's own words (the address they typed, the search they made)."""
    texts = [without_tokens(page), page.headers.get("Location", "")]
    bare = path.split("?")[0]
    for own in (path, bare, bare.rpartition("/")[0] or bare, "UME-001", "UME-987"):
        texts = [text.replace(own, "…") for text in texts]
    return texts


@pytest.mark.parametrize("other", ["event", "participant"])
def test_ids_of_two_participants_are_never_mixed(world, other):
    """An own participant with somebody else's event, and the other way round."""
    browser = world.people.staff("charlie")
    values = {"participant": world.lisa.participant, "event": world.lisa.event, other: getattr(world.anna, other)}
    assert browser.get(ROUTES["staff.revoke_event"].path.format(**values)).status_code == 404


def test_no_page_of_one_site_names_a_participant_of_the_other(world):
    browser = world.people.staff("charlie")
    seen = []
    for endpoint, route in ROUTES.items():
        if "nurse" in route.audience and "GET" in route.methods:
            page = browser.get(world.lisa.address(route.path))
            assert page.status_code < 400, endpoint
            assert "UME-001" not in page.get_data(as_text=True), endpoint
            seen.append("LUN-001" in page.get_data(as_text=True))
    assert any(seen)


def test_an_administrator_sees_no_participant_anywhere(world):
    browser = world.browser("administrator")
    for endpoint, route in ROUTES.items():
        if "administrator" in route.audience and "GET" in route.methods:
            page = browser.get(world.anna.address(route.path)).get_data(as_text=True)
            assert "UME-001" not in page, endpoint
            assert "LUN-001" not in page, endpoint


@pytest.mark.parametrize("who", ["statistician", "monitor", "administrator"])
def test_contact_data_are_on_no_page_of_those_who_may_not_have_them(world, who):
    browser = world.browser(who)
    for endpoint, route in ROUTES.items():
        if who in route.audience and "GET" in route.methods:
            page = browser.get(world.anna.address(route.path)).get_data(as_text=True)
            digits = re.sub(r"[ \-()]", "", page)
            assert "0701740605" not in digits, endpoint
            assert "+46701740605" not in digits, endpoint
