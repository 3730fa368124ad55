"""P5 and P6: the list before sending, one receipt however often it is sent, and saying no."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from proapp.db.models import AnswerConflict, AssessmentEvent, MissedReason, ResponseSet
from tests.people import faults


def fill(anna: Any, items: range = range(1, 31), code: int = 2) -> None:
    anna.begin()
    for item in items:
        anna.answer("c30", item, code)


def test_the_list_groups_the_answers_and_collects_what_is_missing_on_top(anna: Any) -> None:
    fill(anna, range(1, 29))
    anna.browser.get(f"{anna.address}/review")
    text, words = anna.browser.text, anna.people.runtime.instruments["c30"].wording["en"]
    assert "not sent yet" in text
    assert "You have left 44 questions unanswered" in text  # 74 less 28 given and 2 behind gates
    assert words.short[1] in text
    assert words.responses["four"][2] in text
    assert text.index("questions unanswered") < text.index(words.title)
    assert f'class="part" lang="en">Part 1: {words.title}</h2>' in text
    assert text.index(words.title) < text.index(anna.people.runtime.instruments["lmc21"].wording["en"].title)
    assert "Send my answers" in text
    assert words.notice in text


def test_change_leads_back_to_the_list_and_not_through_the_rest(anna: Any) -> None:
    fill(anna, range(1, 4))
    anna.browser.get(f"{anna.address}/review")
    address = f"{anna.question('c30', 2)}?back=review"
    assert address in anna.browser.text
    anna.browser.get(address)
    assert "Back to the list" in anna.browser.text
    page = anna.browser.post(address, {"answer": "4", "do": "save"})
    assert page.headers["Location"] == f"{anna.address}/review"
    page = anna.browser.post(address, {"do": "clear"})
    assert page.headers["Location"] == address


def test_sending_gives_a_receipt_and_records_what_was_sent(anna: Any) -> None:
    fill(anna)
    page = anna.browser.post(f"{anna.address}/review")
    assert page.status_code == 303
    anna.browser.follow()
    kept = anna.response_set()
    assert kept.receipt
    assert kept.receipt in anna.browser.text
    assert "23 November 2026 10:00" in anna.browser.text
    assert "Do you feel worse?" in anna.browser.text
    assert "The next questionnaire opens on" in anna.browser.text
    assert (kept.answered_items, kept.valid, kept.completed_on) == (30, True, date(2026, 11, 23))
    assert kept.auto_submitted is False
    assert anna.audited()[-1] == "response_set.submitted"


def test_too_few_answers_for_any_scale_are_kept_but_not_valid(anna: Any) -> None:
    anna.begin()
    anna.answer("c30", 1, 2)  # one of the five of its scale
    anna.answer("br23", 32, 2)
    anna.browser.post(f"{anna.address}/review")
    kept = anna.response_set()
    assert kept.submitted_at is not None
    assert (kept.answered_items, kept.valid) == (2, False)


def test_sending_twice_gives_the_same_receipt(anna: Any) -> None:
    fill(anna, range(1, 3))
    receipts = set()
    for _ in range(3):
        anna.browser.post(f"{anna.address}/review")
        anna.browser.follow()
        receipts.add(anna.response_set().receipt)
        assert anna.response_set().receipt in anna.browser.text
    assert len(receipts) == 1
    assert anna.audited().count("response_set.submitted") == 1


def test_twenty_at_once_are_one_submission_with_one_receipt(anna: Any) -> None:
    fill(anna, range(1, 8))
    browsers = [anna.people.patient(anna.id) for _ in range(20)]
    for browser in browsers:
        browser.get(f"{anna.address}/review")
    gate, pages = threading.Barrier(20), []

    def send(browser: Any) -> None:
        gate.wait()
        pages.append(browser.post(f"{anna.address}/review"))

    threads = [threading.Thread(target=send, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {page.status_code for page in pages} == {303}
    assert {page.headers["Location"] for page in pages} == {f"{anna.address}/sent"}
    seen = {browser.follow().get_data(as_text=True).count(anna.response_set().receipt) for browser in browsers}
    assert seen == {1}
    assert anna.audited().count("response_set.submitted") == 1
    with anna.people.runtime.reading() as session:
        assert list(faults(session)) == []


def test_two_phones_that_start_at_once_share_one_set(anna: Any) -> None:
    browsers = [anna.people.patient(anna.id) for _ in range(8)]
    for browser in browsers:
        browser.get(anna.address)
    gate = threading.Barrier(8)

    def begin(browser: Any, who: str) -> None:
        gate.wait()
        browser.post(anna.address, {"who": who})

    threads = [
        threading.Thread(target=begin, args=(browser, ("self", "proxy")[number % 2]))
        for number, browser in enumerate(browsers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {browser.page.status_code for browser in browsers} == {303}
    with anna.people.runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(ResponseSet)) == 1
    assert anna.audited() == ["response_set.started"]


def test_answers_from_two_phones_at_once_all_arrive_in_one_unbroken_chain(anna: Any) -> None:
    anna.begin()
    browsers = [anna.people.patient(anna.id) for _ in range(8)]
    for browser in browsers:
        browser.get(anna.question("c30", 1))
    gate = threading.Barrier(8)

    def answer(number: int, browser: Any) -> None:
        gate.wait()
        for item in range(1, 5):
            browser.post(anna.question("c30", item + 3 * (number % 4)), {"answer": str(1 + number % 4), "do": "save"})

    threads = [threading.Thread(target=answer, args=pair) for pair in enumerate(browsers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {browser.page.status_code for browser in browsers} == {303}
    assert anna.audited().count("answer.recorded") == len(anna.answers())
    with anna.people.runtime.reading() as session:
        assert list(faults(session)) == []


def test_what_was_sent_can_no_longer_be_changed(anna: Any) -> None:
    fill(anna, range(1, 3))
    anna.browser.post(f"{anna.address}/review")
    before = anna.answers()
    assert anna.answer("c30", 1, 4).status_code == 409
    assert "Already sent" in anna.browser.text
    assert anna.browser.get(anna.question("c30", 1)).status_code == 200
    assert "Already sent" in anna.browser.text
    for path in ("", "/review"):
        assert anna.browser.get(anna.address + path).headers["Location"] == f"{anna.address}/sent"
    assert anna.answers() == before


def test_what_a_page_says_after_the_sending_is_kept_for_the_site_and_the_page_says_when(anna: Any) -> None:
    fill(anna, range(1, 3))
    anna.browser.post(f"{anna.address}/review")
    same = anna.answer("c30", 1, 2)
    assert same.status_code == 409
    assert "already received 23 November 2026" in anna.browser.text
    assert "kept for the clinic" not in anna.browser.text
    for _press in range(2):
        anna.browser.get(anna.question("c30", 1))
        anna.answer("c30", 1, 4)
        assert "kept for the clinic" in anna.browser.text
    anna.answer("c30", 1, 9)  # no answer at all
    with anna.people.runtime.reading() as session:
        kept = session.scalars(select(AnswerConflict)).all()
        assert [(row.item, row.code, row.language) for row in kept] == [(1, 4, "en")]
        assert list(faults(session)) == []
    assert anna.audited().count("answer.conflict") == 1


def test_with_nothing_answered_there_is_nothing_to_send_but_one_may_say_no(anna: Any) -> None:
    anna.begin()
    anna.browser.post(anna.question("c30", 1), {"do": "skip"})
    anna.browser.get(f"{anna.address}/review")
    assert "You have not answered any question" in anna.browser.text
    assert "Send my answers" not in anna.browser.text
    assert f"{anna.address}/decline" in anna.browser.text
    assert anna.browser.post(f"{anna.address}/review").status_code == 422
    assert anna.response_set().submitted_at is None


def test_a_receipt_before_sending_is_no_page(anna: Any) -> None:
    assert anna.browser.get(f"{anna.address}/sent").headers["Location"] == anna.address
    anna.begin()
    assert anna.browser.get(f"{anna.address}/sent").headers["Location"] == anna.address


def test_sent_after_midnight_of_the_last_day_counts_for_the_new_day(anna: Any, clock: Any) -> None:
    clock.set(datetime(2026, 12, 21, 22, 0, tzinfo=UTC))  # the day it closes, 23:00 in Stockholm
    anna.browser = anna.people.patient(anna.id)
    fill(anna, range(1, 3))
    clock.set(datetime(2026, 12, 21, 23, 5, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    anna.browser.post(f"{anna.address}/review")
    assert anna.response_set().completed_on == date(2026, 12, 22)


def test_saying_no_is_noted_with_its_reason_and_can_be_undone(anna: Any) -> None:
    anna.browser.get(f"{anna.address}/decline")
    assert "It does not change your care" in anna.browser.text
    assert "checked" not in anna.browser.text
    anna.browser.post(f"{anna.address}/decline", {"reason": "too_ill"})
    anna.browser.follow()
    assert "I want to answer after all" in anna.browser.text
    assert anna.audited() == ["assessment.declined", "missed_reason.recorded"]
    with anna.people.runtime.reading() as session:
        assert session.scalars(select(AssessmentEvent.type)).all() == ["declined"]
        assert session.execute(select(MissedReason.code, MissedReason.source)).all() == [("too_ill", "patient")]
    assert anna.browser.post(anna.address, {"who": "self"}).status_code == 409
    assert anna.browser.get(anna.address).status_code == 200
    assert "You have said no this time" in anna.browser.text
    anna.browser.post(f"{anna.address}/undo-decline")
    assert anna.browser.page.headers["Location"] == anna.address
    anna.begin()
    assert anna.answer("c30", 1, 1).status_code == 303


def test_saying_no_needs_no_reason_and_twice_is_once(anna: Any) -> None:
    for _ in range(2):
        assert anna.browser.post(f"{anna.address}/decline", {"reason": ""}).status_code == 303
    assert anna.audited() == ["assessment.declined"]


@pytest.mark.parametrize("reason", ["death_in_window", "registered_after_window", "x"])
def test_a_reason_that_is_not_the_patients_to_give_is_refused(anna: Any, reason: str) -> None:
    assert anna.browser.post(f"{anna.address}/decline", {"reason": reason}).status_code == 422
    assert anna.audited() == []


def test_saying_no_can_not_be_undone_after_the_window(anna: Any, clock: Any) -> None:
    anna.browser.post(f"{anna.address}/decline")
    clock.set(datetime(2027, 2, 1, 12, 0, tzinfo=UTC))
    anna.browser = anna.people.patient(anna.id)
    assert anna.browser.post(f"{anna.address}/undo-decline").status_code == 409
    assert anna.audited() == ["assessment.declined"]


def test_what_is_sent_or_not_open_can_not_be_declined(anna: Any) -> None:
    later = anna.people.assessment_id(anna.id, "m06")
    assert anna.browser.post(f"/assessment/{later}/decline").status_code == 409
    fill(anna, range(1, 3))
    anna.browser.post(f"{anna.address}/review")
    assert anna.browser.post(f"{anna.address}/decline").status_code == 409
    assert "assessment.declined" not in anna.audited()
