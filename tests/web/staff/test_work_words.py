"""The sentence of every reason, as a nurse reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from proapp.services.cohort import Attempt, Expected, Member, Responses
from proapp.services.follow_up import Row
from proapp.study.schedule import Anchors
from proapp.study.status import AssessmentFacts, ParticipantFacts, state
from proapp.study.worklist import ACTIONS, RANKS, WorkItem
from proapp.web.staff.presenters import work
from proapp.web.staff.presenters.words import Background
from tests.conftest import definitions

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def on() -> Background:
    study, instruments = definitions()
    return Background(study, instruments, TODAY)


@pytest.fixture(autouse=True)
def english() -> Any:
    """Words need a language, which a page gets from its request."""
    from flask import Flask
    from flask_babel import Babel

    app = Flask("words")
    Babel(app, locale_selector=lambda: "en")
    with app.test_request_context():
        yield


def member() -> Member:
    facts = ParticipantFacts(consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 12))
    anchors = Anchors(consent_on=facts.consent_on, randomized_on=facts.randomized_on, arm=None)
    return Member(1, "UME-001", "UME", "sv", NOW, "sms", NOW, facts, anchors, (), ())


def expected(
    on: Background, *, begun: int | None = None, closes_on: date = date(2026, 11, 25), kind: str = "scheduled"
) -> Expected:
    facts = AssessmentFacts(
        "m03", kind, date(2026, 11, 12), date(2026, 10, 29), closes_on, closes_on + timedelta(days=14),
        started_at=NOW if begun is not None else None,
    )  # fmt: skip
    sets = ()
    if begun is not None:
        sets = (Responses(1, "self_remote", "self", "1", {}, NOW, None, None, False, None, begun, None, NOW),)
    person = member()
    return Expected(
        7, person, "m03", 1, "1", None, facts, sets, None, None, state(facts, person.facts, today=TODAY, study=on.study)
    )


def row(
    on: Background, reason: Any, by_when: date | None = None, *, assessment: Expected | None = None, **params: object
) -> Row:
    left = (by_when - TODAY).days if by_when else None
    item = WorkItem(RANKS[reason], reason, 1, 7, by_when, left, ACTIONS[reason], params)
    return Row(item, assessment.member if assessment else member(), assessment, None, None)


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        (0, "Not answered, and the window closes today."),
        (1, "Not answered, and the window closes tomorrow."),
        (2, "Not answered, and the window closes on Wednesday 25 November."),
    ],
)
def test_a_closing_window_is_told_in_days_people_use(on: Background, days: int, sentence: str) -> None:
    assert work.why(row(on, "closing_soon", TODAY + timedelta(days=days), assessment=expected(on)), on) == sentence


def test_what_was_begun_is_told_with_how_far_it_came(on: Background) -> None:
    begun = expected(on, begun=12)
    assert (
        work.why(row(on, "closing_soon", TODAY, assessment=begun), on)
        == "Begun (12 of 74) but not sent, and it closes today."
    )
    assert (
        work.why(row(on, "idle", assessment=begun, idle_hours=30.0), on)
        == "Began to answer (12 of 74) and stopped 1 day ago."
    )
    assert work.why(row(on, "overdue", assessment=begun, days_due=11), on) == (
        "Begun but not sent, due for 11 days, and nobody has been in touch."
    )
    assert work.why(row(on, "baseline_incomplete", assessment=begun), on) == (
        "The questionnaire before randomisation is begun (12 of 74) but not sent."
    )


def test_a_message_that_failed_is_told_with_its_reason(on: Background) -> None:
    assert work.why(row(on, "message_failed", since=date(2026, 11, 20), why="message_refused"), on) == (
        "A message of 20 November did not arrive: the gateway refuses the message. "
        "Call, and see whether the contact details are right."
    )


def test_in_the_grace_period_the_answer_is_called_late(on: Background) -> None:
    late = expected(on, closes_on=date(2026, 11, 20))
    assert work.why(row(on, "closing_soon", date(2026, 11, 24), assessment=late), on) == (
        "Not answered in the window; a late answer is taken until tomorrow."
    )


def test_days_are_counted_in_words_for_one_and_for_many(on: Background) -> None:
    for days, sentence in (
        (1, "Not answered, due for 1 day, and nobody has been in touch."),
        (4, "Not answered, due for 4 days, and nobody has been in touch."),
    ):
        assert work.why(row(on, "overdue", assessment=expected(on), days_due=days), on) == sentence
    assert work.why(row(on, "not_activated", days=3), on) == "Enrolled 3 days ago and has never signed in."
    assert work.time_left(1) == "1 day left"
    assert work.time_left(0) == "last day today"
    assert work.time_left(None) == ""
    assert work.time_left(-2) == "2 days late"


def test_a_planned_call_says_when_and_how_often_was_tried(on: Background) -> None:
    again = expected(on)
    again.member.attempts = [
        Attempt(1, 7, "phone", "no_answer", None, None, NOW, 1),
        Attempt(2, 7, "none", "postponed", "x", TODAY, NOW, 1),
    ]
    assert work.why(row(on, "call_again", assessment=again), on) == "To be asked again today; 1 contact so far."


def test_a_contact_without_an_agreed_day_is_told_with_its_own(on: Background) -> None:
    again = expected(on)
    rung = [Attempt(number, 7, "phone", "no_answer", None, None, NOW - timedelta(days=5), 1) for number in (1, 2)]
    again.member.attempts = rung
    sentence = "No answer since the last contact on Wednesday 18 November; 2 contacts so far."
    assert work.why(row(on, "call_again", assessment=again), on) == sentence


def test_a_missing_reason_is_asked_for(on: Background) -> None:
    assert work.why(row(on, "reason_needed", assessment=expected(on), closed_on=date(2026, 10, 13)), on) == (
        "Not answered by 13 October 2026, when the window closed. Say why."
    )


def test_every_reason_has_a_sentence_and_a_tone(on: Background) -> None:
    for reason in RANKS:
        about = None if reason in ("no_channel", "not_activated") else expected(on)
        said = work.why(row(on, reason, TODAY, assessment=about, days=3, days_due=3, idle_hours=30.0), on)
        assert said.endswith(".")
        assert reason in work.TONES
