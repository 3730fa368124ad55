"""What a phone's script asks for: the whole questionnaire in one piece, and the place to bring what was kept."""

from __future__ import annotations

import gzip
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import Answer
from proapp.web.patient import phone_copy

HEADERS = {"Content-Type": "application/json"}


def delivery(anna: Any, *entries: dict[str, Any], **more: Any) -> str:
    now = int(anna.people.runtime.clock().timestamp() * 1000)
    filled = [{"id": f"aaaaaaaa-{number}", "at": now, **entry} for number, entry in enumerate(entries)]
    return json.dumps({"device": "aaaaaaaa", "now": now, "offset": 0, "known": 0, "entries": filled, **more})


def answer(item: int, code: int | str, instrument: str = "c30") -> dict[str, Any]:
    return {"kind": "answered", "instrument": instrument, "item": item, "answer": str(code), "language": "sv"}


def bring(anna: Any, body: str, address: str | None = None) -> Any:
    token = anna.browser.form_token()
    return anna.browser.client.post(
        f"{address or anna.address}/kept",
        data=body,
        headers={**HEADERS, "X-CSRFToken": token},
        base_url="https://localhost",
    )


def begun(anna: Any) -> None:
    anna.begin()
    anna.browser.get(anna.question("c30", 1))


def test_the_copy_holds_every_item_and_what_was_given(anna: Any) -> None:
    begun(anna)
    anna.answer("c30", 1, 3)
    copy = anna.browser.get(f"{anna.address}/copy").get_json()
    assert sum(len(part["items"]) for part in copy["parts"]) == 74
    assert copy["given"] == {"c30.1": ["answered", 3]}
    assert copy["sent"] is None
    words = anna.people.runtime.instruments["br23"].wording["en"]
    part = next(part for part in copy["parts"] if part["code"] == "br23")
    assert [text for *_structure, text, _short in part["items"]] == list(words.items.values())
    assert {number: gate for number, _choices, _recall, gate, *_words in part["items"] if gate} == {
        35: [34, 1],
        46: [45, 1],
    }
    assert re.fullmatch(r"[+\d]+", copy["phone"]["dial"])


def test_copy_and_pages_say_whose_they_are_and_nothing_that_names_her(anna: Any) -> None:
    begun(anna)
    owner = anna.browser.get(f"{anna.address}/copy").get_json()["owner"]
    assert re.fullmatch("[0-9a-f]{16}", owner)
    for path in (anna.question("c30", 1), f"{anna.address}/review", "/home"):
        page = anna.browser.get(path).get_data(as_text=True)
        assert re.findall('data-owner="([^"]*)"', page) == [owner]
    other = anna.people.patient(anna.people.participant("UME-002", randomized_on=date(2026, 8, 23)))
    assert f'data-owner="{owner}"' not in other.get("/home").get_data(as_text=True)


def test_the_script_takes_copies_of_the_layout_that_the_server_makes() -> None:
    script = (Path(__file__).parents[3] / "static" / "js" / "patient" / "store.js").read_text(encoding="utf-8")
    assert re.findall(r"LAYOUT = (\d+);", script) == [str(phone_copy.VERSION)]


def test_what_a_phone_shows_after_sending_without_network_says_whom_to_call(anna: Any) -> None:
    begun(anna)
    page = anna.browser.get(anna.question("c30", 1)).get_data(as_text=True)
    kept = page.split('id="view-kept"', 1)[1].split("</template>", 1)[0]
    assert all(part in kept for part in ("tel:112", "tel:1177", "data-phone", anna.people.runtime.study.safety["en"]))


def test_page_style_script_and_copy_fit_in_20_kilobytes(anna: Any) -> None:
    begun(anna)
    page = anna.browser.get(anna.question("c30", 1)).get_data()
    named = re.findall(rb'(?:src|href)="(/static/[^"]+)"', page)
    parts = [page, *(anna.browser.client.get(path.decode(), base_url="https://localhost").get_data() for path in named)]
    parts.append(anna.browser.get(f"{anna.address}/copy").get_data())
    sizes = [len(gzip.compress(part)) for part in parts]
    assert len(parts) <= 4
    assert sum(sizes) <= 20_000, sizes


def test_there_is_no_copy_before_the_start_nor_of_what_was_declined(anna: Any) -> None:
    assert anna.browser.get(f"{anna.address}/copy").status_code == 409
    begun(anna)
    anna.browser.post(f"{anna.address}/decline", {})
    assert anna.browser.get(f"{anna.address}/copy").get_json() == {"why": "declined"}


def test_what_is_brought_is_saved_and_acknowledged(anna: Any) -> None:
    begun(anna)
    told = bring(anna, delivery(anna, answer(1, 2), answer(2, 4))).get_json()
    assert told["done"] == ["aaaaaaaa-0", "aaaaaaaa-1"]
    assert [row[:4] for row in anna.answers()] == [("c30", 1, "answered", 2), ("c30", 2, "answered", 4)]
    assert {row[4] for row in anna.answers()} == {"sv"}
    assert bring(anna, delivery(anna, answer(1, 2))).get_json()["done"] == ["aaaaaaaa-0"]
    assert len(anna.answers()) == 2


