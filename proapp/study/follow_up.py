"""Who is reminded of what, when, by which way, and why not: one decision for each step of the reminder plan. The same
function queues a message, looks again before it is sent, and explains to a nurse what happened, so that these can
never disagree. It knows facts and a moment; it sends nothing and stores nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from proapp.clock import local_date
from proapp.study import steps
from proapp.study.model import Study, TimePoint
from proapp.study.schedule import close_instant, open_instant
from proapp.study.status import AssessmentFacts, ParticipantFacts, is_waiting, state, stop_of
from proapp.study.steps import ELECTRONIC, DueRange, due_ranges, text_kind

__all__ = [
    "Decision",
    "DueRange",
    "Reach",
    "Sent",
    "Subject",
    "decide",
    "due_ranges",
    "explain",
    "later_step",
    "recheck",
    "text_kind",
]

Verdict = Literal["send", "wait", "sent", "not"]
STOPS = {"death": "died", "trial_withdrawal": "withdrawn", "pro_stop": "stopped"}
TO_PARTICIPANT = ("message", "sms", "email", "letter")
WENT_OUT = ("queued", "sending", "sent", "delivered", "possibly_sent")
LATER = "later:"


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

    `channel` is sms, email, letter or None (no contact). `undeliverable` and `wrong_number` hold since the contact was
    last changed. `pauses` are standing ones, from and until inclusive (None: until further notice).
    """

    channel: str | None
    has_mobile: bool = False
    has_email: bool = False
    undeliverable: bool = False
    wrong_number: bool = False
    pauses: tuple[tuple[date, date | None], ...] = ()
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """One assessment and all that decides about its reminders.

    `sent` are the outbox's rows about it; `sent_to_participant` the instants of electronic messages to the participant
    about anything, lately (queued ones too; cancelled and failed ones not). `remind_later_at` is the latest wish.
    """

    facts: AssessmentFacts
    person: ParticipantFacts
    reach: Reach
    sent: tuple[Sent, ...] = ()
    sent_to_participant: tuple[datetime, ...] = ()
    remind_later_at: datetime | None = None
    site_closed_on: date | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about one step, and why.

    verdict: `send` (now), `wait` (may still go; `params["until"]` says when, if that is known), `sent` (a row exists
    and was not cancelled), `not` (never, unless a fact changes). `channel` is the step's, and part of the outbox's
    key; `via` the way it takes, None if there is none. It is useless from `not_after` on.
    """

    step: str
    channel: str
    via: str | None
    due_at: datetime | None
    not_after: datetime | None
    verdict: Verdict
    reason: str
    params: Mapping[str, object] = field(default_factory=dict)


class _Step(NamedTuple):
    """A step for this participant. `order` is None where it has no day; `wish` is one the participant asked for."""

    key: str
    channel: str
    via: str | None
    reason: str | None  # why there is no way
    due_on: date | None
    due_at: datetime | None
    order: tuple[date, date, datetime, bool] | None
    dated: bool
    wish: bool = False


class _Case(NamedTuple):
    """Everything `decide` was asked about."""

    study: Study
    subject: Subject
    now: datetime
    zone: ZoneInfo
    study_sent_today: int
    mind_quiet: bool = True

    @property
    def today(self) -> date:
        return local_date(self.now, self.zone)


def decide(
    study: Study,
    timepoint: TimePoint,
    subject: Subject,
    *,
    now: datetime,
    zone: ZoneInfo,
    study_sent_today: int = 0,
) -> tuple[Decision, ...]:
    """One decision for each step of the plan, for the participant's own wish, and for each other row of the outbox, in
    the order they fall due. `zone` is the site's; `study_sent_today` counts electronic messages of its local day.

    Within one call every decision to send is made alone: who acts on one counts it before deciding about the next
    assessment of the participant.
    """
    return _decisions(timepoint, _Case(study, subject, now, zone, study_sent_today))


def recheck(
    study: Study,
    timepoint: TimePoint,
    subject: Subject,
    row: Sent,
    *,
    now: datetime,
    zone: ZoneInfo,
    study_sent_today: int = 0,
) -> Decision:
    """The decision about a row that is queued, made again as though it were not there (nor counted): `send` it, let it
    `wait`, or cancel it (`not`), for the reason given. `via` may differ from the row's, if the contact has changed."""
    others = tuple(one for one in subject.sent if (one.step, one.channel) != (row.step, row.channel))
    lately = list(subject.sent_to_participant)
    if row.at in lately:
        lately.remove(row.at)
    alone = replace(subject, sent=others, sent_to_participant=tuple(lately))
    case = _Case(study, alone, now, zone, study_sent_today)
    for decision in _decisions(timepoint, case):
        if decision.step == row.step and _is_of(decision.channel, row.channel) and decision.verdict != "sent":
            return decision
    reason = "another_wish" if row.step.startswith(LATER) else "not_in_policy"
    return Decision(row.step, row.channel, row.channel, None, None, "not", reason)


