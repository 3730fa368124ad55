from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from proapp.db.models import ContactAttempt, Installation
from tests.crowd import crowd

DUE_FOR_11_DAYS = date(2026, 8, 12)
CLOSED = date(2026, 6, 1)
BEFORE = datetime(2026, 5, 30, 9, tzinfo=UTC)


def participant(people: Any, study_id: str = "UME-001", randomized_on: date = DUE_FOR_11_DAYS, **more: Any) -> int:
    person = people.participant(study_id, randomized_on=randomized_on, **more)
    people.answered(person, "baseline", submitted_at=BEFORE, codes={})
    return int(person)


def test_a_row_says_why_and_by_when_and_offers_to_call(people: Any) -> None:
    person = participant(people)
    page = people.staff("berit").get("/staff/work").get_data(as_text=True)
    assert "<h1>To do today (1)</h1>" in page
    assert "Not answered, due for 11 days, and nobody has been in touch." in page
    assert "Thu 10 Dec" in page
    assert "17 days left" in page
    about = people.assessment_id(person, "m03")
    assert f"/staff/participants/UME-001/log-contact?assessment={about}" in page
    assert f"/staff/participants/UME-001#a{about}" in page


def test_the_last_contact_is_told_with_who_and_what_came_of_it(people: Any, runtime: Any) -> None:
    person = participant(people)
    row = {
        "participant_id": person, "assessment_id": people.assessment_id(person, "m03"), "method": "phone",
        "outcome": "left_message", "at": runtime.clock() - timedelta(days=2), "recorded_by_id": people.staff_id("berit"),
        "next_on": date(2026, 11, 23),
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(ContactAttempt), row)
    page = people.staff("berit").get("/staff/work").get_data(as_text=True)
    assert "To be asked again today; 1 contact so far." in page
    assert "Left a message" in page
    assert "21 Nov, Berit" in page


def test_a_contact_of_another_year_carries_its_year(people: Any, runtime: Any) -> None:
    person = participant(people)
    row = {
        "participant_id": person, "method": "phone", "outcome": "left_message",
        "at": runtime.clock() - timedelta(days=361), "recorded_by_id": people.staff_id("berit"),
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(ContactAttempt), row)
    page = people.staff("berit").get("/staff/work").get_data(as_text=True)
    assert "27 Nov 2025, Berit" in page


@pytest.mark.parametrize(("name", "may_write"), [("berit", True), ("ivar", True), ("karin", True), ("mona", False)])
def test_who_may_only_read_is_offered_nothing_to_write(people: Any, name: str, may_write: bool) -> None:
    participant(people)
    page = people.staff(name).get("/staff/work").get_data(as_text=True)
    assert "UME-001" in page
    assert ("log-contact" in page) is may_write
    assert ("/reason" in page) is may_write


@pytest.mark.parametrize("name", ["stina", "ada"])
def test_those_who_ring_nobody_have_no_worklist(people: Any, name: str) -> None:
    assert people.staff(name).get("/staff/work").status_code == 403


def test_the_number_is_not_on_the_list(people: Any) -> None:
    participant(people)
    for name in ("berit", "mona"):
        page = people.staff(name).get("/staff/work").get_data(as_text=True)
        assert "070-174" not in page
        assert "+46" not in page


def test_charlie_sees_nothing_of_another_site(people: Any) -> None:
    participant(people)
    charlie = people.staff("charlie")
    for address in ("/staff/work", "/staff/work?site=UME", "/staff/work?reason=overdue"):
        page = charlie.get(address).get_data(as_text=True)
        assert "UME-001" not in page
        assert "To do today (0)" in page


def test_filters_are_in_the_address_and_nonsense_is_no_error(people: Any) -> None:
    participant(people)
    participant(people, "LUN-001", CLOSED)
    karin = people.staff("karin")
    assert "UME-001" not in karin.get("/staff/work?reason=reasons").get_data(as_text=True)
    assert "LUN-001" not in karin.get("/staff/work?reason=calls&site=UME").get_data(as_text=True)
    everything = karin.get("/staff/work?reason=weather").get_data(as_text=True)
    assert "UME-001" in everything
    assert "LUN-001" in everything
    assert karin.get("/staff/work?site=MARS").status_code == 200
    assert "Nothing of this kind." in karin.get("/staff/work?reason=idle").get_data(as_text=True)


def test_an_empty_list_says_when_the_next_windows_open(people: Any) -> None:
    participant(people, randomized_on=date(2026, 9, 10))
    page = people.staff("berit").get("/staff/work").get_data(as_text=True)
    assert "Nobody needs a call." in page
    assert "1 window opens on Thursday 26 November 2026." in page


@pytest.mark.parametrize(("hours", "is_told"), [(3, True), (1, False)])
def test_a_worker_that_stands_still_is_told(people: Any, runtime: Any, hours: int, is_told: bool) -> None:
    moment = runtime.clock() - timedelta(hours=hours)
    with runtime.writing.begin() as session:
        session.execute(insert(Installation), {"name": "last_tick", "value": moment.isoformat()})
    page = people.staff("berit").get("/staff/work").get_data(as_text=True)
    assert ("The system's clock has stood still" in page) is is_told


def test_a_typed_study_id_leads_to_the_participant_of_ones_own_site_only(people: Any) -> None:
    participant(people)
    berit, charlie = people.staff("berit"), people.staff("charlie")
    assert berit.get("/staff/find?q=ume-001").headers["Location"] == "/staff/participants/UME-001"
    assert berit.get("/staff/find?q=UME").headers["Location"] == "/staff/participants?text=UME"
    foreign, absent = (charlie.get(f"/staff/find?q={q}").headers["Location"] for q in ("UME-001", "UME-999"))
    assert (foreign, absent) == ("/staff/participants?text=UME-001", "/staff/participants?text=UME-999")


def test_the_list_takes_as_many_statements_for_two_thousand_as_for_twenty(
    people: Any, runtime: Any, statements: list[str]
) -> None:
    berit = people.staff("berit")
    counts = []
    for numbers in (range(1, 21), range(21, 2001)):
        crowd(runtime, numbers)
        statements.clear()
        assert berit.get("/staff/work").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 13


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("berit", ["Worklist", "Participants", "To approve", "Compliance", "Study"]),
        ("mona", ["Worklist", "Participants", "Compliance", "Audit", "Study"]),
        ("ada", ["Audit", "Users", "Study", "System"]),
    ],
)
def test_the_menu_offers_what_the_guard_allows_and_marks_the_page(people: Any, name: str, places: list[str]) -> None:
    who = people.staff(name)
    menu = re.findall(
        r'<li><a href="(/staff/[a-z]+)"[^>]*>([^<]+)</a></li>', who.get("/staff/study").get_data(as_text=True)
    )
    assert [label for _, label in menu] == places
    for address, label in menu:
        answer = who.get(address)
        assert answer.status_code == 200
        assert f'<a href="{address}" aria-current="page">{label}</a>' in answer.get_data(as_text=True)
