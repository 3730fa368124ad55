"""Pictures of one page: at every width, light and dark, cut to its content and packed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Page

Scheme = Literal["light", "dark"]
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
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width, height in SCREENS.items():
            page.set_viewport_size({"width": width, "height": height})
            yield scheme, page.screenshot(full_page=True, animations="disabled", caret="hide")


def _packed(shot: bytes, scheme: Scheme) -> Picture:
    from PIL import Image

    image = Image.fromarray(_plain(np.array(Image.open(BytesIO(shot)).convert("RGB"))))
    target = BytesIO()
    image.save(target, "WEBP", lossless=True, quality=60, method=3)
    return Picture(image.width, image.height, scheme, target.getvalue())


def _plain(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours of areas as they are, those between them (the edges of letters) in steps of 16 of the 256 levels:
    nobody sees it, and the picture has a third fewer bytes."""
    colour = pixels.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    found, times = np.unique(colour, return_counts=True)
    edges = ~np.isin(colour, found[np.argsort(-times, kind="stable")[:AREAS]])
    pixels[edges] = pixels[edges] & 0xF0 | 0x08
    return pixels
