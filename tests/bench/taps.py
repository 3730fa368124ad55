"""From the tap on Continue to the next question, and to the server's word that the answer is saved, over a network
that takes 150 ms each way and back.

The tap and the next question are noted in the page itself, the server's word by the browser: no time of the test's own
is in the figures. It asks for what any version of the page does (a button, a heading that changes, a POST), not for how.
"""

from __future__ import annotations

import statistics
from typing import Any

from playwright.sync_api import Error, Page, sync_playwright

from proapp.screens.browser import FLAGS, chromium_path, sign_in
from proapp.web.guard import PATIENT_COOKIE
from tests.bench.servers import House

LATENCY = 150
TAPS = 12
# Kept in the tab, so that it outlives a page load: when Continue was tapped, on what heading, when another was painted.
WATCH = """
(() => {
  const key = "bench", noted = () => JSON.parse(sessionStorage.getItem(key) || "{}");
  const heading = () => document.querySelector("main h1")?.textContent.trim();
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("button[value=save]"))
      sessionStorage.setItem(key, JSON.stringify({ tapped: Date.now(), on: heading() }));
  }, true);
  const look = () => {
    const { tapped, on, shown } = noted(), now = heading();
    if (tapped && !shown && now && now !== on) {
      sessionStorage.setItem(key, JSON.stringify({ tapped, on, shown: Date.now() }));
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""


def measure(ours: House) -> None:
    visitor, number = ours.visitor()
    visitor.get(f"/assessment/{number}")
    visitor.post(f"/assessment/{number}", who="self")
    base = f"http://127.0.0.1:{ours.server.port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        # Requests that a service worker makes are not slowed down, so it is left out.
        context = browser.new_context(viewport={"width": 390, "height": 844}, service_workers="block")
        page = context.new_page()
        sign_in(page, PATIENT_COOKIE, visitor.cookies[PATIENT_COOKIE], base)
        page.add_init_script(WATCH)
        page.goto(base + visitor.location)
        shown, saved = zip(*_taps(page), strict=True)
        browser.close()
    print(f"at {LATENCY} ms latency, from the tap on Continue, median of {TAPS}:")
    print(f"  to the next question: {statistics.median(shown):.0f} ms, at most {max(shown):.0f} ms")
    print(f"  to saved on the server: {statistics.median(saved):.0f} ms, at most {max(saved):.0f} ms")


def _taps(page: Page) -> list[tuple[float, float]]:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    posts: dict[str, tuple[float, float]] = {}
    words: list[float] = []

    def sent(event: dict[str, Any]) -> None:
        if event["request"]["method"] == "POST":
            posts[event["requestId"]] = (event["wallTime"], event["timestamp"])
        elif "redirectResponse" in event:  # a POST that was answered with another address
            answered(event)

    def answered(event: dict[str, Any]) -> None:
        begun = posts.pop(event["requestId"], None)
        if begun is not None:
            words.append((begun[0] + event["timestamp"] - begun[1]) * 1000)

    devtools.on("Network.requestWillBeSent", sent)
    devtools.on("Network.responseReceived", answered)
    return [_one(page, words) for _ in range(TAPS)]


def _one(page: Page, words: list[float]) -> tuple[float, float]:
    """Milliseconds to the next question and to the server's word."""
    words.clear()
    page.locator("main input[name=answer]:visible").first.check()
    page.locator("main button[value=save]:visible").first.click(no_wait_after=True)
    for _ in range(200):
        page.wait_for_timeout(50)
        noted = _noted(page)
        if "shown" in noted and words:
            return noted["shown"] - noted["tapped"], words[0] - noted["tapped"]
    raise RuntimeError("ten seconds after a tap there was no next question, or no word from the server")


def _noted(page: Page) -> dict[str, float]:
    try:
        found: dict[str, float] = page.evaluate("JSON.parse(sessionStorage.getItem('bench') || '{}')")
    except Error:  # between two pages
        return {}
    return found
