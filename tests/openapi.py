"""A JSON schema checker of our own, small and strict: a keyword it does not know is an error and not overlooked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
WORDS = {"title", "description", "examples", "default"}  # for people
KNOWN = WORDS | {
    "$ref", "type", "anyOf", "enum", "const", "properties", "required", "additionalProperties", "items", "minimum", "maximum",
    "minLength", "maxLength", "pattern", "format",
}  # fmt: skip


def faults(value: Any, schema: Mapping[str, Any], document: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Where and why `value` is not as `schema` of the document says."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        yield from faults(value, document["components"]["schemas"][name], document, at)
    if "anyOf" in schema and all(list(faults(value, one, document, at)) for one in schema["anyOf"]):
        yield f"{at}: is none of what it may be"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{at}: is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        yield f"{at}: is not {schema['const']}"
    if isinstance(value, str):
        yield from _text(value, schema, at)
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at}: is out of range"
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from faults(one, schema.get("items", {}), document, f"{at}/{number}")
    if isinstance(value, dict):
        yield from _fields(value, schema, document, at)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, TYPES[kind])


def _text(value: str, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at}: is too long or too short"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: is not like {schema['pattern']}"
    reader: Any = {
        "date": date.fromisoformat,
        "date-time": datetime.fromisoformat,
        "time": time.fromisoformat,
        None: str,
    }[schema.get("format")]
    try:
        reader(value)
    except ValueError:
        yield f"{at}: is no {schema['format']}"


def _fields(value: Mapping[str, Any], schema: Mapping[str, Any], document: Mapping[str, Any], at: str) -> Iterator[str]:
    named, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}/{name}: is missing"
    for name, inner in value.items():
        if name in named or isinstance(others, dict):
            yield from faults(inner, named.get(name, others), document, f"{at}/{name}")
        elif not others:
            yield f"{at}/{name}: is not described"
