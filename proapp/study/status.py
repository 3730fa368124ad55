"""The state of one assessment, derived from facts and a date: is it asked for, what came of it, where is the clock.
Nothing stores what this file says, so a list, a page and an export can never disagree about it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from proapp.clock import local_date
from proapp.study.model import Kind, Study
from proapp.study.reasons import MISSED_REASONS as MISSED_REASONS  # states speak in these codes
from proapp.study.reasons import MissedReason as MissedReason
from proapp.study.schedule import Window, close_instant

Expectation = Literal["PENDING", "EXPECTED", "NOT_EXPECTED"]
Collection = Literal["NONE", "STARTED", "SUBMITTED", "DECLINED"]
Phase = Literal["BEFORE", "OPEN", "DUE", "GRACE", "CLOSED"]
Timing = Literal["early", "in_window", "late", "out_of_window"]
Shown = Literal[
    "unscheduled",
    "completed",
    "completed_unscorable",
    "not_expected",
    "declined",
    "missed",
    "missed_unexplained",
    "in_progress",
    "late",
    "due",
    "open",
    "upcoming",
]
CLOSING_DAYS = 3
REFUSED = "refused_this"
_WHILE_UNANSWERED: dict[Phase, Shown] = {"GRACE": "late", "DUE": "due", "OPEN": "open", "BEFORE": "upcoming"}


class ParticipantFacts(NamedTuple):
    """Local dates of what happened to a participant, None for what did not. `arm` is a code of the study."""

    consent_on: date | None = None
    randomized_on: date | None = None
    arm: str | None = None
    died_on: date | None = None
    stopped_on: date | None = None
    withdrawn_on: date | None = None


class AssessmentFacts(NamedTuple):
    """One planned assessment and what came of it. Dates are local, instants aware.

    `started_at`, `submitted_at`, `completed_on`, `valid` and `last_answer_at` are those of the primary response set
    that is not void; `completed_on` is the local day the patient completed it, whatever day it was keyed. `valid` is
    True if at least one core scale can be scored. `declined` is False again once the decline was undone. `occurrence`
    counts the assessments of a time point that repeats.
    """

    timepoint: str
    kind: Kind
    target_on: date | None
    opens_on: date | None
    closes_on: date | None
    late_until: date | None
    extension_until: date | None = None
    cancelled_reason: str | None = None
    started_at: datetime | None = None
    submitted_at: datetime | None = None
    completed_on: date | None = None
    valid: bool | None = None
    declined: bool = False
    reason_code: str | None = None
    last_answer_at: datetime | None = None
    occurrence: int = 1


class State(NamedTuple):
    """The three axes, and what follows from them."""

    expectation: Expectation
    not_expected_reason: str | None
    collection: Collection
    phase: Phase
    shown: Shown
    timing: Timing | None
    reason_code: str | None


class Extendable(Window, Protocol):
    """A window that staff may have extended."""

    @property
    def kind(self) -> Kind: ...
    @property
    def extension_until(self) -> date | None: ...


@lru_cache(maxsize=4096)
def _state(
    expectation: Expectation,
    not_expected_reason: str | None,
    collection: Collection,
    phase: Phase,
    shown: Shown,
    timing: Timing | None,
    reason_code: str | None,
) -> State:
    """Equal states are one object: there are few of them and very many assessments."""
    return State(expectation, not_expected_reason, collection, phase, shown, timing, reason_code)


def state(assessment: AssessmentFacts, participant: ParticipantFacts, *, today: date, study: Study) -> State:
    """The state of `assessment` on the local date `today`.

    Of the participant's death, stop and withdrawal only what happened up to `today` counts. A submission outranks all
    of them. One that falls on or after the date named by `study.death_before` leaves the assessment expected but ends
    its window there and then, with the reason `…_in_window` until staff record another.
    """
    collection = collected(assessment)
    if collection == "SUBMITTED":
        timing = timing_class(assessment)
        shown: Shown = "completed_unscorable" if assessment.valid is False else "completed"
        return _state("EXPECTED", None, collection, calendar_phase(assessment, today=today), shown, timing, None)
    stopped_on, stop = stop_of(participant, today=today)
    not_expected = _not_expected_reason(assessment, participant, stopped_on, stop, study)
    phase = calendar_phase(assessment, today=today)
    if not_expected:
        return _state("NOT_EXPECTED", not_expected, collection, phase, "not_expected", None, None)
    if assessment.target_on is None:
        return _state("PENDING", None, collection, phase, "unscheduled", None, None)
    reason = assessment.reason_code
    if stopped_on is not None and phase != "CLOSED":
        phase, reason = "CLOSED", reason or f"{stop}_in_window"
    elif stopped_on is not None and reason is None and stopped_on <= _end(assessment):
        reason = f"{stop}_in_window"
    return _state("EXPECTED", None, collection, phase, *_unsubmitted(collection, phase, reason))


def _unsubmitted(collection: Collection, phase: Phase, reason: str | None) -> tuple[Shown, Timing | None, str | None]:
    """The lower half of the table of shown statuses, from top to bottom."""
    if collection == "DECLINED":
        return "declined", None, reason or REFUSED
    if phase == "CLOSED":
        return ("missed" if reason else "missed_unexplained"), None, reason
    if collection == "STARTED":
        return "in_progress", None, None
    return _WHILE_UNANSWERED[phase], None, None


def collected(assessment: AssessmentFacts) -> Collection:
    """What came of the assessment. Void response sets are not among the facts."""
    if assessment.submitted_at is not None:
        return "SUBMITTED"
    if assessment.declined:
        return "DECLINED"
    return "NONE" if assessment.started_at is None else "STARTED"


def stop_of(participant: ParticipantFacts, *, today: date) -> tuple[date | None, str | None]:
    """The first date up to `today` from which the participant is no longer asked anything, and why.

    On the same date death goes before withdrawal, and withdrawal before a stop of the questionnaires.
    """
    first: date | None = None
    why: str | None = None
    for day, reason in (
        (participant.died_on, "death"),
        (participant.withdrawn_on, "trial_withdrawal"),
        (participant.stopped_on, "pro_stop"),
    ):
        if day is not None and day <= today and (first is None or day < first):
            first, why = day, reason
    return first, why


def _not_expected_reason(
    assessment: AssessmentFacts,
    participant: ParticipantFacts,
    stopped_on: date | None,
    stop: str | None,
    study: Study,
) -> str | None:
    if assessment.cancelled_reason:
        return assessment.cancelled_reason
    timepoint = study.timepoints_by_code.get(assessment.timepoint)  # an earlier version may have had others
    if timepoint is not None and not timepoint.is_for(participant.arm):
        return "not_applicable_arm"
    if stopped_on is None:
        return None
    limit = _death_limit(assessment, study)
    return stop if limit is None or stopped_on < limit else None


def _death_limit(assessment: AssessmentFacts, study: Study) -> date | None:
    """The date a stop must precede for nobody to expect an answer; None if that date is not, and will not be, known.

    An open-ended baseline (no randomisation) has no closing date: there the target decides under every rule.
    """
    if study.death_before == "opens":
        return assessment.opens_on
    if study.death_before == "closes" and assessment.closes_on is not None:
        return assessment.closes_on
    return assessment.target_on


def _end(assessment: Extendable) -> date:
    """The last day on which an answer still counts as late; date.max while that day is unknown.

    A baseline ends with the randomisation and cannot be extended beyond it.
    """
    late_until, extension = assessment.late_until, assessment.extension_until
    if late_until is None:
        return date.max
    if extension is None or extension < late_until or assessment.kind == "baseline":
        return late_until
    return extension


def last_day(assessment: Extendable) -> date | None:
    """The last day on which an answer is taken, extension included; None while it is not known."""
    end = _end(assessment)
    return None if end == date.max else end


def calendar_phase(assessment: AssessmentFacts, *, today: date) -> Phase:
    """Where the calendar stands, whatever happened to the participant.

    A baseline is closed from the day of randomisation on: which came first that day, no date can tell.
    """
    _, kind, target_on, opens_on, closes_on, *_ = assessment
    if opens_on is None or target_on is None or today < opens_on:
        return "BEFORE"
    if kind == "baseline":
        return "DUE" if closes_on is None or today < closes_on else "CLOSED"
    if today < target_on:
        return "OPEN"
    if closes_on is None or today <= closes_on:
        return "DUE"
    return "GRACE" if today <= _end(assessment) else "CLOSED"


def timing_class(assessment: AssessmentFacts) -> Timing | None:
    """How the day the patient completed it lies to the window; None if either is unknown."""
    completed_on, opens_on, closes_on = assessment.completed_on, assessment.opens_on, assessment.closes_on
    if completed_on is None or opens_on is None:
        return None
    if completed_on < opens_on:
        return "early"
    if closes_on is None or completed_on <= closes_on:
        return "in_window"
    return "late" if completed_on <= _end(assessment) else "out_of_window"


def days_left(assessment: AssessmentFacts, *, today: date) -> int | None:
    """Whole days after `today` on which it can still be answered (0: today is the last); None if not open, or open
    without an end. In the grace period they are counted to its end."""
    phase = calendar_phase(assessment, today=today)
    if phase in ("BEFORE", "CLOSED") or assessment.closes_on is None:
        return None
    last = _end(assessment) if phase == "GRACE" else assessment.closes_on
    return (last - today).days


def is_waiting(current: State) -> bool:
    """True if an answer is asked for now and has not come."""
    return (
        current.expectation == "EXPECTED"
        and current.phase in ("OPEN", "DUE", "GRACE")
        and current.collection in ("NONE", "STARTED")
    )


may_answer = is_waiting
"""Opening the assessment, on a phone or at the clinic, is allowed in exactly these states; so is declining it."""
may_decline = is_waiting


def may_undo_decline(current: State) -> bool:
    """A decline can be taken back until the window closes."""
    return (
        current.collection == "DECLINED"
        and current.expectation == "EXPECTED"
        and current.phase in ("OPEN", "DUE", "GRACE")
    )


def is_overdue(current: State, assessment: AssessmentFacts, *, today: date, study: Study) -> bool:
    """True if it has been due for `study.overdue_after_days` or more and is still waited for."""
    target_on = assessment.target_on
    return (
        target_on is not None
        and current.phase in ("DUE", "GRACE")
        and is_waiting(current)
        and (today - target_on).days >= study.overdue_after_days
    )


def is_closing(current: State, assessment: AssessmentFacts, *, today: date) -> bool:
    """True if it is waited for and at most three days are left."""
    left = days_left(assessment, today=today)
    return left is not None and left <= CLOSING_DAYS and is_waiting(current)


def sitting_deadline(
    assessment: AssessmentFacts, participant: ParticipantFacts, *, now: datetime, study: Study, zone: ZoneInfo
) -> datetime | None:
    """The instant until which a sitting begun in time may go on; None while its end is not known.

    It is the local midnight at which the window (with grace and extension) or, before that, the participant's stop
    ended, plus `study.sitting_grace_hours`.
    """
    stopped_on, _ = stop_of(participant, today=local_date(now, zone))
    last = min(_end(assessment), stopped_on or date.max)
    return None if last == date.max else close_instant(last, zone) + timedelta(hours=study.sitting_grace_hours)


def accepts_answers(
    assessment: AssessmentFacts, participant: ParticipantFacts, *, now: datetime, study: Study, zone: ZoneInfo
) -> bool:
    """True if an answer arriving at `now` is to be saved: the assessment can be answered today, or it was begun in
    time and the sitting grace is not over. `zone` is the site's."""
    if may_answer(state(assessment, participant, today=local_date(now, zone), study=study)):
        return True
    if collected(assessment) != "STARTED":
        return False
    deadline = sitting_deadline(assessment, participant, now=now, study=study, zone=zone)
    return deadline is None or now < deadline


def abandoned(
    assessment: AssessmentFacts, participant: ParticipantFacts, *, now: datetime, study: Study, zone: ZoneInfo
) -> bool:
    """True if the assessment was begun, holds an answer, and can no longer be answered: it is to be submitted as it is,
    flagged, with the local date of `last_answer_at` as `completed_on`.

    Decided by the moment the sitting grace ends, so that it never happens under a patient's hands. It holds for
    participants who died or stopped as well: what they typed is not thrown away.
    """
    if collected(assessment) != "STARTED" or assessment.last_answer_at is None or assessment.cancelled_reason:
        return False
    deadline = sitting_deadline(assessment, participant, now=now, study=study, zone=zone)
    return deadline is not None and now >= deadline


def anchor_mismatch(assessment: AssessmentFacts, planned: Window) -> bool:
    """True if an answered assessment, whose dates stay, would be classed differently in the window planned now."""
    if assessment.completed_on is None:
        return False
    moved = assessment._replace(opens_on=planned.opens_on, closes_on=planned.closes_on, late_until=planned.late_until)
    return timing_class(moved) != timing_class(assessment)
