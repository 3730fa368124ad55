"""The language of a page: what the person chose, else what is stored about them, else what the browser asks for."""

from __future__ import annotations

from functools import cache

from babel import Locale
from babel.support import NullTranslations
from flask import Flask, current_app, g, request, session
from flask_babel import Babel, get_locale, get_translations
from markupsafe import Markup

from proapp.web.guard import PATIENT_COOKIE, STAFF_COOKIE, find_patient, find_staff
from proapp.web.static_files import beside
from proapp.web.transactions import runtime

LANGUAGES = ("sv", "en")
CHOSEN = "language"
INSTEAD_OF = "stored_language"  # the one that was stored about the patient when another was chosen


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
    app.extensions["proapp.sentences"] = {}
    app.jinja_env.globals["language"] = language


class Sentences:
    """The sentences of one language. Those of templates are looked up and marked as safe once, not on every page."""

    def __init__(self, code: str, catalogue: NullTranslations) -> None:
        self._code = code
        self._catalogue = catalogue
        self._ready: dict[str, Markup] = {}

    def code(self) -> str:
        return self._code

    def text(self, msgid: str) -> str:
        return str(self._catalogue.ugettext(msgid))

    def say(self, msgid: str, **values: object) -> Markup:
        """What `_()` is in a template: the translation, with `values` escaped and put in."""
        if values:
            return Markup(self.text(msgid)) % values  # noqa: S704  our own catalogue
        if msgid not in self._ready:
            self._ready[msgid] = Markup(self.text(msgid)) % {}  # noqa: S704
        return self._ready[msgid]


def sentences() -> Sentences:
    """Those of the language that holds at this moment, also under force_locale."""
    # Where Flask-Babel keeps the locale once it is known: a page asks twenty times. Not there: ask the long way.
    locale = getattr(g.get("_flask_babel"), "babel_locale", None) or get_locale()
    code = locale.language if locale else "sv"
    known: dict[str, Sentences] = current_app.extensions["proapp.sentences"]
    found = known.get(code)
    if found is None:
        found = known[code] = Sentences(code, get_translations())
    return found


def gettext(msgid: str, **values: object) -> str:
    """As Flask-Babel's, for code that every question passes."""
    words = sentences().text(msgid)
    return words % values if values else words


def language() -> str:
    """sv or en, for this request."""
    if "_flask_babel" not in g:  # nothing was said yet and no language forced: an answer need not wake Flask-Babel
        return _chosen(_offered(runtime().study.languages))
    return sentences().code()


_locale = cache(Locale.parse)  # it looks on the disk each time


@cache
def _offered(of_study: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code for code in LANGUAGES if code in of_study) or ("sv",)


def select_language() -> Locale:
    return _locale(_chosen(_offered(runtime().study.languages)))


def choose(code: str) -> None:
    """What the person chose here, until staff record another language for a patient who is signed in."""
    session[CHOSEN] = code
    who = find_patient() if request.cookies.get(PATIENT_COOKIE) else None
    session.pop(INSTEAD_OF, None)
    if who is not None:
        session[INSTEAD_OF] = who.language


def _overruled() -> bool:
    before = session.get(INSTEAD_OF)
    if before is None or not request.cookies.get(PATIENT_COOKIE):
        return False
    who = find_patient()
    return who is not None and who.language != before


def _chosen(offered: tuple[str, ...]) -> str:
    chosen = session.get(CHOSEN)
    if chosen in offered and not _overruled():
        return str(chosen)
    who = None
    if request.path.startswith("/staff"):
        who = find_staff() if request.cookies.get(STAFF_COOKIE) else None
    elif request.cookies.get(PATIENT_COOKIE):
        who = find_patient()
    if who is not None and who.language in offered:
        return who.language
    return request.accept_languages.best_match(offered) or offered[0]
