"""The compliance table: both rates with their denominators, and every count they are made of.

The page shows these rows and the file holds them, so the two cannot differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import get_args

from proapp.export.columns import Cell, Column, Table
from proapp.export.cut import Cut
from proapp.export.keys import label
from proapp.services.cohort import Cohort
from proapp.study.compliance import UNEXPLAINED, Flow, flow
from proapp.study.model import Study
from proapp.study.reasons import MISSED_REASONS, STRUCTURAL_REASONS
from proapp.study.status import Timing

ALL_ARMS = "all"
TIMINGS: tuple[Timing, ...] = get_args(Timing)
MISSING = (*MISSED_REASONS, UNEXPLAINED)
Flows = Mapping[tuple[str, str | None], Flow]


def flows(cohort: Cohort, study: Study) -> Flows:
    """Counts per (time point, arm or None for all) at the end of the cohort's day."""
    rows = ((expected.facts, expected.member.facts) for expected in cohort.assessments())
    return flow(rows, cut_off=cohort.today, study=study)


def table(cut: Cut) -> Table:
    arms = tuple((arm.code, label(arm.label)) for arm in cut.study.arms)
    timepoints = tuple((point.code, label(point.label)) for point in cut.study.timepoints)
    return Table(
        "compliance",
        "one time point in one arm, and in all arms together",
        ("timepoint", "arm_code"),
        (
            Column("timepoint", "code", "Time point", "Mättillfälle", timepoints),
            Column("timepoint_label", "text", "Time point, in words", "Mättillfället i ord"),
            Column("arm_code", "code", "Arm", "Arm", (*arms, (ALL_ARMS, "all arms together"))),
            *_COUNTS,
            *_RATES,
        ),
    )


def _count(name: str, en: str, sv: str, derivation: str = "") -> Column:
    return Column(name, "integer", en, sv, derivation=derivation)


def _of_reason(prefix: str, code: str, en: str, sv: str) -> Column:
    return _count(f"{prefix}_{code}", f"{en}: {code.replace('_', ' ')}", f"{sv}: {code}")


_COUNTS = (
    _count("population", "Randomised and consenting by the cut-off", "Lottade med samtycke vid brytdatum",
           "= not_reached + pending + not_expected + received_valid + received_invalid + missing"),
    _count("pending", "Date it is counted from not known", "Avvaktar datum som räknas från"),
    _count("not_reached", "Window not closed, nothing sent", "Svarsfönstret ej stängt, inget inskickat"),
    _count("reached", "Time point reached by the cut-off", "Mättillfället nått vid brytdatum",
           "sent, or window closed by the calendar"),
    _count("not_expected", "Not expected", "Ej förväntade", "the sum of the counts by reason"),
    *(_of_reason("not_expected", code, "Not expected", "Ej förväntade") for code in (*STRUCTURAL_REASONS, "other")),
    _count("expected", "Expected", "Förväntade", "= not_reached + received + missing"),
    _count("received", "Received", "Mottagna", "= received_valid + received_invalid"),
    _count("received_valid", "Received, a core scale can be scored", "Mottagna, minst en grundskala kan beräknas"),
    _count("received_invalid", "Received, no core scale can be scored", "Mottagna, ingen grundskala kan beräknas"),
    *(_of_reason("received", code, "Received", "Mottagna") for code in (*TIMINGS, "unknown")),
    _count("accepted", "Received, valid and in the window", "Mottagna, giltiga och inom svarsfönstret"),
    _count("missing", "Expected, window closed, nothing sent", "Förväntade, svarsfönstret stängt, inget inskickat",
           "the sum of the counts by reason"),
    *(_of_reason("missing", code, "Missing", "Saknas") for code in (*MISSING, "other")),
)  # fmt: skip


def _rate(name: str, en: str, sv: str, derivation: str) -> Column:
    return Column(name, "number", en, sv, derivation=derivation, empty="its denominator is 0")


_RATES = (
    _count("completion_denominator", "Denominator of the completion rate", "Svarsfrekvensens nämnare",
           "= received + missing"),
    _rate("completion_rate", "Completion rate", "Svarsfrekvens", "accepted / completion_denominator"),
    _rate("available_data_rate", "Available-data rate", "Andel tillgängliga data", "accepted / population"),
    _rate("available_data_rate_reached", "Available-data rate, of those reached",
          "Andel tillgängliga data, av dem som nått mättillfället", "accepted / reached"),
)  # fmt: skip


def rows(found: Flows, study: Study, *, by_arm: bool = True) -> Iterator[tuple[Cell, ...]]:
    """Time points in the order of the study, each for all arms together and then, with `by_arm`, for each arm."""
    for timepoint in study.timepoints:
        for arm in (None, *(arm.code for arm in study.arms if by_arm)):
            counts = found.get((timepoint.code, arm))
            if counts is not None:
                yield (timepoint.code, label(timepoint.label), arm or ALL_ARMS, *_cells(counts))


def _cells(counts: Flow) -> tuple[Cell, ...]:
    return (
        counts.population,
        counts.pending,
        counts.not_reached,
        counts.reached,
        counts.not_expected.total(),
        *split(counts.not_expected, STRUCTURAL_REASONS),
        counts.expected,
        counts.received,
        counts.received_valid,
        counts.received_invalid,
        *split(counts.timing, TIMINGS),
        counts.accepted,
        counts.missing_total,
        *split(counts.missing, MISSING),
        counts.expected_reached,
        counts.completion_rate,
        counts.available_data_rate,
        counts.available_data_rate_reached,
    )


def split(counts: Counter[str], codes: tuple[str, ...]) -> tuple[int, ...]:
    """The count of each code, and last of everything else, so that nothing can fall out of the sum."""
    known = tuple(counts[code] for code in codes)
    return (*known, counts.total() - sum(known))
