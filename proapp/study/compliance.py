"""How complete the answers are: one function counts every randomised participant once per time point and arm, so that
page, file and figure show the same numbers, and no rate is ever seen without its denominator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from proapp.study.model import Study
from proapp.study.status import AssessmentFacts, ParticipantFacts, State, Timing, calendar_phase, state

DEFINITIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": (
            "Population: everybody randomised in the arm, with consent to the questionnaires, by the cut-off date.",
            "Completion rate: of the assessments that were expected and whose window is closed (or that were "
            "submitted), the share with an accepted, valid answer. It describes those still taking part in the "
            "questionnaires: death, withdrawal and a stop of the questionnaires before the target date leave the "
            "denominator; refusal, illness and mistakes at the clinic stay in it.",
            "Available-data rate: accepted, valid answers as a share of the whole population. The denominator is the "
            "same at every time point. It is also given for those whose time point was reached by the cut-off date.",
            "Valid: at least one scale of the core questionnaire can be scored. Accepted: completed by the participant "
            "inside the window, unless the analysis names other timing classes.",
            "Pending: the date the time point is counted from is not known. Not reached: the window has not closed "
            "yet. Neither is called missing.",
            "Of a time point that repeats, after a second progression for example, the first assessment is counted; "
            "the data files hold all of them. Assessments opened by staff outside the plan are not counted. An "
            "assessment counts for the site that was responsible on its target date.",
            "The definitions follow the published guidance in our reading of it.",
        ),
        "sv": (
            "Population: alla som har randomiserats till armen och samtyckt till frågeformulären, t.o.m. brytdatum.",
            "Svarsfrekvens (completion rate): andelen godtagna, giltiga svar bland de mättillfällen som var förväntade "
            "och vars svarsfönster är stängt (eller som har skickats in). Den beskriver dem som fortfarande deltar i "
            "frågeformulären: död, återtaget deltagande och avslutade frågeformulär före måldatum lämnar nämnaren; "
            "avböjande, sjukdom och misstag på mottagningen stannar i den.",
            "Andel tillgängliga data (available-data rate): godtagna, giltiga svar som andel av hela populationen. "
            "Nämnaren är densamma vid alla mättillfällen. Andelen anges också för dem vars mättillfälle hade nåtts "
            "vid brytdatum.",
            "Giltigt: minst en skala i grundformuläret kan beräknas. Godtaget: besvarat av deltagaren inom "
            "svarsfönstret, om inte analysen anger andra tidsklasser.",
            "Avvaktar: datumet som mättillfället räknas från är inte känt. Ej nått: svarsfönstret har inte stängts. "
            "Inget av dem kallas saknat.",
            "Av ett mättillfälle som upprepas, till exempel efter en andra progression, räknas det första; datafilerna "
            "innehåller alla. Mättillfällen som personalen har öppnat utanför planen räknas inte. Ett mättillfälle "
            "räknas till den klinik som var ansvarig på måldatum.",
            "Definitionerna följer den publicerade vägledningen så som vi läser den.",
        ),
    }
)
"""Printed in full beside every table of these numbers."""

UNEXPLAINED = "unexplained"


@dataclass(slots=True)
class Flow:
    """Participants of one time point (and arm), each counted once. Timing counts split `received` another way."""

    population: int = 0
    pending: int = 0
    not_reached: int = 0
    reached: int = 0
    expected: int = 0
    not_expected: Counter[str] = field(default_factory=Counter)
    received_valid: int = 0
    received_invalid: int = 0
    accepted: int = 0
    timing: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)

    @property
    def received(self) -> int:
        return self.received_valid + self.received_invalid

    @property
    def missing_total(self) -> int:
        return self.missing.total()

    @property
    def unexplained(self) -> int:
        """Missing without a recorded reason."""
        return self.missing[UNEXPLAINED]

    @property
    def expected_reached(self) -> int:
        """The denominator of the completion rate: expected, and closed at the cut-off or submitted."""
        return self.received + self.missing_total

    @property
    def completion_rate(self) -> float | None:
        """Accepted valid answers / expected and reached; None if nothing was."""
        return _share(self.accepted, self.expected_reached)

    @property
    def available_data_rate(self) -> float | None:
        """Accepted valid answers / population; None if it is empty."""
        return _share(self.accepted, self.population)

    @property
    def available_data_rate_reached(self) -> float | None:
        """Accepted valid answers / those of the population whose time point was reached by the cut-off."""
        return _share(self.accepted, self.reached)

    @property
    def identity_holds(self) -> bool:
        """Population = not reached + pending + not expected + received valid + received invalid + missing."""
        parts = self.not_reached + self.pending + self.not_expected.total() + self.received + self.missing_total
        return self.population == parts


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def flow(
    rows: Iterable[tuple[AssessmentFacts, ParticipantFacts]],
    *,
    cut_off: date,
    study: Study,
    known_at: datetime | None = None,
    accepted_timing: frozenset[Timing] = frozenset({"in_window"}),
) -> dict[tuple[str, str | None], Flow]:
    """Counts per (time point, arm), and per (time point, None) for all arms together, at the end of `cut_off`.

    `rows` is every planned assessment with its participant; those not randomised by the cut-off, unscheduled ones, and
    all but the first of a time point that repeats are left out. Nothing after `cut_off` is used, nor a submission
    recorded after `known_at`; events recorded later must be left out of the facts by whoever reads them. Time points of
    the study come in its order and are there even if nobody was planned for them.
    """
    found: dict[tuple[str, str | None], Flow] = {
        (timepoint.code, arm): Flow()
        for timepoint in study.timepoints
        if timepoint.kind != "unscheduled"
        for arm in (*(arm.code for arm in study.arms if timepoint.is_for(arm.code)), None)
    }
    for assessment, participant in rows:
        if not is_counted(assessment) or not _in_population(participant, cut_off):
            continue
        then = as_of(assessment, cut_off=cut_off, known_at=known_at)
        current = state(then, participant, today=cut_off, study=study)
        reached = current.collection == "SUBMITTED" or calendar_phase(then, today=cut_off) == "CLOSED"
        accepted = current.timing in accepted_timing and current.shown == "completed"
        for arm in (participant.arm, None):
            key = (assessment.timepoint, arm)
            if key not in found:  # a time point or arm of an earlier version of the protocol
                found[key] = Flow()
            _count(found[key], current, reached=reached, accepted=accepted)
    return found


def is_counted(assessment: AssessmentFacts) -> bool:
    """Whether the tables count it: each participant once per time point of the plan."""
    return assessment.kind != "unscheduled" and assessment.occurrence == 1


def as_of(assessment: AssessmentFacts, *, cut_off: date, known_at: datetime | None = None) -> AssessmentFacts:
    """The facts without a submission that was completed after `cut_off`, or arrived after `known_at`."""
    completed_on, submitted_at = assessment.completed_on, assessment.submitted_at
    if submitted_at is None:
        return assessment
    too_late = completed_on is not None and completed_on > cut_off
    if too_late or (known_at is not None and submitted_at > known_at):
        return assessment._replace(submitted_at=None, completed_on=None, valid=None)
    return assessment


def _in_population(participant: ParticipantFacts, cut_off: date) -> bool:
    consent_on, randomized_on = participant.consent_on, participant.randomized_on
    return randomized_on is not None and randomized_on <= cut_off and consent_on is not None and consent_on <= cut_off


def _count(counts: Flow, current: State, *, reached: bool, accepted: bool) -> None:
    counts.population += 1
    counts.reached += reached
    if current.expectation == "PENDING":
        counts.pending += 1
    elif current.expectation == "NOT_EXPECTED":
        counts.not_expected[current.not_expected_reason or UNEXPLAINED] += 1
    else:
        counts.expected += 1
        _count_expected(counts, current, accepted=accepted)


def _count_expected(counts: Flow, current: State, *, accepted: bool) -> None:
    if current.collection == "SUBMITTED":
        counts.received_valid += current.shown == "completed"
        counts.received_invalid += current.shown == "completed_unscorable"
        counts.timing[current.timing or "unknown"] += 1
        counts.accepted += accepted
    elif current.phase == "CLOSED":
        counts.missing[current.reason_code or UNEXPLAINED] += 1
    else:
        counts.not_reached += 1
