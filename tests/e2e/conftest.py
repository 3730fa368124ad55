"""A real server, a real database file and a real browser, seen as a patient and a nurse see them."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from proapp.clock import local_date, system_clock
from proapp.config import Settings
from proapp.db.session import make_engine
from proapp.runtime import Runtime
from proapp.screens.browser import FLAGS, chromium_path
from proapp.services import installation
from proapp.services.vault import Vault
from tests.conftest import ROOT, SECRET, definitions
from tests.e2e import serve
from tests.people import People

PHONE = {"width": 390, "height": 844}
SMALL = {"width": 320, "height": 640}
DESK = {"width": 1280, "height": 900}
CRITERIA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
expect.set_options(timeout=10_000)  # twice the usual: two browsers and their servers share two cores
SHOWN = {"sv": [(DESK, True), (SMALL, False)], "en": [(DESK, False), (SMALL, True)]}  # width, dark
PICTURES = os.environ.get("PICTURES")  # a folder for pictures of what the tests see; none are taken without


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


# --- the server -----------------------------------------------------------------------------------------------------


@dataclass
class Site:
    """An installation of its own: gunicorn with two workers on one SQLite file, and the means to fill it."""

    url: str
    environment: dict[str, str]
    runtime: Runtime
    people: People
    master: int = 0  # the process number of gunicorn

    @property
    def workers(self) -> list[int]:
        """The process numbers of gunicorn's workers."""
        return serve.workers_of(self.master)

    @property
    def today(self) -> date:
        return local_date(system_clock(), ZoneInfo(self.runtime.study.time_zone))

    def proapp(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of proapp on this installation."""
        return subprocess.run(
            [sys.executable, "-m", "proapp", *words],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    with installed(tmp_path_factory.mktemp("site"), sqlite_template) as one:
        yield one


@contextmanager
def installed(folder: Path, template: Path, more: Mapping[str, str] | None = None) -> Iterator[Site]:
    """`more` settings for the server and the commands."""
    with prepared(folder, template, more) as site:
        server = serve.start(site.environment, int(site.url.rsplit(":", 1)[1]))
        try:
            wait_until_ready(f"{site.url}/healthz", server.is_alive)
            yield replace(site, master=server.pid or 0)
        finally:
            server.terminate()
            server.join(20)


@contextmanager
def prepared(folder: Path, template: Path, more: Mapping[str, str] | None = None) -> Iterator[Site]:
    """An installation whose server is not started yet."""
    shutil.copy(template, folder / "proapp.sqlite3")
    key = base64.urlsafe_b64encode(b"k" * 32).decode()
    port = free_port()
    settings = Settings(
        database_url=f"sqlite:///{folder / 'proapp.sqlite3'}",
        secret_key=SECRET,
        contact_keys=(b"k" * 32,),
        base_url=f"http://127.0.0.1:{port}",
        demo=True,
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PROAPP_")},
        "PROAPP_DATABASE_URL": settings.database_url,
        "PROAPP_SECRET_KEY": SECRET,
        "PROAPP_CONTACT_KEYS": key,
        "PROAPP_BASE_URL": settings.base_url,
        "PROAPP_DEMO": "1",
        "PROAPP_LOG_LEVEL": "WARNING",
        **(more or {}),
    }
    runtime = runtime_of(settings)
    with runtime.writing.begin() as session:
        installation.mark(session, demo=True)
    people = People(runtime, None, lambda *_: None)
    yield Site(settings.base_url, environment, runtime, people)
    runtime.close()


def runtime_of(settings: Settings) -> Runtime:
    study, instruments = definitions()
    vault = Vault(settings.secret_key, settings.contact_keys)
    return Runtime(settings, study, instruments, make_engine(settings.database_url), system_clock, vault)


@contextmanager
def serving(environment: Mapping[str, str], port: int, root: Path = ROOT) -> Iterator[subprocess.Popen[bytes]]:
    """gunicorn on `port`, of the program in the folder `root`, as a process that has to load it."""
    server = subprocess.Popen(
        [
            sys.executable, "-m", "gunicorn", "wsgi:app",
            "--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--graceful-timeout", "2",
        ],
        cwd=root, env=environment,
    )  # fmt: skip
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/healthz", lambda: server.poll() is None)
        yield server
    finally:
        server.terminate()
        server.wait(timeout=20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert alive(), "the server ended before it was ready"
        try:
            with urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise AssertionError(f"{url} did not answer in 30 seconds")


# --- the browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as one:
        yield one


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def open_browser(chromium: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """open_browser(viewport=PHONE, locale="sv-SE", javascript=True, dark=False) → a page of a device of its own."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_(
        viewport: dict[str, int] = PHONE,
        *,
        locale: str = "sv-SE",
        javascript: bool = True,
        dark: bool = False,
        **more: Any,
    ) -> Page:
        context = chromium.new_context(
            base_url=site.url,
            viewport=viewport,
            locale=locale,
            java_script_enabled=javascript,
            color_scheme="dark" if dark else "light",
            timezone_id="Europe/Stockholm",
            **more,
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        # A violated content security policy shows as an error of the console; so does a script that fails.
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: _own(request.url, site.url, errors))
        return page

    yield open_
    for context in contexts:
        context.close()
    expected = re.compile(r"status of (4\d\d|503)")  # a page we asked for that says no
    assert [error for error in errors if not expected.search(error)] == []


