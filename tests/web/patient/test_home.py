"""P2: one clear thing to do, or a kind word that there is none."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from tests.web.patient.conftest import RANDOMIZED_ON


def home(people: Any, person: int, language: str = "en") -> str:
    browser = people.patient(person, language)
    assert browser.get("/home").status_code == 200
    return browser.text


def test_the_card_says_how_long_until_when_and_what_comes_next(anna: Any) -> None:
    anna.browser.get("/home")
    text = anna.browser.text
    assert "A questionnaire is waiting for you" in text
    assert "About 17 minutes" in text
    assert "Open until Monday 21 December 2026" in text
    assert "The next questionnaire opens on Tuesday 9 February 2027." in text
    assert f'href="{anna.address}">Begin' in text
    assert "answered" not in text.split("<footer")[0].replace("My answers", "")


def test_a_questionnaire_that_was_begun_shows_how_far_one_is(anna: Any) -> None:
    anna.begin()
    for item in range(1, 13):
        anna.answer("c30", item, 1)
    anna.browser.get("/home")
    assert "12 of 74 answered" in anna.browser.text
    assert "About 14 minutes left" in anna.browser.text
    assert f'href="{anna.address}">Continue' in anna.browser.text


def test_the_time_is_what_others_have_needed_once_ten_have_answered(anna: Any) -> None:
    begun = datetime(2026, 11, 1, 10, tzinfo=UTC)
    for number in range(10, 20):
        other = anna.people.participant(f"UME-0{number}", randomized_on=RANDOMIZED_ON)
        anna.people.answered(other, "m03", codes={}, started_at=begun, submitted_at=begun + timedelta(minutes=9))
    anna.browser.get("/home")
    assert "About 9 minutes" in anna.browser.text
    anna.browser.get(anna.address)
    assert "It takes about 9 minutes." in anna.browser.text


def test_the_one_that_closes_first_is_the_primary_one(people: Any, clock: Any) -> None:
    person = people.participant("UME-020", consent_on=date(2026, 5, 1), language="en")
    _open(people, person, "m06", closes_on=date(2026, 11, 30))
    _open(people, person, "m03", closes_on=date(2026, 12, 30))
    text = home(people, person)
    assert "Questionnaires are waiting for you" in text
    assert text.index("6 months") < text.index("3 months")
    main = text.split("<main")[1].split("</main>")[0]
    assert main.count('class="button wide"') == 1


def _open(people: Any, person: int, timepoint: str, closes_on: date) -> None:
    from sqlalchemy import update

    from proapp.db.models import Assessment

    dates = {
        "opens_on": date(2026, 11, 1),
        "target_on": date(2026, 11, 10),
        "closes_on": closes_on,
        "late_until": closes_on,
    }
    with people.runtime.writing.begin() as session:
        session.execute(
            update(Assessment)
            .where(Assessment.id == people.assessment_id(person, timepoint))
            .values(anchor_on=date(2026, 8, 1), **dates)
        )


def test_with_nothing_open_the_next_date_is_told(people: Any) -> None:
    person = people.participant("UME-021", randomized_on=date(2026, 10, 20), language="en")
    text = home(people, person)
    assert "Nothing to answer right now" in text
    assert "opens on Wednesday 6 January 2027" in text


def test_a_missed_one_did_no_harm(people: Any) -> None:
    person = people.participant("UME-022", randomized_on=date(2026, 7, 1), language="en")
    text = home(people, person)
    assert "“3 months” closed on 12 November 2026. No harm is done." in text


@pytest.mark.parametrize("event", ["pro_stop", "trial_withdrawal"])
def test_who_has_left_is_thanked_and_asked_nothing(people: Any, clock: Any, event: str) -> None:
    person = people.participant("UME-023", randomized_on=RANDOMIZED_ON, language="en")
    people.event(person, event, clock().date() - timedelta(days=100))
    text = home(people, person)
    assert "Thank you for taking part" in text
    assert "/assessment/" not in text
    assert "Sign out" in text


def test_when_all_is_over_the_patient_is_thanked(people: Any) -> None:
    person = people.participant("UME-024", randomized_on=date(2020, 1, 15), language="en")
    assert "Thank you, that was everything" in home(people, person)


def test_what_was_sent_is_listed_by_date_and_opens_its_receipt_only(anna: Any) -> None:
    baseline = anna.people.assessment_id(anna.id, "baseline")
    anna.people.answered(anna.id, "baseline", submitted_at=datetime(2026, 8, 20, 10, tzinfo=UTC))
    anna.browser.get("/home")
    assert "20 August 2026" in anna.browser.text
    assert anna.browser.get(f"/assessment/{baseline}/sent").status_code == 200


def test_what_the_clinic_entered_is_not_asked_again(anna: Any) -> None:
    anna.people.answered(anna.id, "m03", mode="paper", submitted_at=datetime(2026, 11, 20, 10, tzinfo=UTC))
    anna.browser.get("/home")
    assert anna.address not in anna.browser.text
    anna.browser.get(anna.address)
    assert "in another way" in anna.browser.text
    assert anna.browser.post(anna.address, {"who": "self"}).status_code == 409


def test_the_baseline_has_no_last_day_before_randomisation(people: Any, clock: Any) -> None:
    person = people.participant("UME-025", consent_on=clock().date(), language="en")
    text = home(people, person)
    assert "Please answer as soon as you can" in text
    assert "Your clinic will tell you when the next questionnaire comes." in text


def test_in_the_last_hours_the_page_asks_to_finish_now(anna: Any, clock: Any) -> None:
    clock.set(datetime(2027, 1, 4, 22, 30, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.get("/home")
    assert "Open until midnight tonight" in anna.browser.text
    anna.begin()
    clock.set(datetime(2027, 1, 4, 23, 30, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.get("/home")
    assert "Please finish it now" in anna.browser.text
    assert "I do not want to answer this time" not in anna.browser.text


def test_the_calendar_has_every_window_and_tells_nothing(anna: Any) -> None:
    page = anna.browser.get("/calendar.ics")
    assert page.mimetype == "text/calendar"
    entries = Calendar.from_ical(page.data).walk("VEVENT")
    days = [(str(entry["summary"]), str(entry["dtstart"].dt), str(entry["dtend"].dt)) for entry in entries]
    assert days[:3] == [
        ("Last day to answer my questions", "2026-12-21", "2026-12-22"),
        ("Time to answer my questions", "2027-02-09", "2027-02-10"),
        ("Time to answer my questions", "2027-07-26", "2027-07-27"),
    ]
    assert len(entries) == 6
    assert str(entries[1]["description"]).splitlines() == [
        "Open until Tuesday 23 March 2027",
        "https://pro.example.org/",
    ]
    assert all(entry.walk("VALARM")[0]["trigger"].dt == timedelta(hours=9) for entry in entries)
    text = page.get_data(as_text=True).lower()
    for word in ("cancer", "tumor", "metasta", "quality"):
        assert word not in text


def test_a_window_that_has_opened_moves_in_the_calendar_instead_of_being_there_twice(anna: Any, clock: Any) -> None:
    before = Calendar.from_ical(anna.browser.get("/calendar.ics").data).walk("VEVENT")
    clock.set(datetime(2027, 2, 10, 9, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    after = Calendar.from_ical(anna.browser.get("/calendar.ics").data).walk("VEVENT")
    assert str(after[0]["summary"]) == "Last day to answer my questions"
    assert str(after[0]["uid"]) == str(before[1]["uid"])


def test_the_calendar_of_an_open_beginning_has_no_last_day(people: Any, clock: Any) -> None:
    person = people.participant("UME-026", consent_on=clock().date(), language="en")
    browser = people.patient(person)
    assert Calendar.from_ical(browser.get("/calendar.ics").data).walk("VEVENT") == []
    browser.get("/home")
    assert "/calendar.ics" not in browser.text


def test_the_clinics_telephone_is_on_every_page(anna: Any) -> None:
    anna.begin()
    for path in (
        "/home",
        f"{anna.address}/c30/1",
        f"{anna.address}/review",
        f"{anna.address}/decline",
        "/about/privacy",
    ):
        anna.browser.get(path)
        assert 'href="tel:0980319201"' in anna.browser.text
        assert "not read straight away" in anna.browser.text
        assert "Sign out" in anna.browser.text
