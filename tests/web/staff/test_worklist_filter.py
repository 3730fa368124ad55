"""A filtered worklist is still filtered after one of its actions."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

FILTER = "?site=UME&reason=calls"


@pytest.fixture
def berit(people: Any) -> Any:
    person = people.participant("UME-001", randomized_on=date(2026, 8, 12))
    people.answered(person, "baseline", submitted_at=datetime(2026, 8, 1, 9, tzinfo=UTC), codes={})
    return people.staff("berit")


def action(browser: Any, words: str) -> str:
    """The address behind one of the row's actions."""
    page = browser.get(f"/staff/work{FILTER}").get_data(as_text=True)
    found = re.search(rf'href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?{words}<', page)
    assert found is not None, words
    return found[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    ("words", "form"),
    [
        ("Call", {"method": "phone", "outcome": "left_message"}),
        ("Postpone", {"until": "2026-11-26", "why": "Away"}),
    ],
)
def test_back_to_the_list_as_it_was(berit: Any, words: str, form: dict[str, str]) -> None:
    address = action(berit, words)
    page = berit.get(address).get_data(as_text=True)
    assert f'href="/staff/work{FILTER.replace("&", "&amp;")}"' in page
    assert berit.post(address, form).headers["Location"] == f"/staff/work{FILTER}"


def test_also_after_a_refusal(berit: Any) -> None:
    address = action(berit, "Call")
    on = berit.post(address, {"method": "phone", "outcome": "declined"}).headers["Location"]
    assert on == f"/staff/work{FILTER}"


def test_a_filter_that_nobody_knows_is_not_carried_along(berit: Any) -> None:
    address = action(berit, "Call").replace("site=UME", "site=MARS").replace("reason=calls", "reason=//evil.example")
    assert berit.post(address, {"method": "phone", "outcome": "no_answer"}).headers["Location"] == "/staff/work"
