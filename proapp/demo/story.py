"""Writing an invented life step by step: a story knows the plan, the clinic's working hours and the moment at which the
telling ends, and drops whatever would lie after it. What each story tells is in `tales`."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from proapp.demo.steps import (
    Activated,
    CodeReplaced,
    Contacted,
    Decided,
    Enrolled,
    Explained,
    Filled,
    Happened,
    Life,
    Proposed,
    Step,
    Swept,
    Voided,
)
from proapp.study.model import Study
from proapp.study.reasons import MISSED_REASONS
from proapp.study.schedule import Anchors, PlannedAssessment, close_instant, open_instant, plan, window
from proapp.study.working_days import is_working_day

BY_HAND = tuple(code for code, reason in MISSED_REASONS.items() if reason.by_hand)
COMMON = ("too_ill", "hospitalised", "forgot", "forgot", "unreachable", "refused_this", "no_time", "staff_oversight")
MODES = (("self_remote", "self"),) * 30 + (("self_remote", "helped"),) * 3 + (
    ("self_clinic", "self"),
    ("paper", "self"),
    ("paper", "self"),
    ("phone", "self"),
    ("interview", "self"),
    ("proxy", "proxy"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """The dates of one assessment that follows from randomisation."""

    timepoint: str
    target_on: date
    opens_on: date
    closes_on: date
    late_until: date


def _dated(planned: PlannedAssessment) -> Window:
    target_on, opens_on, closes_on, late_until = (
        planned.target_on,
        planned.opens_on,
        planned.closes_on,
        planned.late_until,
    )
    if not (target_on and opens_on and closes_on and late_until):
        raise ValueError(f"{planned.timepoint} is not counted from randomisation; the tales know no other anchor")
    return Window(planned.timepoint, target_on, opens_on, closes_on, late_until)


class Story:
    """One life in the making. Days are local to the study; nothing at or after the first moment of `today` is kept."""

    def __init__(self, study: Study, today: date, number: int, *, seed: int, site: str, arm: str) -> None:
        self.study, self.today, self.number, self.site, self.arm = study, today, number, site, arm
        self.rng = random.Random(f"proapp {seed} {number}")  # noqa: S311 - invention, not secrecy
        self.zone = study.zone(site)
        self.until = open_instant(today, self.zone)
        self.language = "en" if self.rng.random() < 0.12 else "sv"
        self.consent_on = self.randomized_on = today
        self.ends_on: date | None = None
        self.steps: list[Step] = []

    def life(self, name: str) -> Life:
        steps = sorted(self.steps, key=lambda step: step.at)
        return Life(name, self.site, self.language, self.consent_on, self.arm, steps)

    # --- time -------------------------------------------------------------------------------------------------------

    def at(self, day: date, earliest: int, latest: int) -> datetime:
        """A moment on `day` between two full hours, local time."""
        minutes = self.rng.randrange(earliest * 60, latest * 60)
        return datetime.combine(day, time(minutes // 60, minutes % 60), tzinfo=self.zone).astimezone(self.until.tzinfo)

    def office(self, day: date) -> datetime:
        """Some time in the clinic's hours on `day`, or on the next working day."""
        while not is_working_day(day):
            day += timedelta(days=1)
        return self.at(day, 8, 16)

    def add(self, step: Step) -> bool:
        """Keep the step if it lies before the end of the telling."""
        if step.at < self.until:
            self.steps.append(step)
            return True
        return False

    def randomized_so_that(self, timepoint: str, *wanted: Callable[[Window], bool]) -> date:
        """The latest day of randomisation up to yesterday that makes the window of `timepoint` as wanted; where there
        is none, as wanted next. Months end on different days: up to three days in a row are nobody's target, so the
        last wish must take in four."""
        for wish in wanted:
            for days in range(1, 2200):
                day = self.today - timedelta(days=days)
                if wish(_dated(window(self.study.timepoint(timepoint), day))):
                    return day
        raise LookupError(f"no day of randomisation makes {timepoint} as this story needs it")

    # --- the beginning ----------------------------------------------------------------------------------------------

    def enrol(self, consent_on: date, *, channel: str | None = None, shared: str | None = None) -> None:
        self.consent_on = consent_on
        channel = channel or self.rng.choice(("sms",) * 7 + ("email",) * 2 + ("letter",))
        self.add(Enrolled(at=self.at(consent_on, 9, 12), consent_on=consent_on, channel=channel, shared=shared))

    def activate(self, day: date | None = None) -> None:
        self.add(Activated(at=self.at(day or self.consent_on, 12, 14)))

    def randomize(self, day: date, *, recorded: datetime | None = None, reason: str | None = None) -> None:
        """`reason` overrides a baseline that is not there."""
        self.randomized_on = day
        payload = {"arm": self.arm, **({"baseline_overridden": True} if reason else {})}
        at = recorded or self.at(day, 14, 16)
        told = time(13, 5 * self.rng.randrange(12)) if self.rng.random() < 0.5 else None
        self.add(Happened(at=at, type="randomized", on=day, time=told, payload=payload, reason=reason))

    def start(self, randomized_on: date, *, channel: str | None = None, shared: str | None = None) -> None:
        """Consent, activation, a finished baseline and randomisation, as it goes for most."""
        consent_on = randomized_on - timedelta(days=self.rng.randrange(6, 13))
        self.enrol(consent_on, channel=channel, shared=shared)
        self.activate()
        self.fill("baseline", consent_on + timedelta(days=self.rng.randrange(1, 4)))
        self.randomize(randomized_on)

    # --- the plan ---------------------------------------------------------------------------------------------------

    def windows(self) -> list[Window]:
        """What follows from randomisation, in order of time."""
        return list(self._windows_of(self.randomized_on).values())

    def window(self, timepoint: str) -> Window:
        return self._windows_of(self.randomized_on)[timepoint]

    def _windows_of(self, randomized_on: date) -> dict[str, Window]:
        planned = plan(self.study, Anchors(self.consent_on, randomized_on, self.arm))
        return {one.timepoint: _dated(one) for one in planned if one.timepoint != self.study.baseline.code}

    # --- what happens to an assessment ------------------------------------------------------------------------------

    def fill(
        self,
        timepoint: str,
        day: date,
        *,
        mode: str = "self_remote",
        respondent: str = "self",
        typed_on: date | None = None,
        only: tuple[int, ...] | None = None,
        pause_days: int = 0,
    ) -> bool:
        """Answered and sent on `day`; staff type what came on paper or by telephone, on `typed_on` or soon after."""
        staff = mode in Filled.IN_OFFICE_HOURS
        typed_on = typed_on or (day + timedelta(days=1) if mode == "paper" else day)
        earliest = 15 if day == self.consent_on else 8
        at = self.office(typed_on) if staff else self.at(day, earliest, 21)
        seconds = self.rng.randrange(3, 5) if staff else self.rng.randrange(5, 14)
        again = at + timedelta(days=pause_days) if pause_days else None
        length = timedelta(seconds=80 * seconds)
        step = Filled(
            at=at,
            timepoint=timepoint,
            mode=mode,
            respondent=respondent,
            seconds=seconds,
            items=self.rng.randrange(8, 30) if again else None,
            again_at=again,
            only=only,
            sent=True,
            completed_on=day + timedelta(days=pause_days),
        )
        return (again or at) + length < self.until and self.add(step)

    def begin(self, timepoint: str, at: datetime, *, items: int | None = None, auto: bool = False) -> None:
        """Begun and left. `auto`: the worker has submitted it, at the end of the sitting's grace."""
        self.add(Filled(at=at, timepoint=timepoint, items=items or self.rng.randrange(5, 40)))
        if auto:
            grace = timedelta(hours=self.study.sitting_grace_hours, minutes=1)
            swept_at = close_instant(self.window(timepoint).late_until, self.zone) + grace
            completed_on = at.astimezone(self.zone).date()
            self.add(Swept(at=swept_at, timepoint=timepoint, completed_on=completed_on))

    def void(self, timepoint: str, day: date, reason: str) -> None:
        self.add(Voided(at=self.office(day), timepoint=timepoint, reason=reason))

    def decline(self, timepoint: str, day: date, *, reason: str | None = None, by_staff: bool = False) -> None:
        at = self.office(day) if by_staff else self.at(day, 8, 21)
        note = "Orkar inte den här gången." if by_staff else None
        if self.add(Decided(at=at, timepoint=timepoint, type="declined", by_staff=by_staff, reason=note)) and reason:
            self.add(Explained(at=at, timepoint=timepoint, code=reason, source="patient"))

    def undo_decline(self, timepoint: str, day: date) -> None:
        self.add(Decided(at=self.at(day, 8, 21), timepoint=timepoint, type="decline_undone"))

    def extend(self, timepoint: str, day: date, until: date) -> None:
        reason = "Inneliggande på sjukhus under hela svarsperioden."
        at = self.office(day)
        self.add(Decided(at=at, timepoint=timepoint, type="extended", by_staff=True, until=until, reason=reason))

    def explain(self, timepoint: str, code: str, day: date) -> None:
        self.add(Explained(at=self.office(day), timepoint=timepoint, code=code))

    def contact(
        self,
        timepoint: str | None,
        day: date,
        outcome: str,
        *,
        method: str = "phone",
        next_on: date | None = None,
        note: str | None = None,
    ) -> None:
        step = Contacted(
            at=self.office(day), timepoint=timepoint, method=method, outcome=outcome, next_on=next_on, note=note
        )
        self.add(step)

    def replace_code(self, day: date) -> None:
        self.add(CodeReplaced(at=self.office(day)))

    # --- what happens to the participant ----------------------------------------------------------------------------

    def happen(self, type: str, day: date, *, recorded: date | None = None, **payload: str | None) -> None:
        """An event; a stop ends the story's answers from that day on."""
        at = self.office(recorded or day)
        if self.add(Happened(at=at, type=type, on=day, payload=payload)) and type in (
            "death",
            "pro_stop",
            "trial_withdrawal",
        ):
            self.ends_on = day

    def correct(self, right: date, on: date, reason: str) -> None:
        """The day of randomisation was recorded wrongly; on the day `on` somebody proposes the right one, and the day
        after somebody else approves it."""
        self.propose(right, on, reason)
        self.randomized_on, payload, at = right, {"arm": self.arm}, self.office(on + timedelta(days=1))
        self.add(Happened(at=at, type="randomized", on=right, payload=payload, reason=reason, corrects=True))

    def propose(self, right: date, on: date, reason: str) -> None:
        """Another day of randomisation, proposed on the day `on`: nothing moves yet."""
        self.add(Proposed(at=self.at(on, 7, 8), on=right, reason=reason))

    # --- an ordinary course -----------------------------------------------------------------------------------------

    def go_on(self, *, but: Collection[str] = ()) -> None:
        """Every window up to the end, as it goes for most; those of `but` are left to the story."""
        for one in self.windows():
            if one.timepoint not in but and one.opens_on < self.today:
                self._ordinary(one)

    def _ordinary(self, planned: Window) -> None:
        timepoint, fate = planned.timepoint, self.rng.random()
        if self.ends_on is not None and self.ends_on <= planned.opens_on:
            return
        if fate < 0.84:
            self._answered(planned)
        elif fate < 0.875:
            self._chased(planned, first=3)
            late = planned.closes_on + timedelta(days=self.rng.randrange(1, 12))
            if not self._ended_by(late):
                self.fill(timepoint, late)
        elif fate < 0.895:
            day = planned.target_on + timedelta(days=self.rng.randrange(0, 10))
            reason = self.rng.choice(("too_ill", "refused_burden", "no_time", None))
            if not self._ended_by(day):
                self.decline(timepoint, day, reason=reason)
        elif fate < 0.91:
            self._left(planned)
        else:
            self.miss(planned)

    def _answered(self, planned: Window) -> None:
        spread = self.rng.triangular(planned.opens_on.toordinal(), planned.closes_on.toordinal() + 0.9)
        day = date.fromordinal(int((spread + planned.target_on.toordinal()) / 2))
        mode, respondent = self.rng.choice(MODES)
        if day > planned.target_on + timedelta(days=5) and self.rng.random() < 0.6:
            if not self._ended_by(day):
                self.contact(planned.timepoint, day, "reached_will_answer")
            day += timedelta(days=4)
        pause = 1 if mode == "self_remote" and self.rng.random() < 0.06 else 0
        day = min(day, planned.closes_on - timedelta(days=pause))
        if self._ended_by(day + timedelta(days=pause)):
            return
        sent = self.fill(planned.timepoint, day, mode=mode, respondent=respondent, pause_days=pause)
        if not sent and self.rng.random() < 0.7:
            # Still awaited; the clinic has usually tried once.
            self.contact(planned.timepoint, planned.target_on + timedelta(days=4), "left_message")

    def _left(self, planned: Window) -> None:
        """Begun, never sent: submitted by the worker, or still waiting."""
        at = self.at(planned.target_on + timedelta(days=self.rng.randrange(1, 15)), 9, 21)
        swept = close_instant(planned.late_until, self.zone) + timedelta(hours=self.study.sitting_grace_hours)
        if self.ends_on is None and at < self.until:
            self.begin(planned.timepoint, at, auto=swept < self.until - timedelta(minutes=2))

    def miss(self, planned: Window, *, code: str | None = None, explained: bool = True) -> None:
        """Nothing came. Staff tried, and usually said why afterwards."""
        self._chased(planned, first=3)
        after = planned.late_until + timedelta(days=self.rng.randrange(1, 21))
        still_asked = self.ends_on is None or self.ends_on > planned.late_until
        if still_asked and explained and (code or self.rng.random() < 0.93):
            self.explain(planned.timepoint, code or self.rng.choice(COMMON), after)

    def _chased(self, planned: Window, *, first: int) -> None:
        day = planned.target_on + timedelta(days=first)
        for outcome in self.rng.sample(("no_answer", "left_message", "reached_will_answer", "no_answer"), 2):
            if not self._ended_by(day):
                self.contact(planned.timepoint, day, outcome)
            day += timedelta(days=self.rng.randrange(4, 9))

    def _ended_by(self, day: date) -> bool:
        """Whether a stop comes so soon after `day` that what staff do on the next working day could lie behind it."""
        return self.ends_on is not None and day + timedelta(days=4) >= self.ends_on
