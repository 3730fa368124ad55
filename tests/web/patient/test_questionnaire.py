"""P3 and P4: who answers, one item per screen, nothing forced, nothing lost."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import proapp
from tests.web.patient.conftest import RANDOMIZED_ON, Anna

COUNTS = {"c30": 30, "br23": 23, "lmc21": 21}


def legend(browser: Any) -> str:
    found = re.search(r"<legend.*?<h1[^>]*>(.*?)</h1>", browser.text, re.S)
    assert found, browser.text
    return found.group(1)


def test_before_the_first_item_the_page_says_how_long_it_takes_and_that_nobody_reads_it_at_once(anna: Any) -> None:
    anna.browser.get(anna.address)
    assert anna.browser.page.status_code == 200
    assert "It takes about" in anna.browser.text
    assert "You may skip any question." in anna.browser.text
    recall = anna.people.runtime.instruments["c30"].wording["en"].recalls["past-week"]
    assert f'<q lang="en">{recall}</q>' in anna.browser.text
    assert anna.people.runtime.study.safety["en"].split(".")[0] in anna.browser.text
    assert "checked" not in anna.browser.text


def test_whom_to_call_stands_before_the_first_item_and_after_sending(anna: Any) -> None:
    anna.browser.get(anna.address)
    assert dialled(anna.browser.text) == ["0980319201", "1177", "112"]
    anna.begin()
    anna.answer("c30", 1, 2)
    anna.browser.get(f"{anna.address}/review")
    anna.browser.post(f"{anna.address}/review")
    anna.browser.follow()
    assert "Thank you" in anna.browser.text
    assert dialled(anna.browser.text) == ["0980319201", "1177", "112"]
    assert anna.people.runtime.study.safety["en"].split(".")[0] in anna.browser.text


def dialled(page: str) -> list[str]:
    return re.findall(r'href="tel:(\w+)"', page.split("<main")[1].split("</main>")[0])


def test_nobody_starts_without_saying_who_answers(anna: Any) -> None:
    anna.browser.get(anna.address)
    page = anna.browser.post(anna.address, {})
    assert page.status_code == 422
    assert "<title>Error:" in anna.browser.text
    assert 'href="#who-0"' in anna.browser.text
    assert anna.audited() == []


@pytest.mark.parametrize(("who", "mode"), [("self", "self_remote"), ("helped", "self_remote"), ("proxy", "proxy")])
def test_who_answers_is_kept_with_the_pinned_packs(anna: Any, who: str, mode: str) -> None:
    anna.begin(who)
    assert anna.browser.page.headers["Location"].endswith("/c30/1")
    kept = anna.response_set()
    assert (kept.respondent, kept.mode) == (who, mode)
    assert kept.protocol_version == anna.people.runtime.study.number
    assert set(kept.packs) == set(COUNTS)
    assert kept.packs["c30"]["hash"] == anna.people.runtime.instruments["c30"].content_hash
    assert anna.audited() == ["response_set.started"]


def test_where_the_study_does_not_allow_it_nobody_else_answers(people: Any) -> None:
    study = people.runtime.study.model_copy(update={"proxy_allowed": False})
    people.runtime = replace(people.runtime, study=study)
    people.app = proapp.create_app(runtime=people.runtime)
    person = people.participant("UME-001", randomized_on=RANDOMIZED_ON, language="en")
    anna = Anna(person, people, people.patient(person), people.assessment_id(person, "m03"))
    anna.browser.get(anna.address)
    assert 'value="helped"' in anna.browser.text
    assert 'value="proxy"' not in anna.browser.text
    page = anna.browser.post(anna.address, {"who": "proxy"})
    assert page.status_code == 422
    assert "only you can answer" in anna.browser.text
    assert anna.audited() == []
    anna.begin("helped")
    assert anna.response_set().respondent == "helped"


def test_starting_twice_is_starting_once(anna: Any) -> None:
    anna.begin("self")
    anna.begin("proxy")
    assert anna.response_set().respondent == "self"
    assert anna.audited() == ["response_set.started"]


def test_nothing_is_chosen_at_first_sight(anna: Any) -> None:
    anna.begin()
    for instrument, item in (("c30", 1), ("c30", 29), ("br23", 31), ("lmc21", 31)):
        anna.browser.get(anna.question(instrument, item))
        assert anna.browser.page.status_code == 200
        assert "checked" not in anna.browser.text
        assert "required" not in anna.browser.text


def test_an_answer_is_saved_shown_again_and_audited_once(anna: Any) -> None:
    anna.begin()
    assert anna.answer("c30", 1, 3).headers["Location"].endswith("/c30/2")
    assert anna.answers() == [("c30", 1, "answered", 3, "en")]
    anna.browser.get(anna.question("c30", 1))
    assert re.search(r'value="3" checked', anna.browser.text)
    assert anna.audited() == ["response_set.started", "answer.recorded"]


def test_the_same_answer_again_adds_no_row_and_another_keeps_the_first(anna: Any) -> None:
    anna.begin()
    for code in (3, 3, 2, 2):
        anna.answer("c30", 1, code)
    assert [row[3] for row in anna.answers()] == [3, 2]
    assert anna.audited().count("answer.recorded") == 2


def test_continue_without_an_answer_asks_once_and_writes_nothing(anna: Any) -> None:
    anna.begin()
    page = anna.browser.post(anna.question("c30", 1), {"do": "save"})
    assert page.status_code == 422
    assert "You have not answered this question" in anna.browser.text
    assert re.search(r'class="prompt" tabindex="-1" autofocus', anna.browser.text)
    main = anna.browser.text.split("</main>")[0]
    assert len(re.findall(r'class="button(?: wide)?"', main)) == 1  # Continue stays the one primary act
    assert anna.answers() == []
    anna.browser.post(anna.question("c30", 1), {"do": "skip"})
    assert anna.browser.page.headers["Location"].endswith("/c30/2")
    assert anna.answers() == [("c30", 1, "skipped", None, "en")]


def test_skipping_is_a_fact_of_its_own_and_a_later_answer_replaces_it(anna: Any) -> None:
    anna.begin()
    anna.browser.get(anna.question("c30", 1))
    assert "Skip this question" in anna.browser.text
    anna.browser.post(anna.question("c30", 1), {"do": "skip"})
    anna.answer("c30", 1, 4)
    assert [row[2] for row in anna.answers()] == ["skipped", "answered"]


def test_an_answer_can_be_taken_back(anna: Any) -> None:
    anna.begin()
    anna.browser.get(anna.question("c30", 1))
    assert "Clear my answer" not in anna.browser.text
    anna.answer("c30", 1, 3)
    anna.browser.get(anna.question("c30", 1))
    assert "Clear my answer" in anna.browser.text
    page = anna.browser.post(anna.question("c30", 1), {"do": "clear"})
    assert page.headers["Location"].endswith("/c30/1")
    anna.browser.follow()
    assert "Your answer is cleared." in anna.browser.text
    assert "checked" not in anna.browser.text
    assert [row[2] for row in anna.answers()] == ["answered", "cleared"]


def test_clearing_nothing_writes_nothing(anna: Any) -> None:
    anna.begin()
    anna.browser.post(anna.question("c30", 1), {"do": "clear"})
    assert anna.answers() == []


def test_a_value_that_is_no_answer_is_refused_in_words_and_nothing_is_written(anna: Any) -> None:
    anna.begin()
    for raw in ("0", "5", "-1", "2.0", "two", "", " ", "٣", "9" * 500, "1\x00"):
        page = anna.answer("c30", 1, raw)
        assert page.status_code == 422, raw
        assert "Choose one of the answers on the page." in anna.browser.text
        assert "<title>Error:" in anna.browser.text
    assert anna.answers() == []


def test_an_item_that_is_not_there_is_not_found(anna: Any) -> None:
    anna.begin()
    for place in ("c30/31", "c30/0", "br23/1", "c31/1", "nothing/1", "c30/99999999999999999999"):
        assert anna.browser.get(f"{anna.address}/{place}").status_code == 404
        assert anna.browser.post(f"{anna.address}/{place}", {"answer": "1", "do": "save"}).status_code == 404
    assert anna.answers() == []


def test_the_page_says_where_one_is_and_the_recall_period(anna: Any) -> None:
    anna.begin()
    anna.browser.get(anna.question("c30", 12))
    assert "Part 1 of 3 · Question 12 of 30" in anna.browser.text
    words = anna.people.runtime.instruments["c30"].wording["en"]
    assert words.recalls["past-week"] in anna.browser.text
    assert words.notice in anna.browser.text
    assert legend(anna.browser) == words.items[12]


def test_a_closed_gate_is_passed_by_without_moving_the_numbers(anna: Any) -> None:
    anna.begin()
    assert anna.answer("br23", 34, 1).headers["Location"].endswith("/br23/36")
    anna.browser.follow()
    assert "Question 6 of 23" in anna.browser.text
    assert "/br23/34" in re.search(r'class="back"><a href="([^"]+)"', anna.browser.text).group(1)  # type: ignore[union-attr]
    assert anna.browser.get(anna.question("br23", 35)).headers["Location"].endswith("/br23/36")


def test_an_open_gate_asks_the_item_behind_it(anna: Any) -> None:
    anna.begin()
    assert anna.answer("br23", 34, 2).headers["Location"].endswith("/br23/35")
    anna.answer("br23", 35, 4)
    anna.answer("br23", 34, 1)
    anna.browser.get(f"{anna.address}/review")
    assert "/br23/35" not in anna.browser.text
    anna.answer("br23", 34, 3)
    anna.browser.get(anna.question("br23", 35))
    assert 'value="4" checked' in anna.browser.text


def test_an_answer_whose_gate_was_cleared_is_seen_as_long_as_it_is_sent(anna: Any) -> None:
    """It is scored (design: kept when the gate's own answer is missing), so it is on the list, and can be taken away."""
    anna.begin()
    anna.answer("br23", 34, 2)
    anna.answer("br23", 35, 4)
    anna.browser.post(anna.question("br23", 34), {"do": "clear"})
    assert anna.browser.post(anna.question("br23", 34), {"do": "skip"}).headers["Location"].endswith("/br23/35")
    anna.browser.get(f"{anna.address}/review")
    assert "/br23/35?back=review" in anna.browser.text
    anna.browser.get(anna.question("br23", 35) + "?back=review")
    assert 'value="4" checked' in anna.browser.text
    assert anna.answer("br23", 35, 3).status_code == 303
    anna.browser.post(anna.question("br23", 35) + "?back=review", {"do": "clear"})
    anna.browser.get(f"{anna.address}/review")
    assert "/br23/35" not in anna.browser.text


def test_an_answer_behind_a_closed_gate_is_refused(anna: Any) -> None:
    anna.begin()
    anna.answer("br23", 34, 1)
    assert anna.answer("br23", 35, 2).status_code == 409
    assert "This question is left out" in anna.browser.text
    assert len(anna.answers()) == 1


def test_the_last_item_leads_to_the_review_and_each_part_to_the_next(anna: Any) -> None:
    anna.begin()
    assert anna.answer("c30", 30, 7).headers["Location"].endswith("/br23/31")
    assert anna.answer("br23", 53, 1).headers["Location"].endswith("/lmc21/31")
    assert anna.answer("lmc21", 51, 1).headers["Location"].endswith("/review")


def test_the_way_back_leads_over_the_parts_and_out_of_the_first_item(anna: Any) -> None:
    anna.begin()
    anna.browser.get(anna.question("br23", 31))
    assert f'class="back"><a href="{anna.question("c30", 30)}"' in anna.browser.text
    anna.browser.get(anna.question("c30", 1))
    assert 'class="back"><a href="/home"' in anna.browser.text


def test_another_phone_resumes_at_the_first_item_without_a_word(anna: Any) -> None:
    anna.begin()
    anna.answer("c30", 1, 1)
    anna.browser.post(anna.question("c30", 2), {"do": "skip"})
    anna.answer("c30", 3, 1)
    other = anna.people.patient(anna.id)
    assert other.get(anna.address).headers["Location"].endswith("/c30/4")
    other.follow()
    assert "Welcome back" in other.text
    assert "Each answer is saved when you continue." in other.text


def test_pause_keeps_the_answer_that_was_just_chosen(anna: Any) -> None:
    anna.begin()
    page = anna.browser.post(anna.question("c30", 1), {"answer": "2", "do": "pause"})
    assert page.headers["Location"] == "/home"
    assert anna.answers() == [("c30", 1, "answered", 2, "en")]
    anna.browser.post(anna.question("c30", 2), {"do": "pause"})
    assert len(anna.answers()) == 1
    anna.browser.follow()
    assert "You can continue whenever you like" in anna.browser.text


def test_changing_the_language_keeps_the_place_and_the_answer_and_is_stored_with_it(anna: Any) -> None:
    anna.begin()
    anna.browser.get(anna.question("c30", 1))
    assert '<html lang="en">' in anna.browser.text
    page = anna.browser.post(anna.question("c30", 1), {"answer": "2", "language": "sv"})
    assert page.headers["Location"].endswith("/c30/1")
    anna.browser.follow()
    assert '<html lang="sv">' in anna.browser.text
    assert legend(anna.browser) == anna.people.runtime.instruments["c30"].wording["sv"].items[1]
    assert 'value="2" checked' in anna.browser.text
    anna.answer("c30", 2, 1)
    assert [row[4] for row in anna.answers()] == ["en", "sv"]


def test_enter_presses_continue_and_not_the_language(anna: Any) -> None:
    anna.begin()
    anna.browser.get(anna.question("c30", 1))
    first = re.search(r'<button[^>]*form="q"[^>]*>', anna.browser.text)
    assert first
    assert 'value="save"' in first.group(0)


def test_a_question_before_the_start_leads_to_the_start(anna: Any) -> None:
    assert anna.browser.get(anna.question("c30", 1)).headers["Location"] == anna.address
    assert anna.answer("c30", 1, 1).status_code == 409
    assert anna.browser.post(f"{anna.address}/review").status_code == 409
    assert anna.answers() == []


def test_somebody_elses_assessment_is_as_absent_as_one_that_is_not_there(anna: Any) -> None:
    other = anna.people.participant("LUN-001", randomized_on=datetime(2026, 8, 23, tzinfo=UTC).date())
    foreign = anna.people.assessment_id(other, "m03")
    anna.browser.get("/home")  # a browser that had a form: errors offer it the other language
    bodies = set()
    for assessment_id in (foreign, 999_999):
        for path in ("", "/c30/1", "/review", "/sent", "/decline"):
            page = anna.browser.get(f"/assessment/{assessment_id}{path}")
            assert page.status_code == 404
            bodies.add(re.sub('csrf_token" value="[^"]+', "", page.get_data(as_text=True)))  # signed with the second
        for path in ("", "/c30/1", "/review", "/decline", "/undo-decline"):
            page = anna.browser.post(f"/assessment/{assessment_id}{path}", {"answer": "1", "who": "self"})
            assert page.status_code == 404
    assert len(bodies) == 1


def test_an_answer_without_the_form_token_is_not_taken(anna: Any) -> None:
    anna.begin()
    page = anna.browser.post(anna.question("c30", 1), {"answer": "1", "do": "save"}, token=False)
    assert page.status_code == 400
    assert anna.answers() == []


def test_what_is_not_open_yet_says_when_it_opens(anna: Any) -> None:
    later = anna.people.assessment_id(anna.id, "m06")
    anna.browser.get(f"/assessment/{later}")
    assert anna.browser.page.status_code == 200
    assert "It opens on" in anna.browser.text
    assert anna.browser.post(f"/assessment/{later}", {"who": "self"}).status_code == 409


def test_a_sitting_begun_in_time_may_be_finished_after_midnight_and_not_the_day_after(anna: Any, clock: Any) -> None:
    clock.set(datetime(2027, 1, 4, 22, 30, tzinfo=UTC))  # the last evening of the grace period, 23:30 in Stockholm
    anna.browser = anna.people.patient(anna.id)
    anna.begin()
    clock.set(datetime(2027, 1, 4, 23, 20, tzinfo=UTC))  # 00:20 the next day
    anna.browser = anna.people.patient(anna.id)
    assert anna.answer("c30", 1, 2).status_code == 303
    clock.set(datetime(2027, 1, 5, 11, 1, tzinfo=UTC))  # 12 hours and a minute after midnight
    anna.browser = anna.people.patient(anna.id)
    assert anna.answer("c30", 2, 2).status_code == 409
    assert "This questionnaire has closed" in anna.browser.text
    assert len(anna.answers()) == 1


def test_nothing_can_be_begun_after_the_window(anna: Any, clock: Any) -> None:
    clock.set(datetime(2027, 1, 5, 0, 30, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.get(anna.address)
    assert "No harm is done" in anna.browser.text
    assert anna.browser.post(anna.address, {"who": "self"}).status_code == 409


def test_a_page_of_one_item_is_small(anna: Any) -> None:
    import gzip

    anna.begin()
    for instrument, item in (("c30", 1), ("c30", 29)):
        anna.browser.get(anna.question(instrument, item))
        assert len(gzip.compress(anna.browser.page.data)) <= 4096
        addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', anna.browser.text)
        assert len(addresses) <= 3
        sizes = [len(anna.browser.client.get(one, headers={"Accept-Encoding": "gzip"}).data) for one in addresses]
        anna.browser.get(anna.question(instrument, item))
        assert sum(sizes) + len(anna.browser.page.data) <= 30_000
