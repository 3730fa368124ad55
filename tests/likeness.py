"""Whether two pictures of a page look the same to a person.

Two Chromiums draw the edge of a letter a shade differently, and a line may end a pixel lower; nobody sees that, and it
must not stop anybody. A word, a colour or a gap that changed must. So the pictures differ where, blurred by about the
width of a pen stroke, a spot as large as half a letter has clearly another colour, or a larger square another mean.

Measured with these pages: Chromium 143 and 156 from two builders draw them alike to the last pixel; between 131 and 156
no colour differs by more than 16 levels after the blur, and no larger square by more than 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

STROKE = 1.5  # px: radius of the blur
CLEARLY = 24  # of 255 levels of any colour, after the blur
SPOT = 12  # px: side of the squares that are looked at
SHARE = 0.12  # of a spot's pixels must differ
SQUARE = 24  # px: side of the larger squares
SHADE = 4.5  # levels by which the mean of a square may differ
LONGER = 3  # px by which one picture may be longer: lines are as high as a browser rounds them

Square = tuple[int, int, int]


@dataclass(frozen=True)
class Difference:
    words: str
    picture: Image.Image


def difference(before: Image.Image, after: Image.Image) -> Difference | None:
    """What a person would notice, with a picture of it: before, after, and the spots marked. None if nothing."""
    before, after = before.convert("RGB"), after.convert("RGB")
    if before.size == after.size and before.tobytes() == after.tobytes():
        return None
    if before.width != after.width:
        return _told(f"{after.width} px wide instead of {before.width}", before, after, [])
    squares = _squares(before, after)
    if abs(before.height - after.height) > LONGER:
        return _told(f"{after.height} px long instead of {before.height}", before, after, squares)
    return _told(f"{len(squares)} spots differ", before, after, squares) if squares else None


def _squares(before: Image.Image, after: Image.Image) -> list[Square]:
    """Where the pictures differ, as far as both reach: left, top and side of each square."""
    height = min(before.height, after.height)
    old, new = (one.crop((0, 0, one.width, height)) for one in (before, after))
    other = np.abs(_blurred(old) - _blurred(new)).max(axis=2) > CLEARLY
    spots = _means(other[..., None].astype(float), SPOT)[..., 0] > SHARE
    shades = np.abs(_means(np.asarray(old, float), SQUARE) - _means(np.asarray(new, float), SQUARE)).max(axis=2) > SHADE
    return [*_where(spots, SPOT), *_where(shades, SQUARE)]


def _blurred(image: Image.Image) -> np.ndarray:
    return np.asarray(image.filter(ImageFilter.GaussianBlur(STROKE)), dtype=np.int16)


def _means(values: np.ndarray, side: int) -> np.ndarray:
    """The mean of each square; those at the right and lower edge reach beyond it, where nothing differs."""
    tall, wide = -(-values.shape[0] // side), -(-values.shape[1] // side)
    whole = np.zeros((tall * side, wide * side, values.shape[2]))
    whole[: values.shape[0], : values.shape[1]] = values
    return whole.reshape(tall, side, wide, side, -1).mean(axis=(1, 3))


def _where(marks: np.ndarray, side: int) -> list[Square]:
    return [(int(x) * side, int(y) * side, side) for y, x in np.argwhere(marks)]


def _told(words: str, before: Image.Image, after: Image.Image, squares: list[Square]) -> Difference:
    marked = after.copy()
    pen = ImageDraw.Draw(marked)
    for x, y, side in squares:
        pen.rectangle((x - 2, y - 2, x + side + 1, y + side + 1), outline="red", width=2)
    three = (before, after, marked)
    sheet = Image.new("RGB", (sum(one.width for one in three) + 40, max(one.height for one in three)), "gray")
    x = 0
    for one in three:
        sheet.paste(one, (x, 0))
        x += one.width + 20
    return Difference(words, sheet)
