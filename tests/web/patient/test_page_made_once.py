"""A question's page is made once for all who are to see the same: what is one person's own is put in each time."""

from __future__ import annotations

import re
from datetime import date

RANDOMIZED_ON = date(2026, 8, 23)  # 3 months before the tests' day: m03 is open


def started(people, study_id):
    participant = people.participant(study_id, language="en", randomized_on=RANDOMIZED_ON)
    browser = people.patient(participant)
    address = f"/assessment/{people.assessment_id(participant, 'm03')}"
    browser.get(address)
    browser.post(address, {"who": "self"})
    return browser, address


def own(text):
    """Form tokens, addresses and whose the page is: all that may differ between two people at one clinic."""
    text = re.sub(r'(data-owner=")[0-9a-f]{16}', r"\1", text)
    text = re.sub(r'(name="csrf_token" value=")[^"]+', r"\1", text)
    return re.sub(r"/assessment/\d+", "/assessment/", text)


def test_two_people_at_one_clinic_get_the_same_page_with_what_is_their_own_in_it(people):
    anna, first = started(people, "UME-001")
    eva, second = started(people, "UME-002")
    one, other = anna.get(f"{first}/c30/2"), eva.get(f"{second}/c30/2")
    one, other = one.get_data(as_text=True), other.get_data(as_text=True)
    assert own(one) == own(other)
    assert f'action="{first}/c30/2"' in one
    assert f'href="{first}/c30/1"' in one
    assert second not in one
    assert f'action="{second}/c30/2"' in other
    assert first not in other
    tokens = [set(re.findall(r'name="csrf_token" value="([^"]+)', text)) for text in (one, other)]
    assert tokens[0].isdisjoint(tokens[1])
    assert "\0" not in one + other


def test_an_answer_is_shown_to_whoever_gave_it_and_nobody_else(people):
    anna, first = started(people, "UME-001")
    eva, second = started(people, "UME-002")
    anna.get(f"{first}/c30/1")
    anna.post(f"{first}/c30/1", {"answer": "3", "do": "save"})
    anna.get(f"{first}/c30/1")
    eva.get(f"{second}/c30/1")
    assert len(re.findall(" checked", anna.text)) == 1
    assert "Clear my answer" in anna.text
    assert " checked" not in eva.text
    assert "Clear my answer" not in eva.text


def test_another_clinics_page_has_its_own_telephone(people, runtime):
    anna, first = started(people, "UME-001")
    lisa, second = started(people, "LUN-001")
    anna.get(f"{first}/c30/1")
    lisa.get(f"{second}/c30/1")
    phones = {code: runtime.study.site(code).phone for code in ("UME", "LUN")}
    assert phones["UME"] in anna.text
    assert phones["LUN"] not in anna.text
    assert phones["LUN"] in lisa.text
    assert phones["UME"] not in lisa.text


def test_a_word_said_once_is_not_kept_for_the_next(people):
    anna, first = started(people, "UME-001")
    eva, second = started(people, "UME-002")
    anna.get(f"{first}/c30/1")
    anna.post(f"{first}/c30/1", {"answer": "3", "do": "save"})
    anna.get(f"{first}/c30/1")
    anna.post(f"{first}/c30/1", {"do": "clear"})
    anna.follow()
    assert "Your answer is cleared." in anna.text
    anna.get(f"{first}/c30/1")
    assert "Your answer is cleared." not in anna.text
    eva.get(f"{second}/c30/1")
    assert "Your answer is cleared." not in eva.text


def test_change_from_the_list_returns_to_the_list(people):
    anna, first = started(people, "UME-001")
    anna.get(f"{first}/c30/1?back=review")
    assert f'action="{first}/c30/1?back=review"' in anna.text
    assert f'href="{first}/review"' in anna.text
    assert (
        anna.post(f"{first}/c30/1?back=review", {"answer": "2", "do": "save"}).headers["Location"].endswith("/review")
    )
