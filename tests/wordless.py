"""Finds what the audit page would print as it is stored, because nobody gave it words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from proapp.web.staff.presenters.detail_words import NAMES, VALUES
from tests.conftest import ROOT

# Names whose values are nobody's code: what people and machines are called, numbers of versions, checksums.
FREE = {
    "arm",
    "timepoint",
    "device",
    "gateway",
    "name",
    "step",
    "site_code",
    "sites",
    "study_id",
    "number",
    "version",
    "receipt",
}
FREE |= {"protocol_version", "algorithm", "protocol", "study", "hash", "content_hash", "diff_hash", "sha256", "proapp"}
# Names that are data themselves: of questionnaires, sites and files.
FILED_UNDER = {"packs", "instruments", "sites", "rows"}
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
WRITERS = ("Entry", "_entry", "_note", "_change_contact")


def wordless(details: Mapping[str, Any]) -> set[tuple[str, Any]]:
    """(name, None) without words for the name, (name, value) without words for the code."""
    return set(_wordless(details))


def _wordless(details: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in details.items():
        if name in {"old", "new"} and not isinstance(value, Mapping):
            yield from _value("", value)
            continue
        if name not in {"old", "new"}:
            if name not in NAMES:
                yield name, None
            yield from _value(name, value)
        if isinstance(value, Mapping):
            inner = value.values() if name in FILED_UNDER else [value]
            for one in inner:
                if isinstance(one, Mapping):
                    yield from _wordless(one)


def _value(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str) and CODE.fullmatch(one) and name not in FREE and one not in VALUES.get(name, {}):
            yield name, one


# --- what the services can write, read from their text ---------------------------------------------------------------


def written() -> tuple[set[str], set[str]]:
    """(actions, names of details) of every audit entry in the services, as far as they stand there as words."""
    actions: set[str] = set()
    names: set[str] = set()
    for file in (*(ROOT / "proapp" / "services").glob("*.py"), ROOT / "proapp" / "cli" / "db.py"):
        for function in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                known = _assigned(function)
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and _called(call) in WRITERS:
                        for argument in call.args:
                            actions.update(_action(argument))
                            names.update(_names(argument, known))
    return actions, names - {"old", "new"}


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _action(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[a-z_]+\.[a-z_]+", node.value):
        yield node.value


def _assigned(function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return found


def _names(node: ast.expr, known: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value)
            yield from _names(value, known)
    elif isinstance(node, ast.IfExp):
        yield from _names(node.body, known)
        yield from _names(node.orelse, known)
    elif isinstance(node, ast.Name):
        others = {name: values for name, values in known.items() if name != node.id}
        for value in known.get(node.id, ()):
            yield from _names(value, others)
