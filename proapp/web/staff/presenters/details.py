"""What an audit event says, in words: names and codes that the house has words for; all else as it is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from proapp.web.context import iso_local
from proapp.web.staff.presenters import delivery, words
from proapp.web.staff.presenters.detail_words import NAMES, VALUES

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00", re.ASCII)


def pieces(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value or "old → new") for each thing the event says; what stayed empty is left out."""
    rest = {name: value for name, value in details.items() if name not in {"old", "new"}}
    if "old" in details or "new" in details:
        yield from _change(details.get("old"), details.get("new"))
    for name, value in sorted(rest.items()):
        if value not in (None, [], {}):
            yield _named(name), _plain(value, name)


def _change(old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if isinstance(old, Mapping) or isinstance(new, Mapping):
        before, after = old or {}, new or {}
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield _named(name), f"{_plain(before.get(name), name)} → {_plain(after.get(name), name)}"
    else:
        yield "", f"{_plain(old)} → {_plain(new)}"


def _named(name: str) -> str:
    return str(NAMES.get(name, name))


def _plain(value: Any, name: str = "") -> str:
    if value in (None, "", [], {}):
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{_named(inner)}: {_plain(one, inner)}" for inner, one in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(_plain(one, name) for one in value)
    if name == "step":
        return delivery.step_words(str(value))
    if isinstance(value, bool):
        return str(words.FLAGS["Y" if value else "N"])
    if isinstance(value, str) and value in VALUES.get(name, {}):
        return str(VALUES[name][value])
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return iso_local(datetime.fromisoformat(value))
    return str(value)
