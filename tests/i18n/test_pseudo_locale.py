"""No text is hard-coded: with a catalogue that puts ⟦brackets⟧ around every message, all words outside brackets must be
data (names, numbers, dates, the wording of packs and study file). A string that forgot to be translatable is found here,
before a Swedish patient finds it."""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import html5lib
import pytest
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import proapp
from proapp.study.compliance import DEFINITIONS
from tests.conftest import ROOT
from tests.people import STAFF

TODAY = date(2026, 11, 23)
UNSEEN = {"script", "style", "template", "title-of-svg"}
ATTRIBUTES = ("aria-label", "alt", "title", "placeholder")


@pytest.fixture(scope="module")
def bracketed(tmp_path_factory) -> Path:
    """A folder with one catalogue, Swedish by name, in which every message is itself in brackets."""
    with (ROOT / "translations" / "sv" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale="sv")
    for message in catalogue:
        if message.id:
            message.string = (
                tuple(f"⟦{one}⟧" for one in message.id) if isinstance(message.id, tuple) else f"⟦{message.id}⟧"
            )
    folder = tmp_path_factory.mktemp("pseudo")
    for language in ("sv", "en"):
        target = folder / language / "LC_MESSAGES"
        target.mkdir(parents=True)
        with (target / "messages.mo").open("wb") as file:
            write_mo(file, catalogue)
    return folder


@pytest.fixture
def pseudo(people, runtime, bracketed, monkeypatch):
    """The people, with browsers of an app that speaks in brackets, and a trial in many states."""
    from proapp.web import i18n

    monkeypatch.setattr(i18n, "beside", lambda name: bracketed)
    people.app = proapp.create_app(runtime=runtime)
    fill(people)
    return people


def fill(people) -> None:
    def at(days: int) -> datetime:
        return datetime(2026, 11, 23, 9, tzinfo=UTC) - timedelta(days=days)

    done = people.participant(
        "UME-001", consent_on=date(2025, 11, 1), randomized_on=date(2025, 11, 10), enrolled_at=at(380)
    )
    for timepoint, ago in (("baseline", 379), ("m03", 280), ("m06", 190)):
        people.answered(done, timepoint, started_at=at(ago), submitted_at=at(ago))
    people.participant("UME-002", consent_on=TODAY, activated=False, channel=None)
    due = people.participant("UME-003", consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 19))
    people.answered(due, "m03", codes={"c30": {1: 1, 2: 2}}, started_at=at(2))
    dead = people.participant("UME-004", consent_on=date(2025, 8, 1), randomized_on=date(2025, 8, 20))
    people.event(dead, "death", date(2026, 3, 1))


def data_words(runtime) -> list[str]:
    """What may stand outside brackets, longest first."""
    study, words = runtime.study, set()

    def add(value) -> None:
        if isinstance(value, str):
            words.update(part.strip() for part in value.splitlines())
            words.add(" ".join(value.split()))
        elif isinstance(value, dict):
            for one in value.values():
                add(one)
        elif isinstance(value, list | tuple):
            for one in value:
                add(one)

    add(study.model_dump(mode="json"))
    for pack in runtime.instruments.values():
        add(pack.model_dump(mode="json"))
    for language in ("sv", "en"):
        locale = Locale(language)
        for width in ("wide", "abbreviated"):
            for kind in ("format", "stand-alone"):
                add(list(locale.months[kind][width].values()))
                add(list(locale.days[kind][width].values()))
    add(list(DEFINITIONS.values()))
    words |= {name.capitalize() for name in STAFF} | {"Svenska", "English", "proapp", "DEMO", "Test", "pro.example.org"}
    words |= {"SQLite", "PostgreSQL"}
    return sorted((word for word in words if len(word) > 1), key=len, reverse=True)


def texts(page: str):
    """Every text a person sees or hears, with where it stands."""
    document = html5lib.parse(page, namespaceHTMLElements=False)

    def walk(element):
        if not isinstance(element.tag, str) or element.tag in UNSEEN:
            return
        for name in ATTRIBUTES:
            if element.get(name):
                yield f"{element.tag}@{name}", element.get(name)
        if element.text:
            yield element.tag, element.text
        for child in element:
            yield from walk(child)
            if child.tail:
                yield element.tag, child.tail

    yield from walk(document.find("body"))
    title = document.find("head/title")
    yield "title", title.text


def outside(text: str, words: list[str]) -> str:
    """What is left of `text` without brackets and without data."""
    before = None
    while before != text:
        before, text = text, re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    text = " ".join(text.split())
    text = re.sub(r"\b[A-Z]{3}-\d{3}\b|\b[0-9a-f]{6,64}\b|\S+@\S+|\b[A-Z0-9]{4}(-[A-Z0-9]{4})+\b", " ", text)
    for word in words:
        if word in text:
            text = text.replace(word, " ")
    return " ".join(re.findall(r"[^\W\d_]{2,}", text))


