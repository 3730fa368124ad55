"""What happens to a participant, told by a nurse at her desk: the look before the deed, a pause, more time, an assessment
outside the plan, and a move to another clinic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from proapp.study.load import BRECLIM2
from tests.e2e.conftest import DESK, SMALL, Site, installed, no_sideways_scrolling, picture
from tests.e2e.desk import sign_in
from tests.following import MORE, following
from tests.people import People

DAY = timedelta(days=1)
BASE = "/staff/participants/UME-031"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    """An installation whose study follows surgery and progression, with one participant in the third month."""
    folder = tmp_path_factory.mktemp("following")
    study = folder / "following.toml"
    study.write_text(BRECLIM2.read_text(encoding="utf-8") + MORE.read_text(encoding="utf-8"), encoding="utf-8")
    with installed(folder, sqlite_template, {"PROAPP_STUDY": str(study)}) as one:
        one.people = People(replace(one.runtime, study=following()), None, lambda *_: None)
        one.people.participant("UME-031", consent_on=one.today - 110 * DAY, randomized_on=one.today - 100 * DAY)
        yield one


@pytest.fixture
def desk(site, open_browser) -> Page:
    return sign_in(open_browser(DESK, locale="en-GB"), site, "berit")


def shown(page: Page, axe, name: str) -> None:
    axe(page)
    no_sideways_scrolling(page)
    picture(page, name)


def test_a_progression_is_looked_at_recorded_and_put_right(site, desk, axe):
    desk.goto(f"{BASE}/events")
    shown(desk, axe, "staff-events")
    desk.get_by_role("link", name=re.compile("Progression")).click()
    desk.locator("input[name=effective_on]").fill((site.today - 3 * DAY).isoformat())
    shown(desk, axe, "staff-event")
    desk.get_by_role("button", name="See what follows").click()
    expect(desk.locator("main")).to_contain_text("At progression")
    shown(desk, axe, "staff-event-look")
    desk.get_by_role("button", name="Yes, record it").click()
    expect(desk).to_have_url(re.compile(BASE))
    expect(desk.locator("main")).to_contain_text("Recorded: Progression.")

    desk.goto(f"{BASE}/events")
    desk.get_by_role("link", name=re.compile("Correct the date.*Progression")).click()
    desk.locator("input[name=new_date]").fill((site.today - 5 * DAY).isoformat())
    desk.locator("input[name=reason]").fill("Read wrongly")
    desk.get_by_role("button", name="See what moves").click()
    shown(desk, axe, "staff-event-correct-look")
    desk.get_by_role("button", name="Propose this correction").click()
    expect(desk.locator("main")).to_contain_text("The correction is proposed.")
    expect(desk.locator("main")).to_contain_text("Progression, another date")


def test_contact_is_paused_and_begins_again(site, desk, axe):
    desk.goto(f"{BASE}/events/contact_pause")
    desk.locator("input[name=until_on]").fill((site.today + 14 * DAY).isoformat())
    desk.locator("input[name=reason]").fill("Travels")
    shown(desk, axe, "staff-pause")
    desk.get_by_role("button", name="Pause contact").click()
    expect(desk.locator("main")).to_contain_text("Contact is paused from")
    shown(desk, axe, "staff-participant-paused")
    desk.goto(f"{BASE}/events")
    desk.get_by_role("button", name="End the pause").click()
    expect(desk.locator("main")).to_contain_text("The pause is ended.")


def test_more_time_and_an_assessment_outside_the_plan(desk, axe):
    desk.goto(BASE)
    desk.get_by_role("link", name=re.compile("^More time to answer")).first.click()
    desk.locator("input[name=reason]").fill("Away for treatment")
    shown(desk, axe, "staff-extend")
    desk.get_by_role("button", name="Give more time").click()
    expect(desk.locator("main")).to_contain_text("Extended until")
    desk.get_by_role("link", name="Open an assessment").click()
    desk.locator("input[name=timepoint]").first.check()
    desk.locator("input[name=reason]").fill("Asked for by the board")
    shown(desk, axe, "staff-open-assessment")
    desk.get_by_role("button", name="Open", exact=True).click()
    expect(desk.locator("main")).to_contain_text("opened outside the plan")
    shown(desk, axe, "staff-participant-extra")


def test_another_clinic_takes_over(site, desk, axe, open_browser):
    desk.goto(f"{BASE}/events/site_transfer")
    desk.locator("select[name=to]").select_option("LUN")
    shown(desk, axe, "staff-transfer")
    desk.get_by_role("button", name="See what it leads to").click()
    expect(desk.locator("main")).to_contain_text("You will no longer be able to change anything.")
    shown(desk, axe, "staff-transfer-look")
    desk.get_by_role("button", name="Yes, transfer").click()
    expect(desk.locator("main")).to_contain_text("You see what belongs to the time at")
    shown(desk, axe, "staff-participant-former")
    desk.goto("/staff/participants")
    shown(desk, axe, "staff-participants-former")

    phone = sign_in(open_browser(SMALL, locale="sv-SE"), site, "charlie")
    phone.get_by_role("button", name="Svenska").click()
    for name, path in (
        ("events", f"{BASE}/events"),
        ("transfer", f"{BASE}/events/site_transfer"),
        ("pause", f"{BASE}/events/contact_pause"),
        ("participant-moved", BASE),
    ):
        phone.goto(path)
        expect(phone.locator("html")).to_have_attribute("lang", "sv")
        shown(phone, axe, f"staff-{name}-phone-sv")
