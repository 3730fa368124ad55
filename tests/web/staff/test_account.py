"""One's own account: devices, password, language."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from proapp.db.models import AuthSession, StaffUser

PASSWORD = "quiet river under stones"
EVERYBODY = ("berit", "ivar", "karin", "mona", "stina", "ada")


@pytest.fixture
def berit(people, runtime):
    user_id = people.staff_id("berit")
    with runtime.writing.begin() as session:
        session.get(StaffUser, user_id).password_hash = runtime.vault.slow_hash(PASSWORD)
    return people.staff("berit")


def change(browser, current=PASSWORD, new="another long sentence", again=None):
    browser.get("/staff/account")
    return browser.post("/staff/account/password", {"current": current, "password": new, "again": again or new})


def test_everybody_has_one(people):
    for name in EVERYBODY:
        browser = people.staff(name)
        assert browser.get("/staff/account").status_code == 200
        assert f"{name}@example.org" in browser.text


def test_a_new_password_signs_the_other_devices_out(berit, people):
    other = people.staff("berit")
    assert change(berit).status_code == 303
    berit.follow()
    assert "Your password is changed" in berit.text
    assert other.get("/staff/account").headers["Location"] == "/staff/sign-in"
    assert berit.get("/staff/account").status_code == 200


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"current": "wrong wrong wrong"}, "That is not the password you have now."),
        ({"new": "short"}, "at least 12 characters"),
        ({"new": "berit@example.org"}, "easy to guess"),
        ({"again": "something else long"}, "The two passwords are not the same."),
    ],
)
def test_what_is_wrong_is_explained_and_changes_nothing(berit, people, fields, sentence):
    other = people.staff("berit")
    assert change(berit, **fields).status_code == 422
    assert sentence in berit.text
    assert "<title>Error: " in berit.text
    assert other.get("/staff/account").status_code == 200
    assert PASSWORD not in berit.text


def test_devices_are_listed_and_another_one_can_be_ended(berit, people, runtime):
    other = people.staff("berit")
    with runtime.reading() as session:
        mine, others = session.scalars(select(AuthSession.id).order_by(AuthSession.id)).all()
    berit.get("/staff/account")
    assert "This device" in berit.text
    assert f'value="{others}"' in berit.text
    assert f'name="session_id" value="{mine}"' not in berit.text
    berit.post("/staff/account/sessions/end", {"session_id": others})
    assert other.get("/staff/account").headers["Location"] == "/staff/sign-in"
    assert berit.get("/staff/account").status_code == 200


def test_all_other_devices_can_be_ended_at_once(berit, people):
    others = [people.staff("berit"), people.staff("berit")]
    berit.get("/staff/account")
    berit.post("/staff/account/sessions/end-others")
    berit.follow()
    assert "2 devices are signed out." in berit.text
    assert {one.get("/staff/account").headers["Location"] for one in others} == {"/staff/sign-in"}


def test_somebody_elses_device_is_as_absent_as_none(berit, people, runtime):
    charlie = people.staff("charlie")
    with runtime.reading() as session:
        theirs = session.scalars(select(AuthSession.id).order_by(AuthSession.id.desc()).limit(1)).one()
    berit.get("/staff/account")
    token = berit.form_token()
    pages = [
        berit.post("/staff/account/sessions/end", {"session_id": one, "csrf_token": token}) for one in (theirs, 99999)
    ]
    assert [page.status_code for page in pages] == [404, 404]
    assert pages[0].data == pages[1].data
    assert charlie.get("/staff/account").status_code == 200


def test_a_device_that_is_no_number_changes_nothing(berit):
    for value in ("", "x", "-1", "1 OR 1=1", "9" * 40, "１"):
        berit.get("/staff/account")
        assert berit.post("/staff/account/sessions/end", {"session_id": value}).status_code in (303, 404)
        assert berit.get("/staff/account").status_code == 200


def test_the_language_is_kept_with_the_person(berit, people, runtime):
    berit.get("/staff/account")
    assert 'lang="en"' in berit.text
    berit.post("/staff/account/language", {"language": "sv"})
    berit.follow()
    assert '<html lang="sv">' in berit.text
    elsewhere = people.staff("berit", language="en")
    elsewhere.get("/staff/account")
    assert '<html lang="sv">' in elsewhere.text


def test_a_language_that_is_not_offered_is_refused(berit):
    for value in ("", "de", "sv-SE", "<script>"):
        berit.get("/staff/account")
        assert berit.post("/staff/account/language", {"language": value}).status_code == 422


def test_the_study_page_says_what_is_in_force_and_that_it_is_an_example(people, study, runtime):
    for name in EVERYBODY:
        browser = people.staff(name)
        assert browser.get("/staff/study").status_code == 200
        assert study.content_hash in browser.text
        assert "ot validated, not an EORTC instrument" in browser.text
        hashes = [runtime.instruments[code].content_hash for code in study.instruments]
        names = [*(site.name for site in study.sites), *(one.label["en"] for one in study.timepoints)]
        assert [text for text in (*hashes, *names) if text not in browser.text] == []
