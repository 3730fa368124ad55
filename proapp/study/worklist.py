"""Who needs a call today, and why: one plain reason a row, in an order that loses least. The ranking is fixed and can
be explained; it knows facts about one participant and a date, and nothing of tables or pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Literal, NamedTuple

from proapp.study.model import Study
from proapp.study.status import AssessmentFacts, State, days_left, is_overdue, is_waiting, last_day
from proapp.study.working_days import horizon, working_days_after

Reason = Literal[
    "baseline_incomplete",
    "closing_soon",
    "undeliverable",
    "wrong_number",
    "no_channel",
    "message_failed",
    "possibly_sent",
    "overdue",
    "task_due",
    "letter_due",
    "call_again",
    "idle",
    "not_activated",
    "asked_to_call",
    "stop_to_confirm",
    "reason_needed",
]
Action = Literal[
    "call",
    "enter_answers",
    "decline",
    "record_reason",
    "extend",
    "add_contact",
    "change_contact",
    "new_code",
    "look_at_messages",
    "letters",
    "snooze",
]
Fault = Literal["undeliverable", "wrong_number"]

RANKS: dict[Reason, int] = {
    "baseline_incomplete": 1,
    "closing_soon": 2,
    "undeliverable": 3,
    "wrong_number": 3,
    "no_channel": 3,
    "message_failed": 3,
    "possibly_sent": 3,
    "overdue": 4,
    "task_due": 4,
    "letter_due": 4,
    "call_again": 4,
    "idle": 5,
    "not_activated": 6,
    "asked_to_call": 7,
    "stop_to_confirm": 7,
    "reason_needed": 8,
}
_CALL: tuple[Action, ...] = ("call", "enter_answers", "decline", "snooze")
ACTIONS: dict[Reason, tuple[Action, ...]] = {
    "baseline_incomplete": _CALL,
    "closing_soon": (*_CALL, "extend"),
    "undeliverable": ("call", "change_contact", "snooze"),
    "wrong_number": ("change_contact", "call", "snooze"),
    "no_channel": ("add_contact", "call", "snooze"),
    "message_failed": ("look_at_messages", "call", "change_contact", "snooze"),
    "possibly_sent": ("look_at_messages", "call", "snooze"),
    "overdue": _CALL,
    "task_due": _CALL,
    "letter_due": ("letters", "call", "snooze"),
    "call_again": _CALL,
    "idle": _CALL,
    "not_activated": ("new_code", "call", "snooze"),
    "asked_to_call": ("call", "snooze"),
    "stop_to_confirm": ("call", "snooze"),
    "reason_needed": ("record_reason", "enter_answers", "extend"),
}
CLOSING_WORKING_DAYS = 2
IDLE_HOURS = 24
ACTIVATION_DAYS = 3
ASK_AGAIN_WORKING_DAYS = 3  # after a contact for which nobody set a date
CALL_BACK_WORKING_DAYS = 1  # after a participant has asked to be called
# What is told with a more pressing row of the same participant instead of in a row of its own.
TOLD_ALONG: frozenset[Reason] = frozenset(
    {"undeliverable", "wrong_number", "letter_due", "asked_to_call", "stop_to_confirm"}
)


class Task(NamedTuple):
    """One assessment of a participant as the worklist sees it.

    `attempts` counts the contacts taken about it, the latest of them on `attempted_on`. `next_on` is the date set by
    the latest note of all, postponements too. `idle_hours` are counted from the latest answer (or from the start).
    `task_due_on` and `letter_due_on` are the days of the policy's steps that are for people and have come, and were
    not done since; `unclear_on` the day of a message of which nobody knows whether it went out, `failed_on` of one that
    did not arrive, `failed_why` the code of the reason.
    """

    key: int
    facts: AssessmentFacts
    state: State
    attempts: int = 0
    next_on: date | None = None
    next_set_when: str | None = None
    idle_hours: float | None = None
    attempted_on: date | None = None
    task_due_on: date | None = None
    letter_due_on: date | None = None
    unclear_on: date | None = None
    failed_on: date | None = None
    failed_why: str | None = None


class Case(NamedTuple):
    """A participant. `may_contact` is False after death, stop or withdrawal and during a pause. A row of the whole
    participant is hidden until `next_on`, unless what it is about came after the day the date was set (`next_set_on`).

    `fault` is why messages do not arrive, known since `fault_on`. `asked_on` is the day the participant asked to be
    called, `stop_asked_on` the day the participant said on the phone that there shall be no more questionnaires; both
    None once somebody has been in touch.
    """

    key: int
    enrolled_on: date
    activated: bool
    has_channel: bool
    tasks: tuple[Task, ...]
    may_contact: bool = True
    next_on: date | None = None
    next_set_on: date | None = None
    fault: Fault | None = None
    fault_on: date | None = None
    asked_on: date | None = None
    stop_asked_on: date | None = None
    test_failed_on: date | None = None  # the day of a test message that did not arrive
    test_failed_why: str | None = None


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One row. `task` is the key of the assessment, None for a row about the participant; `params` fill the sentence of
    the `reason`; `by_when` is the last day it can be done, None if there is none; `also` is what the same call is
    about besides."""

    rank: int
    reason: Reason
    case: int
    task: int | None
    by_when: date | None
    days_left: int | None
    actions: tuple[Action, ...]
    params: dict[str, object] = field(default_factory=dict)
    also: tuple[Reason, ...] = ()


