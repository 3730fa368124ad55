"""Who counts in which rate, one flag per question, so that every number of the compliance table can be recomputed from
the assessments by adding up."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from proapp.export.columns import Column
from proapp.services.cohort import Expected
from proapp.study.compliance import is_counted
from proapp.study.status import ParticipantFacts, calendar_phase

ACCEPTED_TIMING = frozenset({"in_window"})


class Flags(NamedTuple):
    in_population: bool
    expected: bool
    reached: bool
    denominator: bool
    accepted: bool


COLUMNS = (
    Column(
        "in_population", "flag", "Participant is in the population of the rates", "Deltagaren ingår i populationen",
        derivation="consented and randomised by the cut-off; unscheduled assessments, and all but the first of a time "
        "point that repeats, are never in it",
    ),
    Column(
        "expected_flag", "flag", "Assessment was expected", "Mättillfället var förväntat",
        derivation="expectation is expected; death, withdrawal or stop before the target date make it 0",
    ),
    Column(
        "reached_flag", "flag", "Time point was reached by the cut-off", "Mättillfället var nått vid brytdatum",
        derivation="sent, or its window (with grace) had closed by the calendar, whatever happened to the participant",
    ),
    Column(
        "denominator_flag", "flag", "Counts in the denominator of the completion rate",
        "Ingår i svarsfrekvensens nämnare",
        derivation="in_population and expected, and sent or closed",
    ),
    Column(
        "accepted_flag", "flag", "Counts in the numerator of both rates", "Ingår i täljaren för båda andelarna",
        derivation="in_population, sent, valid, and completed inside the window",
    ),
)  # fmt: skip


def flags_of(expected: Expected, *, cut_off: date) -> Flags:
    """The same questions that `study.compliance.flow` asks of this assessment."""
    current, facts = expected.state, expected.facts
    sent = current.collection == "SUBMITTED"
    counted = is_counted(facts) and _in_population(expected.member.facts, cut_off)
    is_expected = current.expectation == "EXPECTED"
    return Flags(
        in_population=counted,
        expected=is_expected,
        reached=sent or calendar_phase(facts, today=cut_off) == "CLOSED",
        denominator=counted and is_expected and (sent or current.phase == "CLOSED"),
        accepted=counted and current.shown == "completed" and current.timing in ACCEPTED_TIMING,
    )


def _in_population(facts: ParticipantFacts, cut_off: date) -> bool:
    days = facts.consent_on, facts.randomized_on
    return all(day is not None and day <= cut_off for day in days)
