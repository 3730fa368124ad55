"""The first sign-in to its end, one's own contact details and a rest from reminders: as a patient sees them, in both
languages, light and dark, on small screens and on a desk, and without scripts. As they are before anything was done to
them they are seen by test_every_page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SMALL, no_sideways_scrolling
from tests.e2e.phone import Phone
from tests.e2e.test_patient_journey import a_code
from tests.people import PIN

LANGUAGES = {"sv": "sv-SE", "en": "en-GB"}


def three_months_later(site, study_id: str, language: str = "sv") -> None:
    day = timedelta(days=1)
    site.people.participant(
        study_id,
        consent_on=site.today - 100 * day,
        randomized_on=site.today - 92 * day,
        language=language,
        activated=False,
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_the_first_steps_is_accessible(site, open_browser, everywhere, language):
    study_id = f"KAR-3{list(LANGUAGES).index(language)}1"
    three_months_later(site, study_id, language)
    phone = Phone(open_browser(SMALL, locale=LANGUAGES[language]))
    page = phone.page

    def check(what: str) -> None:
        everywhere(page, language, what)

    page.goto("/a")
    page.locator("input[name=code]").fill(a_code(site, study_id))
    phone.press()
    page.locator("input[name=pin]").fill(PIN)
    page.locator("input[name=again]").fill(PIN)
    phone.press()
    page.locator("input[value=other]").check()
    phone.press()
    expect(page.locator("[role=alert]").first).to_be_focused()
    check("welcome-mobile-wrong")
    page.locator("input[name=mobile]").fill("070-174 06 77")
    phone.press()
    page.locator("input[value=other]").check()
    page.locator("input[name=email]").fill("sven@example.se")
    phone.press()
    page.locator("input[value=email]").check()
    phone.press()
    expect(page).to_have_url(re.compile("/home$"))
    check("home-ready")
    page.goto("/contact")
    expect(page.locator("input[name=mobile]")).to_have_value("070-174 06 77")
    page.goto("/pause")
    page.locator("input[value=dates]").check()
    check("pause")
    page.locator("input[value='2']").check()
    phone.press()
    check("home-paused")
    page.goto("/pause")
    check("pause-standing")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_behind_not_now_is_accessible(site, open_browser, everywhere, language):
    study_id = f"KAR-5{list(LANGUAGES).index(language)}1"
    three_months_later(site, study_id, language)
    phone = Phone(open_browser(SMALL, locale=LANGUAGES[language]))
    page = phone.page

    def check(what: str) -> None:
        everywhere(page, language, what)

    phone.sign_in(a_code(site, study_id), PIN, first_time=True)
    page.locator("main .card a.soft").click()
    page.locator("button[value=tomorrow]").click()
    expect(page).to_have_url(re.compile("/home$"))
    check("home-later")
    page.locator("main .card a.soft").click()
    page.locator("button[value=call]").click()
    expect(page).to_have_url(re.compile("/home$"))
    check("home-called")
    page.locator("main .card a.soft").click()
    check("not-now-called")
    page.locator("main .ways a[href='/no-more']").click()
    phone.press()
    expect(page).to_have_url(re.compile("/home$"))
    check("home-over")


def test_wishes_go_without_scripts(site, open_browser):
    three_months_later(site, "KAR-551")
    phone = Phone(open_browser(SMALL, javascript=False))
    phone.sign_in(a_code(site, "KAR-551"), PIN, first_time=True)
    for wish in ("tomorrow", "call"):
        phone.page.locator("main .card a.soft").click()
        phone.page.locator(f"button[value={wish}]").click()
        expect(phone.page).to_have_url(re.compile("/home$"))
        expect(phone.page.locator("[role=status]").first).to_be_visible()
    phone.page.locator("main .card a.soft").click()
    phone.page.locator("main .ways a[href='/no-more']").click()
    phone.press()
    assert phone.page.locator("main .card").count() == 0


def test_the_first_steps_go_without_scripts_and_back_keeps_what_was_saved(site, open_browser):
    site.people.participant("KAR-341", consent_on=site.today, activated=False)
    phone = Phone(open_browser(SMALL, locale="en-GB", javascript=False))
    page = phone.page
    page.goto("/a")
    page.locator("input[name=code]").fill(a_code(site, "KAR-341"))
    phone.press()
    page.locator("input[name=pin]").fill(PIN)
    page.locator("input[name=again]").fill(PIN)
    phone.press()
    expect(page.locator("main")).to_contain_text("070-••• •• 05")
    expect(page.locator("input[name=mobile]")).to_be_hidden()
    page.locator("input[value=other]").check()
    page.locator("input[name=mobile]").fill("070-174 06 3")
    phone.press()
    expect(page.locator("input[name=mobile]")).to_have_value("070-174 06 3")
    page.locator("input[name=mobile]").fill("070-174 06 33")
    phone.press()
    page.locator(".back a").click()
    expect(page.locator("main")).to_contain_text("070-••• •• 33")
    page.locator("input[value=yes]").check()
    phone.press()
    page.locator("input[value=none]").check()
    phone.press()
    page.locator("input[value=sms]").check()
    phone.press()
    expect(page).to_have_url(re.compile("/home$"))


def test_with_letters_twice_as_large_on_a_small_screen_nothing_is_cut_off(site, open_browser):
    three_months_later(site, "KAR-561")
    phone = Phone(open_browser(SMALL))
    phone.sign_in(a_code(site, "KAR-561"), PIN, first_time=True)
    page = phone.page
    behind = page.locator("main .card a.soft").get_attribute("href")
    steps = ("/welcome/mobile", "/welcome/email", "/welcome/reminders")
    for path in (*steps, "/home", "/contact", "/pause", behind, "/no-more"):
        page.goto(path)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        no_sideways_scrolling(page)