def worklist(cases: Iterable[Case], *, today: date, study: Study) -> list[WorkItem]:
    """All rows, the most urgent first: by rank, then by days left."""
    found = [item for case in cases for item in _items(case, today=today, study=study)]
    return sorted(found, key=_urgency)


def _urgency(item: WorkItem) -> tuple[int, float, date, int, int]:
    left = float("inf") if item.days_left is None else item.days_left
    return item.rank, left, item.by_when or date.max, item.case, item.task or 0


def _items(case: Case, *, today: date, study: Study) -> Iterator[WorkItem]:
    """At most one call per participant, for its most pressing reason, and a row for each reason that is lacking."""
    calls = list(_wishes(case, today=today))
    if case.may_contact:
        calls.extend(item for task in case.tasks if (item := _call(case, task, today=today, study=study)))
        calls.extend(_about_participant(case, today=today))
    if calls:
        first = min(calls, key=_urgency)
        yield replace(first, also=tuple(i.reason for i in calls if i is not first and i.reason in TOLD_ALONG))
    for task in case.tasks:
        if _needs_reason(task) and not _is_hidden(task, today=today):
            yield _item("reason_needed", case, task, closed_on=last_day(task.facts))


def _wishes(case: Case, *, today: date) -> Iterator[WorkItem]:
    """What participants asked for on the phone. It is heard also when they are not to be asked anything: who stops or
    pauses and wants a call gets one."""
    if case.asked_on is not None and not _is_put_off(case, today=today, since=case.asked_on):
        last = working_days_after(case.asked_on, CALL_BACK_WORKING_DAYS)
        yield _item("asked_to_call", case, None, last, (last - today).days, asked_on=case.asked_on)
    if case.stop_asked_on is not None and not _is_put_off(case, today=today, since=case.stop_asked_on):
        yield _item("stop_to_confirm", case, asked_on=case.stop_asked_on)


def _call(case: Case, task: Task, *, today: date, study: Study) -> WorkItem | None:
    if not is_waiting(task.state) or _is_hidden(task, today=today):
        return None
    reason = _call_reason(task, today=today, study=study)
    if reason is None:
        return None
    last, left = _last_day(task, today=today), days_left(task.facts, today=today)
    if reason == "baseline_incomplete" and task.state.collection != "STARTED" and _never_signed_in(case, today=today):
        # Nothing can be answered before the code was used: that is what waits, and as urgently as the baseline itself.
        never = _item("not_activated", case, None, last, left, days=(today - case.enrolled_on).days)
        return replace(never, rank=RANKS[reason])
    since = None if task.facts.target_on is None else (today - task.facts.target_on).days
    return _item(
        reason, case, task, last, left,
        attempts=task.attempts, days_due=since, idle_hours=task.idle_hours, since=_SINCE.get(reason, _none)(task),
        why=task.failed_why if reason == "message_failed" else None,
    )  # fmt: skip


