"""The way through one assessment in one language: every page is opened in the browser and photographed as it comes.

Answers are given as a phone without scripts gives them, by the forms' own addresses. The highest code of each item is
taken: it opens every gate, so no item stays hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proapp.instruments.model import Instrument, Item
from proapp.screens.browser import sign_in
from proapp.screens.chapters import Chapter
from proapp.screens.pictures import Picture, take
from proapp.screens.place import Place
from proapp.web.guard import PATIENT_COOKIE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LOCALES = {"sv": "sv-SE", "en": "en-GB"}


class WrongPage(Exception):
    """A page did not come out as it should: the book would show something that no patient sees."""


@dataclass(frozen=True)
class Screen:
    """One screen in one language. `where` is the pack (or the time point) it belongs to, `words` its heading."""

    where: str
    name: str
    language: str
    words: str
    note: str
    pictures: tuple[Future[Picture], ...]


def walk(browser: Browser, place: Place, chapter: Chapter, language: str, pool: Executor) -> Iterator[Screen]:
    """Every screen of the chapter, in the order in which a patient meets them."""
    patient = place.patient(chapter, language)
    context = browser.new_context(
        base_url=place.address,
        locale=LOCALES[language],
        timezone_id=chapter.study.time_zone,
        service_workers="block",  # a page kept from before is no page of this version
    )
    try:
        page = context.new_page()
        sign_in(page, PATIENT_COOKIE, patient.token, place.address)
        page.clock.set_fixed_time(place.runtime.clock())
        yield from _Walk(page, chapter, language, f"/assessment/{patient.assessment_id}", pool).screens()
    finally:
        context.close()


@dataclass
class _Walk:
    page: Page
    chapter: Chapter
    language: str
    address: str
    pool: Executor
    token: str = ""  # of the forms, from the last page that the server made

    def screens(self) -> Iterator[Screen]:
        around = self.chapter.name
        self._open("")
        yield self._screen(around, "start")
        self._post("", who="self")
        for instrument in self.chapter.instruments:
            yield from self._items(instrument)
        self._open("/review")
        yield self._screen(around, "review")
        self._post("/review", do="send")
        self._open("/sent")
        yield self._screen(around, "receipt")

    def _items(self, instrument: Instrument) -> Iterator[Screen]:
        prompted: set[str] = set()  # the prompt is the same for every item of one layout
        for item in instrument.items:
            path = f"/{instrument.code}/{item.number}"
            self._open(path)
            if instrument.code in self.chapter.shown:
                yield self._screen(instrument.code, f"item {item.number}", _note(instrument, item))
                layout = instrument.choices(item.number).layout
                if layout not in prompted:
                    prompted.add(layout)
                    yield self._left_unanswered(instrument, item)
            self._post(path, answer=str(instrument.choices(item.number).highest), do="save")

    def _left_unanswered(self, instrument: Instrument, item: Item) -> Screen:
        self.page.locator("form#q button[name=do][value=save].button").click()
        self.page.locator(".prompt").wait_for()
        return self._screen(instrument.code, f"item {item.number}, left unanswered", "Continue was pressed, no answer")

    def _screen(self, where: str, name: str, note: str = "") -> Screen:
        words = re.sub(r"\s+", " ", self.page.locator("h1").first.inner_text()).strip()
        return Screen(where, name, self.language, words, note, tuple(take(self.page, self.pool)))

    def _open(self, path: str) -> None:
        answer = self.page.goto(self.address + path, wait_until="load")
        if answer is None or answer.status != 200 or not self.page.url.endswith(self.address + path):
            raise WrongPage(f"the page of {path or 'the start'} in {self.language} did not open")
        self.token = self.page.locator("input[name=csrf_token]").first.get_attribute("value") or ""

    def _post(self, path: str, **form: str) -> None:
        """What the form of a page sends without scripts."""
        answer = self.page.request.post(
            self.address + path, form={"csrf_token": self.token, **form}, max_redirects=0, fail_on_status_code=False
        )
        if answer.status != 303:
            raise WrongPage(f"the form of {path or 'the start'} in {self.language} was answered with {answer.status}")


def _note(instrument: Instrument, item: Item) -> str:
    """What is not on the screen and matters to whoever looks at it."""
    if item.gate is None:
        return ""
    labels = {code for code in instrument.choices(item.gate.item).codes if code > item.gate.above}
    return f"Asked only when the answer to item {item.gate.item} is {_listed(sorted(labels))}"


def _listed(codes: list[int]) -> str:
    return " or ".join(map(str, codes)) if len(codes) < 3 else f"{codes[0]} to {codes[-1]}"
