"""A cut that is given a name and a signature on the export page, and held against the database later."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, Participant, StaffUser
from proapp.services import exporting

PASSWORD = "korrekt häst batteri"


@pytest.fixture
def stina(people: Any, runtime: Any) -> Any:
    return signing(people, runtime, "stina")


def signing(people: Any, runtime: Any, name: str) -> Any:
    """A browser of somebody who has a password to sign with."""
    browser = people.staff(name)
    with runtime.writing.begin() as session:
        user = session.get_one(StaffUser, people.staff_id(name))
        user.password_hash, user.totp_sealed, user.totp_last_step = runtime.vault.slow_hash(PASSWORD), b"x", 0
    browser.get("/staff/export?cutoff=2026-11-22")
    return browser


def freeze(browser: Any, named: str = "Interim 1", password: str = PASSWORD, cutoff: str = "2026-11-22") -> Any:
    return browser.post("/staff/export/freeze", {"named": named, "password": password, "cutoff": cutoff})


def frozen(runtime: Any) -> Any:
    with runtime.reading() as session:
        return exporting.earlier(session, action=exporting.FROZEN)


def row(browser: Any) -> dict[str, str]:
    """The hidden fields of the form of the first frozen cut."""
    page = browser.get("/staff/export").get_data(as_text=True)
    form = page.split('id="frozen"')[1].split("</form>")[0]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form)) | {"compare": "yes"}


def test_a_cut_is_frozen_with_name_hash_and_signature_and_listed(stina, people, runtime, clock):
    assert freeze(stina).status_code == 303
    (one,) = frozen(runtime)
    assert (one.named, one.who, one.role) == ("Interim 1", "Stina", "statistician")
    assert (one.made.asked.cut_off, one.made.asked.profile) == (date(2026, 11, 22), "analysis")
    page = stina.get("/staff/export").get_data(as_text=True)
    assert 'The cut is frozen as "Interim 1".' in page.replace("&#34;", '"')
    assert one.made.sha256[:32] in page
    with runtime.reading() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action.like("export.%")))
    assert (event.actor_kind, event.actor_id) == ("staff", people.staff_id("stina"))
    assert PASSWORD not in event.details
    assert json.loads(event.details)["as_of"] == "2026-11-22T23:00:00+00:00"


def test_made_again_it_is_said_to_be_the_same_and_nothing_is_sent(stina, runtime, clock):
    freeze(stina)
    clock.forward(minutes=10)
    answer = stina.post("/staff/export", row(stina))
    assert answer.status_code == 303
    assert "the file is the same to the last byte" in stina.get("/staff/export").get_data(as_text=True)
    with runtime.reading() as session:
        assert session.scalars(select(AuditEvent).where(AuditEvent.action == "export.created")).all() == []


def test_a_database_that_gives_another_file_is_said_so(stina, people, runtime):
    anna = people.participant("UME-001", consent_on=date(2026, 5, 4))
    freeze(stina)
    with runtime.writing.begin() as session:
        session.get_one(Participant, anna).enrolled_at -= timedelta(days=1)
        session.get_one(Participant, anna).study_id = "UME-002"
    answer = stina.post("/staff/export", row(stina))
    assert answer.status_code == 409
    assert "would not be the same as before" in stina.text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"password": "another"}, "That is not the password of Stina."),
        ({"password": ""}, "Write your password."),
        ({"named": " "}, "Write a name, such as Interim 1."),
        ({"named": "x" * 61}, "at most 60 characters"),
        ({"cutoff": "2026-11-24"}, "still to come"),
    ],
)
def test_without_a_signature_or_a_name_nothing_is_frozen(stina, runtime, given, sentence):
    assert freeze(stina, **given).status_code == 422
    assert sentence in stina.text
    assert frozen(runtime) == []


def test_a_name_is_given_once(stina, people, runtime):
    assert freeze(stina).status_code == 303
    karin = signing(people, runtime, "karin")
    assert freeze(karin, named="  INTERIM   1 ").status_code == 422
    assert "There is a cut with this name already" in karin.text
    assert len(frozen(runtime)) == 1


def test_wrong_passwords_are_counted_although_nothing_is_frozen(stina, runtime):
    for _ in range(20):
        freeze(stina, password="another")
        if "Too many tries" in stina.text:
            break
    assert "Too many tries" in stina.text
    assert freeze(stina).status_code == 422
    assert frozen(runtime) == []


@pytest.mark.parametrize("name", ["berit", "mona", "ada"])
def test_nobody_else_freezes(people, runtime, name):
    browser = people.staff(name)
    browser.get("/staff/account")
    assert freeze(browser).status_code == 403
    assert frozen(runtime) == []


def test_the_archive_is_made_again_only_for_who_reads_the_trail(people, runtime, clock):
    asked = exporting.ask(runtime.study, now=clock(), cut_off=date(2026, 11, 22), profile="archive")
    keyed = exporting.ask(runtime.study, now=clock(), cut_off=date(2026, 11, 22), key_id="0a1b2c3d")
    with runtime.writing.begin() as session:
        for one in (asked, keyed):
            made = exporting.Made(one, "a" * 64, 1, {}, exporting.definitions(runtime.study, runtime.instruments))
            exporting.record(session, made, actor=exporting.audit.COMMAND_LINE, now=clock())
    for name, forms, status in (("stina", 0, 403), ("karin", 1, 409)):
        browser = people.staff(name)
        page = browser.get("/staff/export").get_data(as_text=True)
        assert page.count("Create again") == forms
        assert "ids by the key 0a1b2c3d" in page
        given = {"cutoff": "2026-11-22", "profile": "archive", "expected": "a" * 64}
        assert browser.post("/staff/export", given).status_code == status
