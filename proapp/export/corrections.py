"""Whatever was recorded and then replaced: answers given anew, and events whose day was put right or which were taken
back. The old value is never lost; here it stands beside the new one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple

from proapp.export.acts import Acts, role_column
from proapp.export.answers import Latest
from proapp.export.cases import Case, Person
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut
from proapp.export.keys import PARTICIPANT_KEY, instrument_column, item_name, label, participant_cells
from proapp.export.keys import participant_columns as who_columns
from proapp.services.members import Event
from proapp.study.events import KINDS

_OF_EVENT = "kind is event"
_OF_ANSWER = "kind is answer"
_KINDS = meanings(answered="an answer", skipped="left out", cleared="taken back")


class Value(NamedTuple):
    """`status` is answered, skipped or cleared, of an answer; `arm` that of a randomisation."""

    value: int | date | None
    status: str | None = None
    arm: str | None = None


def table(cut: Cut) -> Table:
    timepoints = tuple((point.code, label(point.label)) for point in cut.study.timepoints)
    arms = tuple((arm.code, label(arm.label)) for arm in cut.study.arms)
    return Table(
        "corrections",
        "one value that was recorded and then replaced by another",
        (*PARTICIPANT_KEY, "correction_no"),
        (
            *who_columns(cut),
            Column("correction_no", "integer", "Number of the correction", "Rättelsens nummer",
                   derivation="answers in protocol order, then events in the order of recording"),
            Column("kind", "code", "What was corrected", "Vad som rättades",
                   meanings(answer="an answer of an assessment that was sent", event="an event in participants")),
            Column("timepoint", "code", "Time point", "Mättillfälle", timepoints, empty=_OF_EVENT),
            Column("occurrence", "integer", "Number of the assessment at this time point",
                   "Löpnummer inom mättillfället", empty=_OF_EVENT),
            _emptied(instrument_column(cut)),
            Column("item", "code", "Item: instrument and printed number", "Fråga: formulär och tryckt nummer",
                   empty=_OF_EVENT),
            Column("event", "code", "Kind of event", "Typ av händelse", meanings(*KINDS), empty=_OF_ANSWER),
            Column("old_value", "text", "Before: code of the answer, or day of the event",
                   "Före: svarets kod eller händelsens dag", empty="there was no answer"),
            Column("old_status", "code", "Before: what the answer was", "Före: vad svaret var", _KINDS,
                   empty=_OF_EVENT),
            Column("old_arm_code", "code", "Before: arm", "Före: arm", arms, empty="not a randomisation"),
            Column("new_value", "text", "After: code of the answer, or day of the event",
                   "Efter: svarets kod eller händelsens dag", empty="no answer any more, or the event was taken back"),
            Column("new_status", "code", "After: what the answer is", "Efter: vad svaret är", _KINDS, empty=_OF_EVENT),
            Column("new_arm_code", "code", "After: arm", "Efter: arm", arms, empty="not a randomisation"),
            Column("old_at", "instant", "When the old one was recorded", "När det gamla fördes in"),
            Column("changed_at", "instant", "When it was replaced", "När det ersattes"),
            role_column(),
            Column("correction_reason", "code", "Why", "Varför",
                   meanings(before_sending="changed while answering", after_sending="changed after it was sent",
                            put_right="the event was recorded wrongly", taken_back="the event never happened")),
            Column("reason_given", "flag", "A reason in words is in the audit trail",
                   "En orsak i ord finns i granskningsloggen"),
        ),
    )  # fmt: skip


def _emptied(column: Column) -> Column:
    return Column(column.name, column.type, column.en, column.sv, column.values, empty=_OF_EVENT)


def rows(person: Person, acts: Acts, cut: Cut) -> Iterator[tuple[Cell, ...]]:
    who = participant_cells(person.member)
    found = [row for case in person.cases if case.sent for row in _answers(case)] + [*_events(person, acts, cut)]
    for number, row in enumerate(found, start=1):
        yield (*who, number, *row)


def _answers(case: Case) -> Iterator[tuple[Cell, ...]]:
    expected = case.expected
    for part in case.parts:
        for item in part.items:
            for old, new in item.latest.changes() if item.latest else ():
                why = "after_sending" if _after(new, expected.facts.submitted_at) else "before_sending"
                place = (expected.timepoint, expected.occurrence, part.instrument.code)
                yield (
                    "answer", *place, item_name(part.instrument, item.number), None,
                    *_pair(Value(old.code, old.kind), Value(new.code, new.kind)),
                    old.recorded_at, new.recorded_at, new.entered_by, why, False,
                )  # fmt: skip


def _after(answer: Latest, submitted_at: datetime | None) -> bool:
    return submitted_at is not None and answer.recorded_at > submitted_at


def _events(person: Person, acts: Acts, cut: Cut) -> Iterator[tuple[Cell, ...]]:
    member = person.member
    by = {event.supersedes: event for event in (*member.superseded, *member.events, *member.revoking)}
    for old in member.superseded:
        new = by[old.id]
        if min(old.effective_on, new.effective_on) > cut.day:
            continue
        gone = new.type == "revoked"
        yield (
            "event", None, None, None, None, old.type, *_pair(_of(old), Value(None) if gone else _of(new)),
            old.recorded_at, new.recorded_at, acts.role("participant_event", new.id),
            "taken_back" if gone else "put_right", new.reason is not None,
        )  # fmt: skip


def _of(event: Event) -> Value:
    return Value(event.effective_on, arm=event.payload.get("arm"))


def _pair(old: Value, new: Value) -> tuple[Cell, ...]:
    return tuple(cell for one in (old, new) for cell in (_text(one.value), one.status, one.arm))


def _text(value: int | date | None) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)
