"""Who needs a call today, and why: one plain reason a row, in an order that loses least. The ranking is fixed and can
be explained; it knows facts about one participant and a date, and nothing of tables or pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal, NamedTuple

from proapp.study.model import Study
from proapp.study.status import AssessmentFacts, State, days_left, is_overdue, is_waiting
from proapp.study.working_days import horizon, working_days_after

Reason = Literal[
    "baseline_incomplete",
    "closing_soon",
    "no_channel",
    "overdue",
    "call_again",
    "idle",
    "not_activated",
    "reason_needed",
]
Action = Literal["call", "enter_answers", "decline", "record_reason", "add_contact", "new_code", "snooze"]

RANKS: dict[Reason, int] = {
    "baseline_incomplete": 1,
    "closing_soon": 2,
    "no_channel": 3,
    "overdue": 4,
    "call_again": 4,
    "idle": 5,
    "not_activated": 6,
    "reason_needed": 8,
}
_CALL: tuple[Action, ...] = ("call", "enter_answers", "decline", "snooze")
ACTIONS: dict[Reason, tuple[Action, ...]] = {
    "baseline_incomplete": _CALL,
    "closing_soon": _CALL,
    "no_channel": ("add_contact", "call", "snooze"),
    "overdue": _CALL,
    "call_again": _CALL,
    "idle": _CALL,
    "not_activated": ("new_code", "call", "snooze"),
    "reason_needed": ("record_reason", "enter_answers"),
}
CLOSING_WORKING_DAYS = 2
IDLE_HOURS = 24
ACTIVATION_DAYS = 3
ASK_AGAIN_WORKING_DAYS = 3  # after a contact for which nobody set a date


class Task(NamedTuple):
    """One assessment of a participant as the worklist sees it.

    `attempts` counts the contacts taken about it, the latest of them on `attempted_on`. `next_on` is the date set by
    the latest note of all, postponements too. `idle_hours` are counted from the latest answer (or from the start).
    """

    key: int
    facts: AssessmentFacts
    state: State
    attempts: int = 0
    next_on: date | None = None
    next_set_when: str | None = None
    idle_hours: float | None = None
    attempted_on: date | None = None


class Case(NamedTuple):
    """A participant. `may_contact` is False after death, stop or withdrawal and during a pause. A row of the whole
    participant is hidden until `next_on`."""

    key: int
    enrolled_on: date
    activated: bool
    has_channel: bool
    tasks: tuple[Task, ...]
    may_contact: bool = True
    next_on: date | None = None


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One row. `task` is the key of the assessment, None for a row about the participant; `params` fill the sentence of
    the `reason`; `by_when` is the last day it can be done, None if there is none."""

    rank: int
    reason: Reason
    case: int
    task: int | None
    by_when: date | None
    days_left: int | None
    actions: tuple[Action, ...]
    params: dict[str, object] = field(default_factory=dict)


def worklist(cases: Iterable[Case], *, today: date, study: Study) -> list[WorkItem]:
    """All rows, the most urgent first: by rank, then by days left."""
    found = [item for case in cases for item in _items(case, today=today, study=study)]
    return sorted(found, key=_urgency)


def _urgency(item: WorkItem) -> tuple[int, float, date, int, int]:
    left = float("inf") if item.days_left is None else item.days_left
    return item.rank, left, item.by_when or date.max, item.case, item.task or 0


def _items(case: Case, *, today: date, study: Study) -> Iterator[WorkItem]:
    """At most one call per participant, for its most pressing reason, and a row for each reason that is lacking."""
    if case.may_contact:
        calls = [item for task in case.tasks if (item := _call(case, task, today=today, study=study))]
        calls.extend(_about_participant(case, today=today))
        if calls:
            yield min(calls, key=_urgency)
    for task in case.tasks:
        if _needs_reason(task) and not _is_hidden(task, today=today):
            yield _item("reason_needed", case, task, closed_on=task.facts.late_until)


def _call(case: Case, task: Task, *, today: date, study: Study) -> WorkItem | None:
    if not is_waiting(task.state) or _is_hidden(task, today=today):
        return None
    reason = _call_reason(task, today=today, study=study)
    if reason is None:
        return None
    last, left = _last_day(task, today=today), days_left(task.facts, today=today)
    since = None if task.facts.target_on is None else (today - task.facts.target_on).days
    return _item(reason, case, task, last, left, attempts=task.attempts, days_due=since, idle_hours=task.idle_hours)


def _call_reason(task: Task, *, today: date, study: Study) -> Reason | None:
    overdue = is_overdue(task.state, task.facts, today=today, study=study)
    if overdue and task.facts.kind == "baseline":
        return "baseline_incomplete"
    last = _last_day(task, today=today)
    if last is not None and last <= horizon(today, CLOSING_WORKING_DAYS):
        return "closing_soon"
    if overdue and task.attempts == 0:
        return "overdue"
    if _asked_again_on(task, overdue=overdue) <= today:
        return "call_again"
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
    keep quiet while a later day was agreed about a questionnaire: the same call under another name is no new reason."""
    ahead = any(is_waiting(task.state) or task.state.shown in ("upcoming", "unscheduled") for task in case.tasks)
    agreed = any(is_waiting(task.state) and _is_hidden(task, today=today) for task in case.tasks)
    if not ahead or agreed or (case.next_on is not None and today < case.next_on):
        return
    if not case.has_channel:
        yield _item("no_channel", case)
    days = (today - case.enrolled_on).days
    if not case.activated and days >= ACTIVATION_DAYS:
        yield _item("not_activated", case, days=days)


def _needs_reason(task: Task) -> bool:
    """Answers that were begun and wait for the end of the sitting grace are about to be submitted, not missing."""
    about_to_be_submitted = task.state.collection == "STARTED" and task.facts.last_answer_at is not None
    return task.state.shown == "missed_unexplained" and not about_to_be_submitted


def _is_hidden(task: Task, *, today: date) -> bool:
    """A row is hidden until the date set at the latest contact, unless the shown status has changed since."""
    if task.next_on is None or today >= task.next_on:
        return False
    return task.next_set_when is None or task.next_set_when == task.state.shown


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
