"""A rest from reminders, and what the home page says about it."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from proapp.db.models import ParticipantEvent


def pauses(people: Any) -> int:
    with people.runtime.reading() as session:
        query = select(func.count()).select_from(ParticipantEvent).where(ParticipantEvent.type == "contact_pause")
        return session.scalar(query) or 0


def test_two_weeks_are_two_weeks_and_the_home_page_says_so(anna: Any) -> None:
    anna.browser.get("/home")
    assert 'href="/pause"' in anna.browser.text
    anna.browser.get("/pause")
    assert "until Sunday 6 December 2026" in anna.browser.text
    assert anna.browser.post("/pause", {"length": "2"}).headers["Location"] == "/home"
    anna.browser.follow()
    assert "Reminders rest until Sunday 6 December 2026." in anna.browser.text
    assert "Begin" in anna.browser.text
    assert 'href="/pause"' not in anna.browser.text


def test_pausing_twice_by_a_double_tap_is_one_pause(anna: Any) -> None:
    anna.browser.get("/pause")
    for _ in range(2):
        assert anna.browser.post("/pause", {"length": "1"}).status_code == 303
    assert pauses(anna.people) == 1
    assert anna.audited() == ["event.recorded"]


def test_the_pause_is_ended_from_the_home_page_and_again_changes_nothing(anna: Any) -> None:
    anna.browser.get("/pause")
    anna.browser.post("/pause", {"length": "1"})
    anna.browser.get("/home")
    for _ in range(2):
        assert anna.browser.post("/pause/end").headers["Location"] == "/home"
    anna.browser.follow()
    assert "You will be reminded again." in anna.browser.text
    assert "Reminders rest" not in anna.browser.text
    assert anna.audited() == ["event.recorded", "event.recorded"]


def test_days_of_ones_own_choice(anna: Any) -> None:
    anna.browser.get("/pause")
    anna.browser.post(
        "/pause", {"length": "dates", "from_on": "2026-12-20", "until_on": "2027-01-06", "reason": "Away"}
    )
    anna.browser.follow()
    assert "Reminders rest from 20 December 2026 to Wednesday 6 January 2027." in anna.browser.text


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "Choose how long you would like to pause."),
        ({"length": "3"}, "Choose how long you would like to pause."),
        ({"length": "dates", "from_on": "2026-12-20", "until_on": ""}, "Write the day as year-month-day"),
        ({"length": "dates", "from_on": "soon", "until_on": "2026-12-20"}, "Write the day as year-month-day"),
        ({"length": "dates", "from_on": "2026-11-22", "until_on": "2026-12-20"}, "has already passed"),
        ({"length": "dates", "from_on": "2026-12-20", "until_on": "2026-12-19"}, "lies before the first"),
        ({"length": "dates", "from_on": "2026-12-20", "until_on": "9999-12-31"}, "six months at most"),
        ({"length": "1", "reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_what_will_not_do_is_said_and_kept(anna: Any, form: dict[str, str], sentence: str) -> None:
    anna.browser.get("/pause")
    assert anna.browser.post("/pause", form).status_code == 422
    assert sentence in html.unescape(anna.browser.text)
    for value in form.values():
        assert value in anna.browser.text or value == "3"
    assert pauses(anna.people) == 0


def test_who_has_stopped_is_not_asked_about_reminders(anna: Any, clock: Any) -> None:
    anna.people.event(anna.id, "pro_stop", clock().date() - timedelta(days=1))
    anna.browser.get("/home")
    for words in ("/pause", "/contact", "Reminders rest"):
        assert words not in anna.browser.text
    assert anna.browser.text.count("Sign out") == 2  # also in the page itself, as its one way on
