"""The front door, the language, the pages for everybody, and errors that help."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from proapp.services import installation

PLACES = ["/", "/a", "/about/privacy", "/about/accessibility"]


def test_the_front_door_leads_where_one_left_off(people: Any, browser: Any) -> None:
    assert browser.get("/").headers["Location"] == "/a"
    anna = people.patient(people.participant("UME-001"))
    assert anna.get("/").headers["Location"] == "/home"


@pytest.mark.parametrize("language", ["sv", "en"])
def test_every_public_page_is_there_in_both_languages(browsers: Any, language: str) -> None:
    browser = browsers(language)
    for path in PLACES[1:]:
        assert browser.get(path).status_code == 200
        assert f'<html lang="{language}">' in browser.text


def test_the_language_is_changed_by_post_and_kept(browser: Any) -> None:
    browser.get("/about/privacy")
    page = browser.post("/language", {"language": "sv", "next": "/about/privacy"})
    assert (page.status_code, page.headers["Location"]) == (303, "/about/privacy")
    browser.follow()
    assert '<html lang="sv">' in browser.text
    browser.get("/about/accessibility")
    assert '<html lang="sv">' in browser.text
    assert browser.get("/language").status_code == 405


def test_an_unknown_language_changes_nothing(browser: Any) -> None:
    browser.get("/a")
    browser.post("/language", {"language": "xx", "next": "/a"})
    assert '<html lang="en">' in browser.follow().get_data(as_text=True)


ELSEWHERE = (
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "https:evil.example",
    "javascript:alert(1)", "", "a", " /a", "/a\r\nX: y", "/\t/evil.example", "/%0d%0a" + "x" * 600,
)  # fmt: skip


def test_the_way_back_never_leaves_this_site(browser: Any) -> None:
    browser.get("/a")
    for address in ELSEWHERE:
        page = browser.post("/language", {"language": "sv", "next": address})
        assert page.headers["Location"] == "/", address


def test_changing_the_language_needs_the_form_token(browser: Any) -> None:
    page = browser.post("/language", {"language": "sv"}, token=False)
    assert page.status_code == 400
    assert "open too long" in browser.text


def test_health_is_well_when_answers_can_be_saved(browser: Any) -> None:
    page = browser.get("/healthz")
    assert page.status_code == 200
    assert page.get_json()["status"] == "ok"


def test_health_names_no_machine_to_strangers(browser: Any, runtime: Any) -> None:
    with runtime.writing.begin() as session:
        installation.note_worker(session, "db7.inside.hos:4711:ab12cd", now=runtime.clock())
    page = browser.get("/healthz")
    assert page.get_json()["workers"] == [runtime.clock().isoformat(timespec="seconds")]
    assert "inside" not in browser.text


@pytest.mark.alters_database
def test_health_fails_when_the_migrations_are_behind(browser: Any, runtime: Any) -> None:
    with runtime.writing.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    page = browser.get("/healthz")
    assert page.status_code == 503
    assert page.get_json()["migrations"] is False


def test_health_says_so_when_the_database_is_away(browser: Any, runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def away(_engine: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr("proapp.web.public.current_revision", away)
    page = browser.get("/healthz")
    assert page.status_code == 503
    assert page.get_json() == {**page.get_json(), "status": "failing", "database": False}


@pytest.mark.parametrize(("path", "face"), [("/nothing-here", "patient"), ("/staff/nothing-here", "staff")])
def test_a_page_that_is_not_there_leads_to_the_first_page_of_its_face(browser: Any, path: str, face: str) -> None:
    page = browser.get(path)
    assert page.status_code == 404
    assert "There is no such page" in browser.text
    assert f"/{face}.css" in browser.text


def test_the_wrong_method_is_said_so(browser: Any) -> None:
    page = browser.post("/about/privacy")
    assert page.status_code == 405
    assert page.headers["Allow"]


def test_a_fault_of_ours_gives_a_reference_and_no_detail(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("the answer was 4")

    monkeypatch.setattr("proapp.web.public.render_template", broken)
    page = browser.get("/about/privacy")
    assert page.status_code == 500
    assert "reference" in browser.text
    assert "the answer was 4" not in browser.text


def test_too_large_a_form_is_refused(browser: Any) -> None:
    browser.get("/a")
    assert browser.post("/a", {"code": "x" * 300_000}).status_code == 413


def test_while_the_database_is_away_a_patient_is_told_to_wait_and_that_the_rest_is_safe(
    people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    anna = people.patient(people.participant("UME-001"))

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr("proapp.services.sessions.find_patient", away)
    page = anna.get("/home")
    assert page.status_code == 503
    assert page.headers["Retry-After"]
    assert "was not saved" in anna.text
    assert '<details class="call" open>' in anna.text  # nobody has to look for the number now
