"""The questionnaire as a phone keeps it, so that it can be answered whole without network: what is asked and in which
words, the sentences around it, and what was given so far."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask_wtf.csrf import generate_csrf

from proapp.instruments.model import Instrument
from proapp.services.answering import Receipt
from proapp.services.sessions import LIMITS
from proapp.services.sitting import Sitting
from proapp.study.model import Site
from proapp.web import context
from proapp.web.i18n import Sentences, sentences
from proapp.web.i18n import gettext as _
from proapp.web.patient.presenters import wording
from proapp.web.public import dial

VERSION = 2  # of this layout: a phone that kept another one fetches it anew when it can (LAYOUT in store.js)


def copy_of(sitting: Sitting, site: Site, *, owner: str, sent: Receipt | None) -> dict[str, Any]:
    """Everything; `given` maps "instrument.item" to [kind, code]."""
    return {
        "version": VERSION,
        "assessment": sitting.assessment_id,
        "owner": owner,
        "csrf": generate_csrf(),
        "now": int(sitting.now.timestamp() * 1000),
        "idle": int(LIMITS["patient"].idle.total_seconds()),
        "known": sitting.rows[-1].id if sitting.rows else 0,
        "given": {f"{step.instrument}.{step.item}": [one.kind, one.code] for step, one in sitting.given.items()},
        "sent": in_words(sent, sitting),
        "phone": {"shown": site.phone, "dial": dial(site.phone)},
        **_questionnaire(sentences(), sitting.instruments),
    }


def in_words(sent: Receipt | None, sitting: Sitting) -> str | None:
    """When the questionnaire was received: 29 November 2026 14:05."""
    if sent is None:
        return None
    at = sent.submitted_at.astimezone(sitting.zone)
    return f"{context.day(at.date())} {at:%H:%M}"


@lru_cache(maxsize=64)
def _questionnaire(words: Sentences, instruments: tuple[Instrument, ...]) -> dict[str, Any]:
    return {
        "language": words.code(),
        "parts": [_part(instrument, words.code()) for instrument in instruments],
        "words": _sentences(len(instruments)),
    }


def _part(instrument: Instrument, language: str) -> dict[str, Any]:
    lang, words = wording(instrument, language)
    return {
        "code": instrument.code,
        "lang": lang,
        "title": words.title,
        "introduction": words.introduction,
        "notice": words.notice or "",
        "recalls": words.recalls,
        "choices": {
            code: {
                "layout": choices.layout,
                "options": [[one, words.responses[code].get(one, "")] for one in choices.codes],
            }
            for code, choices in instrument.responses.items()
        },
        "items": [
            [  # in the order in which questionnaire.js takes them: the names 74 times would be seen in its size
                item.number,
                item.responses,
                item.recall,
                [item.gate.item, item.gate.above] if item.gate else None,
                words.items[item.number],
                words.short[item.number],
            ]
            for item in instrument.items
        ],
    }


def _sentences(parts: int) -> dict[str, str]:
    """What the scripts say, with {} where something is put in."""
    question = _("Question %(number)d of %(total)d").replace("%(number)d", "{number}").replace("%(total)d", "{total}")
    part = _("Part %(number)d of %(total)d").replace("%(number)d", "{part}").replace("%(total)d", "{parts}")
    heading = _("Part %(number)d: %(title)s").replace("%(number)d", "{part}").replace("%(title)s", "{title}")
    scale = _("%(code)d on a scale to %(highest)d").replace("%(code)d", "{code}").replace("%(highest)d", "{highest}")
    missing = _("Questions left unanswered: %(number)d").replace("%(number)d", "{number}")
    return {
        "place": question if parts == 1 else f"{part} · {question}",
        "heading": heading if parts > 1 else "{title}",
        "scale": scale,
        "missing": missing,
        "back": _("Back"),
        "to_first": _("To the first page"),
        "to_list": _("Back to the list"),
        "each_is_saved": _("Each answer is saved when you continue."),
        "saved": _("Your answer is saved."),
        "sign_in": _("Saved on this phone, not sent yet. Sign in again to send it."),
        "elsewhere": _("Answered on another phone or computer: %(questions)s. The newest answer counts.").replace(
            "%(questions)s", "{questions}"
        ),
        "cleared": _("Your answer is cleared."),
        "not_answered": _("Not answered"),
        "answer_it": _("Answer it"),
        "change": _("Change answer"),
        "not_answered_yet": _("Not answered yet:"),
        "check_and_send": _("Check and send"),
        "received": _("The answers to this questionnaire were already received %(when)s.").replace(
            "%(when)s", "{when}"
        ),
    }
