"""A patient answers all 74 questions in Swedish on a phone, is interrupted, and goes on with another device."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from proapp.clock import system_clock
from proapp.db.models import Answer, ResponseSet
from proapp.services import audit
from proapp.services.patient_codes import issue_code
from tests.e2e.arrived import arrived
from tests.e2e.conftest import DESK, PHONE, SMALL, no_sideways_scrolling
from tests.e2e.desk import sign_in
from tests.e2e.phone import Phone
from tests.instruments.exact import exact_scores
from tests.people import PIN

ITEMS = 74


def pattern(instrument: str, item: int, highest: int) -> int:
    """An answer for each item that opens both gates and leaves no two neighbours alike."""
    return 2 + (item * 7 + len(instrument)) % (highest - 1)


def a_code(site, study_id: str) -> str:
    """A fresh sheet's code, made by the service that prints it."""
    with site.runtime.writing.begin() as session:
        return issue_code(
            session, vault=site.runtime.vault, study_id=study_id, sites=None, actor=audit.WORKER, now=system_clock()
        )  # fmt: skip


def highest(site, instrument: str, item: int) -> int:
    return max(site.runtime.instruments[instrument].choices(item).codes)


def test_all_74_items_in_swedish_interrupted_once_and_resumed_on_another_device(site, open_browser, tmp_path: Path):
    site.people.participant("UME-011", consent_on=site.today, activated=False)
    code = a_code(site, "UME-011")

    # Given a patient who activates the code on a phone and begins
    first = Phone(open_browser(PHONE))
    first.page.goto(f"/a#{code[:4]}-{code[4:8]}-{code[8:]}")
    expect(first.page.locator("input[name=code]")).not_to_have_value("")
    assert code[:4] not in first.page.url  # the address bar no longer shows it
    first.press()
    first.give_pin(PIN, first_time=True)
    expect(first.page.locator("html")).to_have_attribute("lang", "sv")
    first.begin()
    first.taps = 0

    # When she answers 29 questions and then closes the phone
    given: dict[tuple[str, int], int] = {}
    for _ in range(29):
        instrument, item = first.question()
        given[instrument, item] = pattern(instrument, item, highest(site, instrument, item))
        first.answer(given[instrument, item])
    left_at = first.question()
    arrived(site, "UME-011", given)  # what had not been sent would wait on the phone that is closed now
    first.page.context.close()

    # Then another device goes on at the first question without an answer
    second = Phone(open_browser(DESK, locale="sv-SE"))
    second.sign_in(code, PIN, first_time=False)
    expect(second.page.locator("main")).to_contain_text("29")
    second.taps = 0
    second.resume()
    assert second.question() == left_at
    while second.on_a_question:
        instrument, item = second.question()
        assert (instrument, item) not in given, "a question came twice"
        given[instrument, item] = pattern(instrument, item, highest(site, instrument, item))
        second.answer(given[instrument, item])
    assert len(given) == ITEMS

    # And the list before sending shows every answer, and sending gives a receipt that stays the same
    expect(second.page).to_have_url(re.compile(r"/review$"))
    assert second.page.locator("ul.review li").count() == ITEMS
    second.page.locator("form.send button").first.click()
    expect(second.page).to_have_url(re.compile(r"/sent$"))
    assert first.taps + second.taps + 1 <= 150, "two taps an item, one to go on, one to send"
    receipt = second.page.locator("dl.receipt dd.reference").inner_text()
    second.page.reload()
    assert second.page.locator("dl.receipt dd.reference").inner_text() == receipt

    # And the database holds one submission with those 74 answers
    with site.runtime.reading() as session:
        sets = session.scalars(select(ResponseSet).where(ResponseSet.receipt == receipt)).all()
        answers = session.execute(
            select(Answer.instrument, Answer.item, Answer.code).where(Answer.response_set_id == sets[0].id)
        ).all()
    assert len(sets) == 1
    assert sets[0].answered_items == ITEMS
    assert {(row.instrument, row.item): row.code for row in answers} == given

    # And the file that a statistician fetches holds the scores that these answers give
    desk = sign_in(open_browser(DESK, locale="en-GB"), site, "stina")
    desk.goto("/staff/export")
    with desk.expect_download() as fetched:
        desk.get_by_role("button", name="Create the file").click()
    fetched.value.save_as(tmp_path / "out.zip")
    check_scores(tmp_path / "out.zip", "UME-011", given)


def check_scores(file: Path, study_id: str, given) -> None:
    """Against the formulas in fractions, which share nothing with the program's."""
    with zipfile.ZipFile(file) as bundle:
        name = next(one for one in bundle.namelist() if one.endswith("/scores_long.csv"))
        rows = list(csv.DictReader(io.TextIOWrapper(bundle.open(name), "utf-8", newline="")))
    found = {row["scale_code"]: row["score"] for row in rows if study_id in row.values() and row["score"]}
    expected = {
        scale: value
        for code in ("c30", "br23", "lmc21")
        for scale, (value, _) in exact_scores(
            code, {item: value for (pack, item), value in given.items() if pack == code}
        ).items()
        if value is not None
    }
    assert set(found) == set(expected)
    assert all(abs(float(found[code]) - float(value)) < 1e-9 for code, value in expected.items())


