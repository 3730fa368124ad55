"""Every reason that a decision or a gateway can give has words, so that no nurse meets a code."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from proapp import gateways
from proapp.services import messages
from proapp.services.explaining import Sent
from proapp.study.subject import Reason
from proapp.web.staff.presenters import delivery, explained

SENT = {
    "queued",
    "sent",
    "delivered",
    "possibly_sent",
    "failed",
    "cancelled",
    "due",
}  # told by their message, or at once


@pytest.fixture(autouse=True)
def english() -> Any:
    """Words need a language, which a page gets from its request."""
    from flask import Flask
    from flask_babel import Babel

    app = Flask("words")
    Babel(app, locale_selector=lambda: "en")
    with app.test_request_context():
        yield


@pytest.mark.parametrize("reason", sorted(set(get_args(Reason)) - SENT))
def test_a_reason_of_the_plan_has_words(reason: str) -> None:
    assert reason in {*delivery.NOT, *explained.WAITS}


@pytest.mark.parametrize("reason", ["quiet_hours", "not_a_sending_day", "cap_study", "gateway_silent"])
def test_a_message_that_was_put_off_says_why_and_not_that_it_will_never_go(reason: str) -> None:
    at = datetime(2026, 11, 23, 20, tzinfo=UTC)
    row = Sent(1, 1, "reminder", "opens+0", "sms", "queued", reason, at, at, None, None, None)
    said = delivery.message_line(row, ZoneInfo("Europe/Stockholm"))
    assert "Not sent yet: " in said
    assert reason not in said
    assert "left" not in said


def test_every_state_of_a_message_has_words() -> None:
    assert set(messages.STATES) == set(delivery.STATES)


def test_every_reason_of_a_gateway_has_words() -> None:
    said = set()
    for path in Path(gateways.__file__).parent.glob("*.py"):
        said |= set(re.findall(r'(?:PassingFailure|PermanentFailure|UnknownOutcome)\("(\w+)"', path.read_text()))
    assert said
    assert said <= set(delivery.REASONS)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("opens+0", "On the day the window opens"),
        ("target+3", "3 days after the target day"),
        ("closes-1", "1 day before the window closes"),
        ("later:2026-11-23T18", "As the participant asked"),
        ("of an earlier version", "of an earlier version"),
        ("opens+x", "opens+x"),
    ],
)
def test_a_step_is_told_in_days(key: str, words: str) -> None:
    assert delivery.step_words(key) == words


def test_a_reason_without_words_stays_as_it_is() -> None:
    assert delivery.why_not("of_another_gateway") == "of_another_gateway"
    assert delivery.why_not(None) == ""
