"""Whatever the reminder policy answers, the staff's pages have words for it, and never show its code."""

from __future__ import annotations

from typing import get_args

from proapp.study.subject import Reason
from proapp.web.staff.presenters import delivery, explained

ROWS = {"queued", "sent", "delivered", "possibly_sent", "cancelled", "failed"}  # told with the message's own course
NEVER_FINAL = {"due", "later", "not_open", "anchor_unknown"}


def test_every_reason_why_nothing_goes_has_words(app):
    with app.test_request_context():
        silent = {code for code in get_args(Reason) if delivery.why_not(code) == code}
    assert silent <= ROWS | NEVER_FINAL


def test_every_reason_to_wait_has_words():
    waits = {
        "anchor_unknown",
        "not_open",
        "asked_later",
        "paused",
        "answered_by_phone",
        "not_a_sending_day",
        "quiet_hours",
        "cap_study",
        "cap_participant",
    }
    assert waits <= set(explained.WAITS)
