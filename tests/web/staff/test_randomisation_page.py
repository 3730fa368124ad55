"""Randomising: the gate, the second look, and one randomisation however often the button is pressed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import Assessment, ParticipantEvent

TODAY = date(2026, 11, 23)
URL = "/staff/participants/UME-001/randomise"
GIVEN = {"arm": "SURG", "randomized_on": "2026-11-23", "randomized_time": "", "override_reason": ""}


@pytest.fixture
def anna(people):
    """Enrolled on 1 August, baseline answered on the 20th."""
    anna = people.participant(consent_on=date(2026, 8, 1), enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC))
    at = datetime(2026, 8, 20, 9, tzinfo=UTC)
    people.answered(anna, "baseline", codes={}, started_at=at, submitted_at=at)
    return anna


def randomisations(runtime) -> list[ParticipantEvent]:
    with runtime.reading() as session:
        return session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized")).all()


def test_the_second_look_shows_every_window_with_weekday_and_month_end(people, runtime, study, anna):
    browser = people.staff("berit")
    browser.get(URL)
    page = browser.post(URL, {**GIVEN, "randomized_on": "2026-08-31", "step": "look"})
    assert page.status_code == 200
    assert "Monday 31 August 2026" in browser.text
    assert "Mon 30 Nov 2026" in browser.text  # three months later, clamped
    assert browser.text.count("the month has no such day") == 3
    for timepoint in study.timepoints:
        assert timepoint.label["en"] in browser.text
    assert randomisations(runtime) == []  # nothing is saved yet


def test_a_confirmed_randomisation_dates_the_plan_and_leads_back(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(URL, {**GIVEN, "step": "look"})
    page = browser.post(URL, {**GIVEN, "step": "confirm"})
    assert page.status_code == 303
    assert page.headers["Location"] == "/staff/participants/UME-001"
    assert "UME-001 is randomised" in browser.follow().get_data(as_text=True)
    assert [event.effective_on for event in randomisations(runtime)] == [TODAY]
    with runtime.reading() as session:
        m03 = session.scalar(select(Assessment.target_on).where(Assessment.timepoint == "m03"))
    assert m03 == date(2027, 2, 23)


def test_a_second_press_of_the_button_shows_the_result_and_changes_nothing(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(URL)
    for _press in range(3):
        page = browser.post(URL, {**GIVEN, "step": "confirm"}, token=True)
        assert page.status_code == 303
        assert "UME-001 is randomised" in browser.follow().get_data(as_text=True)
        browser.get("/staff/participants/new")  # a page with a form token
    assert len(randomisations(runtime)) == 1


def test_another_arm_afterwards_is_refused_in_words(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(URL, {**GIVEN, "step": "confirm"})
    browser.get("/staff/participants/new")
    browser.post(URL, {**GIVEN, "arm": "ONC", "step": "confirm"})
    assert "already randomised, on 23 November 2026" in browser.follow().get_data(as_text=True)
    assert [event.payload["arm"] for event in randomisations(runtime)] == ["SURG"]
    browser.get(URL)
    assert "already randomised" in browser.follow().get_data(as_text=True)


def test_change_leads_back_to_the_form_with_everything_in_it(people, anna):
    browser = people.staff("berit")
    browser.get(URL)
    page = browser.post(URL, {**GIVEN, "randomized_time": "09:30", "step": "change"})
    assert page.status_code == 200
    assert 'value="2026-11-23"' in browser.text
    assert 'value="09:30"' in browser.text
    assert 'checked id="arm-0"' in browser.text or 'id="arm-0"' in browser.text.split("checked")[1][:200]
    assert "There is a problem" not in browser.text


REFUSED = [
    ({"arm": ""}, "Choose the arm."),
    ({"arm": "PLACEBO"}, "Not a valid choice"),
    ({"randomized_on": ""}, "Write the date of randomisation."),
    ({"randomized_on": "2026-11-24"}, "lies in the future"),
    ({"randomized_on": "2026-07-31"}, "consent, which was given on 1 August 2026"),
    ({"randomized_time": "25:00"}, "hours:minutes"),
    ({"randomized_time": "10:01"}, "The time lies in the future"),
    ({"randomized_on": "2026-08-19"}, "No valid baseline was submitted before this date"),
    ({"override_reason": "x" * 501}, "at most 500 characters"),
]


def test_what_cannot_be_is_refused_at_either_step(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(URL)
    for changes, words in REFUSED:
        for step in ("look", "confirm"):
            assert browser.post(URL, {**GIVEN, **changes, "step": step}).status_code == 422
            assert words in browser.text
        assert randomisations(runtime) == []


def test_a_missing_baseline_is_said_at_once_and_needs_a_reason(people, runtime):
    people.participant(consent_on=TODAY - timedelta(days=2))
    browser = people.staff("berit")
    browser.get(URL)
    assert "The baseline is not there yet." in browser.text
    assert browser.post(URL, {**GIVEN, "step": "look"}).status_code == 422
    given = {**GIVEN, "override_reason": "Operated at once"}
    assert browser.post(URL, {**given, "step": "look"}).status_code == 200
    assert "Operated at once" in browser.text
    assert browser.post(URL, {**given, "step": "confirm"}).status_code == 303
    assert randomisations(runtime)[0].reason == "Operated at once"


def test_windows_already_closed_are_pointed_out(people):
    people.participant(consent_on=date(2025, 9, 1))
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(
        URL, {**GIVEN, "randomized_on": "2025-10-01", "override_reason": "From the paper list", "step": "look"}
    )
    assert browser.text.count("kept as registered too late") == 2


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_who_only_reads_does_not_randomise(people, anna, name):
    browser = people.staff(name)
    assert browser.get(URL).status_code == 403
    assert browser.post(URL, {**GIVEN, "step": "confirm"}).status_code == 403


def test_charlie_sees_the_same_as_for_somebody_who_does_not_exist(people, runtime, anna):
    charlie = people.staff("charlie")
    token = {"csrf_token": _token(charlie)}
    pages = []
    for study_id in ("UME-001", "UME-404"):
        url = f"/staff/participants/{study_id}/randomise"
        for page in (charlie.get(url), charlie.post(url, {**GIVEN, **token, "step": "confirm"})):
            pages.append((page.status_code, page.get_data(as_text=True).replace(study_id, "")))
    assert {status for status, _ in pages} == {404}
    assert pages[0] == pages[2]
    assert pages[1] == pages[3]
    assert randomisations(runtime) == []


def _token(browser) -> str:
    browser.get("/staff/participants/new")
    return browser.form_token()


def test_the_page_reads_in_swedish_too(people, anna):
    browser = people.staff("berit", "sv")
    page = browser.get(URL)
    assert page.status_code == 200
