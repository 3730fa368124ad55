"""Time to deterioration for a file of scores without a database: CSV in, CSV out, whole or not at all."""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proapp.instruments.data_file import DELIMITERS, DataFileError, header, read_text, records, refuse_same, replacing
from proapp.instruments.deterioration import Course, times_to_deterioration
from proapp.instruments.model import Instrument

KEYS = ("participant", "day", "death_day")
COLUMNS = (
    "participant", "scale", "definition", "threshold", "death_rule",
    "event", "days", "months", "censor_reason", "n_assessments",
)  # fmt: skip
WHOLE = re.compile(r"[+-]?\d{1,6}(\.0+)?")


@dataclass
class _Participant:
    """What a file says of one participant: the day of death, and the scores of each scale by day."""

    death_day: int | None = None
    days: dict[int, int] = field(default_factory=dict)  # day → row in the file
    scores: dict[str, dict[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Layout:
    names: tuple[str, ...]
    keys: Mapping[str, int]
    scales: Mapping[str, int]  # scale code → column place


def deterioration_file(instrument: Instrument, source: Path, target: Path) -> tuple[int, int]:
    """Write the times to deterioration of everybody in `source` to `target`; returns (participants, scales).

    `source` has the columns participant, day and death_day, and a column for every scale of the instrument that is
    asked about (named by its code); one row per assessment, blank is missing, other columns are not looked at. Days are
    whole days since randomisation. The day of randomisation is 0; a file without any 0 may also hold study days, of
    which it is 1. The baseline is the last score not after the day of randomisation.

    `target` has one row per participant, scale, definition, threshold and rule for death. Raises DataFileError, with
    row, column and value where there are any, and then writes nothing.
    """
    refuse_same(source, target)
    content = read_text(source)
    delimiter = max(DELIMITERS, key=lambda mark: len(_known_columns(instrument, header(content, mark))))
    layout = _layout(instrument, header(content, delimiter))
    people = _people(layout, content, delimiter)
    last_before = 0 if any(0 in one.days for one in people.values()) else 1
    with replacing(target) as out:
        text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(instrument, layout, people, last_before))
        text.detach()
    return len(people), len(layout.scales)


def _known_columns(instrument: Instrument, names: tuple[str, ...]) -> dict[str, str]:
    """Folded name → the name that the field has for it, for every column that is looked at."""
    known = {name: name for name in KEYS} | {code.lower(): code for code in _scale_codes(instrument)}
    return {name: known[name] for name in (one.strip().lower() for one in names) if name in known}


def _scale_codes(instrument: Instrument) -> list[str]:
    return [*instrument.scales_by_code, *([instrument.summary.code] if instrument.summary else [])]


def _layout(instrument: Instrument, names: tuple[str, ...]) -> _Layout:
    folded = [name.strip().lower() for name in names]
    known = _known_columns(instrument, names)
    for name in known:
        if folded.count(name) > 1:
            raise DataFileError(f'there are two columns named "{known[name]}"', row=1, column=known[name])
    missing = [name for name in KEYS if name not in known]
    if missing:
        raise DataFileError(f"there is no column {', '.join(missing)}", row=1, column=missing[0])
    places = {code: folded.index(code.lower()) for code in _scale_codes(instrument) if code.lower() in known}
    if not places:
        codes = ", ".join(_scale_codes(instrument))
        raise DataFileError(f"there is no column with a score of {instrument.code}: {codes}", row=1)
    return _Layout(names, {name: folded.index(name) for name in KEYS}, places)


def _people(layout: _Layout, content: bytes, delimiter: str) -> dict[str, _Participant]:
    """Participant → what the file says, in the order of their first rows."""
    people: dict[str, _Participant] = {}
    rows = records(content, delimiter, first_line=1)
    next(rows)
    for line, cells in rows:
        if len(cells) != len(layout.names):
            sentence = f"row {line} has {len(cells)} cells, but the first row names {len(layout.names)} columns"
            raise DataFileError(sentence, row=line)
        _take(people, _Row(layout, cells, line))
    return people


@dataclass(frozen=True)
class _Row:
    layout: _Layout
    cells: list[str]
    line: int

    def text(self, key: str) -> str:
        return self.cells[self.layout.keys[key]].strip()

    def day(self, key: str) -> int | None:
        text = self.text(key)
        if text and not WHOLE.fullmatch(text):
            raise self.error(key, text, "a whole number of days")
        return int(float(text)) if text else None

    def score(self, code: str) -> float | None:
        text = self.cells[self.layout.scales[code]].strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not -1e-9 <= value <= 100 + 1e-9:
            raise self.error(code, text, "a score from 0 to 100, with a decimal point, or blank")
        return value

    def error(self, column: str, value: str, wanted: str) -> DataFileError:
        shown = value if len(value) <= 40 else f"{value[:40]}…"
        sentence = f'row {self.line}, column {column}: "{shown}" is not {wanted}'
        return DataFileError(sentence, row=self.line, column=column, value=value)


def _take(people: dict[str, _Participant], row: _Row) -> None:
    name, day, died = row.text("participant"), row.day("day"), row.day("death_day")
    if not name:
        raise row.error("participant", "", "a participant")
    if day is None:
        raise row.error("day", "", "a whole number of days")
    known = people.setdefault(name, _Participant())
    if day in known.days:
        sentence = f"rows {known.days[day]} and {row.line} are both of participant {name}, day {day}"
        raise DataFileError(sentence, row=row.line, column="day", value=str(day))
    if died is not None:
        if known.death_day not in (None, died):
            sentence = f"row {row.line}, column death_day: {died}, but {known.death_day} in an earlier row of {name}"
            raise DataFileError(sentence, row=row.line, column="death_day", value=str(died))
        known.death_day = died
    known.days[day] = row.line
    for code in row.layout.scales:
        value = row.score(code)
        if value is not None:
            known.scores.setdefault(code, {})[day] = value
    late = max(known.days)
    if known.death_day is not None and late > known.death_day:
        sentence = (
            f"row {known.days[late]}: an assessment of {name} on day {late}, after the death on day {known.death_day}"
        )
        raise DataFileError(sentence, row=known.days[late], column="day", value=str(late))


def _rows(
    instrument: Instrument, layout: _Layout, people: Mapping[str, _Participant], last_before: int
) -> Iterator[Iterable[str | int]]:
    for name, person in people.items():
        for code in layout.scales:
            course = _course(instrument, person, code, last_before)
            for one in times_to_deterioration(course):
                event = "" if one.event is None else int(one.event)
                days, months = ("", "") if one.days is None else (one.days, repr(one.months))
                yield (name, code, one.definition, one.threshold, one.death_rule,
                       event, days, months, one.censor_reason or "", one.n_assessments)  # fmt: skip


def _course(instrument: Instrument, person: _Participant, code: str, last_before: int) -> Course:
    scores = sorted(person.scores.get(code, {}).items())
    before = [value for day, value in scores if day <= last_before]
    scale = instrument.scales_by_code.get(code)
    return Course(
        baseline=before[-1] if before else None,
        later=[(day, value) for day, value in scores if day > last_before],
        death_day=person.death_day,
        high_is=scale.high_is if scale else "good",
    )
