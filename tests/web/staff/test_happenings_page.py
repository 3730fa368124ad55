"""Everything that happens to a participant, on pages: what follows is seen first, the same click twice is one deed, a
stranger finds nothing."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from proapp.db.models import Assessment, FormerSite, Participant, ParticipantEvent
from tests.following import following

BASE = "/staff/participants/UME-001"
EVENTS = f"{BASE}/events"
TODAY = "2026-11-23"


@pytest.fixture
def runtime(runtime):
    object.__setattr__(runtime, "study", following())
    return runtime


@pytest.fixture
def anna(people):
    return people.participant(
        consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 10), enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


@pytest.fixture
def berit(people, anna):
    return people.staff("berit")


def rows(runtime, model, *where):
    with runtime.reading() as session:
        return list(session.scalars(select(model).where(*where).order_by(model.id)))


def recorded(runtime, type_):
    return rows(runtime, ParticipantEvent, ParticipantEvent.type == type_)


def target(runtime, timepoint, occurrence=1):
    with runtime.reading() as session:
        return session.scalar(
            select(Assessment.target_on).where(Assessment.timepoint == timepoint, Assessment.occurrence == occurrence)
        )


def seen(browser):
    found = re.search(r'name="seen"[^>]*value="(\w+)"', browser.text)
    assert found is not None
    return found[1]


# --- what follows from an event -------------------------------------------------------------------------------------


def test_what_follows_from_a_progression_is_seen_before_it_is_saved(berit, runtime):
    berit.get(f"{EVENTS}/progression")
    assert "See what follows" in berit.text
    form = {"effective_on": "2026-11-18"}
    assert berit.post(f"{EVENTS}/progression", {**form, "step": "look"}).status_code == 200
    assert "Nothing is saved yet." in berit.text
    assert "At progression" in berit.text
    assert "Wed 25 Nov 2026" in berit.text
    assert recorded(runtime, "progression") == []
    confirmed = {**form, "step": "confirm", "seen": seen(berit)}
    for _click in range(2):
        assert berit.post(f"{EVENTS}/progression", confirmed).status_code == 303
        assert "Recorded: Progression." in berit.follow().get_data(as_text=True)
    assert len(recorded(runtime, "progression")) == 1
    assert target(runtime, "prog") == date(2026, 11, 25)


def test_what_was_not_looked_at_is_not_done(berit, runtime):
    page = berit.post(f"{EVENTS}/surgery", {"effective_on": "2026-11-18", "step": "confirm", "seen": "0"})
    assert page.status_code == 200
    assert "Look again." in berit.text
    assert recorded(runtime, "surgery") == []


def test_changing_ones_mind_keeps_what_was_typed(berit, runtime):
    page = berit.post(f"{EVENTS}/surgery", {"effective_on": "2026-11-18", "note": "By letter", "step": "change"})
    assert page.status_code == 200
    assert 'value="2026-11-18"' in berit.text
    assert 'value="By letter"' in berit.text
    assert recorded(runtime, "surgery") == []


def test_an_event_without_a_plan_is_recorded_at_once(berit, runtime):
    berit.get(f"{EVENTS}/off_treatment")
    assert "The questionnaires go on as planned." in berit.text
    berit.post(f"{EVENTS}/off_treatment", {"effective_on": TODAY})
    assert "Treatment ended" in berit.follow().get_data(as_text=True)
    assert len(recorded(runtime, "off_treatment")) == 1


def test_a_fault_keeps_what_was_typed(berit, runtime):
    page = berit.post(f"{EVENTS}/progression", {"effective_on": "2026-12-24", "note": "By letter", "step": "look"})
    assert page.status_code == 422
    assert "The date lies in the future." in berit.text
    assert 'value="By letter"' in berit.text
    assert "Error:" in berit.text


def test_a_second_progression_has_its_own_line_everywhere(berit, runtime, people, anna):
    for day in ("2026-11-20", "2026-11-02"):
        berit.post(f"{EVENTS}/progression", {"effective_on": day, "step": "look"})
        berit.post(f"{EVENTS}/progression", {"effective_on": day, "step": "confirm", "seen": seen(berit)})
    berit.get(BASE)
    assert "At progression (2)" in berit.text
    berit.get("/staff/participants")
    assert "At progression (2)" in berit.text
    assert berit.get("/staff/compliance").status_code == 200
    assert (target(runtime, "prog"), target(runtime, "prog", 2)) == (date(2026, 11, 9), date(2026, 11, 27))
    phone = people.patient(anna)
    assert "Vid progression (2)" in phone.get("/home").get_data(as_text=True)


# --- corrections ----------------------------------------------------------------------------------------------------


def test_a_date_is_put_right_after_a_look(berit, runtime, people, anna):
    berit.post(f"{EVENTS}/surgery", {"effective_on": "2026-11-02", "step": "look"})
    berit.post(f"{EVENTS}/surgery", {"effective_on": "2026-11-02", "step": "confirm", "seen": seen(berit)})
    event = recorded(runtime, "surgery")[0].id
    berit.get(EVENTS)
    assert f"/events/{event}/correct" in berit.text
    page, form = f"{EVENTS}/{event}/correct", {"new_date": "2026-11-05", "reason": "Read wrongly"}
    berit.get(page)
    assert 'value="2026-11-02"' in berit.text
    assert berit.post(page, {**form, "step": "look"}).status_code == 200
    assert "Fri 4 Dec 2026" in berit.text or "Sat 5 Dec 2026" in berit.text
    assert "Nothing moves before somebody else has approved it." in berit.text
    form = {**form, "step": "confirm", "seen": seen(berit)}
    places = {berit.post(page, form).headers["Location"] for _click in range(2)}
    assert "The correction is proposed." in berit.follow().get_data(as_text=True)
    assert target(runtime, "op1") == date(2026, 12, 2)
    berit.get(BASE)
    assert "A correction has been proposed: Surgery, another date." in berit.text
    text = approved(people, *places).text
    assert target(runtime, "op1") == date(2026, 12, 5)
    assert "Put right: Surgery, 5 November 2026" in text
    berit.get(page)
    assert "replaced or taken back meanwhile" in berit.follow().get_data(as_text=True)


def approved(people, address):
    """Another person says yes, having looked; returns the browser, on the participant's page."""
    ivar = people.staff("ivar")
    ivar.get(address)
    assert ivar.post(address, {"do": "approve", "seen": seen(ivar)}).status_code == 303
    assert "Approved. It is done." in ivar.follow().get_data(as_text=True)
    return ivar


