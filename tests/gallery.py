"""Pages whose looks are kept under tests/looks/, so that a change of look is seen and accepted on purpose.

The real pages at a fixed moment, with fixed people, in one font and in a browser that draws letters by their outlines
alone. `make looks` takes all pictures anew and keeps them; tests/e2e/test_looks.py takes them again and compares.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from sqlalchemy import insert, update

from proapp.config import Settings
from proapp.db.migrate import upgrade
from proapp.db.models import PatientRequest, StaffUser
from proapp.db.session import make_engine
from proapp.runtime import Runtime, load_definitions
from proapp.screens.browser import launched, sign_in
from proapp.screens.serve import serving
from proapp.services import sessions
from proapp.services.vault import Vault
from proapp.web.guard import PATIENT_COOKIE, STAFF_COOKIE
from tests import night
from tests.conftest import ROOT, SECRET, START
from tests.people import People

KEPT = ROOT / "tests" / "looks"
LOCALES = {"sv": "sv-SE", "en": "en-GB"}
HEIGHTS = {320: 480, 390: 640, 1280: 720}
LONGEST = 1400  # px of a page that are kept: beyond are more rows of the same
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Look:
    """One page as one reader sees it."""

    what: str
    language: str
    width: int
    dark: bool = False

    @property
    def name(self) -> str:
        return f"{self.what}-{self.language}-{self.width}-{'dark' if self.dark else 'light'}"


LOOKS = (
    Look("code", "sv", 320),
    Look("pin", "en", 390, dark=True),
    Look("pin", "sv", 320),
    Look("home", "sv", 390),
    Look("home", "en", 320, dark=True),
    Look("home", "sv", 1280, dark=True),
    Look("start", "sv", 320),
    Look("start", "en", 1280, dark=True),
    Look("question", "sv", 390),
    Look("question", "en", 320, dark=True),
    Look("question", "sv", 1280),
    Look("question-answered", "en", 390),
    Look("question-answered", "sv", 390, dark=True),
    Look("tiles", "sv", 390),
    Look("tiles", "en", 1280, dark=True),
    Look("tiles", "sv", 320),
    Look("tiles", "en", 320, dark=True),
    Look("prompt", "sv", 320, dark=True),
    Look("prompt", "en", 390),
    Look("review", "sv", 390),
    Look("review", "en", 1280, dark=True),
    Look("sent", "sv", 390),
    Look("sent", "en", 320, dark=True),
    Look("decline", "sv", 390),
    Look("sign-in", "en", 1280),
    Look("worklist", "sv", 1280),
    Look("worklist", "en", 1280, dark=True),
    Look("worklist", "en", 1280),
    Look("worklist", "sv", 390),
    Look("grid", "sv", 1280),
    Look("grid", "en", 1280, dark=True),
)


@dataclass
class Gallery:
    """The running pages, and who may look at which."""

    address: str
    browser: Browser
    runtime: Runtime
    people: People
    assessments: dict[tuple[str, str], int] = field(default_factory=dict)  # (what, language) → assessment
    persons: dict[tuple[str, str], int] = field(default_factory=dict)
    _windows: dict[str, Page] = field(default_factory=dict)

    def show(self, look: Look) -> Page:
        """The page of a look, as somebody sees it who has just signed in. One browser window for each language."""
        page = self._windows.get(look.language) or self._window(look.language)
        page.context.clear_cookies()
        page.set_viewport_size({"width": look.width, "height": HEIGHTS[look.width]})
        page.emulate_media(color_scheme="dark" if look.dark else "light", reduced_motion="reduce")
        self._sign_in(page, look)
        answer = page.goto(self._path(look))
        assert answer is not None
        assert answer.status == 200, f"{look.name}: {answer.status}"
        if look.what == "prompt":
            page.locator("form#q button[value=save].button").click()
            page.locator(".prompt").wait_for()
        return page

    def _window(self, language: str) -> Page:
        context = self.browser.new_context(
            base_url=self.address, locale=LOCALES[language], timezone_id="Europe/Stockholm", service_workers="block"
        )
        page = self._windows[language] = context.new_page()
        page.clock.set_fixed_time(START)
        return page

    def _path(self, look: Look) -> str:
        paths = {
            "code": "/a",
            "pin": "/pin",
            "home": "/home",
            "sign-in": "/staff/sign-in",
            "worklist": "/staff/work",
            "grid": "/staff/participants",
        }
        inside = {
            "start": "",
            "question": "/c30/13",
            "question-answered": "/c30/2",
            "tiles": "/c30/29",
            "prompt": "/c30/13",
            "review": "/review",
            "sent": "/sent",
            "decline": "/decline",
        }
        if look.what in paths:
            return paths[look.what]
        return f"/assessment/{self.assessments[_state(look.what), look.language]}{inside[look.what]}"

    def _sign_in(self, page: Page, look: Look) -> None:
        if look.what in ("code", "sign-in"):
            return
        staff = look.what in ("worklist", "grid")
        whom: dict[str, Any] = (
            {"kind": "staff", "user_id": self.persons["staff", look.language]}
            if staff
            else {
                "kind": "patient_pending" if look.what == "pin" else "patient",
                "participant_id": self.persons[_state(look.what), look.language],
            }
        )
        with self.runtime.writing.begin() as session:
            token = sessions.start(session, self.runtime.vault, now=START, **whom)
        sign_in(page, STAFF_COOKIE if staff else PATIENT_COOKIE, token, self.address)


def _state(what: str) -> str:
    """How far the patient of a page has come."""
    return {"start": "new", "sent": "sent", "pin": "new"}.get(what, "begun")


def taken(page: Page) -> Image.Image:
    """The page as it stands, its first LONGEST pixels."""
    width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, LONGEST)}
    shot = page.screenshot(full_page=True, clip=clip, animations="disabled", caret="hide")
    return Image.open(BytesIO(shot)).convert("RGB")


@contextmanager
def gallery(playwright: Playwright) -> Iterator[Gallery]:
    """Everything running; closed when the block is left."""
    with tempfile.TemporaryDirectory(prefix="proapp-looks-") as name:
        folder = Path(name)
        settings = Settings(f"sqlite:///{folder / 'looks.sqlite3'}", SECRET, (b"k" * 32,), "http://127.0.0.1")
        engine = make_engine(settings.database_url)
        upgrade(engine)
        vault = Vault(SECRET, settings.contact_keys, Random("looks").randbytes)
        runtime = Runtime(settings, *load_definitions(settings), engine, lambda: START, vault)
        try:
            browser = launched(playwright, one_font(folder))
            with serving(runtime) as address:
                shown = Gallery(address, browser, runtime, People(runtime, None, lambda *_: None))
                _fill(shown)
                yield shown
            browser.close()
        finally:
            runtime.close()


# Whatever family a page asks for. Letters are drawn by their outlines, without the habits of any screen.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
<dir>{fonts}</dir>
<cachedir>{cache}</cachedir>
<match target="pattern"><edit name="family" mode="assign" binding="strong"><string>Roboto</string></edit></match>
<match target="font">
<edit name="antialias" mode="assign"><bool>true</bool></edit>
<edit name="autohint" mode="assign"><bool>false</bool></edit>
<edit name="hinting" mode="assign"><bool>false</bool></edit>
<edit name="hintstyle" mode="assign"><const>hintnone</const></edit>
<edit name="rgba" mode="assign"><const>none</const></edit>
</match>
</fontconfig>
"""


