"""A trial of any size in its fifth year, written in bulk: participants randomised day by day over three years, most of
what was asked for answered, and a row of the outbox for every reminder that has gone."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Engine, text

from proapp.runtime import Runtime
from proapp.study.model import Study
from proapp.study.schedule import Anchors, PlannedAssessment, plan
from proapp.study.steps import due, messages

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)  # a Tuesday, 10:00 in Stockholm: the hour at which reminders go
RANDOMISED_OVER = 1095  # days
ANSWERED = 0.85
SEALED_FOR = 500  # participants who share a number: sealing is not what is measured

Row = tuple[Any, ...]


def large(runtime: Runtime, number: int, *, seed: int = 2026) -> dict[str, int]:
    """Fill an empty, migrated database with `number` participants; returns the number of rows of each table."""
    tables = _Tables(runtime, number, random.Random(seed))
    written = {}
    for name, columns, rows in tables.all():
        written[name] = load(runtime.engine, name, columns, rows)
    with runtime.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    return written


class _Tables:
    def __init__(self, runtime: Runtime, number: int, chance: random.Random) -> None:
        self.runtime, self.study, self.number, self.chance = runtime, runtime.study, number, chance
        self.codes = [site.code for site in runtime.study.sites]
        self.people = [(one, chance.randrange(RANDOMISED_OVER)) for one in range(1, number + 1)]

    def all(self) -> Iterator[tuple[str, tuple[str, ...], Iterable[Row]]]:
        yield "participant", ("id", "study_id", "site_code", "language", "enrolled_at"), self.participants()
        yield "contact", ("participant_id", "sealed", "channel", "updated_at"), self.contacts()
        yield "participant_event", ("participant_id", "type", "effective_on", "payload", "recorded_at"), self.events()
        dates = ("target_on", "opens_on", "closes_on", "late_until")
        yield (
            "assessment",
            ("id", "participant_id", "timepoint", "occurrence", "protocol_version", *dates, "planned_at"),
            self.assessments(),
        )
        yield (
            "response_set",
            ("assessment_id", "mode", "respondent", "protocol_version", "packs", "started_at", "submitted_at",
             "completed_on", "auto_submitted", "valid"),
            self.responses(),
        )  # fmt: skip
        yield (
            "message",
            ("key", "kind", "participant_id", "assessment_id", "step", "channel", "due_at", "queued_at", "state",
             "attempts", "next_try_at", "gateway", "handed_over_at"),
            self.sent(),
        )  # fmt: skip

    def participants(self) -> Iterator[Row]:
        for one, _ in self.people:
            yield one, f"P{one:06}", self.codes[one % len(self.codes)], "sv", NOW

    def contacts(self) -> Iterator[Row]:
        vault = self.runtime.vault
        for one, _ in self.people:
            sealed = vault.seal({"mobile": "+46701740605", "email": "a@example.org"}, bound_to=f"contact:{one}")
            yield one, sealed, "email" if one % 5 == 0 else "letter" if one % 50 == 1 else "sms", NOW - timedelta(2000)

    def events(self) -> Iterator[Row]:
        for one, ago in self.people:
            day = _day(ago)
            yield one, "pro_consent", day - timedelta(7), "{}", NOW
            yield one, "randomized", day, json.dumps({"arm": self.study.arms[0].code}), NOW
            if one % 12 == 0:
                yield one, "death", day + timedelta(300), "{}", NOW

    def assessments(self) -> Iterator[Row]:
        for one, ago in self.people:
            for place, planned in enumerate(_planned(self.study, _day(ago))):
                dates = (planned.target_on, planned.opens_on, planned.closes_on, planned.late_until)
                yield _id(one, place), one, planned.timepoint, 1, self.study.number, *dates, NOW

    def responses(self) -> Iterator[Row]:
        for one, place, _, answered_on in self.past():
            if answered_on is not None:
                at = datetime.combine(answered_on, time(12), tzinfo=UTC)
                yield _id(one, place), "self_remote", "self", "1", "{}", at, at, answered_on, False, True

    def sent(self) -> Iterator[Row]:
        zone, today = self.study.zone(), NOW.astimezone(self.study.zone()).date()
        for one, place, planned, answered_on in self.past():
            timepoint = self.study.timepoint(planned.timepoint)
            window: Any = _Window(timepoint.kind, planned)
            for reminder in messages(timepoint):
                step = due(window, reminder, via="sms", study=self.study, zone=zone)
                if step.due_on is None or step.due_at is None or not step.due_on < min(today, answered_on or today):
                    continue
                key = f"reminder:{_id(one, place)}:{step.key}:{step.channel}"
                at = step.due_at
                yield key, "reminder", one, _id(one, place), step.key, "sms", at, at, "sent", 1, at, "log", at

    def past(self) -> Iterator[tuple[int, int, PlannedAssessment, date | None]]:
        """What has opened, and the day it was answered on (the same at every call)."""
        today = NOW.date()
        for one, ago in self.people:
            chance = random.Random(one)
            for place, planned in enumerate(_planned(self.study, _day(ago))):
                days, answers = chance.randrange(0, 30), chance.random() < ANSWERED
                if planned.opens_on is None or planned.opens_on > today:
                    continue
                answered_on = planned.opens_on + timedelta(days)
                if place == 0:
                    answered_on = planned.opens_on
                yield one, place, planned, answered_on if answers and answered_on <= today else None


class _Window:
    """A planned assessment as the steps see it."""

    extension_until = None

    def __init__(self, kind: str, planned: PlannedAssessment) -> None:
        self.kind = kind
        self.target_on, self.opens_on, self.closes_on = planned.target_on, planned.opens_on, planned.closes_on


def _day(ago: int) -> date:
    return NOW.date() - timedelta(days=ago + 1)


def _id(one: int, place: int) -> int:
    return one * 10 + place


@cache
def _plan(study_hash: str, day: date) -> tuple[PlannedAssessment, ...]:
    study = _studies[study_hash]
    return plan(study, Anchors(consent_on=day - timedelta(7), randomized_on=day, arm=study.arms[0].code))


def _planned(study: Study, day: date) -> tuple[PlannedAssessment, ...]:
    _studies[study.content_hash] = study
    return _plan(study.content_hash, day)


_studies: dict[str, Study] = {}


# --- in bulk --------------------------------------------------------------------------------------------------------


def load(engine: Engine, table: str, columns: tuple[str, ...], rows: Iterable[Row]) -> int:
    """Write the rows as fast as the engine can; returns how many."""
    number = 0
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        if engine.dialect.name == "postgresql":
            with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
                    number += 1
            if "id" in columns:
                cursor.execute(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))")
        else:
            marks = ", ".join("?" * len(columns))
            cursor.execute("BEGIN IMMEDIATE")
            counted = list(map(_for_sqlite, rows))
            number = len(counted)
            cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", counted)
        raw.commit()
    finally:
        raw.close()
    return number


def _for_sqlite(row: Row) -> Row:
    return tuple(
        value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else
        value.isoformat() if isinstance(value, date) else value
        for value in row
    )  # fmt: skip