def test_a_date_from_which_nothing_is_counted_is_put_right_by_one_person(berit, runtime, people, anna):
    people.event(anna, "death", date(2026, 11, 1))
    page = f"{EVENTS}/{recorded(runtime, 'death')[0].id}/correct"
    form = {"new_date": "2026-11-02", "reason": "Read wrongly"}
    berit.post(page, {**form, "step": "look"})
    assert "somebody else" not in berit.text
    assert berit.post(page, {**form, "step": "confirm", "seen": seen(berit)}).status_code == 303
    assert "The date is corrected: Died." in berit.follow().get_data(as_text=True)


def test_a_correction_without_a_reason_is_sent_back(berit, runtime, people, anna):
    people.event(anna, "death", date(2026, 11, 1))
    page = f"{EVENTS}/{recorded(runtime, 'death')[0].id}/correct"
    assert berit.post(page, {"new_date": "2026-11-02", "reason": "", "step": "look"}).status_code == 422
    assert 'value="2026-11-02"' in berit.text


def test_dates_that_two_people_correct_are_not_corrected_here(berit, runtime):
    for type_ in ("randomized",):
        assert berit.get(f"{EVENTS}/{recorded(runtime, type_)[0].id}/correct").status_code == 404


def test_taking_back_a_progression_shows_what_goes_and_waits_for_a_second_person(berit, runtime, people):
    berit.post(f"{EVENTS}/progression", {"effective_on": "2026-11-02", "step": "look"})
    berit.post(f"{EVENTS}/progression", {"effective_on": "2026-11-02", "step": "confirm", "seen": seen(berit)})
    page = f"{EVENTS}/{recorded(runtime, 'progression')[0].id}/revoke"
    berit.get(page)
    assert "no longer asked for" in berit.text
    assert berit.post(page, {"reason": "Somebody else"}).status_code == 200  # it was not looked at
    assert "Look again." in berit.text
    form = {"reason": "Somebody else", "seen": seen(berit)}
    address = berit.post(page, form).headers["Location"]
    assert berit.post(page, form).headers["Location"] == address
    assert target(runtime, "prog") == date(2026, 11, 9)
    berit.get(page)
    assert "already waits for a second person" in berit.follow().get_data(as_text=True)
    berit.get("/staff/proposals")
    assert "UME-001: Progression, to be taken back" in berit.text
    text = approved(people, address).text
    assert target(runtime, "prog") is None
    assert "Taken back: Progression, 2 November 2026" in text
    ivar = people.staff("ivar")
    ivar.get(address)
    assert "taken back: it never happened" in ivar.text


