"""The looks that were accepted (tests/looks/) are the looks that patients and staff get. Meant otherwise: make looks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Playwright

from tests import gallery as looks
from tests.conftest import ROOT
from tests.likeness import difference

SEEN = Path(os.environ.get("PICTURES") or ROOT / "test-artefacts") / "looks"
QUESTION = looks.Look("question", "sv", 390)


@pytest.fixture(scope="module")
def gallery(playwright: Playwright) -> Iterator[looks.Gallery]:
    with looks.gallery(playwright) as shown:
        yield shown


def test_every_page_looks_as_it_was_accepted(gallery):
    told = []
    for look in looks.LOOKS:
        now = looks.taken(gallery.show(look))
        kept = looks.KEPT / f"{look.name}.webp"
        found = difference(Image.open(kept), now) if kept.exists() else None
        if not kept.exists():
            told.append(f"{look.name}: no picture was accepted yet")
        elif found:
            SEEN.mkdir(parents=True, exist_ok=True)
            found.picture.save(SEEN / f"{look.name}.png")
            told.append(f"{look.name}: {found.words}; see {SEEN / look.name}.png")
    assert told == [], "\n".join(["another look; if it is meant: make looks", *told])


def test_no_picture_is_kept_of_a_page_that_nobody_takes():
    assert {path.stem for path in looks.KEPT.glob("*.webp")} == {look.name for look in looks.LOOKS}


CHANGES = {
    "the colour of one button": "document.querySelector('form#q button.wide').style.background = '#5c4300'",
    "a shade of one button": "document.querySelector('form#q button.wide').style.background = '#82264f'",
    "a gap of 8 px": "document.querySelectorAll('label.choice')[1].style.marginTop = '8px'",
    "a gap of 8 px that makes nothing longer": "document.querySelector('form#q button.wide').style.translate = '0 8px'",
    "one word": "const h = document.querySelector('h1'); h.textContent = h.textContent.replace(/\\S+\\?/, 'besvär?')",
    "one short word of an answer": "document.querySelectorAll('label.choice span')[2].textContent = 'Rätt'",
}


def test_what_a_person_would_notice_is_found(gallery):
    page = gallery.show(QUESTION)
    before = looks.taken(page)
    assert difference(before, looks.taken(page)) is None
    missed = []
    for what, change in CHANGES.items():
        page.reload()
        page.evaluate(f"() => {{ {change} }}")
        if difference(before, looks.taken(page)) is None:
            missed.append(what)
    assert missed == []
