"""A tablet changes hands at the clinic: from the nurse to the participant, on to the own phone or back to the nurse."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect
from sqlalchemy import select

from proapp.db.models import Answer, Assessment, Participant, ResponseSet
from tests.e2e.conftest import PHONE, large_targets, no_sideways_scrolling
from tests.e2e.desk import PASSWORD, sign_in
from tests.e2e.phone import Phone
from tests.people import PIN

TABLET = {"width": 820, "height": 1180}


@pytest.fixture
def handed_over(site: Any, open_browser: Any, axe: Any) -> Any:
    """A nurse signs in on a tablet, looks for the participant, and hands the tablet over."""

    def go(study_id: str) -> Page:
        day = timedelta(days=1)
        site.people.participant(
            study_id, consent_on=site.today - 100 * day, randomized_on=site.today - 92 * day, language="sv"
        )
        page = sign_in(open_browser(TABLET, locale="en-GB"), site, "berit")
        page.goto(f"/staff/participants/{study_id}")
        page.get_by_role("link", name=re.compile("Fill in here")).click()
        axe(page)
        page.get_by_role("button", name=f"Hand over to {study_id}").click()
        expect(page).to_have_url(re.compile(r"/assessment/\d+$"))
        expect(page.locator("html")).to_have_attribute("lang", "sv")
        return page

    return go


def checked(page: Page, axe: Any) -> None:
    axe(page)
    no_sideways_scrolling(page)
    large_targets(page)


def nothing_stored(page: Page) -> None:
    """In no store that a page has; a tablet that is out keeps no questionnaire and installs no go-between."""
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert page.evaluate("indexedDB.databases().then(all => all.length)") == 0
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then(all => all.length)") == 0
    assert page.evaluate("caches.keys().then(all => all.length)") == 0


def answers(site: Any, study_id: str) -> tuple[list[ResponseSet], dict[tuple[str, int], int]]:
    with site.runtime.reading() as session:
        sets = session.scalars(
            select(ResponseSet)
            .join(Assessment, Assessment.id == ResponseSet.assessment_id)
            .join(Participant, Participant.id == Assessment.participant_id)
            .where(Participant.study_id == study_id)
        ).all()
        rows = session.execute(
            select(Answer.instrument, Answer.item, Answer.code)
            .where(Answer.response_set_id.in_([one.id for one in sets]), Answer.kind == "answered")
            .order_by(Answer.id)
        )
        return list(sets), {(row.instrument, row.item): row.code for row in rows}


def test_begun_on_the_tablet_and_finished_on_the_own_phone(site, handed_over, open_browser, axe):
    page = handed_over("UME-071")
    checked(page, axe)
    tablet = Phone(page)
    page.locator("input[name=who][value=self]").check()
    tablet.press()
    checked(page, axe)
    for code in (1, 2, 3, 2):
        tablet.answer(code)
    left_at = tablet.question()

    # An answer chosen on the way is kept too
    tablet.choose(4)
    page.locator("button[value=pause]").click()
    expect(page).to_have_url(re.compile(r"/own-phone$"))
    checked(page, axe)
    tablet.press()
    checked(page, axe)
    asked: list[str] = []
    (square,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(page.locator(".square").screenshot())))
    base, token = square.text.split("#")
    assert base == f"{site.url}/l"
    assert re.fullmatch(r"[A-Z2-9]{26}", token)

    phone = Phone(open_browser(PHONE))
    phone.page.on("request", lambda request: asked.append(request.url))
    phone.page.goto(square.text)
    expect(phone.page).to_have_url(f"{base}")
    phone.page.locator("[data-link] button").click()
    expect(phone.page).to_have_url(re.compile(r"/pin$"))
    phone.page.locator("input[name=pin]").fill(PIN)
    phone.press()
    expect(phone.page).to_have_url(re.compile(r"/c30/6$"))
    assert left_at == ("c30", 5)
    assert [url for url in asked if token in url.split("#")[0]] == []

    # The tablet has noticed by itself, and says so
    expect(page).to_have_url(re.compile(r"/tablet$"))
    expect(page.locator("h1")).to_have_text("Du fortsätter på din mobil")
    checked(page, axe)
    page.go_back()
    expect(page.locator("main")).not_to_contain_text("Fråga")

    phone.answer(2)
    phone.page.goto(re.sub(r"/c30/\d+$", "/review", phone.page.url))
    phone.page.locator("form.send button").first.click()
    expect(phone.page).to_have_url(re.compile(r"/sent$"))
    sets, given = answers(site, "UME-071")
    assert [(one.mode, one.answered_items) for one in sets] == [("self_clinic", 6)]
    assert given == {("c30", item): code for item, code in enumerate((1, 2, 3, 2, 4, 2), start=1)}


def test_finished_on_the_tablet_given_back_and_nothing_remains(site, handed_over, axe):
    page = handed_over("UME-072")
    tablet = Phone(page)
    page.locator("input[name=who][value=helped]").check()
    tablet.press()
    for code in (4, 3, 2):
        tablet.answer(code)
    question = page.url
    page.goto(re.sub(r"/c30/\d+$", "/review", question))
    checked(page, axe)
    page.locator("form.send button").first.click()
    expect(page).to_have_url(re.compile(r"/sent$"))
    checked(page, axe)
    expect(page.locator("main")).to_contain_text("Lämna tillbaka surfplattan till personalen")
    reference = page.locator("dd.reference").inner_text()
    nothing_stored(page)

    # The patient cannot get at the staff's pages
    page.goto("/staff/participants/UME-072")
    expect(page).to_have_url(re.compile(r"/staff/resume$"))
    expect(page.locator("body")).not_to_contain_text("UME-072")
    axe(page)

    # The nurse goes on with her password, where she was
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button").click()
    expect(page).to_have_url(re.compile(r"/staff/participants/UME-072#a\d+$"))
    expect(page.locator("main")).to_contain_text("3 of 74 answered")

    # Back shows nothing of the questionnaire, however often it is pressed
    nothing_stored(page)
    assert "__Host-proapp-patient" not in {cookie["name"] for cookie in page.context.cookies()}
    for _ in range(6):
        page.go_back()
        expect(page.locator("body")).not_to_contain_text(reference)
        expect(page.locator("form#q")).to_have_count(0)
        assert page.locator("dl.receipt, ul.review").count() == 0
    page.goto(question)
    expect(page).to_have_url(re.compile(r"/a$"))
    sets, _ = answers(site, "UME-072")
    assert [(one.mode, one.respondent, one.receipt) for one in sets] == [("self_clinic", "helped", reference)]
