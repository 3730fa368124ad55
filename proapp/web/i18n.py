"""The language of a page: what the person chose, else what is stored about them, else what the browser asks for."""

from __future__ import annotations

from functools import lru_cache

from babel.support import NullTranslations
from flask import Flask, request, session
from flask_babel import Babel, get_locale, get_translations
from markupsafe import Markup

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


class Sentences:
    """The sentences of one catalogue, for templates: looked up and marked as safe once, not on every page."""

    def __init__(self, catalogue: NullTranslations) -> None:
        self._catalogue = catalogue
        self._ready: dict[str, Markup] = {}

    def say(self, msgid: str, **values: object) -> Markup:
        """What `_()` is in a template: the translation, with `values` escaped and put in."""
        if values:
            return Markup(self._catalogue.ugettext(msgid)) % values  # noqa: S704  our own catalogue
        if msgid not in self._ready:
            self._ready[msgid] = Markup(self._catalogue.ugettext(msgid)) % {}  # noqa: S704
        return self._ready[msgid]


_sentences = lru_cache(maxsize=16)(Sentences)


def sentences() -> Sentences:
    """Those of the language that holds at this moment, also under force_locale."""
    return _sentences(get_translations())


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
