"""Who is let in at /api: a token that is in force, and nothing else."""

from __future__ import annotations

import io
import logging
from datetime import date
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from proapp import logs
from proapp.cli import api_token
from proapp.db.models import ApiToken, ApiUse, SignInAttempt
from proapp.services import api_tokens
from proapp.services.audit import COMMAND_LINE
from tests.web.world import ROLES, fingerprint

pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
LIST = "/api/v1/participants"


@pytest.fixture
def ask(app: Any) -> Any:
    """Ask as a program does: no cookies, this Authorization header or none."""

    def send(authorization: str | None = None, path: str = LIST, method: str = "GET", **more: Any) -> Any:
        headers = {"Authorization": authorization} if authorization is not None else {}
        client = app.test_client(use_cookies=False)
        return client.open(path, method=method, base_url="https://localhost", headers=headers, **more)

    return send


def bearer(machine: Any) -> str:
    return str(machine.client.environ_base["HTTP_AUTHORIZATION"])


def problem(page: Any, status: int) -> dict[str, Any]:
    assert page.status_code == status
    assert page.mimetype == "application/problem+json"
    said = page.get_json()
    assert said["status"] == status
    assert said["detail"].endswith((".", ").")), said["detail"]
    return dict(said)


def test_a_token_in_force_is_let_in(people, ask):
    people.participant("UME-001")
    page = ask(bearer(people.machine("participants:read")))
    assert page.status_code == 200
    assert [one["study_id"] for one in page.get_json()["data"]] == ["UME-001"]
    assert page.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in page.headers


def test_an_unknown_an_ended_an_old_and_no_token_are_told_the_same(people, ask, runtime):
    ended, old = people.machine("participants:read"), people.machine("participants:read")
    with runtime.writing.begin() as session:
        api_tokens.end(session, token_id=ended.token_id, reason="Lost", actor=COMMAND_LINE, now=runtime.clock())
        session.execute(update(ApiToken).where(ApiToken.id == old.token_id).values(expires_at=runtime.clock()))
    asked = [None, "Bearer proapp_unknown", "Bearer ", "Basic YTpi", bearer(ended), bearer(old)]
    answers = [problem(ask(authorization), 401) for authorization in asked]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["type"] == "urn:proapp:problem:token_refused"
    assert ask().headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_works_to_the_end_of_its_last_local_day(people, ask, runtime, clock):
    token = bearer(people.machine("participants:read"))
    clock.set(clock().replace(year=2027, month=12, day=31, hour=22, minute=59))
    assert ask(token).status_code == 200
    clock.forward(minutes=1)
    assert ask(token).status_code == 401


def test_a_scope_that_is_missing_is_named(people, ask):
    said = problem(ask(bearer(people.machine("compliance:read", "participants:write"))), 403)
    assert "participants:read" in said["detail"]


@pytest.mark.parametrize("who", ["patient", *ROLES])
def test_a_cookie_opens_nothing(people, app, who, engine):
    """That is why no form token is asked for here: what a browser sends by itself is not looked at."""
    anna = people.participant("UME-001")
    browser = people.patient(anna) if who == "patient" else people.staff(ROLES[who])
    before = fingerprint(engine)
    for path in (LIST, f"{LIST}/UME-001", "/api/v1/assessments", "/api/v1/compliance", "/api/v1/exports"):
        problem(browser.get(path), 401)
    assert fingerprint(engine) == before


def test_wrong_tokens_are_soon_not_looked_at_and_the_right_one_always_is(people, ask, runtime):
    right = bearer(people.machine("participants:read"))
    answers = [ask("Bearer proapp_guessed") for _ in range(8)]
    assert [page.status_code for page in answers] == [401] * 5 + [429] * 3
    assert int(answers[-1].headers["Retry-After"]) > 0
    with runtime.reading() as session:
        assert len(session.scalars(select(SignInAttempt)).all()) == 5
    assert ask(right).status_code == 200


def test_without_a_token_nothing_is_counted_and_nothing_written(ask, engine):
    before = fingerprint(engine)
    for _ in range(8):
        assert ask().status_code == 401
    assert fingerprint(engine) == before


def test_what_is_read_is_counted_by_token_and_day(people, ask, runtime, clock):
    people.participant("UME-001")
    people.participant("UME-002")
    machine = people.machine("participants:read", "assessments:read")
    for path in (LIST, f"{LIST}/UME-001", "/api/v1/assessments"):
        assert ask(bearer(machine), path).status_code == 200
    assert ask(bearer(machine), f"{LIST}/UME-009").status_code == 404
    clock.forward(days=1)
    assert ask(bearer(machine)).status_code == 200
    with runtime.reading() as session:
        rows = session.execute(
            select(ApiUse.day, ApiUse.scope, ApiUse.requests, ApiUse.participants).order_by(ApiUse.id)
        )
        assert [tuple(row) for row in rows] == [
            (date(2026, 11, 23), "participants:read", 2, 3),
            (date(2026, 11, 23), "assessments:read", 1, 2),
            (date(2026, 11, 24), "participants:read", 1, 2),
        ]
        [listed] = api_tokens.listing(session, study=runtime.study, now=clock())
        assert listed.last_used_on == date(2026, 11, 24)


def test_the_token_is_kept_as_a_hash_only(people, engine, runtime):
    token = bearer(people.machine("participants:read")).removeprefix("Bearer ")
    assert len(token) > 43
    with engine.connect() as connection:
        kept = repr(connection.execute(select(ApiToken.__table__)).all())
    assert token not in kept
    assert token.removeprefix("proapp_") not in kept


def test_no_token_and_no_study_id_is_in_a_log_line(people, ask):
    people.participant("UME-001")
    token = bearer(people.machine("participants:read"))
    stream, root = io.StringIO(), logging.getLogger()
    level = root.level
    logs.configure("DEBUG", stream)
    try:
        for authorization in (token, "Bearer proapp_guessed"):
            ask(authorization, f"{LIST}/UME-001")
            ask(authorization, f"{LIST}?after=UME-001&nonsense=1")
    finally:
        for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
            root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
    written = stream.getvalue()
    assert written.count('"event": "request"') == 4
    for private in (token, token.removeprefix("Bearer "), "guessed", "UME-001", "nonsense"):
        assert private not in written


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/api/v1/nothing", "GET", 404), ("/api/v1/participants/", "GET", 404), (LIST, "DELETE", 405)],
)
def test_errors_are_told_as_problems(ask, path, method, status):
    problem(ask(None, path, method), status)


def test_faults_of_ours_say_a_reference_and_nothing_else(app, ask):
    from proapp.web.guard import audience

    @audience("anyone")
    def broken():
        raise RuntimeError("SELECT secret FROM anna")

    app.add_url_rule("/api/v1/broken", "api_broken", broken)
    page = ask(None, "/api/v1/broken")
    said = page.get_json()
    assert (page.status_code, page.mimetype) == (500, "application/problem+json")
    assert "reference" in said["detail"]
    assert not {"SELECT", "anna", "RuntimeError"} & set(str(said).split())


def test_the_command_line_knows_the_same_scopes():
    assert api_token.SCOPES == api_tokens.SCOPES
