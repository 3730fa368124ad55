"""P3: what somebody wants to know before the first question, and who is going to answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from proapp.services import durations
from proapp.services.sitting import Sitting
from proapp.web.i18n import language
from proapp.web.patient.presenters import wording
from proapp.web.transactions import database, runtime


@dataclass(frozen=True, slots=True)
class Words:
    """Of a pack, in a language that may differ from the page's."""

    text: str
    lang: str


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Before:
    time: str
    recall: Words | None  # the time that most of the questions are about
    choices: tuple[Choice, ...]
    notices: tuple[Words, ...]


def before(sitting: Sitting) -> Before:
    wordings = [wording(one, language()) for one in sitting.instruments]
    notices = (Words(words.notice, lang) for lang, words in wordings if words.notice)
    return Before(
        time=_time(sitting),
        recall=_recall(sitting),
        choices=_choices(sitting),
        notices=tuple(dict.fromkeys(notices)),
    )


def _time(sitting: Sitting) -> str:
    packs = tuple(one.code for one in sitting.instruments)
    found = durations.minutes(database(), [packs], study=runtime().study, instruments=runtime().instruments)
    return ngettext("It takes about %(num)d minute.", "It takes about %(num)d minutes.", found[packs])


def _recall(sitting: Sitting) -> Words | None:
    said = Counter(
        Words(words.recalls[item.recall], lang)
        for one in sitting.instruments
        for lang, words in [wording(one, language())]
        for item in one.items
        if item.recall
    )
    return said.most_common(1)[0][0] if said else None


def _choices(sitting: Sitting) -> tuple[Choice, ...]:
    """Who may answer, of `answering.RESPONDENTS`. None is chosen beforehand."""
    offered = [
        Choice("self", _("I answer myself")),
        Choice("helped", _("I decide the answers, and somebody reads or taps for me")),
    ]
    if sitting.study.proxy_allowed:
        warning = _(
            "Only if you cannot answer yourself. The questions are about your own experience, so these answers are "
            "marked in the study."
        )
        offered.append(Choice("proxy", _("Somebody else answers for me"), warning))
    return tuple(offered)
