"""What an audit event says, in words: names and codes that the house has words for; all else as it is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from flask_babel import lazy_gettext

from proapp.web.context import iso_local
from proapp.web.staff.presenters import delivery, history, words

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00", re.ASCII)

NAMES: Mapping[str, Any] = {
    "answered_items": lazy_gettext("answers"),
    "arm": lazy_gettext("arm"),
    "assessment": lazy_gettext("assessment"),
    "assessment_id": lazy_gettext("assessment"),
    "auto_submitted": lazy_gettext("sent by the system"),
    "avoidable": lazy_gettext("avoidable"),
    "channel": lazy_gettext("channel"),
    "closes_on": lazy_gettext("closes"),
    "code": lazy_gettext("code"),
    "clock_trusted": lazy_gettext("clock trusted"),
    "device_at": lazy_gettext("by the phone's clock"),
    "device_offset_s": lazy_gettext("seconds that clock was ahead"),
    "due_at": lazy_gettext("due"),
    "effective_on": lazy_gettext("day"),
    "has_note": lazy_gettext("with a note"),
    "health_related": lazy_gettext("health-related"),
    "late_until": lazy_gettext("late until"),
    "method": lazy_gettext("how"),
    "mode": lazy_gettext("way of answering"),
    "next_on": lazy_gettext("next"),
    "not_after": lazy_gettext("of use until"),
    "opens_on": lazy_gettext("opens"),
    "overtaken": lazy_gettext("a newer answer had come"),
    "outcome": lazy_gettext("what came of it"),
    "sent": lazy_gettext("as it was sent"),
    "step": lazy_gettext("step"),
    "target_on": lazy_gettext("target day"),
    "timepoint": lazy_gettext("time point"),
    "type": lazy_gettext("kind"),
    "was": lazy_gettext("before"),
    "why": lazy_gettext("why"),
}
# Whose value is one of the house's codes.
VALUES: Mapping[str, Mapping[str, Any]] = {
    "avoidable": words.FLAGS,
    "channel": words.METHODS,
    "code": words.REASONS,
    "health_related": words.FLAGS,
    "method": words.METHODS,
    "mode": words.MODES,
    "outcome": words.OUTCOMES,
    "respondent": words.RESPONDENTS,
    "type": history.EVENTS,
    "was": delivery.STATES,
    "why": {**delivery.REASONS, **delivery.NOT},
}


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
