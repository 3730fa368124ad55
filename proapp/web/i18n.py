"""The language of a page: what the person chose, else what is stored about them, else what the browser asks for."""

from __future__ import annotations

from flask import Flask, request, session
from flask_babel import Babel, get_locale

from proapp.web.guard import PATIENT_COOKIE, STAFF_COOKIE, find_patient, find_staff
from proapp.web.static_files import beside
from proapp.web.transactions import runtime

LANGUAGES = ("sv", "en")
CHOSEN = "language"


class MissingCatalogue(Exception):
    """The compiled Swedish catalogue is not there: pages would come out in English without a word of warning."""


def init_app(app: Flask) -> None:
    folder = beside("translations")
    if not (folder / "sv" / "LC_MESSAGES" / "messages.mo").is_file():
        raise MissingCatalogue("translations/sv is not compiled; run: make setup")
    Babel(
        app,
        default_locale="sv",
        default_translation_directories=str(folder),
        locale_selector=select_language,
        default_timezone="Europe/Stockholm",
    )
    app.jinja_env.globals["language"] = language


def language() -> str:
    """sv or en, for this request."""
    locale = get_locale()
    return locale.language if locale else "sv"


def select_language() -> str:
    offered = [code for code in LANGUAGES if code in runtime().study.languages] or ["sv"]
    if session.get(CHOSEN) in offered:
        return str(session[CHOSEN])
    who = None
    if request.path.startswith("/staff"):
        who = find_staff() if request.cookies.get(STAFF_COOKIE) else None
    elif request.cookies.get(PATIENT_COOKIE):
        who = find_patient()
    if who is not None and who.language in offered:
        return who.language
    return request.accept_languages.best_match(offered) or offered[0]
