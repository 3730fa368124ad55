"""`proapp schedule`: every window of a participant randomised on some day, for reading, for a spreadsheet or for a
calendar. Works on the study file alone, so that a protocol can be tried before anything is installed."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import click

from proapp.instruments.load import BUILT_IN, load_packs
from proapp.instruments.problems import DefinitionError
from proapp.study.load import BRECLIM2, load_study
from proapp.study.model import Study, TimePoint
from proapp.study.schedule import Anchors, PlannedAssessment, hours_in, is_clamped, plan

COLUMNS = ("randomized_on", "timepoint", "target_on", "opens_on", "closes_on", "late_until")
ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")  # of all that ISO 8601 allows, what people write
WORDS = {
    "en": {
        "headings": ("Time point", "Target", "Opens", "Closes", "Late until", "Note"),
        "randomised": "Randomised {day}",
        "clamped": "last day of a short month",
        "hours": "{day} has {hours} hours",
        "event": "Questionnaire to answer",
        "weekdays": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    },
    "sv": {
        "headings": ("Mättillfälle", "Måldatum", "Öppnar", "Stänger", "Sent till", "Anmärkning"),
        "randomised": "Lottad {day}",
        "clamped": "sista dagen i en kort månad",
        "hours": "{day} har {hours} timmar",
        "event": "Frågeformulär att besvara",
        "weekdays": ("mån", "tis", "ons", "tor", "fre", "lör", "sön"),
    },
}


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


@click.command()
@click.argument("day", metavar="[DATE]", required=False)
@click.option("--dates", "dates_file", metavar="FILE", type=click.Path(path_type=Path), help="One date in each line.")
@click.option("--arm", metavar="CODE", help="Only what this arm is asked; without it, the time points of all arms.")
@click.option("--study", "study_file", metavar="FILE", type=click.Path(path_type=Path), help="Another study file.")
@click.option(
    "--format", "layout", type=click.Choice(["table", "csv", "ics"]), default="table", show_default=True, help="Output."
)
@click.option("--lang", type=click.Choice(["en", "sv"]), default="en", show_default=True, help="Of table and calendar.")
def schedule(
    day: str | None, dates_file: Path | None, arm: str | None, study_file: Path | None, layout: str, lang: str
) -> None:
    """Show every window of a participant randomised on DATE (such as 2026-02-28).

    Only time points counted from randomisation are listed: the baseline opens with consent and closes with the
    randomisation itself, and events have not happened yet. The study file is --study, else PROAPP_STUDY, else the
    example that comes with proapp. In a file of dates, blank lines and lines beginning with # are passed over, and so
    is a first line that says randomized_on.
    """
    study = _study(study_file)
    if arm is not None and arm not in {known.code for known in study.arms}:
        known_arms = ", ".join(known.code for known in study.arms)
        raise click.UsageError(f'"{arm}" is not an arm of {study.code}; its arms are {known_arms}')
    days = days_given(day, dates_file)
    windows = {randomized_on: tuple(_rows(study, randomized_on, arm)) for randomized_on in set(days)}
    rows = (row for randomized_on in days for row in windows[randomized_on])
    print_as = {"table": _table, "csv": _csv, "ics": _calendar}[layout]
    click.echo(print_as(rows, study, lang), nl=False)


def _study(study_file: Path | None) -> Study:
    """The study asked for. Exits with the problems of a faulty file."""
    named = os.environ.get("PROAPP_STUDY", "").strip()
    packs = os.environ.get("PROAPP_PACKS_DIR", "").strip()
    try:
        instruments = load_packs(BUILT_IN, *([Path(packs)] if packs else []))
        return load_study(study_file or (Path(named) if named else BRECLIM2), instruments)
    except DefinitionError as error:
        raise click.ClickException("\n".join(str(problem) for problem in error.problems)) from error


def days_given(day: str | None, dates_file: Path | None) -> list[date]:
    """The one date, or those of the file. Raises UsageError or ClickException naming what cannot be read."""
    if (day is None) == (dates_file is None):
        raise click.UsageError("give either a date or --dates FILE")
    if dates_file is None:
        return [_date(day or "", "DATE")]
    try:
        lines = dates_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{dates_file}: cannot be read as UTF-8 text") from error
    return [
        _date(line.strip(), f"{dates_file}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#") and (number, line.strip()) != (1, COLUMNS[0])
    ]


def _date(text: str, where: str) -> date:
    """A date written YYYY-MM-DD, of which a century ahead can still be reckoned with."""
    try:
        day = date.fromisoformat(text) if ISO_DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise click.UsageError(f'{where}: "{text}" is not a date; write it as in 2026-02-28')
    if not 1900 <= day.year <= 2200:
        raise click.UsageError(f"{where}: {text} is not between the years 1900 and 2200")
    return day


def _rows(study: Study, randomized_on: date, arm: str | None) -> Iterator[Row]:
    for planned in plan(study, Anchors(None, randomized_on, arm)):
        row = _row(study, randomized_on, planned)
        if row is not None:
            yield row


def _row(study: Study, randomized_on: date, planned: PlannedAssessment) -> Row | None:
    """None for what is not counted from randomisation."""
    if planned.target_on is None or planned.opens_on is None or planned.closes_on is None or planned.late_until is None:
        return None
    timepoint = study.timepoint(planned.timepoint)
    return Row(randomized_on, timepoint, planned.target_on, planned.opens_on, planned.closes_on, planned.late_until)


def _csv(rows: Iterable[Row], study: Study, lang: str) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((day, timepoint.code, *dates) for day, timepoint, *dates in rows)
    return text.getvalue()


def _table(rows: Iterable[Row], study: Study, lang: str) -> str:
    words = WORDS[lang]
    parts: list[str] = []
    for randomized_on, group in _by_day(rows):
        lines = [tuple(words["headings"]), *(_cells(row, study, lang) for row in group)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        parts.append(str(words["randomised"]).format(day=_weekday(randomized_on, lang)))
        for line in lines:
            parts.append("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        parts.append("")
    return "\n".join(parts)


def _cells(row: Row, study: Study, lang: str) -> tuple[str, ...]:
    return (row.timepoint.code, *(_weekday(day, lang) for day in row.dates), _note(row, study, lang))


def _by_day(rows: Iterable[Row]) -> Iterator[tuple[date, list[Row]]]:
    """Groups in the order of the dates given; a date given twice makes two groups."""
    group: list[Row] = []
    for row in rows:
        if group and (row.randomized_on != group[0].randomized_on or row.timepoint == group[0].timepoint):
            yield group[0].randomized_on, group
            group = []
        group.append(row)
    if group:
        yield group[0].randomized_on, group


def _weekday(day: date, lang: str) -> str:
    return f"{WORDS[lang]['weekdays'][day.weekday()]} {day}"


def _note(row: Row, study: Study, lang: str) -> str:
    """What may surprise: a month end that was clamped, and days on which the clock is changed."""
    words = WORDS[lang]
    notes = [str(words["clamped"])] if is_clamped(row.timepoint, row.randomized_on) else []
    for day in dict.fromkeys(row.dates):
        hours = hours_in(day, study.zone())
        if hours != 24:
            notes.append(str(words["hours"]).format(day=day, hours=f"{hours:g}"))
    return "; ".join(notes)


def _calendar(rows: Iterable[Row], study: Study, lang: str) -> str:
    """One all-day event for each window. Titles are neutral: calendars are seen by others. No clock is read, so that
    the same dates give the same bytes."""
    from icalendar import Calendar, Event  # here, not above: it takes as long to load as all the rest

    calendar = Calendar()
    calendar.add("prodid", "-//proapp//schedule//EN")
    calendar.add("version", "2.0")
    seen: dict[str, int] = {}
    for row in rows:
        name = f"{study.code}/{row.randomized_on}/{row.timepoint.code}"
        seen[name] = seen.get(name, 0) + 1
        event = Event()
        event.add("uid", str(uuid5(NAMESPACE_URL, f"{name}/{seen[name]}")))
        event.add("dtstamp", datetime.combine(row.randomized_on, time(), tzinfo=UTC))
        event.add("summary", WORDS[lang]["event"])
        event.add("dtstart", row.opens_on)
        event.add("dtend", row.closes_on + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content.decode()