def crawl(browser, start: str, most: int = 60):
    """Every page reachable by links from `start`, once."""
    seen, waiting = {start}, deque([start])
    while waiting and most:
        path = waiting.popleft()
        answer = browser.get(path)
        assert answer.status_code < 500, path
        most -= 1
        if answer.status_code in (301, 302, 303):
            following = [answer.headers["Location"]]
        elif answer.mimetype == "text/html":
            yield path, browser.text
            following = re.findall(r'<a[^>]+href="([^"#]+)', browser.text)
        else:
            following = []
        for address in following:
            target = urlsplit(address.replace("&amp;", "&"))
            where = target.path + (f"?{target.query}" if target.query else "")
            if not target.scheme and where.startswith("/") and where not in seen:
                seen.add(where)
                waiting.append(where)


def hard_coded(pages, words) -> set[tuple[str, str, str]]:
    return {
        (path.split("?")[0], where, left)
        for path, page in pages
        for where, text in texts(page)
        if (left := outside(text, words))
    }


@pytest.mark.parametrize("name", ["berit", "ivar", "karin", "stina", "ada", "mona"])
def test_no_staff_page_has_text_that_cannot_be_translated(pseudo, runtime, name):
    if runtime.engine.dialect.name != "sqlite":
        pytest.skip("words do not depend on the database")
    pages = list(crawl(pseudo.staff(name), "/staff/"))
    assert len(pages) >= 4
    assert hard_coded(pages, data_words(runtime)) == set()


def test_no_patient_page_has_text_that_cannot_be_translated(pseudo, runtime):
    if runtime.engine.dialect.name != "sqlite":
        pytest.skip("words do not depend on the database")
    browser = pseudo.make_browser(pseudo.app)
    pages = list(crawl(browser, "/a"))
    browser.post("/a", {"code": "ABCD"})
    pages.append(("/a refused", browser.text))
    person = next(iter(ids(runtime, "UME-003")))
    patient = pseudo.patient(person)
    pages += crawl(patient, "/home")
    assert any("/review" in path for path, _ in pages) or len(pages) > 5
    assert hard_coded(pages, data_words(runtime)) == set()


def test_no_page_of_a_clinics_tablet_has_text_that_cannot_be_translated(pseudo, runtime):
    if runtime.engine.dialect.name != "sqlite":
        pytest.skip("words do not depend on the database")
    person = next(iter(ids(runtime, "UME-003")))
    assessment = pseudo.assessment_id(person, "m03")
    tablet, own = pseudo.tablet(person, assessment), f"/assessment/{assessment}"
    pages = [*crawl(tablet, own), *crawl(tablet, f"{own}/own-phone", most=1), *crawl(tablet, f"{own}/review", most=1)]
    assert f"{own}/c30/3" in {path for path, _ in pages}
    tablet.post(f"{own}/own-phone")
    pages.append(("square", tablet.text))
    runtime.clock.forward(hours=2)
    pages += crawl(tablet, "/tablet")
    pages += crawl(handed_over(pseudo, assessment), "/staff/resume")
    assert hard_coded(pages, data_words(runtime)) == set()


def handed_over(pseudo, assessment):
    berit = pseudo.staff("berit")
    berit.get(f"/staff/assessments/{assessment}/hand-over")
    berit.post(f"/staff/assessments/{assessment}/hand-over")
    return berit


def test_no_error_page_has_text_that_cannot_be_translated(pseudo, runtime):
    if runtime.engine.dialect.name != "sqlite":
        pytest.skip("words do not depend on the database")
    browser = pseudo.make_browser(pseudo.app)
    pages = []
    for path in ("/nowhere", "/staff/nowhere"):
        browser.get(path)
        pages.append((path, browser.text))
    browser.post("/a", {"code": "X"}, token=False)
    pages.append(("without a form token", browser.text))
    assert hard_coded(pages, data_words(runtime)) == set()


def test_the_walk_finds_a_hard_coded_word(runtime):
    words = data_words(runtime)
    assert outside("⟦Welcome⟧ back, ⟦Hello %(name)s⟧", words) == "back"
    assert outside("⟦Open until ⟦x⟧⟧ måndag 23 november 2026, UME-001", words) == ""


def ids(runtime, study_id):
    from sqlalchemy import select

    from proapp.db.models import Participant

    with runtime.reading() as session:
        return session.scalars(select(Participant.id).where(Participant.study_id == study_id)).all()
