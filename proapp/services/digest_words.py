"""What the message to staff says, in both languages: counts and study ids, and where to look; nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    """The sentences of one language. `lines` are (for one, for several) by what is counted; %(n)s is the count and
    %(ids)s the study ids."""

    subject: str
    escalation_subject: str
    greeting: str
    lines: Mapping[str, tuple[str, str]]
    escalated: tuple[str, str]  # as a line
    look: str
    switch: str


LINES = ("calls", "closing", "wishes", "letters", "reasons")  # in this order

ENGLISH = Words(
    subject="proapp: this week's list",
    escalation_subject="proapp: still unanswered",
    greeting="This waits on the worklist:",
    lines={
        "calls": ("%(n)s participant to contact: %(ids)s", "%(n)s participants to contact: %(ids)s"),
        "closing": (
            "%(n)s window closes within 2 working days: %(ids)s",
            "%(n)s windows close within 2 working days: %(ids)s",
        ),
        "wishes": ("%(n)s has asked to be called: %(ids)s", "%(n)s have asked to be called: %(ids)s"),
        "letters": ("%(n)s letter to send: %(ids)s", "%(n)s letters to send: %(ids)s"),
        "reasons": ("%(n)s reason to record: %(ids)s", "%(n)s reasons to record: %(ids)s"),
    },
    escalated=(
        "%(n)s participant was reminded as planned and has still not answered: %(ids)s",
        "%(n)s participants were reminded as planned and have still not answered: %(ids)s",
    ),
    look="Worklist: %(address)s",
    switch="This message can be switched on and off here: %(address)s",
)
SWEDISH = Words(
    subject="proapp: veckans lista",
    escalation_subject="proapp: fortfarande obesvarat",
    greeting="Detta väntar på arbetslistan:",
    lines={
        "calls": ("%(n)s deltagare att kontakta: %(ids)s", "%(n)s deltagare att kontakta: %(ids)s"),
        "closing": (
            "%(n)s fönster stänger inom 2 arbetsdagar: %(ids)s",
            "%(n)s fönster stänger inom 2 arbetsdagar: %(ids)s",
        ),
        "wishes": ("%(n)s har bett om att bli uppringd: %(ids)s", "%(n)s har bett om att bli uppringda: %(ids)s"),
        "letters": ("%(n)s brev att skicka: %(ids)s", "%(n)s brev att skicka: %(ids)s"),
        "reasons": ("%(n)s skäl att anteckna: %(ids)s", "%(n)s skäl att anteckna: %(ids)s"),
    },
    escalated=(
        "%(n)s deltagare har påmints enligt planen och ändå inte svarat: %(ids)s",
        "%(n)s deltagare har påmints enligt planen och ändå inte svarat: %(ids)s",
    ),
    look="Arbetslistan: %(address)s",
    switch="Utskicket slås på och av här: %(address)s",
)
BY_LANGUAGE: Mapping[str, Words] = {"sv": SWEDISH, "en": ENGLISH}


def words(language: str) -> Words:
    """Those of the language, else the Swedish ones."""
    return BY_LANGUAGE.get(language, SWEDISH)
