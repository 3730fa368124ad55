"""The pages that say no are as accessible as those that say yes; and the receipt is reached without scripts, and with the
keyboard alone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from proapp.db.models import ActivationCode, AuthSession
from proapp.services import sessions
from proapp.web.patient.devices import DEVICE_COOKIE
from tests.e2e.conftest import DESK, SMALL, large_targets, no_sideways_scrolling
from tests.e2e.phone import Phone, carry_session
from tests.e2e.test_patient_journey import a_code, tab_to

DAY = timedelta(days=1)


def person(site: Any, study_id: str, codes: dict[str, dict[int, int]] | None = None) -> tuple[int, str]:
    """Somebody whose questionnaire at three months is begun: the id, and the questionnaire's address."""
    own = site.people.participant(
        study_id, consent_on=site.today - 100 * DAY, randomized_on=site.today - 92 * DAY, language="sv"
    )
    site.people.answered(own, "m03", codes=codes or {})
    return own, f"/assessment/{site.people.assessment_id(own, 'm03')}"


def known_phone(site: Any, page: Page, participant: int) -> None:
    with site.runtime.writing.begin() as session:
        token = sessions.start(
            session, site.runtime.vault, kind="device", now=site.runtime.clock(), participant_id=participant
        )
    address = site.url.replace("http:", "https:")
    page.context.add_cookies([{"name": DEVICE_COOKIE, "value": token, "url": address, "secure": True}])


@pytest.fixture
def check(axe):
    def good(page: Page, heading: str) -> None:
        expect(page.locator("h1")).to_have_text(re.compile(heading))
        axe(page)
        no_sideways_scrolling(page)
        large_targets(page)

    return good


def test_the_pages_of_the_door_that_say_no_are_accessible(site, open_browser, check):
    """Swedish and English in turn: PIN, wrong PIN, too many tries; a code that is too old."""
    own, _ = person(site, "KAR-701")
    swedish, english = open_browser(SMALL), open_browser(SMALL, locale="en-GB", dark=True)
    for page in (swedish, english):
        known_phone(site, page, own)
    swedish.goto("/pin")
    check(swedish, "Skriv in din PIN-kod")
    english.goto("/pin")
    for number in range(6):
        if english.locator("input[name=pin]").count():
            english.locator("input[name=pin]").fill("9999")
            Phone(english).press()
        if number == 0:
            check(english, "Enter your PIN")
    check(english, "Too many tries")
    expect(english.locator("main .panel a[href^=tel]")).to_have_count(1)  # whose phone it is, is known

    code = a_code(site, "KAR-701")
    with site.runtime.writing.begin() as session:
        session.execute(update(ActivationCode).values(expires_at=site.runtime.clock() - DAY, used_at=None))
    swedish.goto("/a?other=1")
    swedish.locator("input[name=code]").fill(code)
    Phone(swedish).press()
    check(swedish, "Koden är för gammal")


def test_the_pages_inside_that_say_no_are_accessible(site, open_browser, check):
    """In turn: not open yet, the PIN once more, nothing to send, no such page, not in this way."""
    own, address = person(site, "KAR-702")
    later = site.people.assessment_id(own, "m36")
    swedish, english = open_browser(SMALL), open_browser(SMALL, locale="en-GB", dark=True)
    for page in (swedish, english):
        carry_session(site, page, own)
        page.goto("/home")
    english.locator("header button[name=language]").click()  # hers is Swedish
    with site.runtime.writing.begin() as session:
        long_ago = site.runtime.clock() - timedelta(hours=2)
        session.execute(update(AuthSession).where(AuthSession.participant_id == own).values(confirmed_at=long_ago))
    for page, path, heading in (
        (swedish, f"/assessment/{later}", "Inte öppet än"),
        (english, "/contact", "Your PIN once more"),
        (swedish, f"{address}/review", "Titta igenom och skicka"),
        (english, "/nowhere", "There is no such page"),
        (swedish, "/sign-out", "Det gick inte"),
    ):
        page.goto(path)
        check(page, heading)


def all_but(site: Any, *open_items: tuple[str, int]) -> dict[str, dict[int, int]]:
    codes = site.people.every_item()
    for instrument, item in open_items:
        del codes[instrument][item]
    return codes


def test_without_scripts_one_comes_to_the_receipt(site, open_browser):
    own, _ = person(site, "KAR-703", all_but(site, ("lmc21", 50), ("lmc21", 51)))
    phone = Phone(open_browser(SMALL, javascript=False))
    carry_session(site, phone.page, own)
    phone.page.goto("/home")
    phone.resume()
    phone.answer(2)
    phone.answer(3)
    expect(phone.page).to_have_url(re.compile("/review$"))
    phone.page.locator("form.send button").first.click()
    expect(phone.page.locator("dl.receipt dd.reference")).to_be_visible()


def test_with_the_keyboard_alone_one_comes_to_the_receipt(site, open_browser):
    """A gate is closed on the way, a question is left out, and the list is sent."""
    own, _ = person(site, "KAR-704", all_but(site, ("br23", 34), ("br23", 35), ("br23", 36), ("lmc21", 51)))
    phone = Phone(open_browser(DESK))
    page = phone.page
    carry_session(site, page, own)
    page.goto("/home")

    def press(selector: str) -> None:
        before = page.url
        tab_to(page, selector)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: url != before)

    press("main .card .button")
    assert phone.question() == ("br23", 34)
    tab_to(page, "input[name=answer]")
    page.keyboard.press("Space")
    press("#q button[value=save]")
    assert phone.question() == ("br23", 36)  # nobody asks for what the gate closed
    press("#q button[value=skip]")
    page.goto(re.sub(r"/br23/\d+", "/lmc21/51", page.url))
    press("#q button[value=skip]")
    press("form.send button")
    expect(page.locator("dl.receipt dd.reference")).to_be_visible()
