"""A study that lets questions be read aloud: by a voice of the device, for the language of the question, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from proapp.runtime import SHIPPED_STUDY
from tests.e2e.conftest import PHONE, Site, installed, large_targets, picture
from tests.e2e.phone import carry_session

# A browser without a head has no voices: these write down what they are to say.
VOICES = """
window.said = [];
const heard = [], voices = VOICES_HERE;
Object.defineProperty(window, "speechSynthesis", { value: Object.assign(new EventTarget(), {
  getVoices: () => voices,
  speak: (utterance) => { window.said.push(utterance.text); heard.push(utterance); },
  cancel: () => { window.said.push("silence"); heard.length = 0; },
})});
window.SpeechSynthesisUtterance = class extends EventTarget { constructor(text) { super(); this.text = text; } };
window.installed = (voice) => { voices.push(voice); speechSynthesis.dispatchEvent(new Event("voiceschanged")); };
window.finish = () => heard.at(-1).dispatchEvent(new Event("end"));
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("aloud")
    study = folder / "study.toml"
    study.write_text(SHIPPED_STUDY.read_text(encoding="utf-8").replace("proxy_allowed = true", "read_aloud = true"))
    with installed(folder, sqlite_template, {"PROAPP_STUDY": str(study)}) as one:
        yield one


@pytest.fixture
def question(site, open_browser):
    """question([voices]) → a page with an item of 1 to 4 on it."""

    def open_(*voices: tuple[str, bool]) -> Page:
        day = timedelta(days=1)
        number = next(numbers)
        person = site.people.participant(
            f"KAR-{number}", consent_on=site.today - 100 * day, randomized_on=site.today - 92 * day
        )
        site.people.answered(person, "m03", codes={})
        page = open_browser(PHONE)
        here = ", ".join(f"{{lang: '{lang}', localService: {str(local).lower()}}}" for lang, local in voices)
        page.add_init_script(VOICES.replace("VOICES_HERE", f"[{here}]"))
        carry_session(site, page, person)
        with page.expect_response(re.compile("/copy$")):
            page.goto(f"/assessment/{site.people.assessment_id(person, 'm03')}/c30/9")
        return page

    return open_


numbers = iter(range(700, 720))
BUTTON = "button.read-aloud"


def test_the_question_and_its_answers_are_read_and_stopped(question):
    page = question(("en-GB", True), ("sv-SE", False), ("sv_SE", True))
    button = page.locator(BUTTON)
    expect(button).to_have_text("Läs upp frågan")
    large_targets(page)
    picture(page, "patient-read-aloud-sv-390")
    button.click()
    expect(button).to_have_text("Sluta läsa upp")
    recall, item = page.locator(".recall").inner_text(), page.locator("legend h1").inner_text()
    answers = page.locator("label.choice").all_inner_texts()
    assert page.evaluate("said") == ["silence", recall, item, *answers]
    page.evaluate("finish()")
    expect(button).to_have_text("Läs upp frågan")
    button.click()
    button.click()
    assert page.evaluate("said.at(-1)") == "silence"
    expect(button).to_have_text("Läs upp frågan")


def test_what_has_taken_the_place_of_the_question_is_read_instead(question):
    page = question(("sv-SE", True))
    first = page.locator("legend h1").inner_text()
    page.locator(BUTTON).click()
    page.locator("#answer-2").check()
    page.locator("#q .button.wide").click()
    expect(page.locator("legend h1")).not_to_have_text(first)
    assert page.evaluate("said.at(-1)") == "silence"
    expect(page.locator(BUTTON)).to_have_text("Läs upp frågan")
    page.locator(BUTTON).click()
    second = page.locator("legend h1").inner_text()
    assert page.evaluate("said").count(second) == page.evaluate("said").count(first) == 1


def test_there_is_a_button_only_when_there_is_a_voice_of_the_device_for_the_language(question):
    page = question(("en-GB", True), ("sv-SE", False))
    expect(page.locator("legend h1")).to_be_visible()
    expect(page.locator(BUTTON)).to_have_count(0)
    page.evaluate("installed({ lang: 'sv-SE', localService: true })")
    expect(page.locator(BUTTON)).to_have_count(1)
