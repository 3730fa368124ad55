"""Each participant with assessments, answers and scores side by side: what every data set is made from."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from proapp.export.answers import Given, Latest, by_participant
from proapp.export.cut import Cut, Unexportable
from proapp.instruments.answers import InvalidAnswer, applicability
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import Score, score
from proapp.services.cohort import Cohort, Expected, Member

ItemStatus = Literal["answered", "skipped", "cleared", "not_applicable", "not_shown", "not_reached"]
NOTHING: Given = {}


class ItemValue(NamedTuple):
    """What came of one item. `value` is the code that counts, None for every status but `answered`."""

    number: int
    status: ItemStatus
    value: int | None
    latest: Latest | None


@dataclass(frozen=True, slots=True)
class Part:
    """One instrument of one assessment. `scores` is empty until the assessment was sent."""

    instrument: Instrument
    items: tuple[ItemValue, ...]
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One assessment. `parts` is empty where nothing was begun, or where the answers may not be used."""

    expected: Expected
    instruments: tuple[Instrument, ...]
    parts: tuple[Part, ...]
    withheld: bool

    @property
    def sent(self) -> bool:
        """Answers were submitted, and may be used."""
        return self.expected.facts.submitted_at is not None and not self.withheld


@dataclass(slots=True)
class Person:
    """A participant with all assessments, in protocol order. `baseline` holds the scores that changes count from, None
    where there is no baseline."""

    member: Member
    cases: list[Case]
    baseline: Mapping[tuple[str, str], float] | None


def people(session: Session, cohort: Cohort, cut: Cut) -> Generator[Person]:
    """Everybody in the order of study ids, one at a time. Two sorted lists are merged; no statement per participant.

    Raises Unexportable where stored answers do not fit the instruments loaded.
    """
    with closing(by_participant(session, cut)) as stream:
        found: tuple[str, dict[int, Given]] | None = next(stream, None)
        for member in sorted(cohort.members, key=lambda one: one.study_id):
            while found is not None and found[0] < member.study_id:
                found = next(stream, None)
            sets = found[1] if found is not None and found[0] == member.study_id else {}
            yield _person(member, sets, cut)


def _person(member: Member, sets: Mapping[int, Given], cut: Cut) -> Person:
    cases = [_case(expected, sets, cut) for expected in member.assessments]
    return Person(member, cases, _baseline(member, cases, cut))


def _case(expected: Expected, sets: Mapping[int, Given], cut: Cut) -> Case:
    instruments, primary = cut.instruments_of(expected), expected.primary
    if primary is None:
        return Case(expected, instruments, (), withheld=False)
    if is_withheld(expected):
        return Case(expected, instruments, (), withheld=True)
    given = sets.get(primary.id, NOTHING)
    try:
        parts = tuple(_part(one, given, sent=primary.submitted_at is not None) for one in instruments)
    except InvalidAnswer as error:
        raise Unexportable("other_version", expected, error.instrument) from error
    return Case(expected, instruments, parts, withheld=False)


def _part(instrument: Instrument, given: Given, *, sent: bool) -> Part:
    codes = {
        number: latest.code
        for (code, number), latest in given.items()
        if code == instrument.code and latest.kind == "answered" and latest.code is not None
    }
    return Part(instrument, items_of(instrument, given, codes), score(instrument, codes) if sent else ())


def items_of(instrument: Instrument, given: Given, codes: Mapping[int, int]) -> tuple[ItemValue, ...]:
    """Every item with its status. Behind a closed gate it is not applicable, whatever was answered before."""
    asked = applicability(instrument, codes)
    values = []
    for number in instrument.numbers:
        latest = given.get((instrument.code, number))
        status = _status(asked[number], latest)
        values.append(ItemValue(number, status, codes[number] if status == "answered" else None, latest))
    return tuple(values)


def _status(asked: str, latest: Latest | None) -> ItemStatus:
    if asked == "not_applicable":
        return "not_applicable"
    if latest is not None and latest.kind == "answered":
        return "answered"
    if asked == "not_asked":
        return "not_shown"
    if latest is None:
        return "not_reached"
    return "skipped" if latest.kind == "skipped" else "cleared"


def _baseline(member: Member, cases: Sequence[Case], cut: Cut) -> dict[tuple[str, str], float] | None:
    """(instrument, scale) → score of the baseline, if it was completed on the day of randomisation at the latest."""
    randomized_on = member.facts.randomized_on
    for case in cases:
        completed_on = case.expected.facts.completed_on
        if case.expected.timepoint != cut.study.baseline.code or not case.sent or completed_on is None:
            continue
        if randomized_on is None or completed_on <= randomized_on:
            return {
                (part.instrument.code, one.code): one.value
                for part in case.parts
                for one in part.scores
                if one.value is not None
            }
    return None


def data_use(member: Member) -> tuple[str | None, date | None]:
    """What who left the trial decided about the data: (keep, keep_until or delete_if_lawful; the last usable day)."""
    for event in member.events:
        if event.type == "trial_withdrawal":
            until = event.payload.get("until")
            return event.payload.get("data_use"), date.fromisoformat(until) if until else None
    return None, None


def is_withheld(expected: Expected) -> bool:
    """Whether the participant's decision on leaving the trial forbids the use of these answers."""
    decision, until = data_use(expected.member)
    if decision == "delete_if_lawful":
        return True
    if decision != "keep_until" or until is None:
        return False
    completed_on = expected.facts.completed_on
    return completed_on is None or completed_on > until
