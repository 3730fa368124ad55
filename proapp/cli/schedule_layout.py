"""How the windows and reminders of `proapp schedule` are written: as a table, as CSV, as a calendar."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from proapp.cli.schedule_words import WORDS, Words
from proapp.study.forecast import Planned
from proapp.study.model import Study, TimePoint
from proapp.study.schedule import hours_in, is_clamped
from proapp.study.steps import ELECTRONIC

COLUMNS = ("randomized_on", "timepoint", "target_on", "opens_on", "closes_on", "late_until")
STEP_COLUMNS = ("randomized_on", "timepoint", "step", "channel", "nominal_on", "due_on", "due_at", "goes")


class Row(NamedTuple):
    """One window of one participant."""

    randomized_on: date
    timepoint: TimePoint
    target_on: date
    opens_on: date
    closes_on: date
    late_until: date

    @property
    def dates(self) -> tuple[date, date, date, date]:
        return self[2:]


class Participant(NamedTuple):
    """All windows of somebody randomised on that day, and the reminders of who answers nothing."""

    randomized_on: date
    rows: tuple[Row, ...]
    reminders: tuple[Planned, ...]


def windows_csv(people: Iterable[Participant]) -> str:
    rows = (row for person in people for row in person.rows)
    return as_csv(COLUMNS, ((day, timepoint.code, *dates) for day, timepoint, *dates in rows))


def reminders_csv(people: Iterable[Participant], study: Study) -> str:
    """`due_at` with the distance from UTC, in the time zone of the study; `goes` is Y or N."""
    zone = study.zone()
    return as_csv(
        STEP_COLUMNS,
        (
            (
                person.randomized_on,
                *(one.timepoint, one.step, one.channel, one.nominal_on, one.due_on or ""),
                one.due_at.astimezone(zone).isoformat() if one.due_at else "",
                "Y" if one.goes else "N",
            )
            for person in people
            for one in person.reminders
        ),
    )


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def table(people: Iterable[Participant], study: Study, lang: str, *, only_reminders: bool = False) -> str:
    words = WORDS[lang]
    parts: list[str] = []
    for person in people:
        parts.append(words.randomised.format(day=words.day(person.randomized_on)))
        if not only_reminders:
            parts.extend(lined_up(words.windows, (_cells(row, study, words) for row in person.rows)))
            parts.append("")
        if person.reminders:
            parts.append(words.reminded)
            parts.extend(lined_up(words.reminders, (_step_cells(one, study, words) for one in person.reminders)))
            parts.append("")
    return "\n".join(parts)


def lined_up(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: int = 0) -> Iterator[str]:
    """Lines with their cells below each other, the last `right` columns flush right."""
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first_right = len(headings) - right
    for line in lines:
        cells = zip(line, widths, strict=True)
        yield "  ".join(
            cell.ljust(width) if place < first_right else cell.rjust(width) for place, (cell, width) in enumerate(cells)
        ).rstrip()


def _cells(row: Row, study: Study, words: Words) -> tuple[str, ...]:
    """What may surprise stands in the note: a month end that was clamped, days on which the clock is changed, free
    days."""
    notes = [words.clamped] if is_clamped(row.timepoint, row.randomized_on) else []
    for day in dict.fromkeys(row.dates):
        notes.extend(_notes(day, study, words))
    return (row.timepoint.code, *map(words.day, row.dates), "; ".join(notes))


def _notes(day: date, study: Study, words: Words) -> Iterator[str]:
    hours = hours_in(day, study.zone())
    if hours != 24:
        yield words.hours.format(day=day, hours=f"{hours:g}")
    if holiday := words.holiday(day):
        yield words.free.format(day=day, holiday=holiday)


def _step_cells(one: Planned, study: Study, words: Words) -> tuple[str, ...]:
    if one.due_on is None or one.due_at is None:
        return words.day(one.nominal_on), "", one.timepoint, one.step, words.channels[one.channel], words.no_day
    notes = []
    if one.due_on != one.nominal_on:
        holiday = words.holiday(one.nominal_on)
        notes.append(words.moved.format(day=words.day(one.nominal_on)) + (f" ({holiday})" if holiday else ""))
    notes.extend(_notes(one.due_on, study, words))
    if not one.goes:
        notes.append(words.covered)
    local = one.due_at.astimezone(study.zone()).time()
    clock = f"{local:%H:%M}" if one.channel in ("message", *ELECTRONIC) or local != time() else ""
    return words.day(one.due_on), clock, one.timepoint, one.step, words.channels[one.channel], "; ".join(notes)


def calendar(people: Iterable[Participant], study: Study, lang: str) -> str:
    """One all-day event for each window. Titles are neutral: calendars are seen by others. No clock is read, so that
    the same dates give the same bytes."""
    from icalendar import Calendar, Event  # here, not above: it takes as long to load as all the rest

    found = Calendar()
    found.add("prodid", "-//proapp//schedule//EN")
    found.add("version", "2.0")
    seen: dict[str, int] = {}
    for row in (row for person in people for row in person.rows):
        name = f"{study.code}/{row.randomized_on}/{row.timepoint.code}"
        seen[name] = seen.get(name, 0) + 1
        event = Event()
        event.add("uid", str(uuid5(NAMESPACE_URL, f"{name}/{seen[name]}")))
        event.add("dtstamp", datetime.combine(row.randomized_on, time(), tzinfo=UTC))
        event.add("summary", WORDS[lang].event)
        event.add("dtstart", row.opens_on)
        event.add("dtend", row.closes_on + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
        found.add_component(event)
    content: bytes = found.to_ical()
    return content.decode()


def forecast_rows(load: Iterable[tuple[date, str, float, float]]) -> Iterator[tuple[str, date, str, str, str]]:
    """Year and ISO week, its Monday, site, calls and messages: whole numbers, or with one decimal."""
    for monday, site, calls, messages in load:
        year, week, _ = monday.isocalendar()
        yield f"{year}-W{week:02}", monday, site, number(calls), number(messages)


def number(value: float) -> str:
    """At most one decimal, and none of a whole number."""
    return f"{value:.1f}".removesuffix(".0")
