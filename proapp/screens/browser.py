"""The Chromium that takes the pictures: found on the path, else Playwright's own, else a sentence that says what to do.

Playwright and Pillow are no part of an ordinary installation, so both are asked for here, before anything is served.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without these Chromium asks the world for updates at every start; --no-sandbox because CI runs as root.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Letters drawn by their outlines alone: no habit of the machine's screen may show in a picture.
STILL = ("--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb", "--hide-scrollbars")


class NoBrowser(Exception):
    """Pictures cannot be taken here; the message says what to install."""


def chromium_path() -> str | None:
    """A Chromium on the path; None leaves it to Playwright."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def require_tools() -> None:
    """Raise NoBrowser unless Playwright and Pillow are installed."""
    if not all(find_spec(name) for name in ("playwright", "PIL")):
        raise NoBrowser('taking pictures needs Playwright and Pillow; install them with: pip install "proapp[screens]"')


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for pictures, closed when the block is left. Raises NoBrowser."""
    require_tools()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launched(playwright)
        try:
            yield browser
        finally:
            browser.close()


def launched(playwright: Playwright, environment: Mapping[str, str] | None = None) -> Browser:
    """A browser that draws alike wherever it can. `environment`: more variables for it, such as the fonts it may use.

    Raises NoBrowser.
    """
    from playwright.sync_api import Error

    try:
        return playwright.chromium.launch(
            executable_path=chromium_path(), args=[*FLAGS, *STILL], env={**os.environ, **(environment or {})}
        )
    except Error as error:
        raise NoBrowser(
            "no browser could be started; install Chromium (on Debian: apt-get install chromium), or run: "
            "python -m playwright install chromium"
        ) from error


def sign_in(page: Page, cookie: str, token: str, address: str) -> None:
    """Give the page's browser a session's cookie. By Chromium's own tools: Playwright names a domain, and a cookie with
    the prefix __Host- must not have one."""
    devtools = page.context.new_cdp_session(page)
    fields = {"name": cookie, "value": token, "url": address, "path": "/", "sameSite": "Lax"}
    devtools.send("Network.setCookie", {**fields, "secure": True, "httpOnly": True})
    devtools.detach()
