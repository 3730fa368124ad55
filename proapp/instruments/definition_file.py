"""Reading definition files: TOML to plain data, and every complaint of the readers turned into a plain problem.

TOML has the shapes of JSON, so entries are checked with pydantic's strict JSON rules: arrays may become tuples, but a
text is never silently taken for a number or "yes" for true. Dates, which JSON does not have, arrive as text and are
refused wherever no text is expected.
"""

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from proapp.instruments.problems import Problem

Model = TypeVar("Model", bound=BaseModel)

SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "string_type": "must be a text",
    "string_pattern_mismatch": "is empty or has characters that are not allowed here",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be a table",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length} entries",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
}


def read_toml(path: Path) -> dict[str, Any] | Problem:
    """The content of a TOML file, or the one problem that keeps it from being read (absent, not UTF-8, not TOML)."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Problem(str(path), "", f"is not UTF-8 text (byte {error.start + 1}); save the file as UTF-8")
    except tomllib.TOMLDecodeError as error:
        return Problem(str(path), "", f"is not valid TOML: {error}")
    except OSError as error:
        return Problem(str(path), "", f"cannot be read: {error.strerror}")


def read_entry(model: type[Model], entry: object, *, file: str, path: str) -> tuple[Model | None, list[Problem]]:
    """One table of a definition file as a value of `model`; None and all its problems when it does not fit."""
    try:
        return model.model_validate_json(json.dumps(entry, default=str), strict=True), []
    except ValidationError as error:
        return None, [_problem(fault, file, path) for fault in error.errors(include_url=False)]


def _problem(fault: Any, file: str, path: str) -> Problem:
    place = ".".join(str(part) for part in (path, *fault["loc"]) if part != "")
    context = {key: str(value).replace("'", '"') for key, value in fault.get("ctx", {}).items()}
    template = SENTENCES.get(fault["type"])
    return Problem(file, place, template.format(**context) if template else fault["msg"])
