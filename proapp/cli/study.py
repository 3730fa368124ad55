"""`proapp study diff`: what a new study file changes, and what it would do to participants, before anybody proposes it.

Works on two files alone, with invented or given days of randomisation, or on the participants of the database.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from proapp.cli.schedule import days_given
from proapp.instruments.problems import DefinitionError
from proapp.study.diff import SENTENCES, Diff, Person, StudyChange, amendment, obstacles
from proapp.study.effects import Effect
from proapp.study.load import load_definitions
from proapp.study.model import Study
from proapp.study.pairing import Row
from proapp.study.schedule import Anchors, PlannedAssessment, add_months, plan

if TYPE_CHECKING:
    from proapp.runtime import Runtime

INVENTED = (1, 3, 6, 9, 12, 18, 24)  # months before the day on which the new version begins
COLUMNS = ("participant", "site", "place", "effect", "old", "new", "anchor_mismatch")
AREAS = {
    "version": "Version",
    "timepoints": "Time points",
    "windows": "Windows",
    "instruments": "Questionnaires",
    "reminders": "Reminders",
    "texts": "Texts",
    "sites": "Sites",
    "arms": "Arms",
    "rules": "Rules",
}
KINDS = {
    "keep": "follow the new version with the same dates",
    "move": "move",
    "add": "are added",
    "remove": "are cancelled",
    "not_asked": "would have come too early and are not asked for",
    "keep_pinned": "stay as they are because they are opened",
}


@click.group()
def study() -> None:
    """Study files side by side."""


@study.command()
@click.argument("old_file", metavar="OLD.toml", type=click.Path(path_type=Path))
@click.argument("new_file", metavar="NEW.toml", type=click.Path(path_type=Path))
@click.option("--database", is_flag=True, help="For the participants of the database that PROAPP_DATABASE_URL names.")
@click.option("--dates", "dates_file", metavar="FILE", type=click.Path(path_type=Path), help="Days of randomisation.")
@click.option("--active-from", metavar="DATE", help="First day of the new version; else its effective_from.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="Output.",
)
def diff(
    old_file: Path, new_file: Path, database: bool, dates_file: Path | None, active_from: str | None, layout: str
) -> None:
    """Show what NEW changes against OLD, and what becomes of each participant's assessments.

    Without a database the participants are invented: one for each of several days of randomisation, or for each date
    of --dates. Nothing is written. Ends with status 1 if a file is faulty (each fault in one line, as of `proapp
    check`) or if NEW cannot follow OLD.
    """
    if database and dates_file is not None:
        raise click.UsageError("give either --database or --dates FILE")
    old, new = _studies(old_file, new_file)
    day = days_given(active_from, None)[0] if active_from else new.effective_from
    if database:
        from proapp.cli.support import open_runtime

        with open_runtime() as runtime:
            found = _of_database(runtime, old, new, day)
    else:
        days = days_given(None, dates_file) if dates_file else [add_months(day, -months) for months in INVENTED]
        found = _of_files(old, new, days, day)
    click.echo({"table": _table, "csv": _csv, "json": _json}[layout](found, old, new), nl=False)
    in_the_way = obstacles(old, new)
    for one in in_the_way:
        click.echo(f"{new_file}: {one.place}: {SENTENCES[one.code]}", err=True)
    if in_the_way:
        raise SystemExit(1)


def _studies(*files: Path) -> tuple[Study, Study]:
    """Both, or every fault of both."""
    packs = os.environ.get("PROAPP_PACKS_DIR", "").strip()
    found, problems = [], []
    for file in files:
        try:
            found.append(load_definitions(file, Path(packs) if packs else None)[0])
        except DefinitionError as error:
            problems += error.problems
    for line in dict.fromkeys(map(str, problems)):
        click.echo(line)
    if problems:
        raise SystemExit(1)
    return found[0], found[1]


def _of_files(old: Study, new: Study, days: Sequence[date], active_from: date) -> Diff:
    """Each date is a participant who has answered nothing yet, at no site in particular."""
    site = ""
    people = [_invented(old, f"randomised {day}", site, day) for day in dict.fromkeys(days)]
    return amendment(old, old, new, people, {site: active_from})


def _invented(old: Study, name: str, site: str, day: date) -> Person:
    anchors = Anchors(None, day)
    return Person(name, site, [Row(planned, old.number) for planned in plan(old, anchors)], anchors)


def _of_database(runtime: Runtime, old: Study, new: Study, active_from: date) -> Diff:
    from proapp.services import plans, versions

    with runtime.reading() as session:
        current = versions.current(session, runtime.study)
        people = [held.person() for held in plans.read(session, sites=None)]
    return amendment(current, old, new, people, {site.code: active_from for site in new.sites})


# --- output ---------------------------------------------------------------------------------------------------------


def _json(found: Diff, old: Study, new: Study) -> str:
    said: dict[str, Any] = {
        "code": new.code,
        "from": {"number": old.number, "content_hash": old.content_hash},
        "to": {"number": new.number, "content_hash": new.content_hash},
        "diff_hash": found.digest,
        "counts": dict(sorted(found.counts.items())),
        **json.loads(found.canonical()),
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _csv(found: Diff, old: Study, new: Study) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for change in found.study:
        writer.writerow(("", "", change.place, _verb(change), _value(change.old), _value(change.new), ""))
    for person in found.participants:
        for one in person.told:
            dates = (_days(one.old), _days(one.new))
            writer.writerow((person.study_id, person.site, _place(one), one.kind, *dates, int(one.anchor_mismatch)))
    return text.getvalue()


def _verb(change: StudyChange) -> str:
    return "added" if change.old is None else "removed" if change.new is None else "changed"


def _value(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _place(one: Effect) -> str:
    return one.timepoint if one.occurrence == 1 else f"{one.timepoint}#{one.occurrence}"


def _days(planned: PlannedAssessment | None) -> str:
    """opens/target/closes/late until"""
    if planned is None or planned.target_on is None:
        return ""
    days = (planned.opens_on, planned.target_on, planned.closes_on, planned.late_until)
    return "/".join(str(day) if day else "" for day in days)


def _table(found: Diff, old: Study, new: Study) -> str:
    lines = [f"{new.code}: {old.number} -> {new.number}", "", *_of_study(found.study)]
    touched = [person for person in found.participants if person.told]
    lines.append(f"Participants concerned: {len(touched)} of {len(found.participants)}")
    counts = found.counts
    lines += [f"  {counts[kind]:>6}  assessments {words}" for kind, words in KINDS.items() if counts[kind]]
    if counts["anchor_mismatch"]:
        lines.append(f"  {counts['anchor_mismatch']:>6}  answers would count as given at another time")
    lines += _of_people(touched)
    return "\n".join(lines) + "\n"


def _of_study(changes: Sequence[StudyChange]) -> Iterator[str]:
    if not changes:
        yield from ("Nothing changes in the study.", "")
    by_area: Mapping[str, list[StudyChange]] = {area: [one for one in changes if one.area == area] for area in AREAS}
    for area, here in by_area.items():
        if here:
            yield AREAS[area]
            yield from (f"  {one.place}: {_from_to(one)}" for one in here)
            yield ""


def _from_to(change: StudyChange) -> str:
    if change.old is None:
        return f"added: {_value(change.new)}"
    return "removed" if change.new is None else f"{_value(change.old)} -> {_value(change.new)}"


def _of_people(touched: Sequence[Any]) -> Iterator[str]:
    """A line for each assessment whose dates change, or that stays although they would."""
    for person in touched:
        shown = [one for one in person.told if one.kind != "keep"]
        if shown:
            yield ""
            yield f"{person.study_id} ({person.site})" if person.site else person.study_id
        for one in shown:
            mark = "  !" if one.anchor_mismatch else ""
            yield f"  {_place(one):<12} {one.kind:<12} {_days(one.old) or '-'} -> {_days(one.new) or '-'}{mark}"
