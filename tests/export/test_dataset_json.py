"""The Dataset-JSON files hold what the CSV files hold, in the form that the standard wants."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from proapp.export.csv_text import guard
from tests.export.test_bundle import TABLES

# From the schema of Dataset-JSON 1.1 (dataset.yaml, CDISC): what must be there, what may, and which types there are.
REQUIRED = {"datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID", "records", "name", "label", "columns"}
ALLOWED = REQUIRED | {
    "fileOID", "dbLastModifiedDateTime", "originator", "sourceSystem", "studyOID", "metaDataVersionOID", "metaDataRef",
    "isReferenceData", "rows",
}  # fmt: skip
OF_COLUMN = {"itemOID", "name", "label", "dataType"}
MAY_COLUMN = OF_COLUMN | {"targetDataType", "length", "displayFormat", "keySequence"}
VALUES: dict[str, Any] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "double": lambda value: type(value) in (int, float),
    "date": lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)),
    "datetime": lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value)),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_file_is_as_the_standard_has_it(golden, table):
    made = json.loads(golden().files[f"data/{table}.json"])
    assert REQUIRED <= set(made) <= ALLOWED
    assert made["datasetJSONVersion"] == "1.1.0"
    assert made["datasetJSONCreationDateTime"] == "2026-11-22T23:00:00Z"
    assert made["records"] == len(made["rows"])
    assert made["itemGroupOID"] == f"IG.{table.upper()}"
    columns = made["columns"]
    assert len({column["itemOID"] for column in columns}) == len(columns)
    for place, column in enumerate(columns):
        assert OF_COLUMN <= set(column) <= MAY_COLUMN
        found = [row[place] for row in made["rows"] if row[place] is not None]
        assert all(map(VALUES[column["dataType"]], found)), column["name"]
        if column["dataType"] == "string":
            assert column["length"] >= max([1, *map(len, found)])
    assert {len(row) for row in made["rows"]} <= {len(columns)}


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_is_that_of_the_csv_file(golden, table):
    made = golden()
    data = json.loads(made.files[f"data/{table}.json"])
    header, *rows = csv.reader(io.StringIO(made.files[f"data/{table}.csv"].decode(), newline=""))
    assert [column["name"] for column in data["columns"]] == header
    assert [[as_csv(cell) for cell in row] for row in data["rows"]] == rows
    keys = {column["keySequence"]: column["name"] for column in data["columns"] if "keySequence" in column}
    assert [keys[place] for place in sorted(keys)] == made.manifest["keys"][table]


def as_csv(cell: Any) -> str:
    if isinstance(cell, str):
        return guard(cell)
    return "" if cell is None else str(cell)


def test_an_empty_table_is_an_empty_list(export):
    data = json.loads(export().files["data/contacts.json"])
    assert (data["records"], data["rows"]) == (0, [])


def test_keyed_ids_and_hidden_arms_hold_in_the_json_files_too(trial, export):
    made = export(key=b"0123456789abcdef", arms=False)
    data = json.loads(made.files["data/items_long.json"])
    rows = made.table("items_long")
    assert [row[0] for row in data["rows"]] == [row["study_id"] for row in rows]
    assert "arm_code" not in {column["name"] for column in data["columns"]}
