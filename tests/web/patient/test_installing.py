"""The page as an app: what a phone needs for it, and that it is offered once, after sending, and never again."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from proapp.web.patient.installing import OFFERED_COOKIE


def manifest(browser: Any, lang: str = "en", agent: str = "") -> dict[str, Any]:
    page = browser.get(f"/app.webmanifest?lang={lang}", headers={"User-Agent": agent})
    assert (page.status_code, page.mimetype) == (200, "application/manifest+json")
    content: dict[str, Any] = page.get_json(force=True)
    return content


@pytest.mark.parametrize(("lang", "name"), [("en", "My answers"), ("sv", "Mina svar"), ("xx", "My answers")])
def test_it_speaks_the_language_of_the_page_and_names_no_study(browser: Any, lang: str, name: str) -> None:
    content = manifest(browser, lang)
    assert (content["name"], content["short_name"]) == (name, name)
    assert content["lang"] == ("sv" if lang == "sv" else "en")
    assert (content["start_url"], content["scope"], content["display"]) == ("/", "/", "standalone")
    assert "breclim" not in browser.text.lower()


def test_every_icon_is_there_in_the_size_that_is_promised(browser: Any) -> None:
    icons = manifest(browser)["icons"]
    assert {(icon["sizes"], icon["purpose"]) for icon in icons} == {
        ("192x192", "any"), ("512x512", "any"), ("512x512", "maskable"),
    }  # fmt: skip
    for icon in icons:
        page = browser.get(icon["src"])
        assert page.mimetype == icon["type"] == "image/png"
        assert "immutable" in page.headers["Cache-Control"]
        with Image.open(io.BytesIO(page.data)) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]
            corner = image.convert("RGBA").getpixel((0, 0))[3]
        # The edge of a maskable icon is cut off by the phone, so it reaches to the corners.
        assert corner == (255 if icon["purpose"] == "maskable" else 0)


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0)", "Mozilla/5.0 (iPad; CPU OS 17_0)"])
def test_on_an_iphone_it_stays_in_the_browser_that_knows_the_phone(browser: Any, agent: str) -> None:
    assert manifest(browser, agent=agent)["display"] == "browser"


def test_only_home_and_the_thank_you_lead_to_it(anna: Any) -> None:
    linked = {}
    anna.begin()
    anna.answer("c30", 1, 2)
    for path in ("/home", anna.question("c30", 1), f"{anna.address}/review", "/contact", "/about/privacy"):
        anna.browser.get(path)
        linked[path] = 'rel="manifest" href="/app.webmanifest?lang=en"' in anna.browser.text
    anna.browser.get(f"{anna.address}/review")
    anna.browser.post(f"{anna.address}/review")
    anna.browser.follow()
    linked["sent"] = 'rel="manifest" href="/app.webmanifest?lang=en"' in anna.browser.text
    assert [path for path, there in linked.items() if there] == ["/home", "sent"]
    head = anna.browser.text.split("</head>")[0]
    assert 'rel="manifest"' in head
    touch = head.split('rel="apple-touch-icon" href="')[1].split('"')[0]
    assert anna.browser.get(touch).mimetype == "image/png"


def test_it_is_offered_until_it_has_been_seen(anna: Any) -> None:
    anna.begin()
    anna.answer("c30", 1, 2)
    anna.browser.get(f"{anna.address}/review")
    anna.browser.post(f"{anna.address}/review")
    receipt = anna.browser.page.headers["Location"]
    for _look in range(2):
        anna.browser.get(receipt)
        assert "data-install hidden" in anna.browser.text
        assert "js/install.js" in anna.browser.text
    page = anna.browser.post("/installing")
    assert any(one.startswith(f"{OFFERED_COOKIE}=offered;") for one in page.headers.getlist("Set-Cookie"))
    anna.browser.get(receipt)
    assert "Thank you" in anna.browser.text
    assert "install" not in anna.browser.text.split("<main")[1]
