"""The enrolment form: what it offers, what it refuses in words, and that nothing is half saved."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from proapp.db.models import AuditEvent, Contact, Participant
from tests.conftest import START

NEW = "/staff/participants/new"
TODAY = START.date()
GIVEN = {
    "site_code": "UME",
    "study_id": "UME-007",
    "consent_on": TODAY.isoformat(),
    "language": "sv",
    "channel": "sms",
    "mobile": "070-174 06 55",
    "email": "",
}


def count(runtime, table=Participant) -> int:
    with runtime.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


@pytest.mark.parametrize("name", ["berit", "ivar", "karin"])
def test_clinic_staff_enrol_and_are_led_to_the_sheet(people, runtime, name):
    browser = people.staff(name)
    browser.get(NEW)
    page = browser.post(NEW, GIVEN)
    assert page.status_code == 303
    assert page.headers["Location"] == "/staff/participants/UME-007/sheet"
    assert "UME-007 is enrolled" in browser.follow().get_data(as_text=True)
    assert count(runtime) == 1


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_nobody_else_may_even_look(people, runtime, name):
    browser = people.staff(name)
    assert browser.get(NEW).status_code == 403
    assert browser.post(NEW, GIVEN).status_code == 403
    assert count(runtime) == 0


def test_a_nurse_of_one_site_need_not_choose_it(people):
    browser = people.staff("berit")
    browser.get(NEW)
    assert '<input type="hidden" name="site_code" value="UME">' in browser.text
    assert "Next free number: UME-001" in browser.text
    assert "<select" not in browser.text


def test_a_coordinator_chooses_among_all_sites(people, study):
    browser = people.staff("karin")
    browser.get(NEW)
    assert all(f'value="{site.code}"' in browser.text for site in study.sites)
    browser.post(NEW, {**GIVEN, "site_code": ""})
    assert browser.page.status_code == 422
    assert "Choose the site." in browser.text


REFUSED = [
    ({"study_id": ""}, "Write the study id."),
    ({"study_id": "UME-7"}, "for example UME-001"),
    ({"study_id": "LUN-001"}, "belongs to Lund"),
    ({"consent_on": ""}, "Write the date of consent."),
    ({"consent_on": "yesterday"}, "year-month-day"),
    ({"consent_on": "2026-02-30"}, "year-month-day"),
    ({"consent_on": (TODAY + timedelta(days=1)).isoformat()}, "lies in the future"),
    ({"mobile": "090-785 00 00"}, "That is a landline"),
    ({"mobile": "010-123 45 67"}, "not a mobile number"),
    ({"mobile": "12"}, "not a telephone number"),
    ({"mobile": ""}, "Write a mobile number"),
    ({"channel": "email"}, "Write an e-mail address"),
    ({"email": "anna at example"}, "not an e-mail address"),
    ({"language": ""}, "Choose the language."),
]


def test_what_is_refused_is_said_on_top_and_beside_the_field(people, runtime):
    browser = people.staff("berit")
    browser.get(NEW)
    for changes, words in REFUSED:
        page = browser.post(NEW, {**GIVEN, **changes})
        assert page.status_code == 422
        assert browser.text.count(words) >= 2
        assert "<title>Error: " in browser.text
        assert 'role="alert"' in browser.text
        for name, value in {**GIVEN, **changes}.items():
            if name in ("study_id", "consent_on", "mobile", "email") and value:
                assert f'value="{value}"' in browser.text  # everything typed is kept
        assert (count(runtime), count(runtime, AuditEvent)) == (0, 0)


def test_a_number_used_by_another_asks_why_and_saves_nothing_before(people, runtime):
    browser = people.staff("berit")
    browser.get(NEW)
    browser.post(NEW, GIVEN)
    second = {**GIVEN, "study_id": "UME-008"}
    page = browser.post(NEW, second)
    assert page.status_code == 422
    assert "Another participant has this number" in browser.text
    assert 'name="allow_shared_mobile_reason"' in browser.text
    assert (count(runtime), count(runtime, Contact)) == (1, 1)  # not even the participant without the number
    assert browser.post(NEW, {**second, "allow_shared_mobile_reason": "A couple"}).status_code == 303
    assert count(runtime) == 2


def test_the_same_form_sent_twice_enrols_once_and_says_so(people, runtime):
    browser = people.staff("berit")
    browser.get(NEW)
    assert browser.post(NEW, GIVEN).status_code == 303
    page = browser.post(NEW, GIVEN)
    assert page.status_code == 422
    assert "If you have just sent this form, it was saved" in browser.text
    assert count(runtime) == 1


def test_an_old_consent_is_asked_about_once_more(people, runtime):
    browser = people.staff("berit")
    browser.get(NEW)
    old = {**GIVEN, "consent_on": (TODAY - timedelta(days=31)).isoformat()}
    assert browser.post(NEW, old).status_code == 422
    assert "more than 30 days ago" in browser.text
    assert browser.post(NEW, {**old, "old_consent": "y"}).status_code == 303
    assert count(runtime) == 1


def test_nobody_enrols_at_a_site_of_others(people, runtime):
    charlie = people.staff("charlie")
    charlie.get(NEW)
    assert charlie.post(NEW, GIVEN).status_code == 422  # the site is not among the choices
    assert count(runtime) == 0


def test_what_was_typed_is_shown_as_text_and_never_as_a_page(people):
    browser = people.staff("berit")
    browser.get(NEW)
    browser.post(NEW, {**GIVEN, "study_id": '"><script>alert(1)</script>'})
    assert browser.page.status_code == 422
    assert "<script>alert" not in browser.text


@pytest.mark.parametrize("value", ["a\0b", "\ud800".encode("utf-8", "surrogatepass"), "9" * 5000, "٢٠٢٦-١١-٢٣"])
def test_nonsense_is_refused_and_breaks_nothing(people, runtime, value):
    browser = people.staff("berit")
    browser.get(NEW)
    for field in ("study_id", "consent_on", "mobile", "email", "channel", "site_code"):
        assert browser.post(NEW, {**GIVEN, field: value}).status_code in (400, 422), field
    assert count(runtime) == 0


def test_without_the_form_token_nothing_happens(people, runtime):
    browser = people.staff("berit")
    assert browser.post(NEW, GIVEN, token=False).status_code == 400
    assert count(runtime) == 0


def test_today_is_offered_as_the_last_day(people):
    browser = people.staff("berit")
    browser.get(NEW)
    assert f'max="{date(2026, 11, 23).isoformat()}"' in browser.text
