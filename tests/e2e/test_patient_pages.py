"""Every page a patient sees: no finding of axe, no sideways scrolling, nothing too small to hit; in both languages,
light and dark, at 320 px and on a desk."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SMALL, no_sideways_scrolling
from tests.e2e.phone import Phone
from tests.e2e.test_patient_journey import a_code
from tests.people import PIN


@pytest.mark.parametrize("language", ["sv", "en"])
def test_every_page_is_accessible(site, open_browser, axe, everywhere, language):
    study_id = f"KAR-2{len(language)}{'se'.index(language[0])}"
    day = timedelta(days=1)
    participant = site.people.participant(
        study_id,
        consent_on=site.today - 100 * day,
        randomized_on=site.today - 92 * day,
        language=language,
        activated=False,
    )
    site.people.answered(
        participant, "baseline", submitted_at=site.runtime.clock() - 95 * day, completed_on=site.today - 95 * day
    )
    phone = Phone(open_browser(SMALL, locale="sv-SE" if language == "sv" else "en-GB"))
    page = phone.page

    def look(dark: bool, contrast: str = "no-preference") -> None:
        # Without motion: a colour on its way from one to the other is neither.
        page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce", contrast=contrast)

    def check(what: str) -> None:
        """All rules at both widths, and colours with more contrast."""
        everywhere(page, language, what)
        for dark in (True, False):
            look(dark, "more")
            axe(page, "color-contrast")
        look(False)

    page.goto("/a")
    check("code")
    page.locator("input[name=code]").fill("ABCD")
    phone.press()
    expect(page.locator("[role=alert]").first).to_be_focused()
    check("code-wrong")
    page.locator("input[name=code]").fill(a_code(site, study_id))
    phone.press()
    check("pin-choose")
    phone.give_pin(PIN, first_time=True)
    check("home")
    phone.press()
    check("start")
    page.locator("input[name=who][value=self]").check()
    phone.press()
    check("question")
    phone.press()
    expect(page.locator(".prompt")).to_be_focused()
    check("question-not-answered")
    phone.answer(2)
    base = re.sub(r"/c30/\d+.*", "", page.url)
    for what, where in (("question-tiles", "/c30/29"), ("review", "/review"), ("decline", "/decline")):
        page.goto(base + where)
        check(what)
    page.goto(base + "/review")
    page.locator("form.send button").first.click()
    expect(page).to_have_url(re.compile("/sent$"))
    check("sent")
    for path in ("/about/privacy", "/about/accessibility", "/look"):
        page.goto(path)
        check(path.rsplit("/", 1)[-1])


def test_at_400_percent_zoom_nothing_is_cut_off(site, open_browser):
    """1280 px at 400 % is 320 CSS pixels; text 200 % larger on top of that must still reflow."""
    site.people.participant("KAR-131", consent_on=site.today, activated=False)
    phone = Phone(open_browser(SMALL))
    phone.sign_in(a_code(site, "KAR-131"), PIN, first_time=True)
    phone.begin()
    phone.answer(2)
    own = re.sub(r"/c30/\d+", "", phone.page.url)
    for address in (f"{own}/c30/2", f"{own}/c30/29", "/home", f"{own}/review", f"{own}/sent"):
        if address.endswith("sent"):
            phone.page.locator("form.send button").first.click()
            expect(phone.page).to_have_url(re.compile("/sent$"))
        phone.page.goto(address)
        phone.page.evaluate("document.documentElement.style.fontSize = '200%'")
        no_sideways_scrolling(phone.page)
        clipped = phone.page.evaluate(
            "() => [...document.querySelectorAll('main *')].filter(e => e.scrollWidth > e.clientWidth + 1 "
            "&& getComputedStyle(e).overflowX === 'hidden' && e.clientWidth > 1).map(e => e.className)"
        )
        assert clipped == [], address


def test_forced_colours_and_reduced_motion_keep_the_choice_visible(site, open_browser):
    site.people.participant("KAR-132", consent_on=site.today, activated=False)
    phone = Phone(open_browser(SMALL, forced_colors="active", reduced_motion="reduce"))
    phone.sign_in(a_code(site, "KAR-132"), PIN, first_time=True)
    phone.begin()
    phone.choose(2)
    border = phone.page.locator("label.choice").nth(1).evaluate("e => getComputedStyle(e).borderTopStyle")
    assert border not in ("none", "hidden")


def test_the_first_load_of_a_question_is_small(site, open_browser):
    site.people.participant("KAR-133", consent_on=site.today, activated=False)
    # Without the go-between, which has style and script at hand already.
    phone = Phone(open_browser(SMALL, service_workers="block"))
    phone.sign_in(a_code(site, "KAR-133"), PIN, first_time=True)
    phone.begin()
    address, fresh = phone.page.url, phone.page.context.new_page()
    session = phone.page.context.new_cdp_session(fresh)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    requests: list[str] = []
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    fresh.on("request", lambda request: requests.append(request.url) if not request.url.startswith("data:") else None)
    fresh.goto(address)
    fresh.wait_for_load_state("networkidle")
    assert len(requests) <= 4, requests
    assert sum(sizes) <= 30_000, sizes
    print(f"first load of a question: {len(requests)} requests, {sum(sizes):.0f} bytes on the wire")
