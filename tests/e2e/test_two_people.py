"""A wrong date and an amendment, each put through by two people in two browsers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from proapp.runtime import SHIPPED_STUDY
from tests.e2e.conftest import DESK, PHONE, Site, installed, no_sideways_scrolling, picture
from tests.e2e.desk import sign_in

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    with installed(tmp_path_factory.mktemp("two"), sqlite_template) as one:
        one.people.participant("UME-041", consent_on=one.today - 70 * DAY, randomized_on=one.today - 50 * DAY)
        yield one


def test_a_wrong_date_is_proposed_by_one_and_approved_by_another(site, open_browser, axe):
    berit = sign_in(open_browser(DESK, locale="en-GB"), site, "berit")
    berit.goto("/staff/participants/UME-041/correct-randomisation")
    berit.locator("input[name=new_date]").fill((site.today - 55 * DAY).isoformat())
    berit.locator("input[name=reason]").fill("Read wrongly")
    berit.get_by_role("button", name="See what moves").click()
    axe(berit)
    berit.get_by_role("button", name="Propose this correction").click()
    expect(berit.locator("main")).to_contain_text("Somebody else has to approve it.")
    axe(berit)

    ivar = sign_in(open_browser(DESK, locale="en-GB"), site, "ivar")
    ivar.get_by_role("link", name="To approve (1)").click()
    axe(ivar)
    picture(ivar, "staff-proposals")
    ivar.get_by_role("link", name=re.compile("UME-041")).click()
    axe(ivar)
    no_sideways_scrolling(ivar)
    picture(ivar, "staff-proposal")
    ivar.get_by_role("button", name="Approve: do this now").click()
    expect(ivar.locator("main")).to_contain_text("Approved. It is done.")
    expect(ivar.locator("main")).to_contain_text("The randomisation date was corrected")


def test_an_amendment_is_looked_at_by_two_coordinators(site, open_browser, axe, tmp_path):
    new = tmp_path / "study-2.toml"
    text = SHIPPED_STUDY.read_text(encoding="utf-8").replace('number = "example 1"', 'number = "example 2"')
    new.write_text(text.replace("months = 6\nbefore_days = 14", "months = 6\nbefore_days = 28"), encoding="utf-8")
    karin = sign_in(open_browser(DESK, locale="en-GB"), site, "karin")
    karin.goto("/staff/study")
    karin.get_by_role("link", name="Propose an amendment").click()
    karin.locator("input[name=file]").set_input_files(new)
    karin.locator("input[name=reason]").fill("Amendment 2")
    karin.get_by_role("button", name="See what changes").click()
    expect(karin.locator(".error-summary")).to_contain_text("Choose at least one site")
    axe(karin)
    karin.locator("input[name=from_UME]").fill(site.today.isoformat())
    picture(karin, "staff-amendment")
    karin.get_by_role("button", name="See what changes").click()
    expect(karin.locator("main")).to_contain_text("opens, days before the target day")
    karin.locator("summary").first.click()
    axe(karin)
    picture(karin, "staff-amendment-look")
    karin.get_by_role("button", name="Propose it").click()
    expect(karin.locator("main")).to_contain_text("Somebody else has to approve it.")

    kerstin = sign_in(open_browser(PHONE, locale="en-GB"), site, "kerstin")
    kerstin.get_by_role("link", name="To approve (1)").click()
    no_sideways_scrolling(kerstin)
    kerstin.get_by_role("link", name=re.compile("version example 2")).click()
    no_sideways_scrolling(kerstin)
    axe(kerstin)
    picture(kerstin, "staff-amendment-phone")
    kerstin.get_by_role("button", name="Approve: do this now").click()
    expect(kerstin.locator("main")).to_contain_text("Approved. It is done.")
    kerstin.goto("/staff/study")
    expect(kerstin.locator("main")).to_contain_text("example 2, from")
    axe(kerstin)
    no_sideways_scrolling(kerstin)
    picture(kerstin, "staff-study-versions")