def test_who_was_lost_can_be_in_touch_again(berit, runtime):
    berit.post(f"{EVENTS}/lost_to_follow_up", {"effective_on": "2026-11-02"})
    berit.get(EVENTS)
    assert "In touch again" in berit.text
    page = f"{EVENTS}/{recorded(runtime, 'lost_to_follow_up')[0].id}/revoke"
    berit.get(page)
    assert "Is the participant in touch again?" in berit.text
    assert berit.post(page, {"reason": "Rang herself"}).status_code == 303


# --- pause and language ---------------------------------------------------------------------------------------------


def test_a_pause_is_made_shown_and_ended(berit, runtime):
    page, form = f"{EVENTS}/contact_pause", {"from_on": "2026-11-20", "until_on": "2026-12-04", "reason": "Travels"}
    berit.get(page)
    for _click in range(2):
        assert berit.post(page, form).status_code == 303
    berit.follow()
    assert "Contact is paused from 20 November 2026 to 4 December 2026." in berit.text
    assert len(recorded(runtime, "contact_pause")) == 1
    berit.get(EVENTS)
    end = re.search(r'action="([^"]+/end-pause)"', berit.text)
    assert end is not None
    assert berit.post(end[1]).status_code == 303
    assert "The pause is ended." in berit.follow().get_data(as_text=True)
    assert "Contact is paused" not in berit.text
    assert recorded(runtime, "contact_pause")[-1].payload == {"until": "2026-11-22"}


def test_a_pause_without_a_reason_is_sent_back(berit, runtime):
    form = {"from_on": "2026-11-20", "until_on": "2026-12-04", "reason": " "}
    assert berit.post(f"{EVENTS}/contact_pause", form).status_code == 422
    assert "Write a reason. It is kept with the change." in berit.text
    assert recorded(runtime, "contact_pause") == []


def test_a_pause_that_ends_before_it_begins_is_sent_back(berit, runtime):
    form = {"from_on": "2026-12-20", "until_on": "2026-12-04", "reason": "Travels"}
    assert berit.post(f"{EVENTS}/contact_pause", form).status_code == 422
    assert "The last day lies before the first." in berit.text
    assert 'value="Travels"' in berit.text
    assert recorded(runtime, "contact_pause") == []


def test_another_language_holds_on_the_patients_next_page(berit, runtime, people, anna):
    phone = people.patient(anna)
    phone.language = "sv"
    assert '<html lang="sv"' in phone.get("/home").get_data(as_text=True)
    berit.get(f"{EVENTS}/language_change")
    assert berit.post(f"{EVENTS}/language_change", {"language": "en"}).status_code == 303
    berit.follow()
    assert "Another language: Swedish → English" in berit.text
    assert "Language: Swedish → English" in berit.text
    assert '<html lang="en"' in phone.get("/home").get_data(as_text=True)
    berit.post(f"{EVENTS}/language_change", {"language": "en"})
    assert "Nothing was changed." in berit.follow().get_data(as_text=True)


