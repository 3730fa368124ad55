"""Pictures of one page: at every width, light and dark, cut to its content and packed."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import CDPSession, Page

Scheme = Literal["light", "dark"]
Colour = tuple[int, int, int]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# Width of the screen → its height; a page that is longer makes a longer picture.
SCREENS = {320: 480, 390: 640, 1280: 720}
AREAS = 24  # colours of a picture that are kept exactly


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a screen, as WebP."""

    width: int
    height: int
    scheme: Scheme
    data: bytes


def take(page: Page, pool: Executor) -> list[Future[Picture]]:
    """The page as it stands, in every look. They are packed by `pool` while the next page is on its way."""
    return [pool.submit(_packed, shot, scheme) for scheme, shot in _shots(page)]


def _shots(page: Page) -> Iterator[tuple[Scheme, bytes]]:
    devtools = page.context.new_cdp_session(page)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width, height in SCREENS.items():
            page.set_viewport_size({"width": width, "height": height})
            yield scheme, _shot(page, devtools, width)
    devtools.detach()


def _shot(page: Page, devtools: CDPSession, width: int) -> bytes:
    """The whole page, as PNG. By Chromium's own tools, told not to take pains over its size: half the time."""
    height = page.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    asked = {"format": "png", "optimizeForSpeed": True, "captureBeyondViewport": True, "clip": clip}
    return base64.b64decode(devtools.send("Page.captureScreenshot", asked)["data"])


def _packed(shot: bytes, scheme: Scheme) -> Picture:
    from PIL import Image

    image = Image.open(BytesIO(shot)).convert("RGB")
    counted = cast("list[tuple[int, Colour]]", image.getcolors(image.width * image.height))
    image = Image.fromarray(_plain(np.array(image), [colour for _, colour in sorted(counted, reverse=True)[:AREAS]]))
    target = BytesIO()
    image.save(target, "WEBP", lossless=True, quality=60, method=3)
    return Picture(image.width, image.height, scheme, target.getvalue())


def _plain(pixels: NDArray[np.uint8], areas: Sequence[Colour]) -> NDArray[np.uint8]:
    """The colours of areas as they are, those between them (the edges of letters) in steps of 32 of the 256 levels:
    nobody sees it, and the picture has two fifths fewer bytes."""
    colour = pixels @ np.array([65536, 256, 1], dtype=np.uint32)
    edges = ~np.isin(colour, [red << 16 | green << 8 | blue for red, green, blue in areas])
    pixels[edges] = pixels[edges] & 0xE0 | 0x10
    return pixels
