"""`proapp schedule`: every window and reminder of a participant randomised on some day, for reading, for a spreadsheet
or for a calendar; and what a whole trial asks of its sites, week by week. Works on the study file alone, so that a
protocol can be tried before anything is installed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import click

from proapp.cli import schedule_layout as layouts
from proapp.cli.schedule_layout import Participant, Row
from proapp.cli.schedule_words import WORDS
from proapp.instruments.problems import DefinitionError
from proapp.study.forecast import Enrolled, Planned, evenly, forecast, reminders
from proapp.study.load import BRECLIM2, load_definitions
from proapp.study.model import Study
from proapp.study.schedule import Anchors, PlannedAssessment, plan

ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")  # of all that ISO 8601 allows, what people write
HEADING = layouts.COLUMNS[0]


@click.command()
@click.argument("day", metavar="[DATE]", required=False)
@click.option("--dates", "dates_file", metavar="FILE", type=click.Path(path_type=Path), help="One date in each line.")
@click.option("--arm", metavar="CODE", help="Only what this arm is asked; without it, the time points of all arms.")
@click.option("--study", "study_file", metavar="FILE", type=click.Path(path_type=Path), help="Another study file.")
@click.option(
    "--format", "layout", type=click.Choice(["table", "csv", "ics"]), default="table", show_default=True, help="Output."
)
@click.option("--lang", type=click.Choice(["en", "sv"]), default="en", show_default=True, help="Of table and calendar.")
@click.option("--reminders", "only_reminders", is_flag=True, help="Only the reminders, not the windows.")
@click.option(
    "--by",
    type=click.Choice(["sms", "email", "letter"]),
    default="sms",
    show_default=True,
    help="How the participant is reached.",
)
@click.option("--forecast", "wants_forecast", is_flag=True, help="Calls and messages of each site and week instead.")
@click.option("--enrol", metavar="SITE=NUMBER", multiple=True, help="So many participants, evenly from DATE on.")
@click.option("--months", type=click.IntRange(1, 600), default=12, show_default=True, help="How long --enrol goes on.")
@click.option(
    "--answering",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    default=0,
    help="How many of those left answer after each message; 0, an upper bound, unless told.",
)
def schedule(
    day: str | None,
    dates_file: Path | None,
    arm: str | None,
    study_file: Path | None,
    layout: str,
    lang: str,
    only_reminders: bool,
    by: str,
    wants_forecast: bool,
    enrol: tuple[str, ...],
    months: int,
    answering: float,
) -> None:
    """Show every window and reminder of a participant randomised on DATE (such as 2026-02-28).

    Only time points counted from randomisation are listed: the baseline opens with consent and closes with the
    randomisation itself, and events have not happened yet. The study file is --study, else PROAPP_STUDY, else the
    example that comes with proapp. In a file of dates, blank lines and lines beginning with # are passed over, and so
    is a first line that says randomized_on. With --forecast a site may follow each date: 2026-02-28 UME.
    """
    study = _study(study_file)
    if arm is not None and arm not in {known.code for known in study.arms}:
        known_arms = ", ".join(known.code for known in study.arms)
        raise click.UsageError(f'"{arm}" is not an arm of {study.code}; its arms are {known_arms}')
    if layout == "ics" and (only_reminders or wants_forecast):
        raise click.UsageError("a calendar holds windows only")
    if wants_forecast:
        people = _enrolled(study, day, dates_file, enrol, months)
        click.echo(_forecast(study, people, arm, answering, layout, lang), nl=False)
        return
    if enrol:
        raise click.UsageError("--enrol belongs to --forecast")
    shown = _participants(study, days_given(day, dates_file), arm, by if layout == "table" or only_reminders else None)
    click.echo(_printed(shown, study, layout, lang, only_reminders), nl=False)


def _printed(people: list[Participant], study: Study, layout: str, lang: str, only_reminders: bool) -> str:
    if layout == "ics":
        return layouts.calendar(people, study, lang)
    if layout == "table":
        return layouts.table(people, study, lang, only_reminders=only_reminders)
    return layouts.reminders_csv(people, study) if only_reminders else layouts.windows_csv(people)


def _study(study_file: Path | None) -> Study:
    """The study asked for. Exits with the problems of a faulty file."""
    named = os.environ.get("PROAPP_STUDY", "").strip()
    packs = os.environ.get("PROAPP_PACKS_DIR", "").strip()
    try:
        path = study_file or (Path(named) if named else BRECLIM2)
        return load_definitions(path, Path(packs) if packs else None)[0]
    except DefinitionError as error:
        raise click.ClickException("\n".join(str(problem) for problem in error.problems)) from error


# --- what was given -------------------------------------------------------------------------------------------------


def days_given(day: str | None, dates_file: Path | None) -> list[date]:
    """The one date, or those of the file. Raises UsageError or ClickException naming what cannot be read."""
    if (day is None) == (dates_file is None):
        raise click.UsageError("give either a date or --dates FILE")
    if dates_file is None:
        return [_date(day or "", "DATE")]
    return [_date(line, where) for where, line in _lines(dates_file)]


def _lines(dates_file: Path) -> Iterator[tuple[str, str]]:
    """Each line that says something, with where it stands."""
    try:
        lines = dates_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{dates_file}: cannot be read as UTF-8 text") from error
    for number, line in enumerate(map(str.strip, lines), start=1):
        heading = number == 1 and re.split(r"[\s,;]", line)[0] == HEADING
        if line and not line.startswith("#") and not heading:
            yield f"{dates_file}, line {number}", line


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


def _enrolled(
    study: Study, day: str | None, dates_file: Path | None, enrol: tuple[str, ...], months: int
) -> list[Enrolled]:
    """Participants to be, from a file of dates and sites or from numbers."""
    if bool(enrol) == (dates_file is not None) or (day is None) == bool(enrol):
        raise click.UsageError("give either --dates FILE, or DATE and --enrol SITE=NUMBER")
    if dates_file is not None:
        return [_line(study, where, line) for where, line in _lines(dates_file)]
    first = _date(day or "", "DATE")
    found: list[Enrolled] = []
    for said in enrol:
        code, _, number = said.partition("=")
        if not re.fullmatch("[0-9]{1,5}", number):
            raise click.UsageError(f'--enrol: "{said}" is not written as SITE=NUMBER, such as {study.sites[0].code}=12')
        found.extend(evenly(_site(study, code, "--enrol"), int(number), first=first, months=months))
    return found


def _line(study: Study, where: str, line: str) -> Enrolled:
    day, *rest = re.split(r"[\s,;]+", line, maxsplit=1)
    return Enrolled(_site(study, rest[0], where) if rest and rest[0] else None, _date(day, where))


def _site(study: Study, code: str, where: str) -> str:
    known = [site.code for site in study.sites]
    if code not in known:
        raise click.UsageError(f'{where}: "{code}" is not a site of {study.code}; its sites are {", ".join(known)}')
    return code


# --- what is shown --------------------------------------------------------------------------------------------------


def _participants(study: Study, days: list[date], arm: str | None, channel: str | None) -> list[Participant]:
    """One for each date given, also where one is given twice. Reminders only if the `channel` is named."""
    known = {day: _participant(study, day, arm, channel) for day in set(days)}
    return [known[day] for day in days]


def _participant(study: Study, randomized_on: date, arm: str | None, channel: str | None) -> Participant:
    planned = plan(study, Anchors(None, randomized_on, arm))
    rows = tuple(row for one in planned if (row := _row(study, randomized_on, one)))
    steps: list[Planned] = []
    for one in planned if channel else ():
        steps.extend(reminders(study, one, zone=study.zone(), channel=channel or "sms"))
    return Participant(randomized_on, rows, tuple(steps))


def _row(study: Study, randomized_on: date, planned: PlannedAssessment) -> Row | None:
    """None for what is not counted from randomisation."""
    if planned.target_on is None or planned.opens_on is None or planned.closes_on is None or planned.late_until is None:
        return None
    timepoint = study.timepoint(planned.timepoint)
    return Row(randomized_on, timepoint, planned.target_on, planned.opens_on, planned.closes_on, planned.late_until)


def _forecast(study: Study, people: list[Enrolled], arm: str | None, answering: float, layout: str, lang: str) -> str:
    load = forecast(study, people, arm=arm, answering=answering / 100)
    rows = [(monday, site, *sums) for (monday, site), sums in load.items()]
    lines = list(layouts.forecast_rows(rows))
    if layout == "csv":
        return layouts.as_csv(("week", "monday", "site", "calls", "messages"), lines)
    words = WORDS[lang]
    said = words.expected_rate if answering else words.expected
    names = _names(study, words.everywhere)
    cells = [(week, words.day(monday), names[site], *sums) for week, monday, site, *sums in lines]
    cells += [
        (
            words.total,
            "",
            names[site],
            *(layouts.number(sum(row[place] for row in rows if row[1] == site)) for place in (2, 3)),
        )
        for site in dict.fromkeys(sorted(row[1] for row in rows))
    ]
    heading = said.format(people=len(people), rate=f"{answering:g}")
    return "\n".join([heading, *layouts.lined_up(words.forecast, cells, right=2), ""])


def _names(study: Study, everywhere: str) -> Mapping[str, str]:
    return {site.code: site.code for site in study.sites} | {"": everywhere}
