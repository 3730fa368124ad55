"""Events on pages: consequences before the button, the same answer for the same click twice, and mistakes put right."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from proapp.db.models import Assessment, AuthSession, ChangeProposal, ParticipantEvent

BASE = "/staff/participants/UME-001"
EVENTS = f"{BASE}/events"
CORRECT = f"{BASE}/correct-randomisation"
CLINICAL_PAGES = (EVENTS, f"{EVENTS}/death", f"{EVENTS}/pro_stop", f"{EVENTS}/trial_withdrawal", CORRECT)
TODAY = "2026-11-23"


@pytest.fixture
def anna(people):
    return people.participant(
        consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 10), enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


def recorded(runtime, *types: str) -> list[ParticipantEvent]:
    with runtime.reading() as session:
        query = select(ParticipantEvent).where(ParticipantEvent.type.in_(types)).order_by(ParticipantEvent.id)
        return list(session.scalars(query))


def target(runtime, timepoint="m03") -> date:
    with runtime.reading() as session:
        return session.scalar(select(Assessment.target_on).where(Assessment.timepoint == timepoint))


# --- stops ----------------------------------------------------------------------------------------------------------


def test_the_page_of_events_offers_what_has_not_happened(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(EVENTS)
    for type_ in ("death", "pro_stop", "trial_withdrawal"):
        assert f'href="{EVENTS}/{type_}"' in browser.text
    people.event(anna, "pro_stop", date(2026, 11, 1))
    browser.get(EVENTS)
    assert f'href="{EVENTS}/pro_stop"' not in browser.text
    assert f"/events/{recorded(runtime, 'pro_stop')[0].id}/revoke" in browser.text


@pytest.mark.parametrize(
    ("type_", "consequence"),
    [
        ("death", "every phone is signed out"),
        ("trial_withdrawal", "The decision about the data goes with every export."),
        ("pro_stop", "stays in the trial"),
    ],
)
def test_what_it_leads_to_is_said_before_the_button(people, anna, type_, consequence):
    browser = people.staff("berit")
    browser.get(f"{EVENTS}/{type_}")
    assert consequence in browser.text
    assert browser.text.index(consequence) < browser.text.index(">Record</button>")


def test_recording_twice_is_one_event_and_the_same_answer(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(f"{EVENTS}/death")
    token = browser.form_token()
    for _click in range(2):
        page = browser.post(f"{EVENTS}/death", {"effective_on": TODAY, "csrf_token": token})
        assert page.status_code == 303
        assert page.headers["Location"] == BASE
        assert "Recorded: Died." in browser.follow().get_data(as_text=True)
    assert len(recorded(runtime, "death")) == 1


def test_another_date_for_the_same_event_is_refused(people, runtime, anna):
    people.event(anna, "death", date(2026, 11, 1))
    browser = people.staff("berit")
    browser.get(f"{EVENTS}/death")
    assert browser.post(f"{EVENTS}/death", {"effective_on": TODAY}).status_code == 422
    assert "already recorded, with the date 1 November 2026" in browser.text
    assert len(recorded(runtime, "death")) == 1


def test_leaving_the_trial_asks_for_the_decision_about_the_data(people, runtime, anna):
    url = f"{EVENTS}/trial_withdrawal"
    browser = people.staff("berit")
    browser.get(url)
    assert browser.post(url, {"effective_on": TODAY}).status_code == 422
    assert "Choose what the participant has decided" in browser.text
    assert browser.post(url, {"effective_on": TODAY, "data_use": "keep_until"}).status_code == 422
    given = {"effective_on": TODAY, "data_use": "keep_until", "keep_until": "2026-10-01"}
    assert browser.post(url, given).status_code == 303
    assert recorded(runtime, "trial_withdrawal")[0].payload == {"data_use": "keep_until", "until": "2026-10-01"}


def test_a_patient_in_the_middle_is_signed_out_by_it(people, runtime, anna):
    people.patient(anna)
    browser = people.staff("berit")
    browser.get(f"{EVENTS}/death")
    browser.post(f"{EVENTS}/death", {"effective_on": TODAY})
    with runtime.reading() as session:
        assert session.scalars(select(AuthSession.end_reason).where(AuthSession.participant_id == anna)).all() == [
            "death"
        ]


REFUSED_STOPS = [
    ({"effective_on": ""}, "Write the date."),
    ({"effective_on": "2026-11-24"}, "lies in the future"),
    ({"effective_on": "2026-07-31"}, "consent, which was given on 1 August 2026"),
    ({"effective_on": TODAY, "note": "x" * 501}, "at most 500 characters"),
]


def test_what_cannot_be_is_refused_in_words(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(f"{EVENTS}/pro_stop")
    for given, words in REFUSED_STOPS:
        assert browser.post(f"{EVENTS}/pro_stop", given).status_code == 422
        assert words in browser.text
        assert recorded(runtime, "pro_stop") == []


def test_no_other_kind_of_event_has_a_page(people, anna):
    browser = people.staff("berit")
    for type_ in ("randomized", "revoked", "pro_consent", "anything"):
        assert browser.get(f"{EVENTS}/{type_}").status_code == 404


def test_a_mistake_is_taken_back_with_a_reason(people, runtime, anna):
    people.event(anna, "death", date(2026, 11, 1))
    wrong = recorded(runtime, "death")[0].id
    url = f"{EVENTS}/{wrong}/revoke"
    browser = people.staff("berit")
    browser.get(url)
    token = browser.form_token()
    assert browser.post(url, {"reason": " "}).status_code == 422
    assert browser.post(url, {"reason": "The wrong Anna", "csrf_token": token}).status_code == 303
    assert "Taken back: Died." in browser.follow().get_data(as_text=True)
    taken = recorded(runtime, "revoked")
    assert [(event.supersedes_id, event.reason) for event in taken] == [(wrong, "The wrong Anna")]
    browser.post(url, {"reason": "again", "csrf_token": token})
    assert "already taken back" in browser.follow().get_data(as_text=True)
    assert len(recorded(runtime, "revoked")) == 1


def test_consent_randomisation_and_other_peoples_events_cannot_be_taken_back(people, runtime, anna):
    lena = people.participant("UME-002", consent_on=date(2026, 8, 1))
    people.event(lena, "death", date(2026, 11, 1))
    browser = people.staff("berit")
    for event in recorded(runtime, "pro_consent", "randomized", "death"):
        assert browser.get(f"{EVENTS}/{event.id}/revoke").status_code == 404


# --- correcting the date of randomisation ---------------------------------------------------------------------------

FIX = {"new_date": "2026-08-20", "new_time": "", "reason": "A slip of the pen"}


def look(browser, **changes) -> str:
    """The preview; returns what has to be sent along with the confirmation."""
    browser.get(CORRECT)
    browser.post(CORRECT, {**FIX, **changes, "step": "look"})
    return browser.text.split('name="seen" value="')[1].split('"')[0]


def test_the_preview_shows_old_and_new_dates_and_saves_nothing(people, runtime, anna):
    browser = people.staff("berit")
    look(browser)
    assert "Tue 10 Nov 2026" in browser.text
    assert "Fri 20 Nov 2026" in browser.text
    assert "A slip of the pen" in browser.text
    assert target(runtime) == date(2026, 11, 10)
    assert len(recorded(runtime, "randomized")) == 1


def approve(people, address: str) -> None:
    """Another person says yes, having looked."""
    ivar = people.staff("ivar")
    ivar.get(address)
    seen = ivar.text.split('name="seen" value="')[1].split('"')[0]
    assert ivar.post(address, {"do": "approve", "seen": seen}).status_code == 303


def test_confirming_proposes_and_a_second_person_moves_what_the_preview_showed(people, runtime, anna):
    browser = people.staff("berit")
    seen = look(browser)
    page = browser.post(CORRECT, {**FIX, "seen": seen, "step": "confirm"})
    assert page.status_code == 303
    address = page.headers["Location"]
    assert "It is done when a second person has approved it." in browser.follow().get_data(as_text=True)
    assert len(recorded(runtime, "randomized")) == 1
    assert target(runtime) == date(2026, 11, 10)
    approve(people, address)
    assert target(runtime) == date(2026, 11, 20)
    assert recorded(runtime, "randomized")[1].reason == "A slip of the pen"


def test_confirming_twice_proposes_once(people, runtime, anna):
    browser = people.staff("berit")
    seen = look(browser)
    token = browser.form_token()
    places = set()
    for _click in range(2):
        page = browser.post(CORRECT, {**FIX, "seen": seen, "step": "confirm", "csrf_token": token})
        places.add((page.status_code, page.headers["Location"]))
    assert len(places) == 1
    assert "It is done when a second person has approved it." in browser.follow().get_data(as_text=True)
    with runtime.reading() as session:
        assert len(session.scalars(select(ChangeProposal)).all()) == 1


def test_what_was_opened_meanwhile_is_shown_again_before_anything_is_proposed(people, runtime, anna):
    browser = people.staff("berit")
    seen = look(browser)
    people.answered(anna, "m03", codes={})  # she begins just now
    page = browser.post(CORRECT, {**FIX, "seen": seen, "step": "confirm"})
    assert page.status_code == 200
    assert "Something changed while you were reading" in browser.text
    assert "stays: the participant has begun to answer it" in browser.text
    seen = browser.text.split('name="seen" value="')[1].split('"')[0]
    page = browser.post(CORRECT, {**FIX, "seen": seen, "step": "confirm"})
    assert page.status_code == 303
    approve(people, page.headers["Location"])
    assert target(runtime) == date(2026, 11, 10)
    assert target(runtime, "m06") == date(2027, 2, 20)


REFUSED_CORRECTIONS = [
    ({"reason": ""}, "Write a reason"),
    ({"reason": "  "}, "Write a reason"),
    ({"new_date": "2026-08-10"}, "already recorded"),
    ({"new_date": "2026-11-24"}, "lies in the future"),
    ({"new_date": "2026-07-31"}, "consent, which was given on 1 August 2026"),
]


def test_a_correction_that_cannot_be_is_refused_at_either_step(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(CORRECT)
    for changes, words in REFUSED_CORRECTIONS:
        for step in ("look", "confirm"):
            assert browser.post(CORRECT, {**FIX, **changes, "step": step}).status_code == 422
            assert words in browser.text
        assert len(recorded(runtime, "randomized")) == 1


def test_nobody_randomised_has_nothing_to_correct(people):
    people.participant(consent_on=date(2026, 11, 1))
    browser = people.staff("berit")
    browser.get(CORRECT)
    assert "not randomised yet" in browser.follow().get_data(as_text=True)


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_who_only_reads_has_none_of_these_pages(people, runtime, anna, name):
    browser = people.staff(name)
    for url in CLINICAL_PAGES:
        assert browser.get(url).status_code == 403
        assert browser.post(url, {"effective_on": TODAY}).status_code in (403, 405)
    assert recorded(runtime, "death", "pro_stop", "trial_withdrawal") == []


def test_charlie_gets_the_same_answer_as_for_nobody(people, runtime, anna):
    people.event(anna, "pro_stop", date(2026, 11, 1))
    mine = recorded(runtime, "pro_stop")[0].id
    charlie = people.staff("charlie")
    charlie.get("/staff/participants/new")
    token = {"csrf_token": charlie.form_token()}
    for url in (*CLINICAL_PAGES, f"{EVENTS}/{mine}/revoke"):
        answers = []
        for address in (url, url.replace("UME-001", "UME-404")):
            page = charlie.get(address)
            answers.append((page.status_code, charlie.text.replace("UME-404", "UME-001")))
            if url != EVENTS:
                given = {"effective_on": TODAY, "reason": "x", **FIX, "step": "confirm", **token}
                assert charlie.post(address, given).status_code == 404
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    assert recorded(runtime, "death", "trial_withdrawal", "revoked") == []
    assert len(recorded(runtime, "randomized")) == 1
