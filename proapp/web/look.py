"""How pages look to one pair of eyes: the size of the letters and the contrast, chosen on any page of a patient.

The browser remembers it for a year, before and after signing in; the cookie says nothing about who somebody is.
"""

from __future__ import annotations

from typing import NamedTuple

from flask import Flask, Response, g, request
from markupsafe import Markup

COOKIE = "__Host-proapp-look"
YEAR = 365 * 24 * 60 * 60
SIZES = ("normal", "large", "largest")
CONTRASTS = ("auto", "high")  # auto: what the device is set to


class Look(NamedTuple):
    size: str = "normal"
    contrast: str = "auto"

    @property
    def attributes(self) -> Markup:
        """Those of the element `html`, with a blank before each; none for the usual look."""
        chosen = {"size": self.size, "contrast": self.contrast}
        usual = Look()._asdict()
        said = (f' data-{name}="{value}"' for name, value in chosen.items() if value != usual[name])
        return Markup("".join(said))  # noqa: S704  words of ours

    @property
    def word(self) -> str:
        """As it stands in the cookie."""
        return f"{self.size}.{self.contrast}"


_USUAL = Look()
_KNOWN = {one.word: one for one in (Look(size, contrast) for size in SIZES for contrast in CONTRASTS)}


def init_app(app: Flask) -> None:
    app.jinja_env.globals["look"] = look


def look() -> Look:
    """What this browser asks for (where no cookie comes along, the view says it in `g.look`); the usual look when it
    asks for nothing that we know."""
    return _KNOWN.get(g.get("look") or request.cookies.get(COOKIE, ""), _USUAL)


def changed(*, size: str | None, contrast: str | None) -> Look:
    """The look of this browser with what was chosen now; words that we do not know change nothing."""
    before = look()
    return Look(
        size if size is not None and size in SIZES else before.size,
        contrast if contrast is not None and contrast in CONTRASTS else before.contrast,
    )


def remember(response: Response, chosen: Look) -> None:
    response.set_cookie(COOKIE, chosen.word, max_age=YEAR, secure=True, httponly=True, samesite="Lax", path="/")


def forget(response: Response) -> None:
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax", path="/")
