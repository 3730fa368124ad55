"""The reasons to choose from, grouped by where the cause lay, with what the contact log suggests on top."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask_babel import gettext, lazy_gettext

from proapp.services import missing
from proapp.services.cohort import Expected
from proapp.study.reasons import MISSED_REASONS
from proapp.web.staff.presenters import words

GROUPS = (
    (lazy_gettext("Health"), ("too_ill", "hospitalised", "refused_burden")),
    (
        lazy_gettext("The participant"),
        ("refused_this", "forgot", "no_time", "upset_or_irrelevant", "language_or_cognition"),
    ),
    (lazy_gettext("Contact"), ("unreachable", "wrong_contact", "not_sent")),
    (lazy_gettext("The clinic and the system"), ("staff_oversight", "technical", "system_down", "wrong_instrument")),
    (lazy_gettext("Otherwise"), ("unknown",)),
)


@dataclass(frozen=True, slots=True)
class Choice:
    code: str
    label: str
    flags: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Group:
    heading: str
    choices: tuple[Choice, ...]
    is_suggested: bool = False


def groups(assessment: Expected) -> Iterator[Group]:
    """Every reason that staff may give, each once in its group; what the log speaks for comes first as well."""
    current = assessment.reason.code if assessment.reason else None
    suggested = [code for code in missing.suggestions(assessment) if code != current]
    if suggested:
        heading = gettext("As the contact log has it")
        yield Group(heading, tuple(_choice(code, current) for code in suggested), is_suggested=True)
    for heading, codes in GROUPS:
        yield Group(str(heading), tuple(_choice(code, current) for code in codes if MISSED_REASONS[code].by_hand))


def _choice(code: str, current: str | None) -> Choice:
    reason = MISSED_REASONS[code]
    flags = gettext(
        "health-related: %(health)s · avoidable: %(avoidable)s",
        health=words.yes_no(reason.health_related),
        avoidable=words.yes_no(reason.avoidable),
    )
    return Choice(code, words.reason(code), flags, code == current)