def _own(url: str, own: str, errors: list[str]) -> None:
    if not url.startswith((own, "data:", "about:", "blob:")):
        errors.append(f"a page asked a foreign origin: {url}")


@pytest.fixture(scope="session")
def axe() -> Callable[..., None]:
    """axe(page) fails with every violation of WCAG 2.2 A and AA that axe can see; axe(page, "color-contrast") with those
    of one rule. Only violations are handed over: all that is in order would be most of the time it takes."""
    tool = Axe()

    def check(page: Page, rule: str | None = None) -> None:
        asked = {"type": "rule", "values": [rule]} if rule else {"type": "tag", "values": CRITERIA}
        if not page.evaluate("'axe' in window"):
            page.evaluate(tool.axe_script)
        found = page.evaluate(
            "asked => axe.run({runOnly: asked, resultTypes: ['violations']}).then(found => found.violations)", asked
        )
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found] == [], f"{page.url}"

    return check


@pytest.fixture
def everywhere(axe: Callable[..., None]) -> Callable[..., None]:
    """everywhere(page, "sv") fails with any finding on a small screen and on a desk, in one light each: dark on the desk
    and light on the small screen for Swedish, the other way round for English."""

    def check(page: Page, language: str, name: str = "") -> None:
        expect(page.locator("html")).to_have_attribute("lang", language)
        for viewport, dark in SHOWN[language]:
            page.set_viewport_size(viewport)
            # Without motion: a colour on its way from one to the other is neither.
            page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
            axe(page)
            no_sideways_scrolling(page)
            large_targets(page)
            if name:
                picture(page, f"patient-{name}-{language}-{viewport['width']}-{'dark' if dark else 'light'}")

    return check


def no_sideways_scrolling(page: Page) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} is {wide} px wider than the screen"


def large_targets(page: Page) -> None:
    """Everything to tap on a patient's page is at least 44 px wide and high (WCAG 2.5.8 asks 24); of links only those
    that stand in the middle of a sentence are as high as its line. The target of a choice is its whole row."""
    small = page.evaluate(
        """() => [...document.querySelectorAll('a, button, summary, select, textarea, label:has(input), input')]
            .filter(one => one.checkVisibility() && !one.matches('.vh, .skip, [type=hidden], label input'))
            .filter(one => !(one.matches('a') && [...one.parentNode.childNodes]
                .some(near => near.nodeType === Node.TEXT_NODE && near.textContent.trim())))
            .map(one => [one.outerHTML.replace(/\\s+/g, ' ').slice(0, 90), one.getBoundingClientRect()])
            .filter(([, box]) => box.height < 43.9 || box.width < 43.9)
            .map(([text, box]) => `${text}: ${box.width.toFixed(1)} x ${box.height.toFixed(1)}`)"""
    )
    assert small == [], page.url


def picture(page: Page, name: str, *, full_page: bool = True) -> None:
    """For people to look at; what must not change by accident is in tests/looks."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=full_page)
