"""Scores of one participant: panels by questionnaire and direction, each with its charts and one table of all values.

No number stands without how many answers it is based on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from flask_babel import gettext

from proapp.instruments.model import Instrument
from proapp.instruments.scoring import Score
from proapp.services.cohort import Expected, Member
from proapp.web.charts import Chart, Moment, Reading, chart, rounded
from proapp.web.i18n import language
from proapp.web.staff.presenters.grid import short
from proapp.web.staff.presenters.words import Background

ScoresBy = Mapping[int, Mapping[str, Sequence[Score]]]


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """`value` is a whole number or a dash; `basis` says from how many items, and why there is none."""

    value: str
    basis: str


@dataclass(frozen=True, slots=True)
class ScoreRow:
    label: str
    cells: tuple[ScoreCell, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Scales of one direction: `good` is higher = better, `bad` is higher = more problems."""

    direction: str
    heading: str
    charts: tuple[Chart, ...]
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One questionnaire."""

    title: str
    notice: str
    version: str
    columns: tuple[str, ...]
    panels: tuple[Panel, ...]


def parts(member: Member, found: ScoresBy, on: Background) -> list[Part]:
    """Every questionnaire of which there is a score; empty when nothing has been answered."""
    return [
        _part(on.instruments[code], member, found, on)
        for code in on.study.instruments
        if code in on.instruments and any(code in scores for scores in found.values())
    ]


def _part(instrument: Instrument, member: Member, found: ScoresBy, on: Background) -> Part:
    wording = instrument.wording.get(language()) or next(iter(instrument.wording.values()))
    asked = [one for one in member.assessments if one.facts.target_on and _asks(one, instrument.code, on)]
    return Part(
        title=wording.title,
        notice="" if instrument.validated else gettext("Not validated, not an EORTC instrument."),
        version=gettext(
            "Version %(version)s, scoring %(algorithm)s",
            version=instrument.version,
            algorithm=instrument.algorithm_version,
        ),
        columns=tuple(on.name(one) for one in asked if one.id in found),
        panels=tuple(_panels(instrument, dict(wording.scales), wording.summary, asked, found, on, member)),
    )


def _asks(one: Expected, code: str, on: Background) -> bool:
    known = on.study.timepoints_by_code.get(one.timepoint)
    return known is not None and code in known.instruments


def _panels(
    instrument: Instrument,
    labels: dict[str, str],
    summary: str | None,
    asked: Sequence[Expected],
    found: ScoresBy,
    on: Background,
    member: Member,
) -> Iterator[Panel]:
    if instrument.summary:
        labels[instrument.summary.code] = summary or instrument.summary.code
    by_scale = {
        one.id: {score.code: score for score in found[one.id].get(instrument.code, ())}
        for one in asked
        if one.id in found
    }
    directions = {score.code: score.high_is for scores in by_scale.values() for score in scores.values()}
    for direction, heading in (
        ("good", gettext("Functioning: higher is better")),
        ("bad", gettext("Symptoms: higher means more problems")),
    ):
        codes = [code for code, high_is in directions.items() if high_is == direction]
        if codes:
            charts = (_chart(code, labels.get(code, code), asked, by_scale, on, member, direction) for code in codes)
            rows = (_row(code, labels.get(code, code), by_scale, instrument) for code in codes)
            yield Panel(direction, heading, tuple(c for c in charts if c), tuple(rows))


def _chart(
    code: str,
    label: str,
    asked: Sequence[Expected],
    by_scale: Mapping[int, Mapping[str, Score]],
    on: Background,
    member: Member,
    direction: str,
) -> Chart | None:
    readings = [_reading(code, one, by_scale, on) for one in asked]
    if sum(reading.value is not None for reading in readings) < 2:
        return None  # one value is no course; the table has it
    readings.sort(key=lambda reading: reading.moment.day)
    return chart(label, readings, is_symptom=direction == "bad", events=_events(member))


def _reading(code: str, one: Expected, by_scale: Mapping[int, Mapping[str, Score]], on: Background) -> Reading:
    score = by_scale.get(one.id, {}).get(code)
    target: date = one.facts.completed_on or one.facts.target_on or on.today
    over = one.state.phase == "CLOSED" or one.state.collection == "SUBMITTED"
    return Reading(
        Moment(target, short(on, one.timepoint, one.occurrence), on.name(one)), score.value if score else None, over
    )


def _events(member: Member) -> list[tuple[date, str]]:
    named = {"surgery": gettext("surgery"), "progression": gettext("progression")}
    return [(event.effective_on, named[event.type]) for event in member.events if event.type in named]


def _row(code: str, label: str, by_scale: Mapping[int, Mapping[str, Score]], instrument: Instrument) -> ScoreRow:
    is_summary = code not in instrument.scales_by_code
    return ScoreRow(label, tuple(cell(scores.get(code), is_summary=is_summary) for scores in by_scale.values()))


def cell(score: Score | None, *, is_summary: bool = False) -> ScoreCell:
    """A value with its basis: 73, based on 3 of 4 items. A summary score is made of scales, not items."""
    if score is None:
        return ScoreCell("–", "")
    if score.outcome == "not_applicable":
        return ScoreCell("–", gettext("does not apply"))
    counts = {"answered": score.answered, "items": score.applicable}
    basis = gettext("%(answered)s of %(items)s items", **counts)
    if is_summary:
        basis = gettext("%(answered)s of %(items)s scales", **counts)
    if score.value is None:
        return ScoreCell("–", gettext("too few: %(basis)s", basis=basis))
    if score.outcome == "prorated":
        return ScoreCell(rounded(score.value), gettext("based on %(basis)s", basis=basis))
    return ScoreCell(rounded(score.value), basis)