def test_another_language_also_overrules_what_was_chosen_on_the_phone_before(berit, people, anna):
    phone = people.patient(anna)
    phone.get("/home")
    phone.post("/language", {"language": "sv", "next": "/home"})
    assert '<html lang="sv"' in phone.get("/home").get_data(as_text=True)
    berit.post(f"{EVENTS}/language_change", {"language": "en"})
    assert '<html lang="en"' in phone.get("/home").get_data(as_text=True)
    phone.post("/language", {"language": "sv", "next": "/home"})
    assert '<html lang="sv"' in phone.get("/home").get_data(as_text=True)


# --- transfer -------------------------------------------------------------------------------------------------------


@pytest.fixture
def moved(berit):
    """anna goes to Lund on 20 November, by berit's hand."""
    form = {"to": "LUN", "effective_on": "2026-11-20", "note": ""}
    assert berit.post(f"{EVENTS}/site_transfer", {**form, "step": "look"}).status_code == 200
    assert "You will no longer be able to change anything." in berit.text
    for _click in range(2):
        assert berit.post(f"{EVENTS}/site_transfer", {**form, "step": "confirm"}).status_code == 303
        assert "UME-001 is transferred to" in berit.follow().get_data(as_text=True)
    return berit


def test_a_transfer_is_one_deed(moved, runtime):
    assert len(recorded(runtime, "site_transfer")) == 1
    assert len(rows(runtime, FormerSite)) == 1
    assert [one.site_code for one in rows(runtime, Participant)] == ["LUN"]


def test_the_former_site_reads_its_time_without_contact_and_without_buttons(moved):
    page = moved.get(BASE).get_data(as_text=True)
    assert "You see what belongs to the time at" in page
    for absent in (
        "070-174 06 05",
        "46701740605",
        "Reached by",
        f'href="{EVENTS}"',
        "log-contact",
        "6 months",
        "12 months",
    ):
        assert absent not in page
    assert "3 months" in page
    moved.get("/staff/participants")
    assert "moved on" in moved.text
    moved.get("/staff/work")
    assert "UME-001" not in moved.text


def test_the_former_site_writes_nothing(moved, runtime, people, anna):
    m03 = people.assessment_id(anna, "m03")
    paths = [EVENTS, f"{EVENTS}/death", f"{EVENTS}/contact_pause", f"{EVENTS}/site_transfer", f"{BASE}/contact"]
    paths += [f"{BASE}/log-contact", f"{BASE}/sheet", f"{BASE}/assessments/new", f"/staff/assessments/{m03}/reason"]
    paths += [f"/staff/assessments/{m03}/extend"]
    for path in paths:
        assert moved.get(path).status_code == 404, path
        if path != EVENTS:
            assert (
                moved.post(path, {"effective_on": TODAY, "from_on": TODAY, "to": "GOT", "step": "confirm"}).status_code
                == 404
            )


def test_the_new_site_sees_everything_and_can_take_it_back(moved, runtime, people):
    charlie = people.staff("charlie")
    page = charlie.get(BASE).get_data(as_text=True)
    assert "Transferred from" in page
    assert "070-174 06 05" in page
    assert "12 months" in page
    event = recorded(runtime, "site_transfer")[0].id
    assert charlie.post(f"{EVENTS}/{event}/revoke", {"reason": "The wrong Anna"}).status_code == 303
    assert charlie.get(BASE).status_code == 404
    assert moved.get(EVENTS).status_code == 200


def test_a_third_site_finds_nothing(moved, people):
    from tests import people as known

    known.STAFF.setdefault("gun", ("nurse", ("GOT",)))
    gun = people.staff("gun")
    assert gun.get(BASE).status_code == 404
    gun.get("/staff/participants")
    assert "UME-001" not in gun.text


def test_the_patients_phone_goes_on_working_with_the_new_clinics_number(berit, people, anna, runtime):
    phone = people.patient(anna)
    phone.get("/home")
    old, new = runtime.study.site("UME").phone, runtime.study.site("LUN").phone
    assert old in phone.text
    berit.post(f"{EVENTS}/site_transfer", {"to": "LUN", "effective_on": TODAY, "step": "confirm"})
    assert phone.get("/home").status_code == 200
    assert new in phone.text
    assert old not in phone.text


