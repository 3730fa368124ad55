"""P3 to P6: who answers, one item per screen, the list before sending, the receipt; and saying no this time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from proapp.instruments.answers import Given, InvalidAnswer, parse_answer
from proapp.services import answering, conflicts, declining
from proapp.services.errors import Refused
from proapp.services.sitting import Sitting, Step
from proapp.services.sitting_reading import find_sitting
from proapp.web import context
from proapp.web.guard import QUESTIONNAIRE, audience, patient, patient_actor
from proapp.web.i18n import choose, language
from proapp.web.patient import blueprint, home, phone_copy, presenters
from proapp.web.patient.before import before
from proapp.web.patient.frame import question_page
from proapp.web.transactions import connection, database, keep, now, runtime

AWAY = frozenset({"pause", "look"})  # buttons that lead elsewhere, with an answer or without


def _sitting(assessment_id: int, *, lock: bool = False, at: Step | None = None) -> Sitting:
    """The signed-in patient's own assessment; a page not found for anybody else's. `at`: as one item needs it."""
    return find_sitting(
        connection(),
        study=runtime().study,
        instruments=runtime().instruments,
        participant_id=patient().participant_id,
        assessment_id=assessment_id,
        now=now(),
        lock=lock,
        at=at,
    )


def _away(address: str) -> Any:
    return redirect(address, code=303)


def _where_left(sitting: Sitting) -> str:
    """The first item neither answered nor skipped; the list when there is none left."""
    step = sitting.first_open()
    if step is None:
        return url_for("patient.review", assessment_id=sitting.assessment_id)
    return presenters.address_of(sitting, step)


# --- why there is nothing to do here --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopped:
    heading: str
    text: str
    address: str
    words: str
    undo: str = ""


def _stopped(sitting: Sitting, code: str, *, differs: bool = False) -> Any:
    """A calm page that says why; 409 to a POST, which has changed nothing. `differs`: what it brought is kept for the
    clinic."""
    page = _stopped_page(sitting, code, differs=differs)
    return render_template("patient/stopped.html", page=page), 409 if request.method == "POST" else 200


def _stopped_page(sitting: Sitting, code: str, *, differs: bool = False) -> Stopped:
    here = {"assessment_id": sitting.assessment_id}
    start, first_page = url_for("patient.start", **here), (url_for("patient.home"), _("To the first page"))
    if patient().is_on_tablet:
        first_page = ("", "")  # there is none on the clinic's tablet
    opens_on = sitting.assessment.opens_on
    if code == "not_started":
        return Stopped(_("Not started yet"), _("This questionnaire has not been started."), start, _("Begin"))
    if code == "not_asked":
        text = _("Because of an earlier answer this question is not asked. Nothing was changed.")
        return Stopped(_("This question is left out"), text, start, _("Continue"))
    if code == "already_sent":
        return Stopped(
            _("Already sent"), _already_sent(sitting, differs), url_for("patient.sent", **here), _("Show the receipt")
        )
    if code == "declined":
        text = _("You have chosen not to answer this questionnaire.")
        undo = url_for("patient.undo_decline", **here)
        return Stopped(_("You have said no this time"), text, *first_page, undo=undo)
    if code == "not_open" and opens_on is not None:
        text = _("It opens on %(date)s. Thank you for being early!", date=context.day_with_weekday(opens_on))
        return Stopped(_("Not open yet"), text, *first_page)
    if code == "not_open":
        return Stopped(_("Not open yet"), _("Your clinic will tell you when it is time."), *first_page)
    if code == "answered_otherwise":
        text = _("Your clinic has already received your answers in another way. Thank you!")
        return Stopped(_("Already answered"), text, *first_page)
    text = _("The time for answering has ended. No harm is done, and what you had saved is kept.")
    return Stopped(_("This questionnaire has closed"), text, *first_page)


def _already_sent(sitting: Sitting, differs: bool) -> str:
    when = phone_copy.in_words(answering.receipt(sitting), sitting)
    received = _("The answers to this questionnaire were already received %(when)s.", when=when)
    if differs:
        return f"{received} " + _("What you answered now is kept for the clinic, which may call you.")
    return f"{received} " + _("They can no longer be changed here. If something is wrong, call your clinic.")


# --- P3 -------------------------------------------------------------------------------------------------------------


@blueprint.get("/assessment/<int:assessment_id>")
@audience(*QUESTIONNAIRE)
def start(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id)
    why_not = answering.why_not(sitting)
    if why_not == "already_sent":
        return _away(url_for("patient.sent", assessment_id=assessment_id))
    if why_not is not None:
        return _stopped(sitting, why_not)
    if sitting.own is not None:
        if sitting.given:
            flash(_("Welcome back. You continue where you left off."))
        return _away(_where_left(sitting))
    return _start_page(sitting)


def _start_page(sitting: Sitting, problem: str = "") -> Any:
    page = render_template("patient/start.html", page=before(sitting), id=sitting.assessment_id, problem=problem)
    return page, 422 if problem else 200


@blueprint.post("/assessment/<int:assessment_id>")
@audience(*QUESTIONNAIRE)
def begin(assessment_id: int) -> Any:
    who = next((one for one in answering.RESPONDENTS if one == request.form.get("who")), None)
    sitting = _sitting(assessment_id)
    try:
        if who is None:
            if sitting.own is not None or answering.why_not(sitting) is not None:
                return _away(url_for("patient.start", assessment_id=assessment_id))
            return _start_page(sitting, _("Choose who is answering."))
        opened = answering.open_sitting(
            database(),
            study=runtime().study,
            instruments=runtime().instruments,
            participant_id=patient().participant_id,
            assessment_id=assessment_id,
            respondent=who,
            on_tablet=patient().is_on_tablet,
            now=now(),
            actor=patient_actor(),
        )
    except Refused as refusal:
        if refusal.code == "proxy_not_allowed":
            return _start_page(sitting, _("In this study only you can answer, with help if you like."))
        return _stopped(sitting, refusal.code)
    return _away(_where_left(opened))


# --- P4 -------------------------------------------------------------------------------------------------------------


@blueprint.get("/assessment/<int:assessment_id>/<instrument>/<int:item>")
@audience(*QUESTIONNAIRE)
def question(assessment_id: int, instrument: str, item: int) -> Any:
    sitting = _sitting(assessment_id, at=Step(instrument, item))
    step = sitting.step(instrument, item)
    if sitting.own is None:
        return _away(url_for("patient.start", assessment_id=assessment_id))
    why_not = answering.why_not(sitting)
    if why_not is not None:
        return _stopped(sitting, why_not)
    if not sitting.is_asked(step):
        return _away(_after(sitting, step))
    return _question_page(sitting, step)


def _question_page(sitting: Sitting, step: Step, *, prompt: bool = False, problem: str = "") -> Any:
    from_review = _from_review()
    page = presenters.question(sitting, step, back_to_review=from_review, prompt=prompt, problem=problem)
    action = request.path + ("?back=review" if from_review else "")
    back = presenters.back_of(sitting, step, from_review, on_tablet=patient().is_on_tablet)
    return question_page(page, action=action, back=back, who=patient()), 422 if prompt or problem else 200


def _from_review() -> bool:
    return request.args.get("back") == "review"


def _after(sitting: Sitting, step: Step) -> str:
    """Where Continue leads: the next item that is asked, or the list."""
    following = None if _from_review() else sitting.after(step)
    if following is None:
        return url_for("patient.review", assessment_id=sitting.assessment_id)
    return presenters.address_of(sitting, following)


@blueprint.post("/assessment/<int:assessment_id>/<instrument>/<int:item>")
@audience(*QUESTIONNAIRE)
def answer(assessment_id: int, instrument: str, item: int) -> Any:
    """Save what was done with one item, then go where the button says."""
    sitting = _sitting(assessment_id, lock=True, at=Step(instrument, item))
    step = sitting.step(instrument, item)
    act, raw = request.form.get("do", ""), request.form.get("answer")
    new_language = request.form.get("language", "")
    if act in {"skip", "clear"}:
        given = Given("skipped" if act == "skip" else "cleared")
    elif raw is None and act not in AWAY and not new_language:
        why_not = _why_not_here(sitting, step)
        return _stopped(sitting, why_not) if why_not else _question_page(sitting, step, prompt=True)
    else:
        given = None
    try:
        sitting = _save(sitting, step, given, raw)
    except InvalidAnswer:
        return _question_page(sitting, step, problem=_("Choose one of the answers on the page."))
    except Refused as refusal:
        return _stopped(
            sitting, refusal.code, differs=refusal.code == "already_sent" and _kept(sitting, step, given, raw)
        )
    return _away(_onwards(sitting, step, act, new_language))


def _why_not_here(sitting: Sitting, step: Step) -> str | None:
    if sitting.own is None:
        return "not_started"
    return answering.why_not(sitting) or (None if sitting.is_asked(step) else "not_asked")


def _save(sitting: Sitting, step: Step, given: Given | None, raw: str | None) -> Sitting:
    """The sitting as it is afterwards. Nothing is written when no answer came along (pause, change of language)."""
    if given is None and raw is None:
        return sitting
    shown, _words = presenters.wording(sitting.instrument(step.instrument), language())
    return answering.record(
        connection(),
        sitting,
        step,
        kind=given.kind if given else "answered",
        raw=raw,
        language=shown,
        now=now(),
        actor=patient_actor(),
    )


def _kept(sitting: Sitting, step: Step, given: Given | None, raw: str | None) -> bool:
    """Whether the answer differs from what was sent from elsewhere meanwhile: then it is kept for the site."""
    instrument = sitting.instrument(step.instrument)
    try:
        said = given or Given("answered", parse_answer(instrument, step.item, raw))
    except InvalidAnswer:
        return False
    shown, _words = presenters.wording(instrument, language())
    differs = conflicts.keep_from_page(
        connection(), sitting, step, said, language=shown, now=now(), actor=patient_actor()
    )
    if differs:
        keep()
    return differs


def _onwards(sitting: Sitting, step: Step, act: str, new_language: str) -> str:
    if new_language:
        if new_language in runtime().study.languages:
            choose(new_language)
        return presenters.address_of(sitting, step, back_to_review=_from_review())
    if act == "clear":
        flash(_("Your answer is cleared."))
        return presenters.address_of(sitting, step, back_to_review=_from_review())
    if act == "look":
        return url_for("patient.look", next=presenters.address_of(sitting, step, back_to_review=_from_review()))
    if act == "pause" and patient().is_on_tablet:
        return url_for("patient.own_phone_page", assessment_id=sitting.assessment_id)
    if act == "pause":
        flash(_("Saved. You can continue whenever you like, here or on another phone or computer."))
        return url_for("patient.home")
    return _after(sitting, step)


# --- P5 and P6 ------------------------------------------------------------------------------------------------------


@blueprint.get("/assessment/<int:assessment_id>/review")
@audience(*QUESTIONNAIRE)
def review(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id)
    if sitting.own is None:
        return _away(url_for("patient.start", assessment_id=assessment_id))
    why_not = answering.why_not(sitting)
    if why_not == "already_sent":
        return _away(url_for("patient.sent", assessment_id=assessment_id))
    return _stopped(sitting, why_not) if why_not else _review_page(sitting)


def _review_page(sitting: Sitting, *, refused: bool = False) -> Any:
    page = presenters.review(sitting, language())
    return render_template("patient/review.html", page=page, refused=refused), 422 if refused else 200


@blueprint.post("/assessment/<int:assessment_id>/review")
@audience(*QUESTIONNAIRE)
def send(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id, lock=True)
    try:
        answering.submit(connection(), sitting, vault=runtime().vault, now=now(), actor=patient_actor())
    except Refused as refusal:
        if refusal.code == "nothing_answered":
            return _review_page(sitting, refused=True)
        return _stopped(sitting, refusal.code)
    return _away(url_for("patient.sent", assessment_id=assessment_id))


@blueprint.get("/assessment/<int:assessment_id>/sent")
@audience(*QUESTIONNAIRE)
def sent(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id)
    own = sitting.own
    if own is None or own.submitted_at is None:
        return _away(url_for("patient.start", assessment_id=assessment_id))
    template = "patient/tablet_sent.html" if patient().is_on_tablet else "patient/sent.html"
    return render_template(template, page=home.thanks(answering.receipt(sitting), auto=own.auto_submitted))


# --- not this time --------------------------------------------------------------------------------------------------


def _decline_reasons() -> list[tuple[str, str]]:
    words = {
        "too_ill": _("I do not feel well enough"),
        "refused_burden": _("It is too much for me right now"),
        "upset_or_irrelevant": _("The questions upset me or do not fit me"),
        "no_time": _("I do not have the time"),
    }
    return [(code, words[code]) for code in declining.REASONS]


@blueprint.get("/assessment/<int:assessment_id>/decline")
@audience("patient")
def decline(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id)
    why_not = answering.why_not(sitting)
    if why_not is not None:
        return _stopped(sitting, why_not)
    return render_template("patient/decline.html", reasons=_decline_reasons())


@blueprint.post("/assessment/<int:assessment_id>/decline")
@audience("patient")
def decline_now(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id, lock=True)
    reason = request.form.get("reason") or None
    try:
        declining.decline(database(), sitting, reason_code=reason, now=now(), actor=patient_actor())
    except Refused as refusal:
        if refusal.code == "unknown_reason":
            return render_template("patient/decline.html", reasons=_decline_reasons()), 422
        return _stopped(sitting, answering.why_not(sitting) or "closed")
    flash(_("Noted. Thank you for telling us."))
    return _away(url_for("patient.home"))


@blueprint.post("/assessment/<int:assessment_id>/undo-decline")
@audience("patient")
def undo_decline(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id, lock=True)
    try:
        declining.undo_decline(database(), sitting, now=now(), actor=patient_actor())
    except Refused:
        return _stopped(sitting, "closed")
    return _away(url_for("patient.start", assessment_id=assessment_id))