def one_font(folder: Path) -> dict[str, str]:
    """What tells a browser to know the font of the tests and no other, whatever is installed."""
    file = folder / "fonts.conf"
    file.write_text(FONTS.format(fonts=ROOT / "tests" / "font", cache=folder / "fonts"), encoding="utf-8")
    return {"FONTCONFIG_FILE": str(file)}


# --- who is in the pictures ------------------------------------------------------------------------------------------


def _fill(shown: Gallery) -> None:
    people, today = shown.people, START.date()
    for number, language in enumerate(("sv", "en"), start=1):
        for state, group in (("new", 1), ("begun", 2), ("sent", 3)):
            randomised = today - (90 + group) * DAY
            person = people.participant(
                f"UME-0{group}{number}", consent_on=randomised - 7 * DAY, randomized_on=randomised,
                enrolled_at=START - 100 * DAY, language=language,
            )  # fmt: skip
            people.answered(person, "baseline", started_at=START - 99 * DAY, submitted_at=START - 99 * DAY)
            if state == "begun":
                people.answered(person, "m03", codes={"c30": {item: 1 + item % 4 for item in range(1, 13)}})
            elif state == "sent":
                people.answered(person, "m03", submitted_at=START)
            shown.persons[state, language] = person
            shown.assessments[state, language] = people.assessment_id(person, "m03")
    _fill_worklist(shown)
    for name, language in (("karin", "en"), ("kerstin", "sv")):
        user = shown.persons["staff", language] = people.staff_id(name)
        with shown.runtime.writing.begin() as session:
            session.execute(update(StaffUser).where(StaffUser.id == user).values(language=language))


def _fill_worklist(shown: Gallery) -> None:
    """Somebody who missed an assessment, somebody who has no code yet, somebody who asked to be called."""
    people, today = shown.people, START.date()
    people.participant("KAR-001", consent_on=today - 165 * DAY, randomized_on=today - 160 * DAY)
    people.participant("LUN-001", consent_on=today - 10 * DAY, activated=False, enrolled_at=START - 10 * DAY)
    asked = {"participant_id": shown.persons["begun", "sv"], "type": "call_me", "payload": {}}
    with shown.runtime.writing.begin() as session:
        session.execute(insert(PatientRequest), {**asked, "recorded_at": START - timedelta(hours=1)})


def accept() -> None:
    """Take every picture anew and keep it; pictures of pages that are no longer taken go."""
    KEPT.mkdir(exist_ok=True)
    with sync_playwright() as playwright, gallery(playwright) as shown:
        for look in LOOKS:
            taken(shown.show(look)).save(KEPT / f"{look.name}.webp", lossless=True, quality=80, method=4)
    with tempfile.TemporaryDirectory(prefix="proapp-looks-") as name:
        folder = Path(name)
        done = night.proapp("night", folder=folder, PROAPP_PACKS_DIR=str(night.written(folder)), **one_font(folder))
        assert done.returncode == 0, done.stderr
        night.accept((folder / "screens.html").read_text())
    print(f"{len(LOOKS)} pictures in {KEPT.relative_to(ROOT)}; look at them before you commit them")
    for old in {path.stem for path in KEPT.glob("*.webp")} - {look.name for look in LOOKS}:
        (KEPT / f"{old}.webp").unlink()


if __name__ == "__main__":
    accept()
