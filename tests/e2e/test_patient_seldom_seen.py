"""What a patient seldom sees: several questionnaires at once, the question whether anybody is still there, and a service
that is busy. They are as calm as the rest."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from proapp.db.models import Assessment
from tests.e2e.conftest import SMALL, picture
from tests.e2e.phone import Phone
from tests.e2e.test_patient_journey import a_code
from tests.people import PIN


def several_open(site, study_id: str, language: str) -> None:
    person = site.people.participant(
        study_id, consent_on=site.today - timedelta(days=200), language=language, activated=False
    )
    with site.runtime.writing.begin() as session:
        for timepoint, left in (("m03", 3), ("m06", 30)):
            days = {"opens_on": -20, "target_on": -5, "closes_on": left, "late_until": left}
            dates = {name: site.today + timedelta(days=number) for name, number in days.items()}
            session.execute(
                update(Assessment)
                .where(Assessment.id == site.people.assessment_id(person, timepoint))
                .values(anchor_on=site.today - timedelta(days=90), **dates)
            )


@pytest.mark.parametrize(("language", "locale"), [("sv", "sv-SE"), ("en", "en-GB")])
def test_the_seldom_seen_pages_are_as_calm_as_the_rest(site, open_browser, axe, everywhere, language, locale):
    study_id = f"KAR-4{len(locale)}{'se'.index(language[0])}"
    several_open(site, study_id, language)
    phone = Phone(open_browser(SMALL, locale=locale))
    page = phone.page

    def check(what: str) -> None:
        everywhere(page, language, what)

    page.clock.install()
    phone.sign_in(a_code(site, study_id), PIN, first_time=True)
    assert page.locator("main .button:not(.secondary)").count() == 1
    check("home-several")

    phone.begin()
    expect(page.locator("form#q")).to_be_visible()
    page.wait_for_load_state("networkidle")  # the script counts from here
    page.clock.fast_forward("28:30")
    expect(page.locator("dialog[open]")).to_be_visible()
    axe(page)
    picture(page, f"patient-timeout-{language}", full_page=False)
    page.locator("dialog button").click()
    expect(page.locator("dialog[open]")).to_have_count(0)

    phone.choose(2)
    path = re.sub("^sqlite:///", "", site.runtime.settings.database_url)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with page.expect_response(lambda answer: answer.request.method == "POST", timeout=30_000) as found:
            phone.press()
    assert found.value.status == 503
    expect(page.locator("h1")).to_be_visible()
    check("busy")
