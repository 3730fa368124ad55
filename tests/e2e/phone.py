"""A patient with a phone: what a person does, said in a person's words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, expect

from proapp.services import sessions
from proapp.web.guard import PATIENT_COOKIE


@dataclass
class Phone:
    """`taps` counts what a finger did; typing is not counted."""

    page: Page
    taps: int = field(default=0, kw_only=True)

    def sign_in(self, code: str, pin: str, *, first_time: bool) -> None:
        self.page.goto("/a")
        self.page.locator("input[name=code]").fill(code)
        self.press()
        self.give_pin(pin, first_time=first_time)

    def give_pin(self, pin: str, *, first_time: bool) -> None:
        self.page.locator("input[name=pin]").fill(pin)
        if first_time:
            self.page.locator("input[name=again]").fill(pin)
        self.press()
        if first_time:
            expect(self.page).to_have_url(re.compile(r"/welcome/mobile$"))
            self.page.locator("main a.soft").click()  # later
        expect(self.page).to_have_url(re.compile(r"/home$"))

    def press(self) -> None:
        """The page's one primary button."""
        self.taps += 1
        self.page.locator("main .button.wide").first.click()

    def begin(self, who: str = "self") -> None:
        self.press()
        self.page.locator(f"input[name=who][value={who}]").check()
        self.press()

    def resume(self) -> None:
        self.press()

    def question(self) -> tuple[str, int]:
        """Instrument and number of the question on the screen."""
        found = re.search(r"/assessment/\d+/(\w+)/(\d+)", self.page.url)
        assert found, f"not on a question: {self.page.url}"
        return found.group(1), int(found.group(2))

    @property
    def on_a_question(self) -> bool:
        return re.search(r"/assessment/\d+/\w+/\d+", self.page.url) is not None

    def choose(self, code: int) -> None:
        self.taps += 1
        self.page.locator(f"input[name=answer][value='{code}']").check()

    def answer(self, code: int) -> None:
        before = self.page.url
        self.choose(code)
        self.press()
        self.page.wait_for_url(lambda url: url != before)


def carry_session(site: Any, page: Page, participant_id: int) -> None:
    """The browser of `page` is signed in as that participant, without the way through code and PIN."""
    runtime = site.runtime
    with runtime.writing.begin() as session:
        token = sessions.start(
            session, runtime.vault, kind="patient", now=runtime.clock(), participant_id=participant_id
        )
    address = site.url.replace(
        "http:", "https:"
    )  # a cookie that is secure; the browser sends it to this machine all the same
    page.context.add_cookies(
        [{"name": PATIENT_COOKIE, "value": token, "url": address, "secure": True, "httpOnly": True}]
    )