@pytest.mark.parametrize(
    ("viewport", "javascript"), [(SMALL, False), (PHONE, True)], ids=["320-no-script", "390-script"]
)
def test_questions_can_be_skipped_changed_and_cleared(site, open_browser, viewport, javascript):
    study_id = "UME-012" if javascript else "UME-013"
    participant = site.people.participant(study_id, consent_on=site.today, activated=False, language="en")
    phone = Phone(open_browser(viewport, locale="en-GB", javascript=javascript))
    phone.sign_in(a_code(site, study_id), PIN, first_time=True)
    phone.begin()

    # Continue without an answer asks once, and leaving the question is remembered as that
    phone.press()
    no_sideways_scrolling(phone.page)
    expect(phone.page.locator(".prompt")).to_be_visible()
    phone.page.locator(".prompt button[value=skip]").click()
    expect(phone.page).to_have_url(re.compile("/c30/2$"))
    assert phone.question() == ("c30", 2)

    # Nothing is chosen beforehand; an answer can be changed and taken back
    assert phone.page.locator("input[name=answer]:checked").count() == 0
    phone.answer(3)
    phone.page.locator(".back a").click()
    expect(phone.page).to_have_url(re.compile("/c30/2$"))
    expect(phone.page.locator("input[name=answer][value='3']")).to_be_checked()
    phone.page.locator("button[value=clear]").click()
    expect(phone.page.locator("input[name=answer]:checked")).to_have_count(0)

    # The language changes in the middle and the place is kept
    place = phone.page.url
    phone.page.locator("button[name=language][value=sv]").click()
    expect(phone.page.locator("html")).to_have_attribute("lang", "sv")
    assert phone.page.url.split("?")[0] == place.split("?")[0]
    phone.answer(1)
    expect(phone.page.locator("main .saved")).to_be_visible()
    phone.page.wait_for_load_state("networkidle")  # the script's answer has arrived
    with site.runtime.reading() as session:
        rows = session.execute(
            select(Answer.item, Answer.kind, Answer.code, Answer.language)
            .where(Answer.response_set_id == own_set(site, participant))
            .order_by(Answer.id)
        ).all()
    assert [(row.item, row.kind, row.code, row.language) for row in rows] == [
        (1, "skipped", None, "en"),
        (2, "answered", 3, "en"),
        (2, "cleared", None, "en"),
        (2, "answered", 1, "sv"),
    ]


def own_set(site, participant: int):
    return (
        select(ResponseSet.id)
        .where(ResponseSet.assessment_id == site.people.assessment_id(participant, "baseline"))
        .scalar_subquery()
    )


def test_closed_gates_are_not_asked(site, open_browser):
    participant = site.people.participant(
        "UME-014", consent_on=site.today - timedelta(days=100), randomized_on=site.today - timedelta(days=92)
    )
    everything = site.people.every_item(code=2)
    partly = {"c30": everything["c30"], "br23": {item: 1 for item in (31, 32, 33)}}
    site.people.answered(participant, "m03", codes=partly)
    phone = Phone(open_browser(PHONE))
    phone.sign_in(a_code(site, "UME-014"), PIN, first_time=True)
    phone.resume()
    assert phone.question() == ("br23", 34)
    phone.answer(1)
    assert phone.question() == ("br23", 36)


def test_the_keyboard_alone_is_enough(site, open_browser):
    """From the front door to the fourth question; on to the receipt: test_patient_other_ways."""
    site.people.participant("UME-015", consent_on=site.today, activated=False)
    page = open_browser(DESK, locale="en-GB")
    page.goto("/a")

    def enter(selector: str, words: str = "") -> None:
        """Go to it with the Tab key; type, or press Enter and be led to another page."""
        before = page.url
        tab_to(page, selector)
        if words:
            page.keyboard.type(words)
            return
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: url != before)

    enter("input[name=code]", a_code(site, "UME-015"))
    enter("main button.wide")
    enter("input[name=pin]", PIN)
    enter("input[name=again]", PIN)
    enter("main button.wide")
    expect(page.locator("html")).to_have_attribute("lang", "sv")  # the participant's own language from here on
    enter("main a.soft")  # the welcome can wait
    enter("main .card .button")
    tab_to(page, "input[name=who]")
    page.keyboard.press("Space")
    enter("main button.wide")
    for _ in range(3):
        tab_to(page, "input[name=answer]")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
        enter("button[value=save]")
    assert Phone(page).question() == ("c30", 4)


def tab_to(page, selector: str) -> None:
    for _ in range(40):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            outline = page.evaluate(
                "() => { const s = getComputedStyle(document.activeElement); "
                "const l = document.activeElement.closest('label'); const t = l ? getComputedStyle(l) : s; "
                "return [s.outlineStyle, s.boxShadow, t.outlineStyle, t.boxShadow].join(' ') }"
            )
            assert re.search(r"solid|auto|rgb", outline), f"no visible focus on {selector}: {outline}"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached with the keyboard")
