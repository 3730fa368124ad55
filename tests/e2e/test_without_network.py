"""A phone in a lift, in a tunnel, in a drawer: what was answered arrives, once, and says what was answered."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError, expect
from sqlalchemy import select

from proapp.clock import system_clock
from proapp.db.models import AnswerConflict, AuthSession, ResponseSet
from proapp.services import sessions
from proapp.web.guard import PATIENT_COOKIE
from tests.conftest import ROOT
from tests.e2e.arrived import arrived, set_of, stored
from tests.e2e.conftest import FLAGS, PHONE, Site, chromium_path, free_port, picture, prepared, serving
from tests.e2e.line import Line, line
from tests.e2e.phone import Phone
from tests.e2e.test_patient_journey import ITEMS, a_code, highest, pattern
from tests.people import PIN

KEPT = re.compile("Saved on this phone, not sent yet")
SAVED = re.compile("saved (?:as|when)|is saved|are saved", re.IGNORECASE)


@dataclass
class OnLine(Phone):
    """A phone with a line of its own to the server."""

    line: Line

    def cut(self) -> None:
        self.line.cut()

    def mend(self) -> None:
        """The network is back, and the phone notices."""
        self.line.mend()
        self.page.evaluate("dispatchEvent(new Event('online'))")


@pytest.fixture
def open_phone(chromium: Browser, site: Site) -> Iterator[Callable[..., OnLine]]:
    """open_phone(study_id) → a phone of its own, signed in, on the first question of its questionnaire."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []
    lines = ExitStack()

    def open_(study_id: str, *, script: str = "", begin: bool = True) -> OnLine:
        own = lines.enter_context(line(free_port(), port_of(site)))
        url = f"http://127.0.0.1:{own.port}"
        context = chromium.new_context(base_url=url, viewport=PHONE, locale="en-GB", service_workers="allow")
        context.set_default_timeout(15_000)
        contexts.append(context)
        context.add_cookies(
            [{"name": PATIENT_COOKIE, "value": token_of(site, study_id), "url": "https://127.0.0.1", "secure": True}]
        )
        page = context.new_page()
        # A violated content security policy shows as an error of the console; so does a script that fails.
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack}"))
        if script:
            page.add_init_script(script)
        page.goto("/home")
        phone = OnLine(page, own)
        if begin:
            phone.begin()
        else:
            phone.resume()
        ready(page)
        return phone

    yield open_
    for context in contexts:
        context.close()
    lines.close()
    assert [error for error in errors if not error.startswith("Failed to load resource")] == []  # the line was cut


def port_of(site: Site) -> int:
    return int(site.url.rsplit(":", 1)[1])


def token_of(site: Site, study_id: str) -> str:
    from proapp.db.models import Participant

    with site.runtime.writing.begin() as session:
        person = session.scalar(select(Participant.id).where(Participant.study_id == study_id))
        if person is None:
            session.rollback()
        else:
            return sessions.start(
                session, site.runtime.vault, kind="patient", now=system_clock(), participant_id=person
            )
    site.people.participant(study_id, consent_on=site.today, language="en")
    return token_of(site, study_id)


# [copies, entries] in the phone's store
HELD = """() => new Promise(resolve => {
    const open = indexedDB.open("proapp");
    open.onupgradeneeded = () => open.transaction.abort();
    open.onerror = () => resolve([0, 0]);
    open.onsuccess = () => {
        const held = open.result.transaction(["copies", "kept"]);
        const counts = ["copies", "kept"].map(name => held.objectStore(name).count());
        held.oncomplete = () => { open.result.close(); resolve(counts.map(one => one.result)); };
    };
})"""


# Every copy in the phone's store is of an earlier layout, or gone.
CHANGE = """gone => new Promise(resolve => {
    const open = indexedDB.open("proapp");
    open.onsuccess = () => {
        const change = open.result.transaction("copies", "readwrite");
        change.objectStore("copies").openCursor().onsuccess = ({target: {result}}) =>
            result && (gone ? result.delete() : result.update({...result.value, version: 1}));
        change.oncomplete = () => { open.result.close(); resolve(); };
    };
})"""


