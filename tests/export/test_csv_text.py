"""The CSV files: nothing a spreadsheet would run, nothing a parser would trip over, nothing lost."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proapp.export.columns import Column, Table
from proapp.export.csv_text import TableWriter, guard, instant

TABLE = Table(
    "test",
    "a row",
    ("words",),
    (
        Column("words", "text", "", ""),
        Column("number", "number", "", ""),
        Column("flag", "flag", "", ""),
        Column("day", "date", "", ""),
        Column("moment", "instant", "", ""),
    ),
)
PAYLOADS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://example.org","x")',
    "+46701740605",
    "-2+3",
    "@SUM(A1:A2)",
    "\t=1+1",
    "\r=1+1",
    "'=1+1",
    "''@x",
)


def written(*rows: tuple[object, ...]) -> str:
    text = io.StringIO(newline="")
    writer = TableWriter(text, TABLE)
    for row in rows:
        writer.write(row)
    assert writer.rows == len(rows)
    return text.getvalue()


def unguard(cell: str) -> str:
    """As the codebook tells whoever reads the files."""
    return cell[1:] if re.match(r"'+[=+\-@\t\r]", cell) else cell


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_text_that_looks_like_a_formula_gets_an_apostrophe_and_gives_it_back(payload):
    cell = read(written((payload, None, None, None, None)))[1][0]
    assert cell == f"'{payload}"
    assert unguard(cell) == payload


@pytest.mark.parametrize("text", ["", "Umeå", "it's", "'quoted'", "a=b", "3-4", "’=", " =1"])
def test_other_text_is_left_alone(text):
    assert guard(text) == text
    assert unguard(text) == text


@given(st.text())
def test_the_guard_can_be_undone_for_any_text(text):
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_numbers_are_never_touched_and_in_full_precision():
    row = read(written(("x", -6.666666666666671, True, date(2026, 3, 29), datetime(2026, 3, 29, 8, 5, 9, 999, UTC))))[1]
    assert row == ["x", "-6.666666666666671", "1", "2026-03-29", "2026-03-29T08:05:09Z"]
    assert read(written(("x", 0.1 + 0.2, False, None, None)))[1] == ["x", "0.30000000000000004", "0", "", ""]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_score_read_back_is_the_same_to_the_last_bit(value):
    assert float(read(written(("x", value, None, None, None)))[1][1]) == value


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_any_text_survives_a_strict_parser(text):
    lines = read(written((text, None, None, None, None)))
    assert len(lines) == 2
    assert unguard(lines[1][0]) == text


def test_lines_end_in_crlf_and_quotes_are_doubled():
    assert written(('say "yes", or\nno', 1, None, None, None)).split("\r\n") == [
        "words,number,flag,day,moment",
        '"say ""yes"", or\nno",1,,,',
        "",
    ]


def test_moments_are_given_in_utc_whatever_zone_they_come_in():
    from zoneinfo import ZoneInfo

    assert instant(datetime(2026, 7, 1, 0, 30, tzinfo=ZoneInfo("Europe/Stockholm"))) == "2026-06-30T22:30:00Z"


def test_a_row_of_the_wrong_width_is_a_fault_of_the_program():
    with pytest.raises(ValueError, match="2 cells in a row of 5 columns"):
        written(("x", 1))
