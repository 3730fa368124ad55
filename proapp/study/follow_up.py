"""Who is reminded of what, when, by which way, and why not: one decision for each step of the reminder plan. The same
function queues a message, looks again before it is sent, and explains to a nurse what happened, so that these can
never disagree. It knows facts and a moment; it sends nothing and stores nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from proapp.clock import local_date
from proapp.study import steps
from proapp.study.holding import STOPS, TO_PARTICIPANT, Case, End, Order, Step, end, first_moment, over
from proapp.study.model import Study, TimePoint
from proapp.study.schedule import close_instant
from proapp.study.status import is_waiting, state, stop_of
from proapp.study.steps import ELECTRONIC, text_kind
from proapp.study.subject import Decision, Reach, Reason, Sent, Subject, Verdict

__all__ = [
    "Decision",
    "Reach",
    "Reason",
    "Sent",
    "Subject",
    "decide",
    "explain",
    "later_step",
    "moment",
    "recheck",
    "text_kind",
]

LATER = "later:"
ROWS: dict[str, tuple[Verdict, Reason]] = {
    "queued": ("sent", "queued"),
    "sending": ("sent", "queued"),
    "sent": ("sent", "sent"),
    "delivered": ("sent", "delivered"),
    "possibly_sent": ("sent", "possibly_sent"),
    "cancelled": ("not", "cancelled"),
    "failed": ("not", "failed"),
}
"""What a row in that state amounts to. Its step is not taken again, whatever came of it."""


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

    Every decision to send is made as though it were the only one: who acts on one counts it before deciding about the
    participant's next assessment.
    """
    return _decisions(timepoint, Case(study, subject, now, local_date(now, zone), zone, study_sent_today))


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
    `wait`, or cancel it (`not`), for the reason given. `via` differs from the row's if the contact has changed."""
    others = tuple(one for one in subject.sent if (one.step, one.channel) != (row.step, row.channel))
    lately = list(subject.sent_to_participant)
    if row.at in lately:
        lately.remove(row.at)
    alone = replace(subject, sent=others, sent_to_participant=tuple(lately))
    for decision in decide(study, timepoint, alone, now=now, zone=zone, study_sent_today=study_sent_today):
        if decision.step == row.step and _is_of(decision.channel, row.channel) and decision.verdict != "sent":
            return decision
    reason: Reason = "another_wish" if row.step.startswith(LATER) else "not_in_policy"
    return Decision(row.step, row.channel, row.channel, None, None, "not", reason)


def explain(
    study: Study,
    timepoint: TimePoint,
    subject: Subject,
    *,
    day: date,
    now: datetime,
    zone: ZoneInfo,
    study_sent_that_day: int = 0,
) -> tuple[Decision, ...]:
    """The decisions as of the end of the local `day`, or as of `now` if that comes first. `subject` holds what was
    known then (see `moment`).

    `send` says of a day that is over that the step was due and nothing had taken it by midnight.
    """
    over = close_instant(day, zone) <= now
    at = moment(day, now=now, zone=zone)
    return _decisions(
        timepoint, Case(study, subject, at, local_date(at, zone), zone, study_sent_that_day, mind_quiet=not over)
    )


def moment(day: date, *, now: datetime, zone: ZoneInfo) -> datetime:
    """The instant that an explanation of `day` is about: just before its midnight, or `now` if that comes first."""
    return min(now, close_instant(day, zone) - timedelta(microseconds=1))


def later_step(wish_at: datetime, zone: ZoneInfo) -> str:
    """The key of the step that a wish to be reminded at that instant makes: later:2026-03-02T18."""
    return f"{LATER}{wish_at.astimezone(zone):%Y-%m-%dT%H}"


# --- the steps of one participant ------------------------------------------------------------------------------------


def _decisions(timepoint: TimePoint, case: Case) -> tuple[Decision, ...]:
    planned = _planned(timepoint, case)
    rows = [_row(step, case.subject.sent) for step in planned]
    gone = [(_gone(row, case.zone), row) for row in case.subject.sent if row not in rows]
    chain = [*planned, *(step for step, row in gone if ROWS[row.state][0] == "sent")]
    never, ends = _never(case), over(case)
    found = [(step, _of_row(step, row)) for step, row in gone]
    for step, row in zip(planned, rows, strict=True):
        found.append((step, _of_row(step, row) if row else _of_step(step, chain, never, ends, case)))
    return tuple(decision for _, decision in sorted(found, key=lambda one: (one[0].order is None, one[0].order or ())))


