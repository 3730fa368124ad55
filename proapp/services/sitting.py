"""One patient at one assessment: what is asked, what was given, where the patient is, and whether answers are taken.

Plain values without a database, so that every rule of the way through a questionnaire can be tried by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from proapp.clock import local_date
from proapp.instruments.answers import Applicability, Given, applicability
from proapp.instruments.model import Instrument
from proapp.services.errors import NotFound
from proapp.study.model import Study, TimePoint
from proapp.study.status import AssessmentFacts, ParticipantFacts, State, accepts_answers, state

# What a patient makes, on a phone or on the clinic's tablet; the others are entered by staff.
OWN_MODES = frozenset({"self_remote", "self_clinic", "proxy"})


class Step(NamedTuple):
    """One item of one instrument, by printed number."""

    instrument: str
    item: int


@dataclass(frozen=True, slots=True)
class OpenedSet:
    """A response set, as far as pages need it."""

    id: int
    mode: str
    respondent: str
    packs: Mapping[str, Any]
    started_at: datetime
    submitted_at: datetime | None
    completed_on: date | None
    auto_submitted: bool
    receipt: str | None
    valid: bool | None


class AnswerRow(NamedTuple):
    """A row of the answers, with what tells when and where it was given."""

    instrument: str
    item: int
    kind: Literal["answered", "skipped", "cleared"]
    code: int | None
    id: int
    client_id: str | None
    recorded_at: datetime
    given_at: datetime | None
    overtaken: bool

    @property
    def step(self) -> Step:
        return Step(self.instrument, self.item)


@dataclass(frozen=True, slots=True)
class Route:
    """Every item of these instruments in printed order, and where it is: (part, position in it, place in all)."""

    steps: tuple[Step, ...]
    places: Mapping[Step, tuple[int, int, int]]


@lru_cache(maxsize=64)
def route(instruments: tuple[Instrument, ...]) -> Route:
    steps = tuple(Step(one.code, number) for one in instruments for number in one.numbers)
    parts = {one.code: (number, one.positions) for number, one in enumerate(instruments)}
    places = {step: (parts[step.instrument][0], parts[step.instrument][1][step.item]) for step in steps}
    return Route(steps, {step: (*places[step], place) for place, step in enumerate(steps)})


@dataclass(frozen=True)
class Sitting:
    """A patient's assessment at the moment `now`. `own` is the set that the patient makes, None until it is started."""

    assessment_id: int
    participant_id: int
    site_code: str
    timepoint: TimePoint
    assessment: AssessmentFacts
    participant: ParticipantFacts
    own: OpenedSet | None
    instruments: tuple[Instrument, ...]
    given: Mapping[Step, Given]
    study: Study
    now: datetime
    head: tuple[int, str] | None = None  # last (seq, hash) of the audit chain; only in a locked sitting
    whole: bool = True  # False: `given` holds one item and the gates' items only, all that a question page needs
    rows: tuple[AnswerRow, ...] = ()  # the history behind `given`, oldest first; only in a whole sitting

    @cached_property
    def zone(self) -> ZoneInfo:
        return self.study.zone(self.site_code)

    @property
    def today(self) -> date:
        return local_date(self.now, self.zone)

    @cached_property
    def state(self) -> State:
        return state(self.assessment, self.participant, today=self.today, study=self.study)

    @property
    def takes_answers(self) -> bool:
        """Whether an answer arriving now is saved: the window is open, or the sitting began in time."""
        return accepts_answers(self.assessment, self.participant, now=self.now, study=self.study, zone=self.zone)

    def instrument(self, code: str) -> Instrument:
        """Raises NotFound for an instrument that is not part of this assessment."""
        for instrument in self.instruments:
            if instrument.code == code:
                return instrument
        raise NotFound

    def step(self, code: str, number: int) -> Step:
        """Raises NotFound for an item that is not part of this assessment."""
        step = Step(code, number)
        self.place(step)
        return step

    def codes(self, code: str) -> dict[int, int]:
        """Item number to answer, of the items that hold one."""
        return {
            item: given.code
            for (instrument, item), given in self.given.items()
            if instrument == code and given.code is not None
        }

    @cached_property
    def _applicability(self) -> dict[str, Mapping[int, Applicability]]:
        return {}

    def applicability(self, code: str) -> Mapping[int, Applicability]:
        """Whether each item of an instrument is asked; worked out once, and only where it is needed."""
        if code not in self._applicability:
            self._applicability[code] = applicability(self.instrument(code), self.codes(code))
        return self._applicability[code]

    def is_asked(self, step: Step) -> bool:
        """Whether the item is shown. One whose gate lost its answer is, as long as it holds an answer itself: that is
        sent and scored, so it is to be seen, and can be changed or cleared."""
        asked = self.applicability(step.instrument)[step.item]
        return asked == "asked" or (asked == "not_asked" and step in self.given and self.given[step].kind == "answered")

    @cached_property
    def _route(self) -> Route:
        return route(self.instruments)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The items that are asked, given the answers so far, in order."""
        return tuple(filter(self.is_asked, self._route.steps))

    @property
    def total(self) -> int:
        """All items of all parts, asked or not: a number that never moves."""
        return len(self._route.steps)

    @cached_property
    def answered(self) -> int:
        """Items that hold an answer which counts (an answer behind a closed gate is kept, but does not count)."""
        self._require_whole()
        answers = [step for step, given in self.given.items() if given.kind == "answered"]
        asked = {one.code: self.applicability(one.code) for one in self.instruments}
        return len([None for code, item in answers if code in asked and asked[code][item] != "not_applicable"])

    def place(self, step: Step) -> tuple[int, int, int]:
        """(part, position in the part, place in all), each counted from 0. Raises NotFound."""
        if step not in self._route.places:
            raise NotFound
        return self._route.places[step]

    def after(self, step: Step) -> Step | None:
        """The next item asked, or None after the last one."""
        later = self._route.steps[self.place(step)[2] + 1 :]
        return next(filter(self.is_asked, later), None)

    def before(self, step: Step) -> Step | None:
        """The previous item asked, or None at the first one."""
        earlier = self._route.steps[: self.place(step)[2]]
        return next(filter(self.is_asked, reversed(earlier)), None)

    def first_open(self) -> Step | None:
        """The first item asked that was neither answered nor skipped: where a sitting resumes."""
        self._require_whole()
        return next((step for step in self.steps if not self._settled(step)), None)

    def unanswered(self) -> tuple[Step, ...]:
        """Items asked that hold no answer, skipped ones too."""
        self._require_whole()
        return tuple(step for step in self.steps if step not in self.given or self.given[step].kind != "answered")

    def _require_whole(self) -> None:
        if not self.whole:
            raise ValueError("this sitting was read for one item; what concerns all answers needs them all")

    def _settled(self, step: Step) -> bool:
        return step in self.given and self.given[step].kind != "cleared"