def test_a_transfer_without_a_site_is_sent_back(berit, runtime):
    page = berit.post(f"{EVENTS}/site_transfer", {"to": "", "effective_on": TODAY, "note": "Moves", "step": "look"})
    assert page.status_code == 422
    assert "Choose the site." in berit.text
    assert 'value="Moves"' in berit.text


# --- windows by hand ------------------------------------------------------------------------------------------------


def test_more_time_is_given_from_the_participants_page(berit, runtime, people, anna):
    one = people.assessment_id(anna, "m03")
    berit.get(BASE)
    assert f"/staff/assessments/{one}/extend" in berit.text
    berit.get(f"/staff/assessments/{one}/extend")
    form = {"until": "2027-01-10", "reason": "In hospital"}
    assert berit.post(f"/staff/assessments/{one}/extend", form).status_code == 303
    berit.follow()
    assert "Extended until 10 January 2027." in berit.text
    assert "answers are taken until 10 January 2027" in berit.text
    assert berit.post(f"/staff/assessments/{one}/end-extension", {"reason": "Not needed"}).status_code == 303
    assert "Extended until" not in berit.follow().get_data(as_text=True)


def test_more_time_than_the_study_allows_is_sent_back(berit, people, anna):
    one = people.assessment_id(anna, "m03")
    page = berit.post(f"/staff/assessments/{one}/extend", {"until": "2028-01-10", "reason": "In hospital"})
    assert page.status_code == 422
    assert "The study allows at most" in berit.text
    assert 'value="In hospital"' in berit.text


def test_an_assessment_outside_the_plan_is_opened_answered_and_taken_back(berit, runtime, people, anna):
    berit.get(BASE)
    assert f"{BASE}/assessments/new" in berit.text
    berit.get(f"{BASE}/assessments/new")
    form = {"timepoint": "extra", "opens_on": TODAY, "closes_on": "", "reason": "Asked for by the board"}
    for _click in range(2):
        assert berit.post(f"{BASE}/assessments/new", form).status_code == 303
    berit.follow()
    assert "opened outside the plan" in berit.text
    opened = people.assessment_id(anna, "extra")
    phone = people.patient(anna)
    phone.get("/home")
    assert f"/assessment/{opened}" in phone.text
    assert "Extra assessment" in berit.get("/staff/participants").get_data(as_text=True)
    assert berit.post(f"/staff/assessments/{opened}/take-back", {"reason": "The wrong Anna"}).status_code == 303
    assert "opened by mistake" in berit.follow().get_data(as_text=True)
    assert f"/assessment/{opened}" not in phone.get("/home").get_data(as_text=True)


def test_an_opening_without_a_reason_is_sent_back(berit, runtime):
    form = {"timepoint": "extra", "opens_on": TODAY, "closes_on": "2026-11-30", "reason": ""}
    assert berit.post(f"{BASE}/assessments/new", form).status_code == 422
    assert 'value="2026-11-30"' in berit.text
    assert rows(runtime, Assessment, Assessment.timepoint == "extra") == []


def test_a_stranger_finds_none_of_these_pages(people, runtime, anna):
    charlie, event = people.staff("charlie"), recorded(runtime, "pro_consent")[0].id
    one = people.assessment_id(anna, "m03")
    for path in (
        *(f"{EVENTS}/{name}" for name in ("surgery", "contact_pause", "language_change", "site_transfer")),
        f"{EVENTS}/{event}/correct",
        f"{BASE}/assessments/new",
        *(f"/staff/assessments/{one}/{name}" for name in ("extend", "end-extension", "take-back")),
    ):
        assert charlie.get(path).status_code == 404, path
        assert charlie.post(path, {"reason": "x"}).status_code == 404, path
    assert charlie.post(f"{EVENTS}/{event}/end-pause").status_code == 404


def test_the_study_page_says_how_such_time_points_come_about(berit):
    berit.get("/staff/study")
    assert "30 days after surgery" in berit.text
    assert "each time it happens" in berit.text
    assert "Opened by staff, outside the plan" in berit.text
