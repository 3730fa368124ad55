"""Contact details on a page: for those who call, and changed without a trace of the values."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent
from proapp.services import contacts
from proapp.services.audit import WORKER

URL = "/staff/participants/UME-001/contact"
GIVEN = {"channel": "sms", "mobile": "070-174 06 05", "email": ""}


@pytest.fixture
def anna(people):
    return people.participant(consent_on=date(2026, 11, 20))


def kept(runtime):
    with runtime.reading() as session:
        return contacts.read(session, vault=runtime.vault, study_id="UME-001", sites=None, actor=WORKER)


def changes(runtime) -> list[str]:
    with runtime.reading() as session:
        return list(session.scalars(select(AuditEvent.details).where(AuditEvent.action == "contact.changed")))


@pytest.mark.parametrize("name", ["berit", "ivar", "karin"])
def test_who_has_to_call_sees_the_number_as_people_write_it(people, anna, name):
    browser = people.staff(name)
    page = browser.get(URL)
    assert 'value="070-174 06 05"' in browser.text
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_nobody_else_does(people, runtime, anna, name):
    browser = people.staff(name)
    assert browser.get(URL).status_code == 403
    assert browser.post(URL, GIVEN).status_code == 403
    assert changes(runtime) == []


def test_a_change_is_kept_and_leads_back(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(URL)
    page = browser.post(URL, {**GIVEN, "channel": "email", "email": "anna@example.se"})
    assert page.status_code == 303
    assert page.headers["Location"] == "/staff/participants/UME-001"
    assert "The contact details are changed." in browser.follow().get_data(as_text=True)
    assert kept(runtime) == contacts.ContactDetails("email", "+46701740605", "anna@example.se")
    assert changes(runtime) == ['{"fields":["channel","email"],"was":"sms"}']


def test_saving_the_same_changes_nothing_and_says_so(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(URL, GIVEN)
    assert "Nothing was changed." in browser.follow().get_data(as_text=True)
    assert changes(runtime) == []


REFUSED = [
    ({"mobile": "08-465 004 01"}, "That is a landline"),
    ({"mobile": ""}, "Write a mobile number"),
    ({"channel": "pigeon"}, "Not a valid choice"),
    ({"email": "anna"}, "not an e-mail address"),
]


def test_what_is_refused_keeps_what_was_there(people, runtime, anna):
    before = kept(runtime)
    browser = people.staff("berit")
    browser.get(URL)
    for given, words in REFUSED:
        assert browser.post(URL, {**GIVEN, **given}).status_code == 422
        assert words in browser.text
        assert "<title>Error: " in browser.text
        assert kept(runtime) == before


def test_charlie_gets_the_same_answer_as_for_nobody(people, runtime, anna):
    charlie = people.staff("charlie")
    charlie.get("/staff/participants/new")
    token = {"csrf_token": charlie.form_token()}
    for study_id in ("UME-001", "UME-404"):
        url = f"/staff/participants/{study_id}/contact"
        assert charlie.get(url).status_code == 404
        assert "701740605" not in charlie.text
        assert charlie.post(url, {**GIVEN, **token, "email": "c@example.se"}).status_code == 404
    assert changes(runtime) == []