def signed_in(page: Page, site: Site, study_id: str) -> None:
    page.context.add_cookies(
        [{"name": PATIENT_COOKIE, "value": token_of(site, study_id), "url": "https://127.0.0.1", "secure": True}]
    )


def ready(page: Page) -> None:
    """The whole questionnaire is on the phone, and the go-between stands ready."""
    until(page, f"({HELD})().then(([copies]) => copies > 0)")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    until(page, "caches.keys().then(names => names.some(name => name.startsWith('proapp ')))")


def until(page: Page, promise: str) -> None:
    """Wait until the promise comes true; the browser's own waiting takes a promise itself for true."""
    deadline = time.monotonic() + 15
    while not page.evaluate(promise):
        assert time.monotonic() < deadline, promise
        page.wait_for_timeout(50)


def status(page: Page) -> Any:
    return page.locator("main .saved")


# --- the long way ---------------------------------------------------------------------------------------------------


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def upgradable(tmp_path: Path, sqlite_template: Path) -> Iterator[tuple[Site, Callable[[], None]]]:
    """A site, and what makes it a newer version: other scripts and styles, so other addresses for them."""
    with prepared(tmp_path, sqlite_template) as site, ExitStack() as stack:
        port, folder = port_of(site), tmp_path / "newer"
        running = ExitStack()
        stack.callback(lambda: running.close())
        running.enter_context(serving(site.environment, port))

        def upgrade() -> None:
            for part in ("proapp", "static", "translations"):
                shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "wsgi.py", folder)
            for changed in ("css/patient.css", "js/patient/questionnaire.js"):
                with (folder / "static" / changed).open("a") as file:
                    file.write("\n" + ("/**/:root { --newer: 1 }" if changed.endswith("css") else "window.newer = 1;"))
            running.close()
            running.enter_context(serving(site.environment, port, folder))

        yield site, upgrade


def test_74_items_with_the_network_cut_the_phone_closed_and_the_server_upgraded(chromium, upgradable, stack, tmp_path):
    site, upgrade = upgradable
    site.people.participant("UME-011", consent_on=site.today, activated=False, language="en")
    folder = tmp_path / "phone"
    own = stack.enter_context(line(free_port(), port_of(site)))

    def switch_on() -> OnLine:
        context = chromium.browser_type.launch_persistent_context(
            folder, executable_path=chromium_path(), args=list(FLAGS),
            base_url=f"http://127.0.0.1:{own.port}", viewport=PHONE, locale="en-GB", timezone_id="Europe/Stockholm",
        )  # fmt: skip
        context.set_default_timeout(20_000)
        return OnLine(context.pages[0], own)

    given: dict[tuple[str, int], int] = {}

    def answer(phone: OnLine, until: int) -> None:
        while len(given) < until:
            place = phone.question()
            given[place] = pattern(*place, highest(site, *place))
            phone.answer(given[place])

    phone = switch_on()
    phone.sign_in(a_code(site, "UME-011"), PIN, first_time=True)
    phone.begin()
    ready(phone.page)
    answer(phone, 5)

    # The lift: from item 5 on nothing gets through, and it says so
    phone.cut()
    answer(phone, 12)
    expect(status(phone.page)).to_contain_text(KEPT)
    picture(phone.page, "without-network-en")
    phone.mend()
    answer(phone, 30)
    expect(status(phone.page)).not_to_contain_text(KEPT)

    # At item 30 it is cut again, the phone is switched off and on, and she goes on where she was
    phone.cut()
    answer(phone, 33)
    left_at = phone.question()
    phone.page.context.close()
    phone = switch_on()
    phone.page.goto("/home")
    phone.page.get_by_role("link", name="Continue with the questions").click()
    expect(phone.page.locator("main h1")).to_have_text("Check and send")
    phone.page.goto(f"/assessment/1/{left_at[0]}/{left_at[1]}")
    assert phone.question() == left_at
    answer(phone, 40)

    # The server becomes a newer version meanwhile; the sign-in has ended with the phone
    upgrade()
    phone.mend()
    expect(status(phone.page)).to_contain_text("Sign in again")
    answer(phone, 42)
    phone.page.goto("/home")
    phone.page.locator("input[name=pin]").fill(PIN)
    phone.press()
    expect(phone.page.locator("main")).to_contain_text("42 of 74")
    phone.resume()
    ready(phone.page)
    assert phone.page.evaluate("window.newer") == 1
    while phone.on_a_question:
        place = phone.question()
        assert place not in given, "a question came twice"
        given[place] = pattern(*place, highest(site, *place))
        phone.answer(given[place])
    assert len(given) == ITEMS

    # Sent in a tunnel: it is not thanked for what is not received
    phone.cut()
    phone.page.locator("form.send button").first.click()
    expect(phone.page.locator("h1")).to_have_text(KEPT)
    assert "Thank" not in phone.page.locator("main").inner_text()
    picture(phone.page, "sent-without-network-en")
    phone.mend()
    expect(phone.page).to_have_url(re.compile(r"/sent$"), timeout=40_000)
    phone.page.context.close()

    with site.runtime.reading() as session:
        (only,) = session.scalars(select(ResponseSet)).all()
    assert only.submitted_at is not None
    assert only.answered_items == ITEMS
    assert only.clock_trusted is True
    assert stored(site, "UME-011") == given