def _call_reason(task: Task, *, today: date, study: Study) -> Reason | None:
    overdue = is_overdue(task.state, task.facts, today=today, study=study)
    if overdue and task.facts.kind == "baseline":
        return "baseline_incomplete"
    last = _last_day(task, today=today)
    if last is not None and last <= horizon(today, CLOSING_WORKING_DAYS):
        return "closing_soon"
    if task.failed_on is not None:
        return "message_failed"
    if task.unclear_on is not None:
        return "possibly_sent"
    if task.letter_due_on is not None:
        return "letter_due"
    if overdue and task.attempts == 0:
        return "overdue"
    if _asked_again_on(task, overdue=overdue) <= today:
        return "call_again"
    if task.task_due_on is not None:
        return "task_due"
    if task.state.collection == "STARTED" and (task.idle_hours or 0) > IDLE_HOURS:
        return "idle"
    return None


def _asked_again_on(task: Task, *, overdue: bool) -> date:
    """The day agreed; where none was set and still no answer has come, some working days after the last contact, so
    that nobody is forgotten because somebody has rung once. date.max if neither."""
    if task.next_on is not None:
        return task.next_on
    if not overdue or task.attempted_on is None:
        return date.max
    return working_days_after(task.attempted_on, ASK_AGAIN_WORKING_DAYS)


def _about_participant(case: Case, *, today: date) -> Iterator[WorkItem]:
    """Rows about a participant who is asked something now or later, but cannot be reached or has never signed in. They
    keep quiet while a later day was agreed about a questionnaire: the same call under another name is no new reason.
    That messages do not arrive is one, unless it was known when the day was agreed."""
    if not any(is_waiting(task.state) or task.state.shown in ("upcoming", "unscheduled") for task in case.tasks):
        return
    if case.fault is not None and not _is_put_off(case, today=today, since=case.fault_on):
        yield _item(case.fault, case, since=case.fault_on)
    elif case.test_failed_on is not None and not _is_put_off(case, today=today, since=case.test_failed_on):
        yield _item("message_failed", case, since=case.test_failed_on, why=case.test_failed_why)
    agreed = any(is_waiting(task.state) and _is_hidden(task, today=today) for task in case.tasks)
    if agreed or _is_put_off(case, today=today):
        return
    if not case.has_channel:
        yield _item("no_channel", case)
    if _never_signed_in(case, today=today):
        yield _item("not_activated", case, days=(today - case.enrolled_on).days)


def _never_signed_in(case: Case, *, today: date) -> bool:
    return not case.activated and (today - case.enrolled_on).days >= ACTIVATION_DAYS


def _is_put_off(case: Case, *, today: date, since: date | None = None) -> bool:
    """Whether a row about the participant is hidden: not by a date that was set before the reason `since` arose."""
    if case.next_on is None or today >= case.next_on:
        return False
    return since is None or case.next_set_on is None or case.next_set_on >= since


def _needs_reason(task: Task) -> bool:
    """Answers that were begun and wait for the end of the sitting grace are about to be submitted, not missing."""
    about_to_be_submitted = task.state.collection == "STARTED" and task.facts.last_answer_at is not None
    return task.state.shown == "missed_unexplained" and not about_to_be_submitted


def _is_hidden(task: Task, *, today: date) -> bool:
    """A row is hidden until the date set at the latest contact, unless the shown status has changed since."""
    if task.next_on is None or today >= task.next_on:
        return False
    return task.next_set_when is None or task.next_set_when == task.state.shown


def _none(_task: Task) -> None:
    return None


_SINCE: dict[Reason, Callable[[Task], date | None]] = {
    "message_failed": lambda task: task.failed_on,
    "possibly_sent": lambda task: task.unclear_on,
    "letter_due": lambda task: task.letter_due_on,
    "task_due": lambda task: task.task_due_on,
}


def _last_day(task: Task, *, today: date) -> date | None:
    """The last day on which what is waited for can still be given."""
    left = days_left(task.facts, today=today)
    return None if left is None else today + timedelta(days=left)


def _item(
    reason: Reason,
    case: Case,
    task: Task | None = None,
    by_when: date | None = None,
    left: int | None = None,
    **params: object,
) -> WorkItem:
    told = {name: value for name, value in params.items() if value is not None}
    if task is not None:
        told["timepoint"] = task.facts.timepoint
    key = None if task is None else task.key
    return WorkItem(RANKS[reason], reason, case.key, key, by_when, left, ACTIONS[reason], told)
