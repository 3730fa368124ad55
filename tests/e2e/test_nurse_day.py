"""A nurse on a Monday: what nobody answered becomes a row with one plain reason, and two clicks record why."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import DESK, PHONE, no_sideways_scrolling, picture
from tests.e2e.desk import sign_in


@pytest.fixture
def trial(site):
    """Three participants at UME, one of whom missed the assessment at three months; one at another site."""
    if not hasattr(site, "filled"):
        day = timedelta(days=1)
        long_ago = site.today - 160 * day
        site.people.participant("UME-021", consent_on=long_ago - 5 * day, randomized_on=long_ago)
        site.people.participant("UME-022", consent_on=site.today - 10 * day, activated=False)
        due = site.people.participant(
            "UME-023", consent_on=site.today - 130 * day, randomized_on=site.today - 117 * day
        )
        site.people.answered(due, "m03", codes={"c30": {1: 2, 2: 3, 3: 1}})
        site.people.participant("UME-024", consent_on=site.today - 130 * day, randomized_on=site.today - 100 * day)
        site.people.participant("LUN-021", consent_on=long_ago - 5 * day, randomized_on=long_ago)
        site.filled = True
    return site


def test_a_missed_assessment_becomes_a_row_and_gets_its_reason_in_two_clicks(trial, open_browser, axe):
    page = sign_in(open_browser(DESK, locale="en-GB"), trial, "berit")
    expect(page).to_have_url(re.compile("/staff/work"))
    axe(page)
    row = page.locator("tr", has_text="UME-021").filter(has_text=re.compile("3 months")).first
    expect(row).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("LUN-021")

    # It is red in the grid until somebody says why
    assert "reason needed" in cell_of(page, "UME-021", 1)

    # Two clicks: the row's action, the reason
    page.goto("/staff/work")
    page.locator("tr", has_text="UME-021").filter(has_text="3 months").get_by_role(
        "link", name=re.compile("reason")
    ).click()
    axe(page)
    page.locator("button[name=code][value=forgot]").click()
    expect(page).to_have_url(re.compile("/staff/"))
    page.goto("/staff/work")
    expect(page.locator("tr", has_text="UME-021").filter(has_text="3 months")).to_have_count(0)

    # The red is gone, the reason and its author stand on the participant's page
    assert "reason needed" not in cell_of(page, "UME-021", 1)
    page.goto("/staff/participants/UME-021")
    axe(page)
    expect(page.locator("main")).to_contain_text("Berit")


def test_another_sites_nurse_sees_nothing_of_it(trial, open_browser):
    page = sign_in(open_browser(DESK, locale="en-GB"), trial, "charlie")
    for path in ("/staff/work", "/staff/participants"):
        page.goto(path)
        expect(page.locator("main")).not_to_contain_text("UME-0")
        expect(page.locator("main")).to_contain_text("LUN-021")
    foreign = page.goto("/staff/participants/UME-021")
    absent = page.goto("/staff/participants/UME-999")
    assert foreign.status == absent.status == 404


PAGES = {
    "karin": (
        "work", "participants", "participants/new", "participants/UME-024", "participants/UME-024/contact",
        "participants/UME-024/events", "participants/UME-024/log-contact", "participants/UME-022/randomise",
        "participants/UME-022/sheet", "participants/UME-024/correct-randomisation", "proposals", "compliance", "export",
        "audit", "study", "study/amendment", "account",
    ),
    "ada": ("users", "audit", "study", "api-tokens", "api-tokens/new", "api-tokens/1/end"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "locale"), [("karin", "sv-SE"), ("karin", "en-GB"), ("ada", "sv-SE")])
def test_no_staff_page_has_an_accessibility_finding(trial, open_browser, axe, name, locale):
    page = sign_in(open_browser(DESK, locale=locale, dark=locale == "en-GB"), trial, name)
    if name == "ada":
        token = ("--name", "Register", "--scope", "participants:read", "--arms", "--until", "2099-12-31")
        assert trial.proapp("api-token", "add", *token).returncode == 0
    for path in PAGES[name]:
        answer = page.goto(f"/staff/{path}")
        assert answer.status == 200, path
        axe(page)
        assert page.locator("h1").count() == 1, path
        picture(page, f"staff-{path.replace('/', '-')}-{locale[:2]}")


def test_the_worklist_fits_a_phone_and_a_picture(trial, open_browser):
    small = sign_in(open_browser(PHONE, locale="sv-SE"), trial, "karin")
    for path in ("work", "participants", "participants/UME-024", "system", "export"):
        small.goto(f"/staff/{path}")
        no_sideways_scrolling(small)
    hint = small.locator("#cutoff-hint").bounding_box()
    assert hint is not None
    assert hint["width"] > 250, "the hint of a field is squeezed"
    for width in (800, 1024, 1200):  # a tablet, an old desk, and one with a narrow window: no action beyond the edge
        small.set_viewport_size({"width": width, "height": 800})
        small.goto("/staff/work")
        no_sideways_scrolling(small)
    page = sign_in(open_browser({"width": 1280, "height": 800}, locale="en-GB"), trial, "berit")
    page.goto("/staff/work")
    picture(page, "nurse-worklist-en", full_page=False)
    no_sideways_scrolling(page)
    for row in page.locator(".work tbody tr").all():
        heights = [one.bounding_box() for one in row.locator(".acts a").all()]
        middles = {round(box["y"] + box["height"] / 2) for box in heights if box}
        assert len(middles) == 1, "the actions of a row stand in one line"


def test_the_grid_fits_a_desk_and_its_head_stays(trial, open_browser):
    gone = trial.people.participant("UME-025", consent_on=trial.today - timedelta(days=130))
    trial.people.event(gone, "death", trial.today - timedelta(days=3))
    page = sign_in(open_browser({"width": 1280, "height": 300}, locale="en-GB"), trial, "karin")
    page.goto("/staff/participants")
    row = page.locator("tr", has_text="UME-025")
    expect(row.locator("th")).to_contain_text("died")  # beside the id; a date and "died" would read as the day of death
    expect(row.locator("td.text").last).not_to_contain_text("died")
    box = page.locator(".grid-box")
    assert box.evaluate("e => e.scrollWidth - e.clientWidth") <= 1, "the last column is cut off"
    first = page.locator(".grid thead th").first.bounding_box()
    assert first is not None
    assert first["width"] < 200, "the first column is no wider than what stands in it"
    box.evaluate("e => e.scrollTop = 100")
    assert box.evaluate("e => e.scrollTop") > 50
    head, frame = page.locator(".grid thead th").nth(2).bounding_box(), box.bounding_box()
    assert head is not None
    assert frame is not None
    assert abs(head["y"] - frame["y"]) < 4, "the head has gone out of sight"


def cell_of(page, study_id: str, number: int) -> str:
    """What the grid says of a participant's time point, in words for those who do not see colours."""
    page.goto("/staff/participants")
    cell = page.locator("tr", has_text=study_id).locator("td.mark").nth(number)
    return (cell.locator("[title]").get_attribute("title") or "").lower()