# --- chance ---------------------------------------------------------------------------------------------------------


HAPPENINGS = (
    "cut", "stall", "mend", "mend unnoticed", "reload", "killed", "one worker dies", "tapped twice", "skip", "changes one",
)  # fmt: skip


@pytest.mark.parametrize("part", range(5))
def test_no_answer_is_lost_in_ten_random_schedules(site, open_phone, part):
    """Of one questionnaire: three or four answers each, and something happens with each of them; then all must have
    arrived, in one of ten without the browser being told that there is network."""
    study_id = f"UME-{100 + part}"
    phone, given = open_phone(study_id), {}
    for number in range(part * 10, part * 10 + 10):
        chance = random.Random(number)
        for turn in range(chance.choice((3, 4))):
            one_answer(site, phone, chance, given, all_die=number % 5 == 4 and turn == 1)
        (phone.line.mend if number % 10 == 0 else phone.mend)()
        arrived(site, study_id, given)
    assert len(given) >= 30


def elsewhere(place: tuple[str, int]) -> Callable[[str], bool]:
    return lambda url: not url.split("?")[0].endswith(f"/{place[0]}/{place[1]}")


def one_answer(site: Site, phone: OnLine, chance: random.Random, given: dict[Any, Any], *, all_die: bool) -> None:
    happening = chance.choice(HAPPENINGS)
    if all_die or happening == "one worker dies":
        for doomed in site.workers[: None if all_die else 1]:
            os.kill(doomed, signal.SIGKILL)
    if happening in {"reload", "killed"} and phone.line.stalls:
        phone.line.mend()  # else each page takes the eight seconds after which a phone helps itself
    if happening == "reload":
        phone.page.reload()
    if happening in LINE:
        LINE[happening](phone)
    if happening == "changes one" and phone.question() != ("c30", 1):
        shown = phone.question()
        phone.page.locator("main .back a").click()
        phone.page.wait_for_url(elsewhere(shown))
    place = on_the_screen(phone)
    given[place] = (
        None if happening == "skip" else chance.choice([code for code in range(1, 5) if code != given.get(place)])
    )
    if happening == "killed":  # right after the tap: it is there, or the question is still the same
        phone.choose(given[place])
        phone.press()
        phone.page.reload()
        if phone.question() != place:
            return
        on_the_screen(phone)
    give(phone, given[place], twice=happening == "tapped twice")
    try:
        phone.page.wait_for_url(elsewhere(place), timeout=8000)
    except (
        TimeoutError
    ):  # loaded anew when nobody answered: without the questionnaire it is kept, and stays where it is
        expect(status(phone.page)).to_contain_text(KEPT)


