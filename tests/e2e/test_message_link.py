"""The link in a message, opened in a real browser: out of the address bar at once, and useless without the PIN."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from proapp.db.models import Message
from proapp.services.vault import token_hash
from tests.e2e.conftest import SMALL
from tests.people import PIN

NUMBERS = itertools.count(101)


@pytest.fixture
def link(site: Any) -> tuple[str, int]:
    """The token of a message that was sent, and the assessment it is about."""
    study_id = f"GOT-{next(NUMBERS)}"
    day = timedelta(days=1)
    person = site.people.participant(
        study_id, consent_on=site.today - 100 * day, randomized_on=site.today - 92 * day, language="sv"
    )
    token, now = site.runtime.vault.new_link_token(), site.runtime.clock()
    assessment = site.people.assessment_id(person, "m03")
    with site.runtime.writing.begin() as session:
        session.add(
            Message(
                key=f"reminder:{assessment}:opens+0:sms",
                kind="reminder",
                participant_id=person,
                assessment_id=assessment,
                step="opens+0",
                channel="sms",
                due_at=now,
                queued_at=now,
                state="sent",
                next_try_at=now,
                link_hash=token_hash(token),
            )
        )
    return token, assessment


def test_from_the_message_to_the_questionnaire(open_browser, link):
    token, assessment = link
    page = open_browser()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/l#{token}")
    button = page.locator("[data-link] button")
    expect(button).to_be_visible()
    expect(page).to_have_url(re.compile(r"/l$"))  # the token is not left in the address bar, nor in the history
    button.click()
    expect(page).to_have_url(re.compile(r"/pin$"))
    page.locator("input[name=pin]").fill(PIN)
    page.locator("main .button.wide").first.click()
    expect(page).to_have_url(re.compile(rf"/assessment/{assessment}$"))
    assert [url for url in asked if token in url.split("#")[0]] == []


def test_a_second_message_opened_in_the_same_tab_is_taken_too(open_browser, link):
    token, _ = link
    page = open_browser()
    page.goto("/l")
    expect(page.locator("[data-link] button")).to_be_hidden()
    page.evaluate(f"location.hash = '{token}'")
    expect(page.locator("[data-link] button")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/l$"))


def test_without_scripts_and_with_half_a_link_the_page_leads_to_the_ordinary_way_in(open_browser, link):
    token, _ = link
    for page, address in ((open_browser(javascript=False), f"/l#{token}"), (open_browser(), f"/l#{token[:20]}")):
        page.goto(address)
        expect(page.locator("[data-link] button")).to_be_hidden()
        page.locator("main a.button").click()
        expect(page).to_have_url(re.compile(r"/a$"))


@pytest.mark.parametrize(("language", "locale"), [("sv", "sv-SE"), ("en", "en-GB")])
def test_the_page_is_accessible(open_browser, everywhere, link, language, locale):
    token, _ = link
    page = open_browser(SMALL, locale=locale)
    for what, address in (("link-none", "/l"), ("link", f"/l?again#{token}"), ("link-dead", "")):
        if address:
            page.goto(address)
        else:
            page.evaluate("location.hash = 'ABCDEFGHJKMNPQRSTUVWXYZ234'")
            page.locator("[data-link] button").click()
            expect(page.locator("[role=alert]")).to_be_visible()
        everywhere(page, language, what)
