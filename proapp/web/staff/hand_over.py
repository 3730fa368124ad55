"""Handing this very device over to a participant for one questionnaire, and having it back."""

from __future__ import annotations

import structlog
from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask import session as browser
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import PasswordField
from wtforms.validators import InputRequired, Length

from proapp.services import clinic, contact_log
from proapp.services import staff_sign_in as signing_in
from proapp.services.cohort import Expected
from proapp.services.errors import Refused
from proapp.services.passwords import LONGEST
from proapp.web.forms import Form
from proapp.web.guard import (
    PATIENT_COOKIE,
    STAFF_COOKIE,
    audience,
    find_patient,
    leave_nothing,
    set_session_cookie,
    staff,
    staff_actor,
)
from proapp.web.i18n import CHOSEN
from proapp.web.staff import blueprint
from proapp.web.staff.devices import describe
from proapp.web.staff.presenters import timeline, words
from proapp.web.staff.sign_in import nothing_left, refused, tablet_is_back
from proapp.web.staff.work import background
from proapp.web.transactions import database, now, runtime

log = structlog.get_logger("proapp.sign_in")


class ResumeForm(Form):
    password = PasswordField(
        _("Your password"),
        [InputRequired(_("Write your password.")), Length(max=LONGEST, message=_("That is too long."))],
    )


@blueprint.route("/assessments/<int:assessment_id>/hand-over", methods=["GET", "POST"])
@audience(*clinic.ROLES)
def hand_over(assessment_id: int) -> Response:
    """What it leads to, and only then the deed: from then on this browser is the participant's."""
    one = contact_log.find_assessment(
        database(), study=runtime().study, sites=staff().sites, assessment_id=assessment_id, now=now()
    )
    if request.method == "POST":
        try:
            return _handed_over(assessment_id)
        except Refused:
            return _not_now(one)
    if not clinic.can_be_filled_in(one, study=runtime().study, now=now()):
        return _not_now(one)
    begins_in = words.LANGUAGES.get(one.member.language, one.member.language)
    page = render_template(
        "staff/hand_over.html",
        person=one.member,
        label=background().name(one),
        window=timeline.window(one),
        begins_in=begins_in,
    )
    return make_response(page)


def _handed_over(assessment_id: int) -> Response:
    handed = clinic.hand_over(
        database(),
        runtime().vault,
        study=runtime().study,
        who=staff(),
        assessment_id=assessment_id,
        device=describe(request.user_agent.string),
        now=now(),
    )
    log.info("tablet_handed_over", user_id=staff().user_id)
    browser.clear()  # form tokens and words of the staff's pages are not for the participant
    browser[CHOSEN] = handed.language
    response = make_response(redirect(url_for("patient.start", assessment_id=assessment_id), code=303))
    set_session_cookie(response, STAFF_COOKIE, handed.staff)
    return leave_nothing(set_session_cookie(response, PATIENT_COOKIE, handed.patient))


@blueprint.post("/assessments/<int:assessment_id>/hand-over/end")
@audience(*clinic.ROLES)
def end_tablet(assessment_id: int) -> Response:
    """From another device: the tablet was forgotten somewhere."""
    one = contact_log.find_assessment(
        database(), study=runtime().study, sites=staff().sites, assessment_id=assessment_id, now=now()
    )
    ended = clinic.end_from_afar(
        database(),
        study=runtime().study,
        sites=staff().sites,
        assessment_id=assessment_id,
        actor=staff_actor(),
        now=now(),
    )
    if ended:
        flash(gettext("The tablet shows nothing of it any more. What was answered is saved."))
    return make_response(redirect(_back_to(one), code=303))


def _back_to(one: Expected) -> str:
    return f"{url_for('staff.participant', study_id=one.member.study_id)}#a{one.id}"


def _not_now(one: Expected) -> Response:
    flash(gettext("This assessment cannot be answered now. Nothing was changed."), "problem")
    return make_response(redirect(_back_to(one), code=303))


@blueprint.route("/resume", methods=["GET", "POST"])
@audience("staff_suspended")
def resume() -> Response:
    """The password of whoever handed over; anybody else of the staff signs in as usual, which ends it too."""
    who, form, tablet = staff(), ResumeForm(), find_patient()
    is_out = tablet is not None and tablet.is_on_tablet
    if not form.validate_on_submit():
        page = render_template("staff/resume.html", form=form, who=who, is_out=is_out)
        return make_response(page, 422 if form.errors else 200)
    step = signing_in.resume(
        database(),
        runtime().vault,
        who=who,
        password=form.password.data or "",
        address=request.remote_addr,
        now=now(),
    )
    if step.token is None:
        log.warning("staff_resume_refused", user_id=who.user_id, throttled=step.retry_at is not None)
        wrong = gettext("That is not the password of %(name)s.", name=who.name)
        return refused("staff/resume.html", form, step, wrong, who=who, is_out=is_out)
    return _back_with_staff(step.token)


def _back_with_staff(token: str) -> Response:
    about = clinic.handed_over_for(database(), staff())
    address = f"{url_for('staff.participant', study_id=about[0])}#a{about[1]}" if about else url_for("staff.start")
    tablet_is_back()
    response = nothing_left(set_session_cookie(make_response(redirect(address, code=303)), STAFF_COOKIE, token))
    log.info("tablet_taken_back", user_id=staff().user_id)
    flash(
        gettext("You are signed in again. What was answered on this device is saved, and nothing of it is left here.")
    )
    return response
