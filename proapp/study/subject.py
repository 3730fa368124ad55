"""What is known about one assessment when its reminders are decided about, and the decision: plain values, so that the
tick, the last look before sending and the explanation are given the same and get the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NamedTuple

from proapp.study.status import AssessmentFacts, ParticipantFacts

Verdict = Literal["send", "wait", "sent", "not"]
Reason = Literal[
    # send
    "due",
    # wait, and "not" where the waiting outlasts the use
    "anchor_unknown",
    "not_open",
    "later",
    "asked_later",
    "paused",
    "answered_by_phone",
    "not_a_sending_day",
    "quiet_hours",
    "cap_study",
    "cap_participant",
    # sent: a row exists
    "queued",
    "sent",
    "delivered",
    "possibly_sent",
    # not, though a row exists
    "cancelled",
    "failed",
    # not
    "submitted",
    "declined",
    "died",
    "withdrawn",
    "stopped",
    "not_expected",
    "lost",
    "no_contact",
    "chose_letter",
    "wrong_number",
    "undeliverable",
    "no_sending_day",
    "superseded",
    "too_late",
    "closed",
    "study_closed",
    "site_closed",
    # not, of a row made by an earlier version of the plan or an earlier wish
    "not_in_policy",
    "another_wish",
]


class Sent(NamedTuple):
    """A row of the outbox about the assessment. `channel` is the way it goes (sms, email, letter), `state` any that a
    row can have, `at` when it was handed over or, before that, queued."""

    step: str
    channel: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of the way to the participant.

    `channel` is sms, email, letter or None (no contact). `undeliverable` and `wrong_number` hold since the contact
    was last changed, or since before where the address chosen is still the one they are about; `doubted` names the
    ways that lead to an address of which something was known before the last change. `pauses` are standing ones,
    from and until inclusive (None: until further notice).
    """

    channel: str | None
    has_mobile: bool = False
    has_email: bool = False
    undeliverable: bool = False
    wrong_number: bool = False
    doubted: tuple[tuple[str, Literal["wrong_number", "undeliverable"]], ...] = ()
    pauses: tuple[tuple[date, date | None], ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """One assessment and all that decides about its reminders.

    `sent` are the outbox's rows about it; `sent_to_participant` the instants of electronic messages to the participant
    about anything, lately (queued ones too; cancelled and failed ones not). `remind_later_at` is the latest wish.
    `site_closed_on` is the last day on which the site takes part. `told_by_phone`: the answers were given to somebody
    who rang, and nothing goes to the participant about them before the day `ask_again_on` (None: until further notice).
    """

    facts: AssessmentFacts
    person: ParticipantFacts
    reach: Reach
    sent: tuple[Sent, ...] = ()
    sent_to_participant: tuple[datetime, ...] = ()
    remind_later_at: datetime | None = None
    site_closed_on: date | None = None
    told_by_phone: bool = False
    ask_again_on: date | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one step, and why.

    verdict: `send` (now), `wait` (may still go; `params["until"]` says when, None if nobody knows), `sent` (a row
    exists, and was not cancelled and did not fail), `not` (never, unless a fact changes). `channel` is the step's, and
    part of the outbox's key; `via` the way it takes (sms, email, letter, task, digest), None if there is none. It is of
    no use from `not_after` on.
    """

    step: str
    channel: str
    via: str | None
    due_at: datetime | None
    not_after: datetime | None
    verdict: Verdict
    reason: Reason
    params: Mapping[str, object] = field(default_factory=dict)
