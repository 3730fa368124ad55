"""The steps after the first PIN, and the page of one's own contact details."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, Contact
from tests.people import PIN

MOBILE = "070-174 06 05"  # of everybody in tests/people.py
OTHER = "070-174 06 77"


def kept(people: Any, person: int) -> Any:
    """(mobile, email, channel, confirmed?) as recorded."""
    vault = people.runtime.vault
    with people.runtime.reading() as session:
        row = session.get(Contact, person)
        plain = vault.open(row.sealed, bound_to=f"contact:{person}")
        return plain["mobile"], plain["email"], row.channel, row.confirmed_at is not None


@pytest.fixture
def newcomer(anna: Any) -> Any:
    """anna right after she has chosen her PIN."""
    return anna


def test_each_step_shows_only_a_part_of_what_is_recorded(newcomer: Any) -> None:
    newcomer.browser.get("/welcome/mobile")
    assert "070-••• •• 05" in newcomer.browser.text
    assert "It ends with 05." in newcomer.browser.text
    for path in ("/welcome/mobile", "/welcome/email", "/welcome/reminders"):
        newcomer.browser.get(path)
        assert "174" not in newcomer.browser.text
        assert 'href="/home">I will do this later' in newcomer.browser.text


def test_yes_to_everything_confirms_and_ends_on_the_home_page(newcomer: Any) -> None:
    browser = newcomer.browser
    browser.get("/welcome/mobile")
    assert browser.post("/welcome/mobile", {"answer": "yes"}).headers["Location"] == "/welcome/email"
    browser.follow()
    assert "Do you have an e-mail address?" in browser.text
    assert browser.post("/welcome/email", {"answer": "none"}).headers["Location"] == "/welcome/reminders"
    browser.follow()
    assert "By e-mail" not in browser.text
    assert browser.post("/welcome/reminders", {"channel": "sms"}).headers["Location"] == "/home"
    assert "Everything is ready" in browser.follow().get_data(as_text=True)
    assert kept(newcomer.people, newcomer.id) == ("+46701740605", None, "sms", True)
    assert newcomer.audited() == ["contact.confirmed"]


def test_another_number_is_saved_at_once_and_going_back_shows_it(newcomer: Any) -> None:
    browser = newcomer.browser
    browser.get("/welcome/mobile")
    browser.post("/welcome/mobile", {"answer": "other", "mobile": OTHER})
    browser.get("/welcome/mobile")
    assert "070-••• •• 77" in browser.text
    assert kept(newcomer.people, newcomer.id)[0] == "+46701740677"
    assert newcomer.audited() == ["contact.changed"]


def test_without_number_and_address_there_are_only_letters(newcomer: Any) -> None:
    browser = newcomer.browser
    browser.get("/welcome/mobile")
    browser.post("/welcome/mobile", {"answer": "none"})
    browser.post("/welcome/email", {"answer": "none"})
    browser.get("/welcome/reminders")
    assert "By text message" not in browser.text
    assert "writes a letter" in browser.text
    assert kept(newcomer.people, newcomer.id)[:3] == (None, None, "letter")


@pytest.mark.parametrize(
    ("step", "form", "sentence"),
    [
        ("mobile", {}, "Choose one of the answers."),
        ("mobile", {"answer": "perhaps"}, "Choose one of the answers."),
        ("mobile", {"answer": "other", "mobile": ""}, "Please write your mobile number."),
        ("mobile", {"answer": "other", "mobile": "090-12 34 56"}, "That is a landline"),
        ("mobile", {"answer": "other", "mobile": "12"}, "does not look like a mobile number"),
        ("email", {"answer": "yes"}, "Choose one of the answers."),  # there is none to say yes to
        ("email", {"answer": "other", "email": "anna at home"}, "does not look like an e-mail address"),
        ("reminders", {}, "Choose how you would like to be reminded."),
        ("reminders", {"channel": "email"}, "Please write your e-mail address"),
    ],
)
def test_what_will_not_do_is_said_kindly_and_stays_in_the_field(
    newcomer: Any, step: str, form: dict[str, str], sentence: str
) -> None:
    browser = newcomer.browser
    browser.get(f"/welcome/{step}")
    assert browser.post(f"/welcome/{step}", form).status_code == 422
    assert sentence in html.unescape(browser.text)
    assert "<title>Error:" in browser.text
    for value in form.values():
        assert value in browser.text or value in ("yes", "perhaps", "email")
    assert newcomer.audited() == []


def test_the_steps_can_be_left_out(newcomer: Any) -> None:
    newcomer.browser.get("/home")
    assert "Please check that they are right." in newcomer.browser.text
    assert not kept(newcomer.people, newcomer.id)[3]


def test_own_details_are_shown_in_full_after_a_pin_given_a_moment_ago(anna: Any) -> None:
    anna.browser.get("/contact")
    assert MOBILE in anna.browser.text
    anna.browser.post("/contact", {"mobile": MOBILE, "email": "anna@example.se", "channel": "email"})
    assert anna.browser.page.headers["Location"] == "/home"
    assert kept(anna.people, anna.id) == ("+46701740605", "anna@example.se", "email", True)


def test_later_the_pin_is_asked_for_and_nothing_is_shown_before(anna: Any, clock: Any) -> None:
    clock.forward(minutes=6)
    anna.browser.get("/contact")
    assert "Your PIN once more" in anna.browser.text
    assert MOBILE not in anna.browser.text
    assert anna.browser.post("/contact/pin", {"pin": "0000"}).status_code == 422
    assert "That is not your PIN" in anna.browser.text
    assert anna.browser.post("/contact/pin", {"pin": PIN}).headers["Location"] == "/contact"
    assert MOBILE in anna.browser.follow().get_data(as_text=True)
    assert anna.audited() == ["patient.pin_given"]


def test_guessing_the_pin_there_is_stopped_as_at_the_sign_in(anna: Any, clock: Any) -> None:
    clock.forward(minutes=6)
    anna.browser.get("/contact")
    statuses = [anna.browser.post("/contact/pin", {"pin": f"00{number:02d}"}).status_code for number in range(12)]
    assert statuses[0] == 422
    assert statuses[-1] == 429
    assert anna.browser.post("/contact/pin", {"pin": PIN}).status_code == 429
    panel = anna.browser.text.split('class="panel"')[1].split("</div>")[0]
    assert panel.count('href="tel:') == 1  # her own clinic, not all six


def test_a_form_that_took_long_asks_for_the_pin_and_keeps_what_was_typed(anna: Any, clock: Any) -> None:
    anna.browser.get("/contact")
    clock.forward(minutes=20)
    form = {"mobile": OTHER, "email": "anna@example.se", "channel": "sms"}
    assert anna.browser.post("/contact", form).status_code == 422
    assert OTHER in anna.browser.text
    assert 'id="pin"' in anna.browser.text
    assert kept(anna.people, anna.id)[0] == "+46701740605"
    assert anna.browser.post("/contact", {**form, "pin": "0000"}).status_code == 422
    assert OTHER in anna.browser.text
    assert anna.browser.post("/contact", {**form, "pin": PIN}).status_code == 303
    assert kept(anna.people, anna.id)[0] == "+46701740677"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"mobile": "", "email": "", "channel": "sms"}, "choose another way to be reminded"),
        ({"mobile": OTHER, "email": "x", "channel": "sms"}, "does not look like an e-mail address"),
        ({"mobile": OTHER, "email": "", "channel": ""}, "Choose how you would like to be reminded."),
    ],
)
def test_a_refused_change_leaves_everything_as_it_was(anna: Any, form: dict[str, str], sentence: str) -> None:
    anna.browser.get("/contact")
    assert anna.browser.post("/contact", form).status_code == 422
    assert sentence in html.unescape(anna.browser.text)
    assert kept(anna.people, anna.id) == ("+46701740605", None, "sms", False)


def test_a_patient_changes_nobody_elses_details(anna: Any) -> None:
    other = anna.people.participant("UME-002")
    anna.browser.get("/contact")
    anna.browser.post("/contact", {"mobile": OTHER, "email": "", "channel": "sms", "study_id": "UME-002", "id": other})
    assert kept(anna.people, other)[0] == "+46701740605"
    assert kept(anna.people, anna.id)[0] == "+46701740677"


def test_the_trail_holds_no_value(anna: Any) -> None:
    anna.browser.get("/contact")
    anna.browser.post("/contact", {"mobile": OTHER, "email": "anna@example.se", "channel": "email"})
    with anna.people.runtime.reading() as session:
        (event,) = session.scalars(select(AuditEvent))
    assert set(json.loads(event.details)["fields"]) == {"channel", "mobile", "email"}
    assert "anna@" not in event.details
    assert "174" not in event.details
    assert (event.actor_kind, event.actor_id) == ("patient", anna.id)


def test_who_is_out_of_reach_is_told_on_the_home_page_until_it_is_put_right(anna: Any, clock: Any) -> None:
    with anna.people.runtime.writing.begin() as session:
        session.get_one(Contact, anna.id).undeliverable_at = clock()
    anna.browser.get("/home")
    assert "Our messages do not reach you." in anna.browser.text
    anna.browser.get("/contact")
    anna.browser.post("/contact", {"mobile": MOBILE, "email": "", "channel": "sms"})
    anna.browser.get("/home")
    assert "Our messages do not reach you." not in anna.browser.text
    assert "Please look" not in anna.browser.text
