"""No text is hard-coded: with a catalogue that puts ⟦brackets⟧ around every message, all words outside brackets must be
data (names, numbers, dates, the wording of packs and study file). A string that forgot to be translatable is found here,
before a Swedish patient finds it."""

from __future__ import annotations

import html
import re
from collections import Counter, deque
from datetime import UTC, date, datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
import pytest
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import proapp
from proapp.runtime import SHIPPED_STUDY
from proapp.study.compliance import DEFINITIONS
from tests.conftest import ROOT
from tests.people import PIN, STAFF

# Words do not depend on the database.
pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

TODAY = date(2026, 11, 23)
UNSEEN = {"script", "style", "textarea"}  # the last holds what somebody typed
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


class Texts(HTMLParser):
    """Every text a person sees or hears, what lies in readiness for scripts too, with where it stands."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found, self.where = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.where = tag
        self.found += [(f"{tag}@{name}", value) for name, value in attributes if name in ATTRIBUTES and value]

    def handle_endtag(self, tag):
        self.where = f"after {tag}"

    def handle_data(self, text):
        if self.where not in UNSEEN:
            self.found.append((self.where, text))


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


def crawl(browser, *starts: str, alike: int = 4):
    """Every page reachable by links from `starts`, once, and no link that leads nowhere. Of pages that are `alike` (of
    other numbers, or asked otherwise) so many: more of them say nothing new."""
    seen, shapes, waiting = set(starts), Counter(), deque(starts)
    while waiting:
        path = waiting.popleft()
        answer = browser.client.get(path, base_url="https://localhost")
        assert answer.status_code < 400, path
        page, following = answer.get_data(as_text=True), []
        if answer.status_code in (301, 302, 303):
            following = [answer.headers["Location"]]
        elif answer.mimetype == "text/html":
            yield path, page
            following = re.findall(r'<a[^>]+href="([^"#]+)', page)
        for address in following:
            target = urlsplit(html.unescape(address))
            where, shape = target._replace(fragment="").geturl(), re.sub(r"\d+", "1", target.path)
            if not target.scheme and where not in seen and shapes[shape] < alike:
                seen.add(where)
                shapes[shape] += 1
                waiting.append(where)


def hard_coded(pages, words) -> set[tuple[str, str, str]]:
    left = cache(lambda text: outside(text, words))  # most pages have most texts in common
    return {
        (path.split("?")[0], where, left(text))
        for path, page in pages
        for where, text in Texts(page).found
        if left(text)
    }


@pytest.mark.parametrize(
    ("name", "alike", "least"),
    [("berit", 3, 50), ("ivar", 1, 25), ("karin", 1, 25), ("stina", 4, 7), ("ada", 4, 7), ("mona", 4, 12)],
)
def test_no_staff_page_has_text_that_cannot_be_translated(pseudo, runtime, name, alike, least):
    pages = list(crawl(pseudo.staff(name), "/staff/", alike=alike))
    assert len(pages) >= least
    assert hard_coded(pages, data_words(runtime)) == set()


def sent(browser, path: str, form: dict | None = None) -> tuple[str, str]:
    """The page that comes of sending a form."""
    browser.post(path, form)
    browser.follow()
    return f"{path} sent", browser.page.get_data(as_text=True)


def test_no_page_of_a_questionnaire_has_text_that_cannot_be_translated(pseudo, runtime):
    pseudo.participant("UME-005", consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 19))
    person = next(iter(ids(runtime, "UME-005")))
    patient, own = pseudo.patient(person), f"/assessment/{pseudo.assessment_id(person, 'm03')}"
    pages = [*crawl(patient, "/home", own, f"{own}/review"), sent(patient, own), sent(patient, own, {"who": "self"})]
    pages += [sent(patient, f"{own}/c30/1"), sent(patient, f"{own}/c30/1", {"answer": "2"})]
    pages += crawl(patient, "/home", f"{own}/review", f"{own}/c30/1?back=review")
    assert {f"{own}/review", f"{own}/decline", f"{own}/not-now"} <= {path for path, _ in pages}
    pages += [sent(patient, "/contact"), sent(patient, "/contact/pin", {"pin": PIN})]
    pages.append(sent(patient, f"{own}/review"))
    assert "⟦Thank you⟧" in pages[-1][1]
    pages += [sent(patient, "/no-more"), *crawl(patient, "/home")]
    assert hard_coded(pages, data_words(runtime)) == set()


def test_no_page_of_a_newcomer_has_text_that_cannot_be_translated(pseudo, runtime):
    browser, berit = pseudo.make_browser(pseudo.app), pseudo.staff("berit")
    pages = [*crawl(browser, "/a", "/l"), sent(browser, "/a", {"code": "ABCD"})]
    pages.append(sent(browser, "/a", {"code": "ABCDEFGHJKMN"}))
    berit.get("/staff/participants/UME-002/sheet")
    pages.append(sent(berit, "/staff/participants/UME-002/sheet"))
    code = re.findall(r"<span>([A-Z2-9]{4})</span>", berit.text)
    pages.append(sent(browser, "/a", {"code": " ".join(code)}))
    assert "⟦Choose your PIN⟧" in pages[-1][1]
    pages += [sent(browser, "/pin", {"pin": "1234", "again": "1"}), sent(browser, "/pin", {"pin": PIN, "again": PIN})]
    pages += [sent(browser, "/welcome/mobile"), *crawl(browser, "/welcome/email", "/welcome/reminders")]
    pages.append(sent(browser, "/sign-out"))
    pages += [sent(browser, "/pin", {"pin": "4712"}) for _ in range(6)]
    assert "⟦For safety you have to wait" in pages[-1][1]
    runtime.clock.forward(days=15)
    berit = pseudo.staff("berit")
    berit.get("/staff/participants/UME-003/sheet")
    berit.post("/staff/participants/UME-003/sheet")
    old = "".join(re.findall(r"<span>([A-Z2-9]{4})</span>", berit.text))
    runtime.clock.forward(days=15)
    stranger = pseudo.make_browser(pseudo.app)
    pages.append(sent(stranger, "/a", {"code": old}))
    assert "⟦This code is too old⟧" in pages[-1][1]
    assert hard_coded(pages, [*code, *data_words(runtime)]) == set()


def test_no_page_on_the_way_in_of_staff_has_text_that_cannot_be_translated(pseudo, runtime):
    ada, eva = pseudo.staff("ada"), pseudo.make_browser(pseudo.app)
    invited = {"name": "Berit", "email": "eva@example.org", "role": "monitor"}
    pages = [sent(eva, "/staff/sign-in"), sent(eva, "/staff/set-up", {"code": "ABCD"})]
    pages += [sent(ada, "/staff/users/invite", {"role": "nurse"}), sent(ada, "/staff/users/invite", invited)]
    code = re.search(r"([A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4})", ada.text)
    pages += [sent(eva, "/staff/set-up", {"code": code[1]}), sent(eva, "/staff/set-up/password", {"password": "x"})]
    chosen = {"password": "quiet river under stones", "again": "quiet river under stones"}
    pages += [sent(eva, "/staff/set-up/password", chosen), sent(eva, "/staff/set-up/app", {"code": "000000"})]
    secret = re.search(r'<code translate="no">([A-Z2-7 ]+)</code>', eva.text)[1]
    app = pyotp.TOTP(secret.replace(" ", ""))
    eva.post("/staff/set-up/app", {"code": app.at(runtime.clock())})
    again = pseudo.make_browser(pseudo.app)
    pages += [sent(again, "/staff/sign-in", {"email": "eva@example.org", "password": "wrong wrong wrong"})]
    pages += [sent(again, "/staff/sign-in", {"email": "eva@example.org", "password": chosen["password"]})]
    assert "⟦Six-digit number⟧" in pages[-1][1]
    pages.append(sent(again, "/staff/second-factor", {"code": "000000"}))
    words = [f"https://pro.example.org/staff/set-up#{code[1].replace('-', '')}", secret, *data_words(runtime)]
    assert hard_coded(pages, words) == set()


def test_no_page_about_a_machine_has_text_that_cannot_be_translated(pseudo, runtime):
    ada, new = pseudo.staff("ada"), "/staff/api-tokens/new"
    ada.get(new)
    made = {"name": "Test", "scopes": "exports:read", "last_day": "2027-01-31"}
    pages = [sent(ada, new), sent(ada, new, {**made, "sites": "UME"}), sent(ada, new, made)]
    token = re.search(r"proapp_[\w-]{43}", ada.text)[0]
    ada.get("/staff/api-tokens/1/end")
    pages += [("to end", ada.text), sent(ada, "/staff/api-tokens/1/end")]
    pages.append(sent(ada, "/staff/api-tokens/1/end", {"reason": "Test"}))
    assert "⟦Ended⟧" in pages[-1][1]
    assert hard_coded(pages, [token, *data_words(runtime)]) == set()


def test_no_second_look_has_text_that_cannot_be_translated(pseudo, runtime):
    berit, karin, person = pseudo.staff("berit"), pseudo.staff("karin"), "/staff/participants/UME-003"
    fresh = {"arm": "SURG", "randomized_on": "2026-11-23", "override_reason": "On paper", "step": "look"}
    right = {"new_date": "2026-08-18", "reason": "On paper", "step": "look"}
    moved = {"to": "LUN", "effective_on": "2026-11-23", "step": "look"}
    sites = {f"from_{site.code}": "2026-12-01" for site in runtime.study.sites}
    text = SHIPPED_STUDY.read_text(encoding="utf-8").replace('number = "example 1"', 'number = "2"')
    berit.post(f"{person}/events/surgery", {"effective_on": "2026-09-01"})
    surgery = max(map(int, re.findall(r"/events/(\d+)/correct", berit.get(f"{person}/events").get_data(as_text=True))))
    looks = [
        sent(berit, "/staff/participants/UME-002/randomise", fresh),
        sent(berit, f"{person}/correct-randomisation", right),
        sent(berit, f"{person}/events/{surgery}/correct", {**right, "new_date": "2026-09-02"}),
        sent(berit, f"{person}/events/site_transfer", moved),
        sent(karin, "/staff/study/amendment", {**sites, "text": text, "reason": "On paper", "step": "look"}),
    ]
    assert [path for path, page in looks if 'value="confirm"' not in page] == []
    words = [*data_words(runtime), "On paper"]
    assert hard_coded(looks, words) == set()


def test_no_page_of_a_clinics_tablet_has_text_that_cannot_be_translated(pseudo, runtime):
    person = next(iter(ids(runtime, "UME-003")))
    assessment = pseudo.assessment_id(person, "m03")
    tablet, own = pseudo.tablet(person, assessment), f"/assessment/{assessment}"
    pages = [*crawl(tablet, own, f"{own}/own-phone", f"{own}/review")]
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
