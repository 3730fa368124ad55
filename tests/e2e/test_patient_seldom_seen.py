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
from tests.e2e.conftest import PHONE, SMALL, large_targets, no_sideways_scrolling, picture
from tests.e2e.phone import Phone
from tests.e2e.test_patient_journey import a_code
from tests.people import PIN

LOOKS = [
    pytest.param("sv", SMALL, False, id="sv-320-light"),
    pytest.param("en", PHONE, True, id="en-390-dark"),
]


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


@pytest.mark.parametrize(("language", "viewport", "dark"), LOOKS)
def test_the_seldom_seen_pages_are_as_calm_as_the_rest(site, open_browser, axe, language, viewport, dark):
    study_id = f"KAR-4{viewport['width'] % 100}"
    several_open(site, study_id, language)
    phone = Phone(open_browser(viewport, locale="sv-SE" if language == "sv" else "en-GB", dark=dark))
    page = phone.page
    name = f"{language}-{viewport['width']}-{'dark' if dark else 'light'}"

    def check(what: str) -> None:
        axe(page)
        no_sideways_scrolling(page)
        large_targets(page)
        picture(page, f"patient-{what}-{name}")

    page.clock.install()
    phone.sign_in(a_code(site, study_id), PIN, first_time=True)
    assert page.locator("main .button:not(.secondary)").count() == 1
    check("home-several")

    phone.begin()
    page.clock.fast_forward("28:30")
    expect(page.locator("dialog[open]")).to_be_visible()
    axe(page)
    picture(page, f"patient-timeout-{name}", full_page=False)
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
