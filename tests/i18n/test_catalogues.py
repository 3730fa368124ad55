"""The catalogues may not lag behind the pages: what is extracted is what is translated, all of it, none of it guessed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
TRANSLATIONS = ROOT / "translations"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "lazy_gettext": None,
    "lazy_ngettext": (1, 2),
    "N_": None,
}


@pytest.fixture(scope="module")
def in_pages():
    with (TRANSLATIONS / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(ROOT, method_map=methods, options_map=options, keywords=KEYWORDS)
    return {message for _file, _line, message, _comments, _context in found if message}


def catalogue(language):
    with (TRANSLATIONS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


@pytest.mark.parametrize("language", ["sv", "en"])
def test_catalogue_and_pages_have_the_same_messages(in_pages, language):
    known = {message.id for message in catalogue(language) if message.id}
    assert in_pages - known == set(), "in the pages, not in the catalogue"
    assert known - in_pages == set(), "in the catalogue, on no page"


def test_swedish_is_complete_and_never_fuzzy():
    found = [message for message in catalogue("sv") if message.id]
    assert len(found) > 200
    assert [message.id for message in found if message.fuzzy] == []
    assert [message.id for message in found if not all(_texts(message.string))] == []


def test_placeholders_are_the_same_in_both_languages():
    wrong = [
        message.id
        for message in catalogue("sv")
        if message.id
        for text in _texts(message.string)
        if not _placeholders(text) <= _placeholders(" ".join(_texts(message.id)))
        or (isinstance(message.id, str) and _placeholders(text) != _placeholders(message.id))
    ]
    assert wrong == []


def test_plurals_are_plurals_in_swedish_too():
    assert [m.id for m in catalogue("sv") if isinstance(m.id, tuple) and len(_texts(m.string)) != 2] == []


def _texts(value):
    return value if isinstance(value, tuple) else (value,)


def _placeholders(text):
    return set(re.findall(r"%\((\w+)\)[sd]", text))
