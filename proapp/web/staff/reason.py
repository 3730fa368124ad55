"""Why an answer is missing: two clicks from the worklist, the second of them the reason itself."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup
from werkzeug.wrappers import Response
from wtforms import RadioField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import Length, Optional

from proapp.services import contact_log, follow_up, missing
from proapp.services.cohort import Expected
from proapp.services.errors import Refused
from proapp.services.register import LONGEST_REASON
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.contact_log import WRITERS, tell_refusal
from proapp.web.staff.presenters import reasons, timeline, words
from proapp.web.staff.work import back_to_list, background, kept
from proapp.web.transactions import database, now, runtime

SENTENCES: dict[str, Any] = {
    "unknown_reason": lazy_gettext("Choose one of the reasons."),
    "reason_too_long": lazy_gettext("The note is too long; at most %(longest)s signs."),
    "open": lazy_gettext("The window is still open, so nothing is missing yet."),
    "answered": lazy_gettext("The answers have arrived meanwhile; no reason is needed."),
    "being_submitted": lazy_gettext("Answers were begun and are about to be sent; no reason is needed."),
    "not_asked": lazy_gettext("Nothing is missing here."),
    "cannot_decline": lazy_gettext("This can no longer be recorded as a refusal: the window is not open."),
    "cannot_undo_decline": lazy_gettext("The window has closed, so the refusal stands."),
}
AS_IT_IS = ""
FLAGS = [
    SelectChoice(AS_IT_IS, lazy_gettext("As stated under the reason")),
    SelectChoice("Y", lazy_gettext("Yes")),
    SelectChoice("N", lazy_gettext("No")),
]


class ReasonForm(Form):
    health_related = RadioField(
        lazy_gettext("Did it have to do with the participant's health?"),
        choices=FLAGS,
        default=AS_IT_IS,
        validators=[Optional()],
    )
    avoidable = RadioField(
        lazy_gettext("Could it have been avoided?"),
        choices=FLAGS,
        default=AS_IT_IS,
        validators=[Optional()],
    )
    note = TextAreaField(
        lazy_gettext("Note (optional)"),
        validators=[Length(max=LONGEST_REASON, message=lazy_gettext("The note is too long; at most %(max)d signs."))],
    )


class RefusalForm(Form):
    note = TextAreaField(
        lazy_gettext("Note (optional)"),
        validators=[Length(max=LONGEST_REASON, message=lazy_gettext("The note is too long; at most %(max)d signs."))],
    )


@blueprint.route("/assessments/<int:assessment_id>/reason", methods=["GET", "POST"])
@audience(*WRITERS)
def reason(assessment_id: int) -> Response | tuple[str, int] | str:
    form = ReasonForm()
    if request.method != "POST":
        return _page(form, assessment_id)
    if form.validate_on_submit():
        try:
            assessment = missing.record_reason(
                database(),
                assessment_id=assessment_id,
                code=request.form.get("code", ""),
                health_related=_flag(form.health_related.data),
                avoidable=_flag(form.avoidable.data),
                note=form.note.data,
                **_context(),
            )
        except Refused as refusal:
            _refuse(form, refusal)
        else:
            return _recorded(assessment, words.reason(request.form["code"]))
    return _page(form, assessment_id), 422


@blueprint.post("/assessments/<int:assessment_id>/decline")
@audience(*WRITERS)
def decline(assessment_id: int) -> Response | tuple[str, int]:
    form = RefusalForm()
    if form.validate_on_submit():
        try:
            assessment = missing.decline(database(), assessment_id=assessment_id, note=form.note.data, **_context())
        except Refused as refusal:
            _refuse(form, refusal)
        else:
            tell_refusal(assessment)
            return redirect(back_to_list(), code=303)
    return _page(form, assessment_id), 422


@blueprint.post("/assessments/<int:assessment_id>/decline/undo")
@audience(*WRITERS)
def undo_decline(assessment_id: int) -> Response:
    try:
        assessment = missing.undo_decline(database(), assessment_id=assessment_id, **_context())
    except Refused as refusal:
        flash(str(SENTENCES[refusal.code]), "problem")
        assessment = _find(assessment_id)
    else:
        flash(gettext("Noted: will answer after all."))
    address = url_for("staff.participant", study_id=assessment.member.study_id)
    return redirect(f"{address}#a{assessment_id}", code=303)


def _context() -> dict[str, Any]:
    return {"study": runtime().study, "sites": staff().sites, "actor": staff_actor(), "now": now()}


def _flag(said: str | None) -> Any:
    return said if said in ("Y", "N") else None


def _find(assessment_id: int) -> Expected:
    return contact_log.find_assessment(
        database(), study=runtime().study, sites=staff().sites, assessment_id=assessment_id, now=now()
    )


def _refuse(form: Form, refusal: Refused) -> None:
    form.refuse(
        form["note"] if refusal.code == "reason_too_long" else None, str(SENTENCES[refusal.code]) % refusal.params
    )


def _recorded(assessment: Expected, why: str) -> Response:
    """Back to the worklist, saying what was recorded and where to change it, should the finger have slipped."""
    said = gettext(
        "%(study_id)s, %(timepoint)s: %(reason)s.",
        study_id=assessment.member.study_id,
        timepoint=background().name(assessment),
        reason=why,
    )
    change = Markup('{} <a href="{}">{}</a>').format(
        said, url_for("staff.reason", assessment_id=assessment.id, **kept()), gettext("Change")
    )
    flash(change)
    return redirect(back_to_list(), code=303)


def _page(form: Form, assessment_id: int) -> str:
    assessment = _find(assessment_id)
    on = background()
    names = follow_up.staff_names(database())
    about = [a for a in reversed(assessment.member.attempts) if a.assessment_id == assessment.id]
    obstacle = missing.obstacle(assessment)
    return render_template(
        "staff/reason.html",
        sent=form,  # the one of the two forms that was sent, if any was
        form=form if isinstance(form, ReasonForm) else ReasonForm(formdata=None),
        refusal=form if isinstance(form, RefusalForm) else RefusalForm(formdata=None),
        assessment=assessment,
        label=on.name(assessment),
        window=timeline.window(assessment),
        obstacle=obstacle,
        obstacle_words=str(SENTENCES[obstacle]) if obstacle else "",
        tried=timeline.tried(sum(a.method != "none" for a in about)),
        attempts=[timeline.attempt_line(attempt, names, on, assessment.member) for attempt in about],
        said=timeline.reason_sentence(assessment, names),
        groups=list(reasons.groups(assessment)) if obstacle is None else [],
        language_next=url_for("staff.reason", assessment_id=assessment_id, **kept()),
    )