LINE: dict[str, Callable[[OnLine], None]] = {
    "cut": lambda phone: phone.line.cut(),
    "stall": lambda phone: phone.line.stall(),
    "mend": lambda phone: phone.mend(),
    "mend unnoticed": lambda phone: phone.line.mend(),
}


def on_the_screen(phone: OnLine) -> tuple[str, int]:
    place = phone.question()
    phone.page.wait_for_selector(f"main form#q[action*='/{place[0]}/{place[1]}']")
    return place


def give(phone: OnLine, code: int | None, *, twice: bool) -> None:
    if code is None:
        phone.page.locator("main button[value=skip] >> visible=true").first.click()
        return
    phone.choose(code)
    if twice:
        phone.page.locator("main .button.wide").first.dblclick()
    else:
        phone.press()


# --- two phones, one person -----------------------------------------------------------------------------------------


def test_the_newest_answer_counts_and_the_other_screen_says_so(site, open_phone):
    one = open_phone("UME-021")
    one.answer(2)
    other = open_phone("UME-021", begin=False)
    other.page.goto(re.sub(r"/\d+$", "/1", other.page.url))
    one.page.go_back()
    other.answer(4)
    arrived(site, "UME-021", {("c30", 1): 4})
    one.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(status(one.page)).to_contain_text("another phone or computer")
    expect(one.page.locator("input[value='4']")).to_be_checked()
    other.answer(3)  # another question than the one on the screen
    arrived(site, "UME-021", {("c30", 1): 4, ("c30", 2): 3})
    one.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(status(one.page)).to_contain_text("Question 2 of 30. The newest answer counts.")


def test_the_first_to_send_wins_and_the_other_is_told_when(site, open_phone):
    one = open_phone("UME-022")
    one.answer(2)
    expect(status(one.page)).not_to_contain_text(KEPT)
    other = open_phone("UME-022", begin=False)
    one.cut()
    one.answer(3)  # the second question, in a tunnel, and sent there
    one.page.goto(re.sub(r"/c30/\d+$", "/review", one.page.url))
    one.page.locator("form.send button").first.click()
    expect(one.page.locator("h1")).to_have_text(KEPT)
    expect(one.page.locator("main .safety")).to_contain_text("1177")
    other.page.goto(re.sub(r"/c30/\d+$", "/review", other.page.url))
    other.page.locator("form.send button").first.click()
    expect(other.page).to_have_url(re.compile(r"/sent$"))
    one.mend()
    expect(one.page.locator("h1")).to_have_text("Already received", timeout=20_000)
    assert re.search(r"already received .*\d\d:\d\d", one.page.locator("main").inner_text())
    picture(one.page, "already-received-en")
    assert stored(site, "UME-022") == {("c30", 1): 2}
    with site.runtime.reading() as session:
        kept = session.scalars(
            select(AnswerConflict).where(AnswerConflict.response_set_id == set_of(site, "UME-022"))
        ).all()
    assert [(row.instrument, row.item, row.code) for row in kept] == [("c30", 2, 3)]

    # The first page says so too, with whom to call, until it has been read
    one.page.goto("/home")
    told = one.page.locator("#differs")
    expect(told).to_contain_text("differ from what was already sent")
    expect(told.locator("a[href^='tel:']")).to_be_visible()
    told.get_by_role("button").click()
    one.page.reload()
    expect(one.page.locator("main h1")).to_be_visible()
    expect(told).to_have_count(0)


# --- the sign-in ends -----------------------------------------------------------------------------------------------


def test_when_the_sign_in_has_ended_nothing_is_lost(site, open_phone):
    phone = open_phone("UME-023")
    with site.runtime.writing.begin() as session:
        for row in session.scalars(select(AuthSession).where(AuthSession.ended_at.is_(None))):
            row.ended_at = system_clock()
    phone.answer(3)
    expect(status(phone.page)).to_contain_text("Sign in again")
    phone.answer(2)
    signed_in(phone.page, site, "UME-023")
    phone.page.goto("/home")
    expect(phone.page.locator("main")).to_contain_text("2 of 74")
    assert stored(site, "UME-023") == {("c30", 1): 3, ("c30", 2): 2}


