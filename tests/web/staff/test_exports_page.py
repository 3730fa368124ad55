"""The export page: who may take data out, what the file is, and that it can be made again."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent
from proapp.services import audit_review

WHEN = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


@pytest.fixture
def anna(people: Any) -> int:
    """Randomised in May, answered the baseline, missed three months."""
    anna: int = people.participant(
        "UME-001", consent_on=date(2026, 5, 4), randomized_on=date(2026, 5, 5), enrolled_at=WHEN
    )
    people.answered(anna, "baseline", started_at=WHEN, submitted_at=WHEN.replace(hour=9))
    return anna


def take(browser: Any, **form: str) -> Any:
    """POST, read to the end and closed, as a browser does."""
    return browser.post("/staff/export", form, buffered=True)


def events(runtime: Any) -> list[AuditEvent]:
    with runtime.reading() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == "export.created")))


@pytest.mark.parametrize("name", ["stina", "karin"])
def test_statistician_and_coordinator_get_a_zip_that_the_trail_remembers(people, runtime, anna, name):
    browser = people.staff(name)
    browser.get("/staff/export?cutoff=2026-11-22")
    answer = take(browser, cutoff="2026-11-22")
    assert answer.status_code == 200
    assert answer.mimetype == "application/zip"
    content = answer.get_data()
    sha256 = hashlib.sha256(content).hexdigest()
    assert answer.headers["Content-Disposition"] == f"attachment; filename=BreCLIM-2_2026-11-22_{sha256[:8]}.zip"
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(content)
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    (event,) = events(runtime)
    details = json.loads(event.details)
    assert (details["sha256"], details["bytes"], details["cut_off"]) == (sha256, len(content), "2026-11-22")
    assert details["rows"]["data/participants.csv"] == 1
    assert event.actor_id == people.staff_id(name)
    assert event.chain == "system"


@pytest.mark.parametrize("name", ["berit", "charlie", "ivar", "mona", "ada"])
def test_nobody_else_has_an_export_page(people, runtime, anna, name):
    browser = people.staff(name)
    assert browser.get("/staff/export").status_code == 403
    browser.get("/staff/account")
    assert take(browser, cutoff="2026-11-22").status_code == 403
    assert events(runtime) == []


def test_an_export_needs_a_form_token(people, runtime, anna):
    browser = people.staff("stina")
    assert browser.post("/staff/export", {"cutoff": "2026-11-22"}, token=False).status_code == 400
    assert events(runtime) == []


@pytest.mark.parametrize("typed", ["2026-11-24", "yesterday", "", "2026-02-30"])
def test_a_day_that_cannot_be_a_cut_off_is_refused_in_words_and_gives_no_file(people, runtime, anna, typed):
    browser = people.staff("stina")
    for answer in (browser.get(f"/staff/export?cutoff={typed}"), take(browser, cutoff=typed)):
        assert answer.status_code == 422
        assert 'role="alert"' in browser.text
        assert "<title>Error:" in browser.text
        assert ("still to come" if typed == "2026-11-24" else "Write a date such as") in browser.text
    assert events(runtime) == []


def test_the_page_says_beforehand_what_the_file_will_hold(people, anna):
    page = people.staff("stina").get("/staff/export?cutoff=2026-11-22").get_data(as_text=True)
    assert "Up to the end of 22 November 2026" in page
    # the baseline came, three months (5 August) was missed; six months is open
    assert "1 of 2" in page
    assert "Today is not over" not in page


def test_todays_cut_off_is_the_default_and_said_to_be_unfinished(people, anna):
    page = people.staff("stina").get("/staff/export").get_data(as_text=True)
    assert 'value="2026-11-23"' in page
    assert "Today is not over" in page


def test_an_earlier_export_made_again_is_the_same_file(people, runtime, clock, anna):
    browser = people.staff("stina")
    browser.get("/staff/export")
    first = take(browser, cutoff="2026-11-22").get_data()
    clock.forward(minutes=20)
    people.participant("LUN-001", randomized_on=date(2026, 11, 23))
    page = browser.get("/staff/export").get_data(as_text=True)
    sha256 = hashlib.sha256(first).hexdigest()
    assert sha256[:32] in page
    assert "Stina" in page
    again = take(browser, cutoff="2026-11-22", expected=sha256)
    assert again.status_code == 200
    assert again.get_data() == first
    assert len(events(runtime)) == 2


def test_an_export_of_a_day_that_lasts_is_made_again_as_known_then(people, runtime, clock, anna):
    browser = people.staff("stina")
    browser.get("/staff/export")
    first = take(browser, cutoff="2026-11-23").get_data()
    clock.forward(minutes=20)
    people.participant("LUN-001", consent_on=date(2026, 11, 23), enrolled_at=clock())
    page = browser.get("/staff/export").get_data(as_text=True)
    as_of = re.search(r'name="as_of" value="([^"]+)"', page)[1]
    sha256 = hashlib.sha256(first).hexdigest()
    assert take(browser, cutoff="2026-11-23", as_of=as_of, expected=sha256).get_data() == first
    clock.forward(seconds=1)
    browser.get("/staff/export")
    assert take(browser, cutoff="2026-11-23", expected=sha256).status_code == 409
    assert take(browser, cutoff="2026-11-23", as_of="2026-12-01T00:00:00+00:00").status_code == 422


def test_a_file_that_would_not_be_the_same_is_not_sent(people, runtime, anna):
    browser = people.staff("stina")
    browser.get("/staff/export")
    answer = take(browser, cutoff="2026-11-22", expected="0" * 64)
    assert answer.status_code == 409
    assert "would not be the same as before" in browser.text
    assert events(runtime) == []


def test_a_change_of_definitions_since_the_last_export_is_said(people, runtime, anna, session):
    from proapp.services import exporting
    from proapp.services.audit import COMMAND_LINE

    current = exporting.definitions(runtime.study, runtime.instruments)
    old = exporting.Made(
        exporting.Asked(date(2026, 11, 1)), "a" * 64, 10, {"data/participants.csv": 1}, {**current, "study": "b" * 64}
    )
    exporting.record(session, old, actor=COMMAND_LINE, now=WHEN)
    session.commit()
    page = people.staff("karin").get("/staff/export").get_data(as_text=True)
    assert "Since the last export something has changed: the study file." in page
    assert "command line" in page


def test_no_export_yet_is_an_empty_page_and_an_empty_study_a_file_of_headers(people, runtime):
    browser = people.staff("stina")
    assert "No export yet" in browser.get("/staff/export").get_data(as_text=True)
    answer = take(browser, cutoff="2026-11-22")
    with zipfile.ZipFile(io.BytesIO(answer.get_data())) as bundle:
        name = next(name for name in bundle.namelist() if name.endswith("items_long.csv"))
        assert bundle.read(name).count(b"\r\n") == 1


def test_answers_that_fit_no_installed_questionnaire_stop_the_export_in_words(people, runtime, anna):
    people.answered(anna, "m03", codes={"c30": {1: 9}}, started_at=WHEN, submitted_at=WHEN)
    browser = people.staff("stina")
    browser.get("/staff/export")
    answer = take(browser, cutoff="2026-11-22")
    assert answer.status_code == 409
    assert "UME-001, m03 was answered with another version of the questionnaire c30" in browser.text
    assert events(runtime) == []


def test_the_trail_still_verifies_after_exports(people, runtime, anna):
    browser = people.staff("stina")
    browser.get("/staff/export")
    for _ in range(2):
        take(browser, cutoff="2026-11-22")
        browser.get("/staff/export")
    with runtime.reading() as session:
        assert [fault for fault in audit_review.faults(session) if fault.chain == "system"] == []


def test_patients_can_save_while_an_export_is_read(people, runtime, anna, monkeypatch):
    """The page must not hold the writers' lock while it reads for seconds."""
    from proapp.web.staff import exports

    real = exports.bundle

    def writes_meanwhile(*args, **kwargs):
        with runtime.writing.begin() as session:
            session.execute(select(1))
        return real(*args, **kwargs)

    monkeypatch.setattr(exports, "bundle", writes_meanwhile)
    browser = people.staff("stina")
    browser.get("/staff/export")
    assert take(browser, cutoff="2026-11-22").status_code == 200
