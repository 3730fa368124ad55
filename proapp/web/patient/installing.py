"""What a phone needs to keep the page among its apps, and that this was offered: once, after sending, never again."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import gettext as _

from proapp.web.guard import audience
from proapp.web.i18n import LANGUAGES, language
from proapp.web.patient import blueprint
from proapp.web.patient.devices import device_label
from proapp.web.transactions import runtime

OFFERED_COOKIE = "__Host-proapp-installing"
YEAR = 365 * 24 * 60 * 60
APPLE = frozenset({"iPhone", "iPad"})
COLOUR = "#faf7f4"  # the page in the light; a manifest has but one


@blueprint.get("/app.webmanifest")
@audience("anyone")
def manifest() -> Response:
    """The page as an app, by the neutral name that stands on every page of patients. A browser asks for it without its
    cookies, so the language is part of the address."""
    wanted = request.args.get("lang", "")
    known = wanted in LANGUAGES and wanted in runtime().study.languages
    with force_locale(wanted if known else language()):
        content = _manifest()
    return Response(json.dumps(content, ensure_ascii=False), mimetype="application/manifest+json")


def _manifest() -> dict[str, Any]:
    name = _("My answers")
    static_url = current_app.jinja_env.globals["static_url"]
    return {
        "id": url_for("public.start"),
        "name": name,
        "short_name": name,
        "lang": language(),
        "start_url": url_for("public.start"),
        "scope": url_for("public.start"),
        # An app of its own on an iPhone shares nothing with Safari, where this phone is known: whoever opened it there
        # would be asked for a code that is used up. As a bookmark it opens in Safari and asks for the PIN.
        "display": "browser" if device_label() in APPLE else "standalone",
        "background_color": COLOUR,
        "theme_color": COLOUR,
        "icons": [
            {"src": static_url(f"icons/{file}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
            for file, size, purpose in (
                ("icon-192", 192, "any"),
                ("icon-512", 512, "any"),
                ("icon-maskable-512", 512, "maskable"),
            )
        ],
    }


def may_offer() -> bool:
    """Whether this browser has not been asked before."""
    return OFFERED_COOKIE not in request.cookies


@blueprint.post("/installing")
@audience("patient")
def offered() -> ResponseReturnValue:
    """The script says so when it has shown the offer. A cookie of the server's: those of scripts are short-lived."""
    response = redirect(url_for("patient.home"), code=303)
    response.set_cookie(
        OFFERED_COOKIE, "offered", max_age=YEAR, secure=True, httponly=True, samesite="Lax", path="/"
    )  # fmt: skip
    return response
