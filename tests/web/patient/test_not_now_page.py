"""The quiet page behind "Not now?", and the end of all questionnaires."""

from __future__ import annotations

import html
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from proapp.db.models import ParticipantEvent, PatientRequest
from tests.web.patient.conftest import RANDOMIZED_ON


def count(people: Any, model: Any) -> int:
    with people.runtime.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def not_now(anna: Any) -> str:
    return f"{anna.address}/not-now"


def test_the_card_leads_there_and_offers_one_thing_only(anna: Any) -> None:
    anna.browser.get("/home")
    main = anna.browser.text.split("<main")[1].split("</main>")[0]
    assert f'href="{not_now(anna)}">Not now?' in main
    assert main.count('class="button') == 1
    assert "do not want" not in main


def test_the_page_offers_what_helps(anna: Any) -> None:
    anna.browser.get(not_now(anna))
    text = html.unescape(anna.browser.text)
    for words in (
        "Remind me this evening",
        "at about 18:00",
        "Remind me tomorrow",
        "at about 10:00",
        "Please call me",
        "I do not want to answer this time",
        "I do not want any more questionnaires",
    ):
        assert words in text
    assert f"{anna.address}/decline" in text


def test_tomorrow_is_noted_and_shown_on_the_card(anna: Any) -> None:
    anna.browser.get(not_now(anna))
    for _ in range(2):  # a double tap
        assert anna.browser.post(not_now(anna), {"do": "tomorrow"}).headers["Location"] == "/home"
    anna.browser.follow()
    assert "Noted. We will remind you tomorrow at about 10:00." in anna.browser.text
    anna.browser.get("/home")
    assert "We will remind you tomorrow at about 10:00." in anna.browser.text
    assert "Begin" in anna.browser.text
    assert count(anna.people, PatientRequest) == 1
    assert anna.audited() == ["request.recorded"]


