"""Old and new values of the trail, read by people."""

from __future__ import annotations

from typing import Any

import pytest

from proapp.web.staff.audit_words import ACTIONS
from proapp.web.staff.presenters.detail_words import NAMES
from proapp.web.staff.presenters.details import pieces
from tests.wordless import wordless, written


@pytest.fixture(autouse=True)
def english() -> Any:
    """Words need a language, which a page gets from its request."""
    from flask import Flask
    from flask_babel import Babel

    app = Flask("words")
    Babel(app, locale_selector=lambda: "en")
    with app.test_request_context():
        yield


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"method": "phone", "outcome": "left_message"}, [("how", "Telephone"), ("what came of it", "Left a message")]),
        ({"code": "too_ill", "health_related": "Y"}, [("code", "Felt too ill"), ("health-related", "yes")]),
        ({"why": "recipient_refused"}, [("why", "the number or address does not exist")]),
        ({"why": "superseded"}, [("why", "a later step takes its place")]),
        ({"old": {"channel": "sms"}, "new": {"channel": "letter"}}, [("channel", "SMS → Letter")]),
        ({"step": "target+3"}, [("step", "3 days after the target day")]),
        ({"has_note": False}, [("with a note", "no")]),
        ({"code": "of_an_earlier_version", "unheard_of": 7}, [("code", "of_an_earlier_version"), ("unheard_of", "7")]),
        ({"old": "a", "new": None}, [("", "a → –")]),
        ({"empty": None, "none": []}, []),
    ],
)
def test_codes_are_words_and_what_is_unknown_stays(details: Any, expected: list[tuple[str, str]]) -> None:
    assert list(pieces(details)) == expected


def test_everything_that_the_services_tell_has_words() -> None:
    actions, names = written()
    assert len(actions) > 40
    assert len(names) > 50
    assert actions - set(ACTIONS) == set(), "give these words in audit_words.py"
    assert names - set(NAMES) == set(), "give these words in detail_words.py"


def test_a_name_or_a_code_without_words_is_found() -> None:
    told = {"why": "out_of_the_blue", "novel": 1, "old": None, "new": "left_lying", "payload": {"by": "nobody"}}
    assert wordless(told) == {("why", "out_of_the_blue"), ("novel", None), ("", "left_lying"), ("by", "nobody")}
    assert wordless({"why": "resent", "packs": {"c30": {"hash": "a"}}, "old": {"role": "nurse"}}) == set()
