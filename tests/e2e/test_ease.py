"""For tired eyes and slow hands: larger letters, more contrast, seven tiles that become a list, an app offered once. Each
without scripts where it can be."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import DESK, PHONE, SMALL, large_targets, no_sideways_scrolling, picture
from tests.e2e.phone import Phone, carry_session

DAY = timedelta(days=1)
numbers = itertools.count(600)


@pytest.fixture
def anna(site: Any) -> Any:
    """anna() → (the id of somebody new, the address of her questionnaire, which is begun)."""

    def make(**answered: Any) -> tuple[int, str]:
        person = site.people.participant(
            f"KAR-{next(numbers)}", consent_on=site.today - 100 * DAY, randomized_on=site.today - 92 * DAY
        )
        site.people.answered(person, "m03", codes={}, **answered)
        return person, f"/assessment/{site.people.assessment_id(person, 'm03')}"

    return make


def test_letters_and_contrast_are_chosen_before_signing_in_and_on_a_question(site, open_browser, anna):
    person, address = anna()
    page = open_browser(SMALL, javascript=False)
    page.goto("/a")
    page.locator("header a.letters").click()
    page.locator("button[value=largest]").click()
    page.locator("button[value=high]").click()
    expect(page.locator("button[aria-pressed=true]")).to_have_count(2)
    no_sideways_scrolling(page)
    large_targets(page)
    picture(page, "patient-look-sv-320-largest-high")
    page.locator("main a.wide").click()
    expect(page).to_have_url(re.compile("/a$"))
    assert pixels(page, "html") == 24

    carry_session(site, page, person)
    page.goto(f"{address}/c30/29")
    assert pixels(page, "html") == 24
    assert page.locator("html").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    page.locator("label[for=answer-3]").click()
    page.locator("header button.letters").click()
    page.locator("button[value=large]").click()
    page.locator("main a.wide").click()
    expect(page).to_have_url(re.compile("/c30/29$"))
    expect(page.locator("#answer-3")).to_be_checked()
    assert pixels(page, "html") == 20
    no_sideways_scrolling(page)
    large_targets(page)
    picture(page, "patient-question-tiles-sv-320-large-high")


def test_from_a_question_that_the_phone_shows_by_itself_the_place_and_the_answer_are_kept(site, open_browser, anna):
    """The header was made for the question that the server sent, or for the list."""
    person, address = anna()
    page = open_browser(PHONE)
    carry_session(site, page, person)
    for first, way_on in ((f"{address}/c30/9", "#q .button.wide"), (f"{address}/review", ".review a[href*='/c30/10']")):
        with page.expect_response(re.compile("/copy$")):
            page.goto(first)
        page.locator(way_on).first.click()
        if page.locator(".prompt").is_visible():
            page.locator(".prompt button").click()
        expect(page).to_have_url(re.compile("/c30/10"))
        code = "2" if first.endswith("9") else "3"
        page.locator(f"#answer-{code}").check()
        page.locator("header .letters").click()
        expect(page).to_have_url(re.compile("/look"))
        page.locator("main a.wide").click()
        expect(page).to_have_url(re.compile("/c30/10"))
        expect(page.locator(f"#answer-{code}")).to_be_checked()


def pixels(page: Page, selector: str) -> float:
    return float(page.locator(selector).first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)"))


@pytest.mark.parametrize(
    ("viewport", "size", "in_a_row"),
    [(PHONE, "normal", True), ({"width": 360, "height": 740}, "normal", True), (SMALL, "normal", False),
     (PHONE, "large", False), (DESK, "largest", True)],
)  # fmt: skip
def test_seven_equal_tiles_become_a_list(site, open_browser, anna, viewport, size, in_a_row):
    person, address = anna()
    page = open_browser(viewport)
    carry_session(site, page, person)
    page.goto(f"{address}/c30/29")
    page.evaluate("size => document.documentElement.dataset.size = size", size)
    boxes = [one.bounding_box() for one in page.locator(".tiles .choice").all()]
    assert len(boxes) == 7
    if in_a_row:
        assert len({round(box["y"]) for box in boxes}) == 1
        assert max(box["width"] for box in boxes) - min(box["width"] for box in boxes) < 1
        expect(page.locator(".ends")).to_be_visible()
    else:
        assert len({round(box["x"]) for box in boxes}) == 1
        expect(page.locator(".tiles .choice span").first).to_be_visible()
        expect(page.locator(".ends")).to_be_hidden()
    assert min(min(box["width"], box["height"]) for box in boxes) >= 44
    no_sideways_scrolling(page)


def test_with_the_largest_letters_on_the_smallest_screen_nothing_is_cut_off(site, open_browser, anna):
    """320 px are also a desk at 400 % zoom."""
    person, address = anna()
    sent, receipt = anna(submitted_at=site.runtime.clock())
    page = open_browser(SMALL)
    page.context.add_cookies([look_cookie(site, "largest.high")])
    carry_session(site, page, person)
    pages = ["/home", f"{address}/c30/1", f"{address}/br23/31", f"{address}/review", f"{address}/decline"]
    pages += ["/contact", "/pause", "/no-more", f"{address}/not-now", "/look", "/about/accessibility", "/nowhere"]
    for path in pages:
        page.goto(path)
        fits(page)
    carry_session(site, page, sent)
    page.goto(f"{receipt}/sent")
    fits(page)


def fits(page: Page) -> None:
    assert pixels(page, "html") == 24, page.url
    no_sideways_scrolling(page)
    large_targets(page)
    cut = page.evaluate(
        """() => [...document.querySelectorAll('main *, header *, footer *')].filter(one => !one.matches('.vh') && one.clientWidth > 1
             && getComputedStyle(one).overflowX === 'hidden' && one.scrollWidth > one.clientWidth + 1)
             .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert cut == [], page.url


