"""docs/export-codebook.md says what the codebook says: every table, every column, its type, meaning and origin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from proapp.export.bundle import tables
from proapp.export.codebook import tables as described
from proapp.export.columns import TYPES, Column, Table
from proapp.export.cut import Cut
from proapp.services.exporting import Asked
from tests.conftest import definitions

DOCUMENT = Path(__file__).parents[2] / "docs" / "export-codebook.md"
ITEM = re.compile(r"(c30|br23|lmc21)_q\d\d")
LONG_LISTS = {"scale_code", "instrument", "site_code", "arm_code", "timepoint", "reason_code"}


def all_tables() -> tuple[Table, ...]:
    study, instruments = definitions()
    return described(tables(Cut(study, instruments, Asked(date(2026, 11, 22), profile="archive"))))


def line(column: Column) -> str:
    """The column's row in the document."""
    codes = "" if column.name in LONG_LISTS else ", ".join(f"`{code}`" for code, _ in column.values)
    cells = (f"`{column.name}`", column.type, column.en, codes, column.empty, column.derivation)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def lines(table: Table) -> Iterator[str]:
    """Every column of a table, except the values of the wide ones, which the document explains as families."""
    for column in table.columns:
        is_value = ITEM.fullmatch(column.name) or (table.name == "scores_wide" and column.notice)
        if not is_value:
            yield line(column)


def section(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found, f"no section on {name}"
    return found.group(1)


def test_every_column_of_every_table_is_documented_as_the_codebook_has_it():
    missing = {}
    for table in all_tables():
        text = section(table.name)
        assert f"One row is {table.row}." in text, table.name
        assert f"Key: {', '.join(f'`{column}`' for column in table.key)}." in text, table.name
        missing[table.name] = [row for row in lines(table) if row not in text]
    assert {name: rows for name, rows in missing.items() if rows} == {}


def test_nothing_is_documented_that_does_not_exist():
    for table in all_tables():
        documented = re.findall(r"^\| `([a-z0-9_]+)` \|", section(table.name), re.MULTILINE)
        assert [name for name in documented if name not in table.header] == []


def test_the_families_of_the_wide_tables_are_those_of_the_packs():
    families = re.findall(r"`(\w+)_q(\d\d)` to `\w+_q(\d\d)`", section("items_wide"))
    named = {f"{code}_q{number:02d}" for code, first, last in families for number in range(int(first), int(last) + 1)}
    wide = {table.name: table for table in all_tables()}
    assert named == {name for name in wide["items_wide"].header if ITEM.fullmatch(name)}
    scales = set(re.findall(r"`([a-z0-9_]+)`", section("scores_wide").split("Scores:")[1]))
    assert {name for column in scales for name in (column, f"{column}_n")} == {
        column.name for column in wide["scores_wide"].columns if column.notice
    }


def test_every_type_is_explained():
    for name, meaning in TYPES.items():
        assert f"- **{name}**: {meaning}" in DOCUMENT.read_text(encoding="utf-8")


def test_how_to_undo_the_guard_is_told_and_true():
    from proapp.export.csv_text import guard

    pattern = re.search(r"`(\^'\+\S+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert pattern
    for text in ("=1", "'=1", "+1", "-1", "@x", "\tx", "\rx"):
        assert re.match(pattern.group(1), guard(text))
        assert guard(text)[1:] == text
    assert not re.match(pattern.group(1), "it's")
