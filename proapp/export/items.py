"""The answers: one row per item of every assessment that was sent, and the same as one row per assessment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from proapp.export.cases import Case, ItemStatus, Part
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut, notice
from proapp.export.keys import (
    ASSESSMENT_KEY,
    assessment_cells,
    assessment_columns,
    choice_label,
    instrument_column,
    item_label,
    item_name,
    item_values,
)
from proapp.instruments.model import Instrument
from proapp.study.status import Shown, Timing

ITEM_STATUS = meanings(
    answered="there is an answer that counts",
    skipped="left out after being asked twice",
    cleared="answered, then the answer was taken back",
    not_applicable="the answer before it makes it meaningless; an earlier answer does not count",
    not_shown="the question that decides about it was not answered",
    not_reached="was to be asked, and nobody came to it",
)
assert {code for code, _ in ITEM_STATUS} == set(get_args(ItemStatus))


def wide_columns(cut: Cut) -> tuple[Column, ...]:
    """What a wide row says before its values."""
    return (
        *assessment_columns(cut),
        Column("status", "code", "Status at the cut-off", "Läge vid brytdatum", meanings(*get_args(Shown))),
        Column("completed_on", "date", "Day the participant completed it", "Dag då deltagaren svarade",
               empty="nothing was sent"),
        Column("timing", "code", "How completion lies to the window", "Svarets läge mot svarsfönstret",
               meanings(*get_args(Timing)), empty="nothing was sent"),
    )  # fmt: skip


def wide_cells(case: Case) -> tuple[Cell, ...]:
    current = case.expected.state
    return *assessment_cells(case.expected), current.shown, case.expected.facts.completed_on, current.timing


def long_table(cut: Cut) -> Table:
    languages = tuple((code, code) for code in cut.study.languages)
    return Table(
        "items_long",
        "one item of an assessment that was sent",
        (*ASSESSMENT_KEY, "item"),
        (
            *assessment_columns(cut),
            instrument_column(cut),
            Column("item", "code", "Item: instrument and printed number", "Fråga: formulär och tryckt nummer"),
            Column("item_no", "integer", "Printed number of the item", "Frågans tryckta nummer"),
            Column("status", "code", "What came of the item", "Vad som hände med frågan", ITEM_STATUS),
            Column("value", "integer", "Code of the answer", "Svarets kod", empty="status is not answered"),
            Column("value_label_en", "text", "Words of the answer, in English", "Svaret i ord, på engelska",
                   empty="status is not answered"),
            Column("answered_at", "instant", "Last change", "Senaste ändring", empty="nothing was ever given"),
            Column("language", "code", "Language the item was shown in", "Språk som frågan visades på", languages,
                   empty="nothing was ever given"),
            Column("version_no", "integer", "How often it was given or changed", "Antal gånger frågan besvarats",
                   derivation="1 = never changed; 0 = nothing was ever given"),
            Column("entered_by", "code", "Who entered it", "Vem som förde in svaret",
                   meanings(patient="the participant", staff="the clinic"), empty="nothing was ever given"),
        ),
    )  # fmt: skip


def long_rows(case: Case) -> Iterator[tuple[Cell, ...]]:
    """Nothing for an assessment that was not sent: what is still being written is nobody's answer yet."""
    if not case.sent:
        return
    before = assessment_cells(case.expected)
    for part in case.parts:
        yield from _part_rows(before, part)


def _part_rows(before: tuple[Cell, ...], part: Part) -> Iterator[tuple[Cell, ...]]:
    instrument = part.instrument
    for number, status, value, latest in part.items:
        yield (
            *before,
            instrument.code,
            item_name(instrument, number),
            number,
            status,
            value,
            None if value is None else choice_label(instrument, instrument.choices(number), value),
            latest.recorded_at if latest else None,
            latest.language if latest else None,
            latest.version_no if latest else 0,
            latest.entered_by if latest else None,
        )


def wide_table(cut: Cut) -> Table:
    values = tuple(_item_column(instrument, number) for instrument in cut.used for number in instrument.numbers)
    return Table(
        "items_wide",
        "one planned assessment of one participant; items are empty where there is no answer (why: items_long)",
        ASSESSMENT_KEY,
        (*wide_columns(cut), *values),
    )


def _item_column(instrument: Instrument, number: int) -> Column:
    return Column(
        item_name(instrument, number),
        "integer",
        item_label(instrument, number, "en"),
        item_label(instrument, number, "sv"),
        item_values(instrument, number),
        empty="nothing was sent, or status in items_long is not answered",
        notice=notice(instrument),
    )


def wide_row(case: Case, cut: Cut) -> tuple[Cell, ...]:
    parts = {part.instrument.code: part for part in case.parts} if case.sent else {}
    cells: list[Cell] = [*wide_cells(case)]
    for instrument in cut.used:
        part = parts.get(instrument.code)
        cells += [item.value for item in part.items] if part else [None] * len(instrument.items)
    return tuple(cells)