def test_bringing_and_sending_in_one_go_gives_the_time_of_the_receipt(anna: Any) -> None:
    begun(anna)
    told = bring(anna, delivery(anna, answer(1, 2), {"kind": "send"})).get_json()
    assert "23 November 2026" in told["sent"]
    anna.browser.get(f"{anna.address}/sent")
    assert anna.response_set().receipt in anna.browser.text
    assert anna.browser.get(f"{anna.address}/copy").get_json()["sent"] == told["sent"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"device":"aaaaaaaa"}',
        '{"device":"AAAAAAAA","now":1,"entries":[]}',
        '{"device":"aaaaaaaa","now":1,"entries":[1]}',
        '{"device":"aaaaaaaa","now":99999999999999999999,"entries":[]}',
        '{"device":"aaaaaaaa","now":1,"more":1}',
        "\x00",
    ],
)
def test_what_our_script_would_not_send_is_refused_whole(anna: Any, body: str) -> None:
    begun(anna)
    assert bring(anna, body).status_code == 400
    assert anna.answers() == []


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "aaaaaaaa-7", "kind": "answered", "answer": "1"},
        {"id": "aaaaaaaa-7", "kind": "send", "instrument": "c30", "item": 1},
        {"id": "aaaaaaaa-7", "kind": "of a later version"},
        {"id": "aaaaaaaa-7", "kind": "send", "at": 99999999999999999999},
        {"id": "AAAAAAAA 7", "kind": "send"},
        {"id": None, "kind": "send"},
    ],
)
def test_one_odd_entry_holds_up_no_other(anna: Any, odd: dict[str, Any]) -> None:
    begun(anna)
    told = bring(anna, delivery(anna, odd, answer(1, 2), {**answer(2, 3), "id": "bbbbbbbb-1"})).get_json()
    assert told["done"] == ["aaaaaaaa-1", "bbbbbbbb-1"]
    assert told["refused"] == {str(odd["id"]): "not_understood"}
    assert [row[:4] for row in anna.answers()] == [("c30", 1, "answered", 2), ("c30", 2, "answered", 3)]


def test_a_page_from_before_the_upgrade_is_believed_as_before(anna: Any) -> None:
    begun(anna)
    bring(anna, delivery(anna, answer(1, 2), {**answer(2, 3), "offset": None}))
    bring(anna, delivery(anna, {**answer(3, 3), "id": "aaaaaaaa-3", "offset": 900}))
    with anna.people.runtime.reading() as session:
        rows = session.scalars(select(Answer).order_by(Answer.id)).all()
    assert [row.given_at is not None for row in rows] == [True, False, False]


def test_without_the_form_token_nothing_is_taken(anna: Any) -> None:
    begun(anna)
    page = anna.browser.client.post(
        f"{anna.address}/kept", data=delivery(anna, answer(1, 2)), headers=HEADERS, base_url="https://localhost"
    )
    assert page.status_code == 400
    assert anna.answers() == []


def test_somebody_elses_questionnaire_is_as_absent_as_none(anna: Any) -> None:
    begun(anna)
    other = anna.people.participant("LUN-001", randomized_on=date(2026, 8, 23))
    foreign = anna.people.assessment_id(other, "m03")
    anna.people.answered(other, "m03", codes={})
    for assessment in (foreign, 999_999):
        assert anna.browser.get(f"/assessment/{assessment}/copy").status_code == 404
        anna.browser.get(anna.question("c30", 1))
        assert bring(anna, delivery(anna, answer(1, 2)), f"/assessment/{assessment}").status_code == 404
    assert anna.answers() == []


def test_bringing_one_answer_costs_at_most_six_statements(anna: Any, statements: list[str]) -> None:
    begun(anna)
    body, _token = delivery(anna, answer(1, 2)), anna.browser.form_token()
    statements.clear()
    bring(anna, body)
    assert len(statements) <= 6, statements
    anna.browser.get(anna.question("c30", 1))
    statements.clear()
    anna.browser.get(f"{anna.address}/copy")
    assert len(statements) <= 4, statements


def test_the_page_without_network_is_nobodys(anna: Any, browser: Any) -> None:
    begun(anna)
    own = anna.browser.get("/offline/sv").get_data(as_text=True)
    assert own == browser.get("/offline/sv").get_data(as_text=True)
    assert '<html lang="sv">' in own
    assert 'value=""' in own  # the form in readiness, without a token
    assert not re.search(r'csrf_token" value="[^"]', own)


def test_the_go_between_names_the_files_of_this_version(anna: Any) -> None:
    begun(anna)
    page = anna.browser.get(anna.question("c30", 1)).get_data(as_text=True)
    worker = anna.browser.get("/sw.js")
    assert worker.mimetype == "text/javascript"
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        assert path in worker.get_data(as_text=True)
    assert "/offline/en" in worker.get_data(as_text=True)
