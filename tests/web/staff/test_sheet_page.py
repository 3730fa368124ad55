"""The sheet to take home: the code once, in the participant's language, and never anywhere else."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from proapp.db.models import ActivationCode, AuthSession, PatientPin
from proapp.services import sessions
from proapp.services.vault import ALPHABET

URL = "/staff/participants/UME-001/sheet"
SIGNS = re.compile(r'<p class="sheet-signs">(.*?)</p>')


@pytest.fixture
def anna(people):
    return people.participant(consent_on=date(2026, 11, 20), activated=False)


def code_on(browser) -> str:
    return re.sub(r"<[^>]+>|\s", "", SIGNS.search(browser.text).group(1))


def codes(runtime) -> list[ActivationCode]:
    with runtime.reading() as session:
        return session.scalars(select(ActivationCode).order_by(ActivationCode.id)).all()


def test_the_sheet_shows_the_code_as_signs_and_as_a_picture(people, runtime, anna, caplog, capsys):
    browser = people.staff("berit")
    browser.get(URL)
    page = browser.post(URL)
    code = code_on(browser)
    assert page.status_code == 200
    assert len(code) == 12
    assert set(code) <= set(ALPHABET)
    assert 'class="qr"' in browser.text
    assert "pro.example.org/a " in browser.text  # the address to type, without the code
    assert page.headers["Cache-Control"] == "no-store"
    assert code not in page.headers.get("Location", "")
    assert code not in caplog.text + "".join(capsys.readouterr())


def test_the_picture_leads_to_the_code_page_with_the_code_behind_the_hash(people, anna, monkeypatch):
    seen = []
    import segno

    made = segno.make
    monkeypatch.setattr("segno.make", lambda text, **how: (seen.append(text), made(text, **how))[1])
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(URL)
    assert seen == [f"https://pro.example.org/a#{code_on(browser)}"]


def test_the_code_on_the_sheet_opens_the_door(people, runtime, browsers, anna):
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(URL)
    phone = browsers()
    phone.get("/a")
    page = phone.post("/a", {"code": code_on(browser)})
    assert page.status_code == 303
    assert page.headers["Location"] == "/pin"


def test_looking_at_the_page_makes_no_code_and_each_sheet_replaces_the_last(people, runtime, anna):
    browser = people.staff("berit")
    browser.get(URL)
    browser.get(URL)
    assert codes(runtime) == []
    browser.post(URL)
    first = code_on(browser)
    browser.get(URL)
    assert first not in browser.text  # and it cannot be looked up
    browser.post(URL)
    old, new = codes(runtime)
    assert old.revoked_at is not None
    assert new.revoked_at is None
    assert code_on(browser) != first


@pytest.mark.parametrize("theirs", ["sv", "en"])
@pytest.mark.parametrize("reader", ["sv", "en"])
def test_the_sheet_is_in_the_language_of_who_takes_it_home(people, study, theirs, reader):
    people.participant("UME-002", consent_on=date(2026, 11, 20), language=theirs, activated=False)
    browser = people.staff("berit", reader)
    url = "/staff/participants/UME-002/sheet"
    browser.get(url)
    browser.post(url)
    sheet = browser.text.split("<article")[1].split("</article>")[0]
    assert f'lang="{theirs}"' in sheet
    other = {"sv": "en", "en": "sv"}[theirs]
    assert study.site("UME").hours[theirs] in sheet
    assert study.site("UME").hours[other] not in sheet
    assert study.safety[theirs].split(".")[0] in sheet
    assert {"sv": "6 december 2026", "en": "6 December 2026"}[theirs] in sheet


def test_neither_name_nor_diagnosis_nor_number_is_on_the_sheet(people, study, anna):
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(URL)
    sheet = browser.text.split("<article")[1].split("</article>")[0]
    for word in ("cancer", "bröst", "lever", "701740605", *study.title.values()):
        assert word not in sheet
    assert "0980-319 201" in sheet  # whom to ring


def test_the_last_day_is_one_on_which_the_code_works_all_day(people, clock, anna):
    clock.set(datetime(2026, 11, 23, 23, 30, tzinfo=UTC))  # already the 24th in Umeå
    browser = people.staff("berit")
    browser.get(URL)
    browser.post(URL)
    assert re.search(r"7 December 2026|7 december 2026", browser.text)


def test_a_lost_phone_is_shut_out_with_the_same_click(people, runtime):
    anna = people.participant(consent_on=date(2026, 11, 20))
    with runtime.writing.begin() as session:
        sessions.start(session, runtime.vault, kind="device", now=runtime.clock(), participant_id=anna)
    browser = people.staff("berit")
    browser.get(URL)
    assert browser.post(URL, {"lost_phone": "yes"}).status_code == 422
    assert "Write a reason" in browser.text
    given = {"lost_phone": "yes", "identity_check": "Called back"}
    assert browser.post(URL, given).status_code == 200
    with runtime.reading() as session:
        ended = session.scalars(select(AuthSession.end_reason).where(AuthSession.participant_id == anna)).all()
        assert ended == ["lost_phone"]
        assert session.get(PatientPin, anna) is None


def test_who_has_died_gets_no_sheet(people, runtime, anna):
    people.event(anna, "death", date(2026, 11, 21))
    browser = people.staff("berit")
    browser.get(URL)
    assert browser.post(URL).status_code == 422
    assert "answers no more questionnaires" in browser.text
    assert codes(runtime) == []


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_nobody_else_makes_codes(people, runtime, anna, name):
    browser = people.staff(name)
    assert browser.get(URL).status_code == 403
    assert browser.post(URL).status_code == 403
    assert codes(runtime) == []


def test_charlie_gets_the_same_answer_as_for_nobody(people, runtime, anna):
    charlie = people.staff("charlie")
    charlie.get("/staff/participants/new")
    token = {"csrf_token": charlie.form_token()}
    for study_id in ("UME-001", "UME-404"):
        url = f"/staff/participants/{study_id}/sheet"
        assert charlie.get(url).status_code == 404
        assert charlie.post(url, token).status_code == 404
    assert codes(runtime) == []
