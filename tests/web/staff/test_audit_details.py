"""Old and new values of the trail, read by people."""

from __future__ import annotations

from typing import Any

import pytest

from proapp.web.staff.presenters.details import pieces


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