def look_cookie(site: Any, value: str) -> Any:
    return {"name": "__Host-proapp-look", "value": value, "url": site.url.replace("http:", "https:"), "secure": True}


def test_the_app_is_offered_once_and_to_nobody_in_the_clinic(site, open_browser, anna):
    person, address = anna(submitted_at=site.runtime.clock())
    page = open_browser(PHONE)
    carry_session(site, page, person)

    def asked() -> bool:
        page.goto(f"{address}/sent")
        page.evaluate(
            "dispatchEvent(Object.assign(new Event('beforeinstallprompt'), {prompt() { window.installed = true }}))"
        )
        return page.locator("[data-install]").count() == 1 and page.locator("[data-install]").is_visible()

    page.route("**/sent", in_the_clinic)
    assert not asked()
    page.unroute("**/sent")
    with page.expect_response(re.compile("/installing$")) as told:
        assert asked()
    assert told.value.status == 303
    picture(page, "patient-install-sv-390")
    page.locator("[data-install-now]").click()
    assert page.evaluate("window.installed")
    expect(page.locator("[data-install]")).to_be_hidden()
    assert not asked()


def in_the_clinic(route: Route) -> None:
    """The page as the clinic's tablet gets it."""
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("<body", "<body data-clinic", 1))


def test_on_an_iphone_words_say_how(site, open_browser, axe, anna):
    person, address = anna(submitted_at=site.runtime.clock())
    page = open_browser(PHONE, user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1")
    carry_session(site, page, person)
    page.goto(f"{address}/sent")
    expect(page.locator("[data-install-apple]")).to_contain_text("Lägg till på hemskärmen")
    axe(page)
    picture(page, "patient-install-iphone-sv-390")
    page.locator("[data-install-no]").click()
    expect(page.locator("[data-install]")).to_be_hidden()
    page.goto(f"{address}/sent")
    expect(page.locator("[data-install]")).to_have_count(0)


def test_a_screen_reader_hears_each_question_once(site, open_browser, anna):
    """As the browser hands it over: one group with the question's name, and answers that do not repeat it."""
    person, address = anna()
    page = Phone(open_browser(PHONE, locale="en-GB")).page
    carry_session(site, page, person)
    page.goto(f"{address}/c30/9")
    item = page.locator("legend h1").inner_text()
    recall = page.locator("legend .recall").inner_text()
    expect(page.get_by_role("group", name=f"{recall} {item}", exact=True)).to_have_count(1)
    expect(page.get_by_role("heading", name=item)).to_have_count(1)
    radios = page.get_by_role("group").get_by_role("radio")
    names = [one.evaluate("e => e.labels[0].innerText") for one in radios.all()]
    assert len(names) == 4
    assert [name for name in names if item in name] == []
    assert page.locator("main").inner_text().count(item) == 1
    lang = page.locator("legend").get_attribute("lang")
    assert lang == page.locator("main .list").get_attribute("lang") == "sv"
    assert page.locator("html").get_attribute("lang") == "sv"