def _planned(timepoint: TimePoint, case: Case) -> list[Step]:
    found = []
    for reminder in timepoint.reminders:
        via, no_way = _way(reminder.channel, case.subject.reach)
        due = steps.due(case.subject.facts, reminder, via=via or "sms", study=case.study, zone=case.zone)
        order = None
        if due.nominal_on and due.due_on and due.due_at:
            order = Order(due.due_on, due.nominal_on, False, due.due_at)
        found.append(Step(due.key, due.channel, via, no_way, order, dated=due.nominal_on is not None))
    if case.subject.remind_later_at is not None:
        found.append(_wish(case.subject.remind_later_at, case))
    return found


def _wish(at: datetime, case: Case) -> Step:
    """The participant's own wish is a step by the own channel; nobody prints a letter for tonight."""
    via, no_way = _way("message", case.subject.reach)
    if via == "letter":
        via, no_way = None, "chose_letter"
    day = local_date(at, case.zone)
    return Step(later_step(at, case.zone), "message", via, no_way, Order(day, day, True, at))


def _gone(row: Sent, zone: ZoneInfo) -> Step:
    """A row whose step is no longer in the plan: an earlier wish, or a step of an earlier version."""
    day = local_date(row.at, zone)
    return Step(row.step, row.channel, row.channel, None, Order(day, day, True, row.at))


def _way(channel: str, reach: Reach) -> tuple[str | None, Reason | None]:
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


def _row(step: Step, sent: Iterable[Sent]) -> Sent | None:
    return next((row for row in sent if row.step == step.key and _is_of(step.channel, row.channel)), None)


def _is_of(channel: str, row_channel: str) -> bool:
    """A step `message` may have gone any way to the participant; it goes once, also if the way has changed since."""
    return channel == row_channel or (channel == "message" and row_channel in TO_PARTICIPANT)


def _of_row(step: Step, row: Sent) -> Decision:
    verdict, reason = ROWS[row.state]
    return Decision(step.key, step.channel, row.channel, step.due_at, None, verdict, reason, {"at": row.at})


# --- one step --------------------------------------------------------------------------------------------------------


def _never(case: Case) -> Reason | None:
    """Why nothing at all goes out about the assessment, as far as is known."""
    person, today = case.subject.person, case.today
    current = state(case.subject.facts, person, today=today, study=case.study)
    if current.collection == "SUBMITTED":
        return "submitted"
    stopped_on, why = stop_of(person, today=today)
    if stopped_on is not None:
        return STOPS[why]
    if current.collection == "DECLINED":
        return "declined"
    if current.expectation == "NOT_EXPECTED":
        return "not_expected"
    return "lost" if case.subject.reach.lost else None


def _of_step(step: Step, chain: Iterable[Step], never: Reason | None, ends: End | None, case: Case) -> Decision:
    """What is to be done about a step that no row was made for."""
    no = never or _no_way(step, case.subject.reach)
    if no is not None:
        return _said(step, None, "not", no)
    if step.order is None:
        return _said(step, None, "not", "no_sending_day") if step.dated else _unknown(step)
    until = end(step, step.order, chain, ends, case)
    if until is not None and case.now >= until.at:
        return _said(step, until, "not", until.reason)
    at, reason = first_moment(step, step.order.due_at, until, case)
    if at == case.now:
        return _now(step, until, case)
    if at is not None:
        return _said(step, until, "wait", reason, until=at)
    if reason == "asked_later":  # the wish takes its place then, and is a step of its own
        return _said(step, until, "wait", reason, until=case.subject.remind_later_at)
    # Of a step that would fall due after the end the end is the reason, of others what holds them up until then.
    return _said(step, until, "not", until.reason if until and reason in ("later", "not_open") else reason)


def _no_way(step: Step, reach: Reach) -> Reason | None:
    if step.via is None:
        return step.no_way
    if step.via in ELECTRONIC and reach.wrong_number:
        return "wrong_number"
    if step.via in ELECTRONIC and reach.undeliverable:
        return "undeliverable"
    return dict(reach.doubted).get(step.via)


def _unknown(step: Step) -> Decision:
    return _said(step, None, "wait", "anchor_unknown", until=None)


def _now(step: Step, until: End | None, case: Case) -> Decision:
    """Dates and hours say yes; the state of the assessment, which every page shows, has the last word."""
    waiting = is_waiting(state(case.subject.facts, case.subject.person, today=case.today, study=case.study))
    return _said(step, until, "send", "due") if waiting else _said(step, until, "not", "closed")


def _said(step: Step, limit: End | None, verdict: Verdict, reason: Reason, **params: object) -> Decision:
    return Decision(step.key, step.channel, step.via, step.due_at, limit and limit.at, verdict, reason, params)
