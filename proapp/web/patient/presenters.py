"""What a page of the questionnaire prints, as plain values: templates get these and never a row of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from flask import url_for
from flask_babel import ngettext

from proapp.instruments.answers import Given
from proapp.instruments.model import Instrument, Wording
from proapp.services.sitting import Sitting, Step, route
from proapp.web.i18n import Sentences, sentences
from proapp.web.i18n import gettext as _


@dataclass(frozen=True, slots=True)
class Option:
    code: int
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One item. `lang` is the language of the wording when it differs from the page's, else the same. Nothing in it is
    a person's but the answer chosen, so that it is made once for all who answered the same."""

    place: str
    position: int
    total: int
    lang: str
    introduction: str
    recall: str
    text: str
    layout: str
    options: tuple[Option, ...]
    is_answered: bool
    saved: str
    notice: str
    back_words: str
    prompt: bool
    problem: str

    @property
    def first_code(self) -> int:
        return self.options[0].code if self.options else 1


# Filled by the script of a phone.
BLANK = Question("", 0, 1, "", "", "", "", "list", (), False, "", "", "", False, "")


def wording(instrument: Instrument, language: str) -> tuple[str, Wording]:
    """The language the questionnaire is shown in, and its words: the page's if the pack has it, else its first."""
    shown = language if language in instrument.wording else instrument.languages[0]
    return shown, instrument.wording[shown]


def address_of(sitting: Sitting, step: Step, *, back_to_review: bool = False) -> str:
    where = {"back": "review"} if back_to_review else {}
    return url_for(
        "patient.question",
        assessment_id=sitting.assessment_id,
        instrument=step.instrument,
        item=step.item,
        **where,
    )


def question(
    sitting: Sitting, step: Step, *, back_to_review: bool, prompt: bool = False, problem: str = ""
) -> Question:
    given = sitting.given.get(step)
    chosen = given.code if given is not None and given.kind == "answered" else None
    kept, back = given.code if given else None, _back_words(sitting, step, back_to_review)
    return _question(sentences(), sitting.instruments, step, chosen is not None, kept, back, prompt, problem)


@lru_cache(maxsize=2048)
def _question(
    sentences: Sentences,
    instruments: tuple[Instrument, ...],
    step: Step,
    answered: bool,
    chosen: int | None,
    back_words: str,
    prompt: bool,
    problem: str,
) -> Question:
    part, position, done = route(instruments).places[step]
    instrument = instruments[part]
    lang, words = wording(instrument, sentences.code())
    item, choices = instrument.item(step.item), instrument.choices(step.item)
    labels = words.responses[choices.id]
    return Question(
        place=_place(part, len(instruments), position, len(instrument.items)),
        position=done,
        total=len(route(instruments).steps),
        lang=lang,
        introduction=words.introduction if position == 0 else "",
        recall=words.recalls[item.recall] if item.recall else "",
        text=words.items[step.item],
        layout=choices.layout,
        options=tuple(Option(code, labels.get(code, ""), code == chosen) for code in choices.codes),
        is_answered=answered,
        saved=_("Your answer is saved.") if answered else _("Each answer is saved when you continue."),
        notice=words.notice or "",
        back_words=back_words,
        prompt=prompt,
        problem=problem,
    )


def _place(part: int, parts: int, position: int, items: int) -> str:
    """Part 1 of 3 · Question 12 of 30. Numbers of items that are not asked are left out, so the totals never move."""
    here = _("Question %(number)d of %(total)d", number=position + 1, total=items)
    return here if parts == 1 else _("Part %(number)d of %(total)d", number=part + 1, total=parts) + " · " + here


def _back_words(sitting: Sitting, step: Step, back_to_review: bool) -> str:
    if back_to_review:
        return _("Back to the list")
    return _("Back") if sitting.before(step) else _("To the first page")


def back_of(sitting: Sitting, step: Step, back_to_review: bool, *, on_tablet: bool = False) -> str:
    """The address behind the way back; empty where there is none."""
    if back_to_review:
        return url_for("patient.review", assessment_id=sitting.assessment_id)
    before = sitting.before(step)
    if before is None:
        return "" if on_tablet else url_for("patient.home")
    return address_of(sitting, before)


# --- the list before sending ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    lang: str
    answer: str
    answered: bool
    address: str


@dataclass(frozen=True, slots=True)
class Part:
    heading: str
    rows: tuple[Row, ...]
    notice: str
    lang: str


@dataclass(frozen=True, slots=True)
class Review:
    id: int
    back: str
    missing: tuple[Row, ...]
    missing_heading: str
    parts: tuple[Part, ...]
    none_answered: bool


def review(sitting: Sitting, language: str) -> Review:
    parts = tuple(_part(sitting, number, one, language) for number, one in enumerate(sitting.instruments, start=1))
    missing = tuple(row for part in parts for row in part.rows if not row.answered)
    last = sitting.steps[-1]
    return Review(
        id=sitting.assessment_id,
        back=address_of(sitting, last),
        missing=missing,
        missing_heading=ngettext(
            "You have left %(num)d question unanswered", "You have left %(num)d questions unanswered", len(missing)
        ),
        parts=parts,
        none_answered=sitting.answered == 0,
    )


def _part(sitting: Sitting, number: int, instrument: Instrument, language: str) -> Part:
    lang, words = wording(instrument, language)
    steps = (step for step in sitting.steps if step.instrument == instrument.code)
    heading = _("Part %(number)d: %(title)s", number=number, title=words.title)
    return Part(
        heading=heading if len(sitting.instruments) > 1 else words.title,
        rows=tuple(_rows(sitting, instrument, steps, lang, words)),
        notice=words.notice or "",
        lang=lang,
    )


def _rows(sitting: Sitting, instrument: Instrument, steps: Iterable[Step], lang: str, words: Wording) -> Iterable[Row]:
    for step in steps:
        given = sitting.given.get(step)
        answered = given is not None and given.kind == "answered"
        yield Row(
            text=words.short[step.item],
            lang=lang,
            answer=_answer(instrument, step, given, words) if given is not None and answered else _("Not answered"),
            answered=answered,
            address=address_of(sitting, step, back_to_review=True),
        )


def _answer(instrument: Instrument, step: Step, given: Given, words: Wording) -> str:
    """The words of the answer; on a row of numbered tiles the number and what the ends mean."""
    choices, code = instrument.choices(step.item), given.code
    assert code is not None
    label = words.responses[choices.id].get(code, "")
    if choices.layout == "list":
        return label
    number = _("%(code)d on a scale to %(highest)d", code=code, highest=choices.highest)
    return f"{number} ({label})" if label else number