def explain(
    study: Study, timepoint: TimePoint, subject: Subject, *, day: date, now: datetime, zone: ZoneInfo
) -> tuple[Decision, ...]:
    """The decisions as of the end of the local `day`, or as of `now` if that comes first. `subject` holds what was
    known then (see `moment`).

    `send` says of a day that is over that the step was due and nothing had taken it by midnight.
    """
    over = close_instant(day, zone) <= now
    at = moment(day, now=now, zone=zone)
    return _decisions(timepoint, _Case(study, subject, at, zone, 0, mind_quiet=not over))


def moment(day: date, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The instant that an explanation of `day` is about: just before its midnight, or `now` if that comes first."""
    return min(now, close_instant(day, zone) - timedelta(microseconds=1))


def later_step(wish_at: datetime, zone: ZoneInfo) -> str:
    """The key of the step that a wish to be reminded at that instant makes: later:2026-03-02T18."""
    return f"{LATER}{wish_at.astimezone(zone):%Y-%m-%dT%H}"


# --- the steps of one participant ------------------------------------------------------------------------------------


def _decisions(timepoint: TimePoint, case: _Case) -> tuple[Decision, ...]:
    planned = _planned(timepoint, case)
    rows = [_row(step, case.subject.sent) for step in planned]
    others = [(_gone(row, case.zone), row) for row in case.subject.sent if row not in rows]
    chain = [*planned, *(step for step, row in others if row.state in WENT_OUT)]
    found = [(step, _of_row(step, row)) for step, row in others]
    for step, row in zip(planned, rows, strict=True):
        found.append((step, _of_row(step, row) if row else _of_step(step, chain, case)))
    return tuple(decision for _, decision in sorted(found, key=lambda one: (one[0].order is None, one[0].order or ())))


def _planned(timepoint: TimePoint, case: _Case) -> list[_Step]:
    facts, reach = case.subject.facts, case.subject.reach
    found = []
    for reminder in timepoint.reminders:
        via, reason = _way(reminder.channel, reach)
        due = steps.due(facts, reminder, via=via or "sms", study=case.study, zone=case.zone)
        order = None
        if due.nominal_on and due.due_on and due.due_at:
            order = (due.due_on, due.nominal_on, due.due_at, False)
        dated = due.nominal_on is not None
        found.append(_Step(due.key, due.channel, via, reason, due.due_on, due.due_at, order, dated))
    if case.subject.remind_later_at is not None:
        found.append(_wish(case.subject.remind_later_at, case))
    return found


def _wish(wish_at: datetime, case: _Case) -> _Step:
    via, reason = _way("message", case.subject.reach)
    if via == "letter":
        via, reason = None, "chose_letter"
    day = local_date(wish_at, case.zone)
    key = later_step(wish_at, case.zone)
    return _Step(key, "message", via, reason, day, wish_at, (day, day, wish_at, True), dated=True, wish=True)


def _gone(row: Sent, zone: ZoneInfo) -> _Step:
    """A row whose step is no longer in the plan: an earlier wish, or a step of an earlier version."""
    day = local_date(row.at, zone)
    return _Step(row.step, row.channel, row.channel, None, day, row.at, (day, day, row.at, True), dated=True)


def _way(channel: str, reach: Reach) -> tuple[str | None, str | None]:
    """By which way a step reaches the participant, or why it does not."""
    if channel not in ("message", *ELECTRONIC):
        return channel, None
    if reach.channel is None:
        return None, "no_contact"
    if reach.channel == "letter":
        return ("letter", None) if channel == "message" else (None, "chose_letter")
    way = reach.channel if channel == "message" else channel
    known = reach.has_mobile if way == "sms" else reach.has_email
    return (way, None) if known else (None, "no_contact")


def _row(step: _Step, sent: Iterable[Sent]) -> Sent | None:
    return next((row for row in sent if row.step == step.key and _is_of(step.channel, row.channel)), None)


def _is_of(channel: str, row_channel: str) -> bool:
    """A step `message` may have gone any way to the participant; it goes once, also if the way has changed since."""
    return channel == row_channel or (channel == "message" and row_channel in TO_PARTICIPANT)


def _of_row(step: _Step, row: Sent) -> Decision:
    verdict: Verdict = "sent" if row.state in WENT_OUT else "not"
    reason = "queued" if row.state == "sending" else row.state
    return Decision(step.key, step.channel, row.channel, step.due_at, None, verdict, reason, {"at": row.at})


# --- one step --------------------------------------------------------------------------------------------------------


def _of_step(step: _Step, chain: Iterable[_Step], case: _Case) -> Decision:
    """What is to be done about a step that nothing was queued for."""
    never = _never(step, case)
    if never is not None:
        return _said(step, None, "not", never)
    if step.due_at is None:
        return _said(step, None, *(("not", "no_sending_day") if step.dated else ("wait", "anchor_unknown")))
    not_after, end_reason = min(_ends(step, chain, case), key=lambda end: end[0], default=(None, "closed"))
    if not_after is not None and case.now >= not_after:
        return _said(step, not_after, "not", end_reason)
    at, reason = _first_moment(step, step.due_at, not_after, case)
    if at == case.now:
        # The window's dates say yes; the state of the assessment has the last word.
        waiting = is_waiting(state(case.subject.facts, case.subject.person, today=case.today, study=case.study))
        return _said(step, not_after, "send", "due") if waiting else _said(step, not_after, "not", "closed")
    if at is not None or reason == "asked_later":
        return _said(step, not_after, "wait", reason, until=at)
    return _said(step, not_after, "not", end_reason if reason in ("later", "not_open") else reason)


def _said(step: _Step, not_after: datetime | None, verdict: Verdict, reason: str, **params: object) -> Decision:
    return Decision(step.key, step.channel, step.via, step.due_at, not_after, verdict, reason, params)


def _never(step: _Step, case: _Case) -> str | None:
    """Why the step will not go on any day, as far as is known."""
    subject = case.subject
    current = state(subject.facts, subject.person, today=case.today, study=case.study)
    if current.collection in ("SUBMITTED", "DECLINED"):
        return current.collection.lower()
    stopped_on, why = stop_of(subject.person, today=case.today)
    if stopped_on is not None and why is not None:
        return STOPS[why]
    if current.expectation == "NOT_EXPECTED":
        return "not_expected"
    if subject.reach.lost:
        return "lost"
    if step.via is None:
        return step.reason
    if step.via in ELECTRONIC and (subject.reach.wrong_number or subject.reach.undeliverable):
        return "wrong_number" if subject.reach.wrong_number else "undeliverable"
    return None


def _ends(step: _Step, chain: Iterable[_Step], case: _Case) -> Iterator[tuple[datetime, str]]:
    """From when on the step is of no use, and why."""
    facts, zone = case.subject.facts, case.zone
    stopped_on, why = stop_of(case.subject.person, today=date.max)
    if stopped_on is not None and why is not None:
        yield open_instant(stopped_on, zone), STOPS[why]
    for last, reason in (
        (steps.last_day(facts), "closed"),
        (case.study.closes_on, "study_closed"),
        (case.subject.site_closed_on, "site_closed"),
    ):
        if last is not None:
            yield close_instant(last, zone), reason
    if step.via in ELECTRONIC and step.due_on is not None:
        yield close_instant(step.due_on + timedelta(days=case.study.follow_up.useful_days), zone), "too_late"
    yield from ((superseded, "superseded") for superseded in _superseded(step, chain, zone))


def _superseded(step: _Step, chain: Iterable[_Step], zone: ZoneInfo) -> Iterator[datetime]:
    """When each later step of its kind takes over: with the day it falls due, and on the same day at its own time."""
    for later in chain:
        if later.via is None or later.order is None or step.order is None or not _same_kind(step, later):
            continue
        if later.order <= step.order:
            continue
        own_time = later.order[3] or later.order[1] == step.order[1]
        yield later.order[2] if own_time else open_instant(later.order[0], zone)


def _same_kind(one: _Step, other: _Step) -> bool:
    """Everything to the participant is one kind: a letter takes over from a message, a task of the nurse does not."""
    return one.channel == other.channel or (one.channel in TO_PARTICIPANT and other.channel in TO_PARTICIPANT)


# --- when it may go --------------------------------------------------------------------------------------------------


def _first_moment(
    step: _Step, due_at: datetime, not_after: datetime | None, case: _Case
) -> tuple[datetime | None, str]:
    """The first instant from now on at which it may go, and what holds it up now ("due" if nothing does). None if there
    is no such instant before `not_after`, and what holds it up in the end."""
    reasons, at = ["due"], case.now
    while not_after is None or at < not_after:
        held = _held_up(step, due_at, at, case)
        if held is None:
            return at, reasons[1] if len(reasons) > 1 else "due"
        reason, until = held
        reasons.append(reason)
        if until is None:
            break
        at = until
    return None, reasons[-1]


def _held_up(step: _Step, due_at: datetime, at: datetime, case: _Case) -> tuple[str, datetime | None] | None:
    """What keeps the step from going at that instant and until when (None: nobody knows)."""
    subject, zone = case.subject, case.zone
    opens = open_instant(subject.facts.opens_on, zone) if subject.facts.opens_on else due_at
    if at < opens or at < due_at:
        return ("not_open" if at < opens else "later"), max(opens, due_at)
    wish_at = subject.remind_later_at
    if not step.wish and step.channel != "digest" and wish_at is not None and due_at <= wish_at and at < wish_at:
        return "asked_later", wish_at
    day = local_date(at, zone)
    for first, last in subject.reach.pauses:
        if first <= day and (last is None or day <= last):
            return "paused", None if last is None else close_instant(last, zone)
    return _held_up_electronically(step, at, day, case) if step.via in ELECTRONIC else None


def _held_up_electronically(step: _Step, at: datetime, day: date, case: _Case) -> tuple[str, datetime] | None:
    """Quiet hours, free days and caps. What participants asked for themselves goes on any day, and does not wait
    because another message has gone that day."""
    policy, zone = case.study.follow_up, case.zone
    if not step.wish and not steps.is_sending_day(day, policy):
        return "not_a_sending_day", close_instant(day, zone)
    if case.mind_quiet and policy.is_quiet(at.astimezone(zone).time()):
        return "quiet_hours", _end_of_quiet(at, day, case)
    if day == case.today and case.study_sent_today >= policy.cap_study:
        return "cap_study", close_instant(day, zone)
    sent = sum(local_date(one, zone) == day for one in case.subject.sent_to_participant)
    if not step.wish and sent >= policy.cap_participant:
        return "cap_participant", close_instant(day, zone)
    return None


def _end_of_quiet(at: datetime, day: date, case: _Case) -> datetime:
    """The next time the clock there shows the end of the quiet hours."""
    until = steps.local_instant(day, case.study.follow_up.quiet_until, case.zone)
    return (
        until if until > at else steps.local_instant(day + steps.ONE_DAY, case.study.follow_up.quiet_until, case.zone)
    )
