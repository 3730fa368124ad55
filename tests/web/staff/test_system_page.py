from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from proapp import webhook
from proapp.db.models import Installation, Message, SiteActivation, StudyVersion


def ticked(runtime: Any, **ago: float) -> None:
    with runtime.writing.begin() as session:
        value = (runtime.clock() - timedelta(**ago)).isoformat()
        session.execute(insert(Installation), {"name": "last_tick", "value": value})


def message(runtime: Any, state: str, **more: Any) -> None:
    hour_ago = runtime.clock() - timedelta(hours=2)
    row = {
        "key": f"test:{state}", "kind": "reminder", "channel": "sms", "due_at": hour_ago, "queued_at": hour_ago,
        "next_try_at": hour_ago, "state": state, "attempts": 0, **more,
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(Message), row)


def test_the_system_page_says_that_everything_runs(people: Any, runtime: Any) -> None:
    ticked(runtime, minutes=1)
    page = people.staff("karin").get("/staff/system").get_data(as_text=True)
    assert "Everything runs" in page
    assert "1 minute ago" in page
    assert ("SQLite" if runtime.engine.dialect.name == "sqlite" else "PostgreSQL") in page


def test_the_system_page_names_what_is_wrong(people: Any, runtime: Any) -> None:
    ticked(runtime, hours=3)
    message(runtime, "queued", gateway="46elks", state_reason="no_connection", attempts=5)
    page = people.staff("ada").get("/staff/system").get_data(as_text=True)
    assert "Everything runs" not in page
    assert "clock does not tick" in page
    assert "A gateway has refused messages for more than an hour" in page
    assert "no connection to the gateway" in page


@pytest.mark.parametrize("name", ["berit", "ivar", "mona", "stina"])
def test_the_system_page_is_for_those_who_answer_for_it(people: Any, name: str) -> None:
    assert people.staff(name).get("/staff/system").status_code == 403


@pytest.mark.parametrize("path", ["/staff/work", "/staff/participants", "/staff/account"])
def test_every_page_says_that_the_clock_stands_still(people: Any, runtime: Any, path: str) -> None:
    ticked(runtime, hours=3)
    assert "clock has stood still since" in people.staff("berit").get(path).get_data(as_text=True)


def test_every_page_says_so_too_where_the_clock_never_began(people: Any, runtime: Any, clock: Any) -> None:
    row = {"number": "1", "content_hash": "0" * 64, "text": "", "recorded_at": clock()}
    with runtime.writing.begin() as session:
        session.execute(insert(StudyVersion), row)
    berit = people.staff("berit")
    assert "clock has stood still" not in berit.get("/staff/account").get_data(as_text=True)  # installed a moment ago
    clock.forward(hours=3)
    assert "clock has stood still since" in people.staff("berit").get("/staff/account").get_data(as_text=True)


def test_a_stranger_is_told_nothing_of_the_clock(browser: Any, runtime: Any) -> None:
    ticked(runtime, hours=3)
    assert "stood still" not in browser.get("/staff/sign-in").get_data(as_text=True)


def test_the_address_for_machines_has_the_same_numbers(browser: Any, runtime: Any, statements: list[str]) -> None:
    ticked(runtime, minutes=1)
    message(runtime, "delivered", handed_over_at=runtime.clock() - timedelta(hours=1))
    statements.clear()
    answer = browser.get("/healthz")
    assert answer.status_code == 200
    told = answer.get_json()
    assert (told["status"], told["troubles"], told["messages"]) == ("ok", [], {"delivered": 1})
    assert told["last_48_hours"] == {"due": 1, "handed_over": 1}
    assert told["last_tick"] == "2026-11-23T08:59:00+00:00"
    assert len(statements) <= 4


def test_the_address_for_machines_fails_when_the_clock_is_late(browser: Any, runtime: Any) -> None:
    ticked(runtime, minutes=11)
    answer = browser.get("/healthz")
    assert answer.status_code == 503
    assert answer.get_json()["troubles"] == ["tick_late"]
    assert answer.get_json()["database"] is True


def test_a_version_that_could_not_begin_at_a_site_is_told(people: Any, runtime: Any, browser: Any) -> None:
    ticked(runtime, minutes=1)
    with runtime.writing.begin() as session:
        version = StudyVersion(number="2.0", content_hash="x", text="", recorded_at=runtime.clock())
        session.add(version)
        session.flush()
        day = runtime.clock().date()
        session.add(SiteActivation(version_id=version.id, site_code="LUN", active_from=day))
    page = people.staff("ada").get("/staff/system").get_data(as_text=True)
    assert "should have begun at a site and could not" in page
    assert "Version 2.0 of the study has not begun" in page
    assert "Lund" in page
    answer = browser.get("/healthz")
    assert (answer.status_code, answer.get_json()["troubles"]) == (503, ["activation_late"])


def test_what_another_system_was_not_told_is_seen(people: Any, runtime: Any, clock: Any) -> None:
    ticked(runtime, minutes=1)
    ada, title = people.staff("ada"), "Another system is told"
    assert title not in ada.get("/staff/system").get_data(as_text=True)
    people.participant("UME-001", randomized_on=clock().date() - timedelta(days=100))
    assert webhook.queue_closed(runtime, now=clock()) == 1
    assert title in ada.get("/staff/system").get_data(as_text=True)
    assert "chip missed" not in ada.text
    clock.forward(hours=2)
    assert "chip missed" in people.staff("ada").get("/staff/system").get_data(as_text=True)
