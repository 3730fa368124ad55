"""Tokens for machines: made, listed and ended, by a service and as a technician types it."""

from __future__ import annotations

import base64
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from proapp.cli import main
from proapp.db.models import ApiToken, AuditEvent
from proapp.services import api_tokens, installation
from proapp.services.audit import COMMAND_LINE
from proapp.services.errors import NotFound, Refused

GOOD: dict[str, Any] = {
    "name": "Register",
    "scopes": ("participants:read",),
    "sites": (),
    "sees_arms": False,
    "last_day": date(2027, 1, 31),
}


@pytest.fixture
def add(session: Any, runtime: Any) -> Any:
    def one(**more: Any) -> api_tokens.Made:
        values = {**GOOD, **more}
        return api_tokens.add(
            session, runtime.vault, study=runtime.study, **values, actor=COMMAND_LINE, now=runtime.clock()
        )

    return one


def test_the_use_of_one_day_is_one_row_on_both_engines(add, session, clock):
    machine = api_tokens.find(session, add().token, now=clock())
    assert machine is not None
    for _ in range(3):
        api_tokens.note_use(session, machine, scope="participants:read", participants=2, day=date(2026, 11, 23))
    row = session.scalars(select(api_tokens.ApiUse)).one()
    session.refresh(row)
    assert (row.requests, row.participants) == (3, 6)


def test_all_sites_and_some_are_told_apart_on_both_engines(add, session, clock):
    everywhere, lund = add(), add(sites=("LUN", "LUN"))
    session.commit()
    found = [api_tokens.find(session, one.token, now=clock()) for one in (everywhere, lund)]
    assert [one and one.sites for one in found] == [None, frozenset({"LUN"})]
    assert [one.actor.kind for one in found if one] == ["machine", "machine"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"name": " "}, "token_name_invalid"),
        ({"name": "x" * 81}, "token_name_invalid"),
        ({"name": "a\x00b"}, "token_name_invalid"),
        ({"scopes": ()}, "scopes_needed"),
        ({"scopes": ("participants:read", "everything")}, "scope_unknown"),
        ({"sites": ("XXX",)}, "site_unknown"),
        ({"scopes": ("exports:read",), "sites": ("UME",)}, "exports_of_all_sites"),
        ({"last_day": date(2026, 11, 22)}, "last_day_over"),
    ],
)
def test_what_makes_no_sense_is_refused(add, session, more, code):
    with pytest.raises(Refused, match=code):
        add(**more)
    assert session.scalars(select(ApiToken)).all() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_is_ended_once_with_a_reason_and_is_still_listed(add, session, runtime, clock):
    made = add()
    about: dict[str, Any] = {"token_id": made.token_id, "actor": COMMAND_LINE, "now": clock()}
    with pytest.raises(Refused, match="reason_needed"):
        api_tokens.end(session, reason=" ", **about)
    api_tokens.end(session, reason="Project over", **about)
    with pytest.raises(Refused, match="token_ended"):
        api_tokens.end(session, reason="Project over", **about)
    with pytest.raises(NotFound):
        api_tokens.end(session, reason="x", **{**about, "token_id": 99})
    assert api_tokens.find(session, made.token, now=clock()) is None
    [listed] = api_tokens.listing(session, study=runtime.study, now=clock())
    assert (listed.state, listed.last_day, listed.last_used_on) == ("ended", GOOD["last_day"], None)
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [event.action for event in events] == ["api_token.added", "api_token.ended"]
    assert made.token not in "".join(event.details for event in events)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_technician_makes_lists_and_ends_one(settings, runtime, session):
    installation.mark(session, demo=False)
    session.commit()
    environment = {
        "PROAPP_DATABASE_URL": settings.database_url,
        "PROAPP_SECRET_KEY": settings.secret_key,
        "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(settings.contact_keys[0]).decode(),
        "PROAPP_BASE_URL": settings.base_url,
    }

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["api-token", *arguments], env=environment)

    asked = ("add", "--name", "Register", "--scope", "participants:read", "--site", "UME", "--arms", "--until")
    made = run(*asked, "2099-12-31")
    assert made.exit_code == 0, made.output
    number, token = made.output.split()[1:3]
    assert token.startswith("proapp_")
    listed = run("list").output.strip().split("\t")
    assert listed == ["1", "active", "until 2099-12-31", "never used", "participants:read,arms", "UME", "Register"]
    assert run("end", number.rstrip(":"), "--reason", "Lost").exit_code == 0
    again = run("end", "1", "--reason", "Lost")
    assert (again.exit_code, "ended already" in again.output) == (1, True)
    assert "no token with that number" in run("end", "9", "--reason", "x").output
    assert "must not be over" in run(*asked, "2020-01-01").output
    assert "has no site XXX" in run(*asked[:5], "--site", "XXX", "--until", "2099-01-01").output