def test_half_an_hour_without_use_and_without_network_hides_the_answers_and_keeps_them(site, open_phone):
    phone = open_phone(
        "UME-024", script="window.ahead = 0; { const real = Date.now; Date.now = () => real() + window.ahead; }"
    )
    page = phone.page
    phone.cut()
    phone.answer(3)
    page.evaluate("window.ahead = 31 * 60 * 1000; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("h1")).to_have_text("Signed out, to protect your answers")
    page.reload()
    expect(page.locator("h1")).to_have_text("Signed out, to protect your answers")
    picture(page, "locked-without-network-en")
    phone.mend()
    expect(page.locator("form#q")).to_have_count(1)  # brought, and looked at anew: to the server she is still there
    page.goto("/home")
    expect(page.locator("main")).to_contain_text("1 of 74")


def test_signing_out_asks_first_when_something_is_not_sent_and_empties_the_phone(site, open_phone):
    phone = open_phone("UME-025")
    page = phone.page
    page.route("**/kept", lambda route: route.abort())
    phone.answer(3)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Some answers are not sent yet")).to_be_visible()
    page.get_by_role("button", name="Stay signed in").last.click()
    page.unroute("**/kept")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/(a|pin)$"))
    assert stored(site, "UME-025") == {("c30", 1): 3}
    assert page.evaluate(HELD) == [0, 0]


def test_a_browser_without_a_store_goes_page_by_page(chromium, site):
    context = chromium.new_context(base_url=site.url, viewport=PHONE, locale="en-GB")
    context.add_cookies(
        [{"name": PATIENT_COOKIE, "value": token_of(site, "UME-026"), "url": "https://127.0.0.1", "secure": True}]
    )
    page = context.new_page()
    page.add_init_script("Object.defineProperty(window, 'indexedDB', {value: {open() { throw new Error('no'); }}})")
    page.goto("/home")
    phone = Phone(page)
    phone.begin()
    phone.answer(3)
    phone.answer(2)
    assert stored(site, "UME-026") == {("c30", 1): 3, ("c30", 2): 2}
    with page.expect_response("**/copy"):
        page.goto(re.sub(r"/\d+$", "/2?back=review", page.url))
    page.locator("main .back a").click()
    expect(page.locator("main [data-at=parts]")).to_have_count(1)  # the list that the script has made
    page.locator("form.send button").first.click()
    expect(page).to_have_url(re.compile(r"/sent$"))
    context.close()


def test_what_can_be_saved_nowhere_is_said_with_the_telephone_number(site, open_phone):
    phone = open_phone("UME-028")
    page = phone.page
    page.add_init_script("Object.defineProperty(window, 'indexedDB', {value: {open() { throw new Error('no'); }}})")
    for copy_too in (True, False):
        page.route("**/copy", lambda route, passes=copy_too: route.continue_() if passes else route.abort())
        page.reload()
        page.wait_for_load_state("networkidle")
        phone.cut()
        phone.choose(3)
        phone.press()
        expect(status(page)).to_contain_text("This could not be saved. Please call the clinic:")
        expect(status(page).locator("a[href^='tel:']")).to_be_visible()
        phone.line.mend()
    page.get_by_role("button", name="Sign out").click()  # which a broken store does not hold up
    expect(page).to_have_url(re.compile(r"/(a|pin)$"))


def test_sending_waits_for_what_was_kept_before_although_the_questionnaire_is_not_here(site, open_phone):
    phone = open_phone("UME-029")
    page = phone.page
    phone.answer(2)
    arrived(site, "UME-029", {("c30", 1): 2})
    page.route("**/copy", lambda route: route.abort())
    page.route("**/kept", lambda route: route.abort())
    page.evaluate(CHANGE, True)
    page.reload()
    phone.cut()
    phone.choose(4)
    phone.press()
    expect(status(page)).to_contain_text(KEPT)
    phone.mend()
    page.goto(re.sub(r"/c30/\d+$", "/review", page.url))
    page.locator("form.send button").first.click()
    expect(status(page)).to_contain_text(KEPT)
    with site.runtime.reading() as session:
        assert session.get(ResponseSet, set_of(site, "UME-029")).submitted_at is None
    page.unroute("**/kept")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page).to_have_url(re.compile(r"/sent$"))
    assert stored(site, "UME-029") == {("c30", 1): 2, ("c30", 2): 4}


