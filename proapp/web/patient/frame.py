"""What is the same on many pages of patients is made once: what surrounds them all, and a question nobody but the
address and the form token tells apart. Kept in each process, a few megabytes at most."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from flask import current_app, get_flashed_messages, render_template, request
from flask.blueprints import BlueprintSetupState
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup, escape

from proapp.services.sessions import LIMITS, Patient
from proapp.web.i18n import LANGUAGES, language
from proapp.web.look import look
from proapp.web.patient import blueprint
from proapp.web.patient.presenters import BLANK, Question
from proapp.web.transactions import runtime

NAMES = {"sv": "Svenska", "en": "English"}  # each in its own language, so never translated
CUT = "\0"  # where a page puts its own; no text of ours holds it


class Frame(NamedTuple):
    """The pieces around: more of the head, title, language switch, whose page it is and form token of signing out,
    content, what scripts need after it."""

    start: Markup
    title: Markup
    top: Markup
    sign_out: Markup
    token: Markup
    main: Markup
    after: Markup
    end: Markup
    signed_in: bool


@blueprint.record_once
def ready(state: BlueprintSetupState) -> None:
    state.app.extensions["proapp.frames"] = {}
    state.app.extensions["proapp.switches"] = {}
    state.app.extensions["proapp.questions"] = lru_cache(maxsize=1024)(_pieces)
    state.app.jinja_env.globals.update(
        patient_frame=frame,
        phone_owner=phone_owner,
        other_languages=other_languages,
        language_names=NAMES,
        blank_question=BLANK,
        idle_seconds=int(LIMITS["patient"].idle.total_seconds()),
        tablet_seconds=int(LIMITS["clinic"].idle.total_seconds()),
    )


def frame(who: Patient | None) -> Frame:
    made: dict[tuple[object, ...], Frame] = current_app.extensions["proapp.frames"]
    signed_in, tablet = who is not None and who.kind == "patient", _tablet(who)
    study = runtime().study
    site_code = who.site_code if who else None
    key = (language(), look(), site_code, signed_in, tablet, request.script_root, study.content_hash)
    if key not in made:
        site = study.site(who.site_code) if who else None
        page = render_template("patient/_frame.html", site=site, signed_in=signed_in, tablet=tablet, cut=CUT)
        pieces = (Markup(piece.strip("\n")) for piece in page.split(CUT))  # noqa: S704  our own template
        made[key] = Frame(*pieces, signed_in=signed_in)
    return made[key]


def _tablet(who: Patient | None) -> str:
    """in_use or over, on a clinic's tablet; else empty."""
    if who is not None and who.is_on_tablet:
        return "in_use"
    return "over" if request.endpoint == "patient.tablet" else ""


def phone_owner(who: Patient) -> str:
    """Whose a phone's store says its entries are: always the same, and nothing to anybody else."""
    return runtime().vault.lookup("phone owner", str(who.participant_id))


def question_page(page: Question, *, action: str, back: str, who: Patient) -> str:
    """The page of one item. Only what is addressed to this person is put in anew; a tablet's page is made each time."""
    if page.prompt or page.problem or who.is_on_tablet or get_flashed_messages():
        return render_template("patient/question.html", page=page, back=back, action=action)
    made = current_app.extensions["proapp.questions"]
    token = generate_csrf()
    top, before_token, before_back, before_action, before_last, end = made(page, frame(who))
    mine = (top, phone_owner(who), before_token, token, before_back, escape(back), before_action, escape(action))
    return "".join((*mine, before_last, token, end))


def _pieces(page: Question, _frame: Frame) -> list[str]:
    """The page, cut where its owner, the form token of signing out, the way back, the form's address and its token
    belong."""
    return render_template(
        "patient/question.html",
        page=page,
        back=CUT,
        action=CUT,
        csrf_token=lambda: CUT,
        phone_owner=lambda _who: CUT,
        get_flashed_messages=lambda **_options: (),
    ).split(CUT)


def other_languages(form: str = "") -> Markup:
    """A button for each language but the page's own; `form`: the id of the form they belong to, if not inside it."""
    made: dict[tuple[str, str], Markup] = current_app.extensions["proapp.switches"]
    key = (language(), form)
    if key not in made:
        offered = [code for code in LANGUAGES if code in runtime().study.languages and code != key[0]]
        of_form = Markup(' form="{}"').format(form) if form else Markup()
        button = Markup('<button class="quiet"{form} name="language" value="{code}" lang="{code}">{name}</button>')
        made[key] = Markup("\n").join(
            button.format(form=of_form, code=code, name=escape(NAMES[code])) for code in offered
        )
    return made[key]