def test_tomorrow_becomes_today_and_what_has_come_is_not_announced(anna: Any, clock: Any) -> None:
    anna.browser.get(not_now(anna))
    anna.browser.post(not_now(anna), {"do": "tomorrow"})
    clock.set(datetime(2026, 11, 24, 8, 0, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.get("/home")
    assert "We will remind you today at about 10:00." in anna.browser.text
    clock.set(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    anna.browser.get("/home")
    assert "We will remind you" not in anna.browser.text


def test_this_evening_is_announced_until_it_has_come(anna: Any, clock: Any) -> None:
    anna.browser.get(not_now(anna))
    anna.browser.post(not_now(anna), {"do": "tonight"})
    anna.browser.follow()
    assert "We will remind you this evening at about 18:00." in anna.browser.text
    clock.set(datetime(2026, 11, 23, 17, 0, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.get("/home")
    assert "We will remind you" not in anna.browser.text


def test_late_in_the_day_tonight_is_not_offered_and_cannot_be_had(anna: Any, clock: Any) -> None:
    clock.set(datetime(2026, 11, 23, 17, 0, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.get(not_now(anna))
    assert "this evening" not in anna.browser.text
    assert anna.browser.post(not_now(anna), {"do": "tonight"}).status_code == 422
    assert count(anna.people, PatientRequest) == 0


def test_on_the_last_day_the_page_says_why_tomorrow_is_not_offered(anna: Any, clock: Any) -> None:
    clock.set(datetime(2026, 12, 21, 9, 0, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.get(not_now(anna))
    assert "Remind me tomorrow" not in anna.browser.text
    assert "This one closes soon" in anna.browser.text


def test_who_gets_letters_is_told_and_shown_where_to_change_it(people: Any) -> None:
    person = people.participant("UME-030", randomized_on=RANDOMIZED_ON, channel="letter", language="en")
    browser = people.patient(person)
    browser.get(f"/assessment/{people.assessment_id(person, 'm03')}/not-now")
    assert "Remind me" not in browser.text
    assert "You get no messages from us" in browser.text
    assert 'href="/contact"' in browser.text
    assert "Please call me" in browser.text


def test_a_call_is_one_tap_and_the_home_page_shows_that_it_was_noted(anna: Any) -> None:
    anna.browser.get(not_now(anna))
    for _ in range(2):
        assert anna.browser.post(not_now(anna), {"do": "call"}).headers["Location"] == "/home"
    anna.browser.follow()
    text = html.unescape(anna.browser.text)
    assert "Noted. The clinic will call you as soon as they can." in text
    assert "You have asked the clinic to call you." in text
    assert text.count('href="tel:0980319201"') == 2
    assert count(anna.people, PatientRequest) == 1
    anna.browser.get(not_now(anna))
    assert "Please call me" not in anna.browser.text
    assert "You have asked the clinic to call you." in anna.browser.text


@pytest.mark.parametrize("form", [{}, {"do": ""}, {"do": "whenever"}])
def test_a_wish_that_is_none_shows_the_page_again(anna: Any, form: dict[str, str]) -> None:
    anna.browser.get(not_now(anna))
    assert anna.browser.post(not_now(anna), form).status_code == 422
    assert count(anna.people, PatientRequest) == 0


def test_somebody_elses_assessment_is_not_found(anna: Any) -> None:
    other = anna.people.participant("UME-002", randomized_on=RANDOMIZED_ON)
    path = f"/assessment/{anna.people.assessment_id(other, 'm03')}/not-now"
    assert anna.browser.get(path).status_code == 404
    anna.browser.get("/home")
    for wish in ("call", "tomorrow"):
        assert anna.browser.post(path, {"do": wish}).status_code == 404
    assert count(anna.people, PatientRequest) == 0


@pytest.mark.parametrize("wish", ["call", "tomorrow"])
def test_what_was_sent_meanwhile_is_not_put_off(anna: Any, wish: str) -> None:
    anna.browser.get(not_now(anna))
    anna.people.answered(anna.id, "m03", submitted_at=datetime(2026, 11, 23, 8, tzinfo=UTC))
    assert anna.browser.post(not_now(anna), {"do": wish}).headers["Location"] == anna.address
    assert anna.browser.get(not_now(anna)).headers["Location"] == anna.address
    assert count(anna.people, PatientRequest) == 0


def test_what_opens_later_is_explained_by_its_own_page(anna: Any) -> None:
    later = f"/assessment/{anna.people.assessment_id(anna.id, 'm12')}"
    assert anna.browser.get(f"{later}/not-now").headers["Location"] == later
    anna.browser.follow()
    assert "Not open yet" in anna.browser.text


def test_no_more_explains_what_it_means_before_it_does_anything(anna: Any) -> None:
    anna.browser.get("/no-more")
    for words in ("need not say why", "Your treatment and your visits go on", "No, I want to go on", "Pause reminders"):
        assert words in anna.browser.text
    assert count(anna.people, PatientRequest) == 0
    assert anna.audited() == []


def test_no_more_is_a_stop_at_once_and_pressed_twice_it_is_one(anna: Any) -> None:
    anna.browser.get("/no-more")
    for _ in range(2):
        assert anna.browser.post("/no-more").headers["Location"] == "/home"
    anna.browser.follow()
    assert "Noted. You will get no more questionnaires." in anna.browser.text
    assert "Thank you for taking part" in anna.browser.text
    assert "/assessment/" not in anna.browser.text
    with anna.people.runtime.reading() as session:
        (event,) = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "pro_stop"))
    assert event.payload == {"source": "patient"}
    assert anna.audited() == ["event.recorded"]
    assert anna.browser.post(not_now(anna), {"do": "call"}).status_code == 303
    assert count(anna.people, PatientRequest) == 0


def test_a_nurse_can_take_the_stop_back(anna: Any) -> None:
    anna.browser.get("/no-more")
    anna.browser.post("/no-more")
    with anna.people.runtime.reading() as session:
        event = session.scalars(select(ParticipantEvent.id).where(ParticipantEvent.type == "pro_stop")).one()
    berit = anna.people.staff("berit")
    path = f"/staff/participants/UME-001/events/{event}/revoke"
    berit.get(path)
    assert berit.post(path, {"reason": "She pressed the wrong button"}).status_code == 303
    anna.browser.get("/home")
    assert "A questionnaire is waiting for you" in anna.browser.text


def test_several_open_have_one_primary_and_the_rest_is_a_list(anna: Any) -> None:
    from sqlalchemy import update

    from proapp.db.models import Assessment

    other = anna.people.assessment_id(anna.id, "m06")
    day = timedelta(days=1)
    with anna.people.runtime.writing.begin() as session:
        today = date(2026, 11, 23)
        dates = {"opens_on": today - day, "target_on": today, "closes_on": today + day, "late_until": today + day}
        session.execute(update(Assessment).where(Assessment.id == other).values(**dates))
    anna.browser.get("/home")
    main = anna.browser.text.split("<main")[1].split("</main>")[0]
    assert main.count('class="button') == 1
    assert "Also open" in main
    assert main.index(f"/assessment/{other}") < main.index(f'href="{anna.address}"')
    assert "Open until Monday 21 December 2026" in main
