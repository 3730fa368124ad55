"""Text size and contrast: chosen without scripts, before and after signing in, and kept by the browser alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from proapp.web.look import COOKIE, YEAR
from tests.web.patient.conftest import RANDOMIZED_ON


def html(browser: Any, path: str) -> str:
    """The first tag of the page at `path`."""
    assert browser.get(path).status_code == 200, path
    found = re.search(r"<html[^>]*>", browser.text)
    assert found
    return found.group(0)


def choose(browser: Any, next_: str = "/a", **chosen: str) -> Any:
    browser.get("/look")
    return browser.post("/look", {"next": next_, **chosen})


def test_a_size_holds_on_every_page_before_and_after_signing_in(anna: Any, browser: Any) -> None:
    for one, pages in ((browser, ["/a", "/about/privacy", "/look"]), (anna.browser, ["/home", anna.address, "/pause"])):
        assert html(one, pages[0]) == '<html lang="en">'
        page = choose(one, size="large")
        assert (page.status_code, page.headers["Location"]) == (303, "/look?next=/a#size")
        assert {html(one, path) for path in pages} == {'<html lang="en" data-size="large">'}
    anna.begin()
    assert html(anna.browser, anna.question("c30", 1)) == '<html lang="en" data-size="large">'
    anna.browser.get("/nowhere")
    assert '<html lang="en" data-size="large">' in anna.browser.text


def test_size_and_contrast_are_chosen_apart(browser: Any) -> None:
    choose(browser, size="largest")
    page = choose(browser, contrast="high")
    assert page.headers["Location"].endswith("#contrast")
    assert html(browser, "/a") == '<html lang="en" data-size="largest" data-contrast="high">'
    choose(browser, size="normal")
    assert html(browser, "/a") == '<html lang="en" data-contrast="high">'
    choose(browser, contrast="auto")
    assert html(browser, "/a") == '<html lang="en">'


def test_the_page_says_which_is_chosen(browser: Any) -> None:
    choose(browser, size="large")
    browser.get("/look")
    pressed = dict(re.findall(r'value="(\w+)" aria-pressed="(\w+)"', browser.text))
    assert pressed == {"normal": "false", "large": "true", "largest": "false", "auto": "true", "high": "false"}


def test_the_cookie_lasts_a_year_and_says_nothing_of_the_person(anna: Any) -> None:
    cookie = choose(anna.browser, size="large").headers.getlist("Set-Cookie")
    [mine] = [one for one in cookie if one.startswith(COOKIE)]
    assert mine.split(";")[0] == f"{COOKIE}=large.auto"
    assert f"Max-Age={YEAR}" in mine


@pytest.mark.parametrize("value", ["huge.auto", "large", "", "large.high.x", '"><script>', "large.high\x00"])
def test_a_cookie_that_makes_no_sense_is_the_usual_look(browser: Any, value: str) -> None:
    browser.client.get("/a", base_url="https://localhost", headers={"Cookie": f"{COOKIE}={value}"})
    page = browser.client.get(
        "/a", base_url="https://localhost", headers={"Cookie": f"{COOKIE}={value}", "Accept-Language": "en"}
    )
    assert '<html lang="en">' in page.get_data(as_text=True)


def test_words_that_are_none_change_nothing(browser: Any) -> None:
    choose(browser, size="large")
    choose(browser, size="huge", contrast="black")
    assert html(browser, "/a") == '<html lang="en" data-size="large">'


def test_one_persons_look_is_not_anothers(people: Any) -> None:
    """The frame and the page of an item are made once for many."""
    texts = []
    for number, size in enumerate(("largest", "normal")):
        person = people.participant(f"UME-00{number}", language="en", randomized_on=RANDOMIZED_ON)
        browser, address = people.patient(person), f"/assessment/{people.assessment_id(person, 'm03')}"
        choose(browser, size=size)
        browser.get(address)
        browser.post(address, {"who": "self"})
        texts.append(html(browser, f"{address}/c30/1"))
    assert texts == ['<html lang="en" data-size="largest">', '<html lang="en">']


def test_every_page_leads_there_and_back(anna: Any) -> None:
    for path in ("/home", "/contact", f"{anna.address}/decline", "/about/privacy"):
        anna.browser.get(path)
        assert f'href="/look?next={path}"' in anna.browser.text, path
        anna.browser.get(f"/look?next={path}")
        assert len(re.findall(f'href="{path}"', anna.browser.text)) >= 2  # back, and done
        choose(anna.browser, next_=path, size="large")
        assert f'class="button wide" href="{path}"' in anna.browser.follow().get_data(as_text=True)


def test_from_a_question_the_chosen_answer_is_saved_and_the_place_kept(anna: Any) -> None:
    anna.begin()
    here = anna.question("c30", 4)
    anna.browser.get(here)
    page = anna.browser.post(here, {"answer": "3", "do": "look"})
    assert page.headers["Location"] == f"/look?next={here}"
    assert anna.answers() == [("c30", 4, "answered", 3, "en")]
    page = anna.browser.post(f"{here}?back=review", {"do": "look"})
    assert page.headers["Location"] == f"/look?next={here}?back%3Dreview"
    assert len(anna.answers()) == 1


def test_a_page_that_refused_a_form_leads_back_to_one_that_opens(anna: Any) -> None:
    anna.browser.get("/contact")
    page = anna.browser.post("/contact/pin", {"pin": "0000"})
    assert page.status_code == 422
    back = re.search(r'href="/look\?next=([^"]+)"', anna.browser.text)
    assert back
    anna.browser.get(back.group(1))
    assert anna.browser.follow().status_code == 200


def test_the_page_without_network_looks_as_chosen(browser: Any) -> None:
    """The phone's go-between fetches it without cookies, anew when the choice changes."""
    addresses = []
    for size in ("large", "normal"):
        choose(browser, size=size)
        worker = browser.get("/sw.js").get_data(as_text=True)
        addresses.append(json.loads(worker.split("= ", 1)[1].split(";\n", 1)[0])["offline"])
    assert addresses == ["/offline/en?look=large.auto", "/offline/en?look=normal.auto"]
    fresh = browser.app.test_client()
    pages = [fresh.get(path, base_url="https://localhost").get_data(as_text=True) for path in addresses]
    assert '<html lang="en" data-size="large">' in pages[0]
    assert '<html lang="en">' in pages[1]


ELSEWHERE = ("//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "/" + "a" * 600)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_the_way_back_never_leaves_this_site(browser: Any, address: str) -> None:
    browser.get("/look", query_string={"next": address})
    assert 'class="button wide" href="/"' in browser.text
    page = browser.post("/look", {"next": address, "size": "large"})
    assert page.headers["Location"] == "/look?next=/#size"


def test_it_needs_the_form_token(browser: Any) -> None:
    assert browser.post("/look", {"size": "large"}, token=False).status_code == 400
    assert html(browser, "/a") == '<html lang="en">'
