"""Without scripts, an answer sent after the session has ended is not saved: the question comes back and says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.people import PIN


def sign_in_again(anna: Any, person: int | None = None) -> Any:
    """The PIN, on a phone that knows whose it is."""
    browser, people = anna.browser, anna.people
    with people.runtime.writing.begin() as session:
        from proapp.services import sessions
        from proapp.web.patient.devices import DEVICE_COOKIE

        token = sessions.start(
            session, people.runtime.vault, kind="device", now=people.runtime.clock(), participant_id=person or anna.id
        )
    browser.cookie(DEVICE_COOKIE, token)
    browser.get("/pin")
    return browser.post("/pin", {"pin": PIN})


@pytest.fixture
def away(anna: Any, clock: Any) -> Any:
    """anna has answered one question and then left the phone for an hour."""
    anna.begin()
    anna.answer("c30", 1, 2)
    anna.browser.get(anna.question("c30", 2))
    clock.forward(hours=1)
    return anna


def test_the_question_comes_back_and_says_that_the_answer_was_not_saved(away: Any) -> None:
    assert away.answer("c30", 2, 3).headers["Location"] == "/a"
    assert sign_in_again(away).headers["Location"] == away.question("c30", 2)
    away.browser.follow()
    assert "Your last answer was not saved" in away.browser.text
    assert "checked" not in away.browser.text
    assert len(away.answers()) == 1
    away.browser.get(away.question("c30", 2))
    assert "was not saved" not in away.browser.text  # said once


@pytest.mark.parametrize("act", ["skip", "clear"])
def test_so_does_one_that_was_skipped_or_cleared(away: Any, act: str) -> None:
    away.browser.post(away.question("c30", 2), {"do": act})
    assert sign_in_again(away).headers["Location"] == away.question("c30", 2)


def test_the_way_back_to_the_list_is_kept(away: Any) -> None:
    away.browser.post(away.question("c30", 2) + "?back=review", {"answer": "3", "do": "save"})
    assert sign_in_again(away).headers["Location"] == away.question("c30", 2) + "?back=review"


def test_sending_comes_back_to_the_list_and_says_that_nothing_was_sent(away: Any) -> None:
    away.browser.post(away.address + "/review")
    assert sign_in_again(away).headers["Location"] == away.address + "/review"
    away.browser.follow()
    assert "Your answers were not sent" in away.browser.text


@pytest.mark.parametrize("data", [{"do": "pause"}, {"language": "sv"}, {"do": "save"}])
def test_where_no_answer_came_along_nothing_was_lost(away: Any, data: dict[str, str]) -> None:
    away.browser.post(away.question("c30", 2), data)
    assert sign_in_again(away).headers["Location"] == "/home"


def test_somebody_else_on_the_phone_is_not_led_there(away: Any) -> None:
    other = away.people.participant("UME-002")
    away.answer("c30", 2, 3)
    assert sign_in_again(away, other).headers["Location"] == "/home"
    away.browser.follow()
    assert "was not saved" not in away.browser.text


def test_a_question_that_is_none_leads_nowhere(away: Any) -> None:
    away.answer("c30", 99, 3)
    assert sign_in_again(away).headers["Location"] == "/home"