def test_a_copy_of_another_layout_is_not_shown_and_what_waits_with_it_arrives(site, open_phone):
    phone = open_phone("UME-030")
    page = phone.page
    phone.cut()
    phone.answer(4)
    page.evaluate(CHANGE, False)
    page.goto(re.sub(r"/c30/\d+$", "/review", page.url))
    expect(page.locator("main h1")).to_have_text("No network right now")
    phone.mend()
    arrived(site, "UME-030", {("c30", 1): 4})


def test_what_is_chosen_is_kept_whatever_takes_the_page_away(site, open_phone):
    phone = open_phone("UME-031")
    page = phone.page
    phone.answer(2)
    phone.choose(3)
    page.locator("main .back a").click()
    arrived(site, "UME-031", {("c30", 1): 2, ("c30", 2): 3})
    phone.press()
    phone.choose(4)
    question = page.url
    page.get_by_role("link", name="My answers").click()
    expect(page).to_have_url(re.compile(r"/home$"))
    arrived(site, "UME-031", {("c30", 1): 2, ("c30", 2): 4})
    page.wait_for_load_state("networkidle")  # the first page is made anew when something has been brought from it
    page.goto(question)
    ready(page)
    phone.choose(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/(a|pin)$"))
    assert stored(site, "UME-031") == {("c30", 1): 2, ("c30", 2): 1}


def test_two_people_on_one_phone_do_not_lose_each_others_answers(site, open_phone):
    phone = open_phone("UME-032")
    page = phone.page
    page.route("**/kept", lambda route: route.abort())
    phone.answer(3)
    expect(status(page)).to_contain_text(KEPT)
    signed_in(page, site, "UME-033")  # and the first never signed out
    page.goto("/home")
    phone.begin()
    ready(page)
    phone.answer(2)
    expect(status(page)).to_contain_text(KEPT)
    assert page.evaluate(HELD) == [2, 2]
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign out all the same").click()
    expect(page).to_have_url(re.compile(r"/(a|pin)$"))
    assert page.evaluate(HELD) == [1, 1]  # her own are lost, as she was told; nobody else's
    signed_in(page, site, "UME-034")
    page.goto("/home")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/(a|pin)$"))  # nothing of his waits: he is not asked
    signed_in(page, site, "UME-032")
    page.unroute("**/kept")
    page.goto("/home")
    arrived(site, "UME-032", {("c30", 1): 3})
    assert stored(site, "UME-033") == {}


# --- what is shown is what is sent ----------------------------------------------------------------------------------


def test_the_phone_lists_an_answer_whose_gate_was_cleared_as_the_server_does(site, open_phone):
    phone = open_phone("UME-027")
    page = phone.page
    base = re.sub(r"/c30/\d+$", "", page.url)
    page.goto(f"{base}/br23/34")
    ready(page)
    phone.answer(2)
    phone.answer(4)
    arrived(site, "UME-027", {("br23", 34): 2, ("br23", 35): 4})
    page.goto(f"{base}/br23/34")
    ready(page)
    page.get_by_role("button", name="Clear my answer").click()
    arrived(site, "UME-027", {("br23", 34): None, ("br23", 35): 4})
    listed = f"main .review a[href$='/assessment/{base.rsplit('/', 1)[1]}/br23/35?back=review']"
    page.goto(f"{base}/review")
    expect(page.locator(listed)).to_have_count(1)  # as the server lists it
    ready(page)
    phone.cut()
    page.goto(f"{base}/review")
    expect(page.locator("[data-offline]")).to_have_count(1)
    expect(page.locator("main h1")).to_have_text("Check and send")
    expect(page.locator(listed)).to_have_count(1)  # as the phone lists it, without the server
