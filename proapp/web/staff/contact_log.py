"""Ringing a participant: the number, the log of what came of it, and postponing a row of the worklist."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import flash, redirect, render_template, request
from flask_babel import format_date, gettext, lazy_gettext
from werkzeug.wrappers import Response
from wtforms import DateField, RadioField, TextAreaField
from wtforms.fields import SelectChoice
from wtforms.validators import AnyOf, InputRequired, Length, Optional

from proapp.services import cohort, contact_log, contacts, follow_up, missing
from proapp.services.cohort import Expected, Member
from proapp.services.errors import NotFound, Refused
from proapp.services.register import LONGEST_REASON
from proapp.study.status import may_decline
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.presenters import timeline, words
from proapp.web.staff.work import back_to_list, background
from proapp.web.transactions import database, now, runtime, today

WRITERS = ("nurse", "investigator", "coordinator")

SENTENCES: dict[str, Any] = {
    "unknown_method": lazy_gettext("Choose how the participant was contacted."),
    "unknown_outcome": lazy_gettext("Choose what came of it."),
    "reason_required": lazy_gettext("Write why it is postponed."),
    "reason_too_long": lazy_gettext("The note is too long; at most %(longest)s signs."),
    "next_on_past": lazy_gettext("Choose a day after today."),
    "next_on_too_far": lazy_gettext("That is too far away; choose %(latest)s or earlier."),
    "next_on_after_window": lazy_gettext("The window has closed by then; choose %(latest)s or earlier."),
}


class ContactForm(Form):
    method = RadioField(
        lazy_gettext("How"),
        choices=[SelectChoice(code, words.METHODS[code]) for code in contact_log.METHODS],
        default="phone",
        validate_choice=False,  # in words of our own
        validators=[AnyOf(contact_log.METHODS, message=lazy_gettext("Choose how the participant was contacted."))],
    )
    note = TextAreaField(
        lazy_gettext("Note (optional)"),
        validators=[Length(max=LONGEST_REASON, message=lazy_gettext("The note is too long; at most %(max)d signs."))],
    )
    next_on = DateField(lazy_gettext("Ask again on (optional)"), validators=[Optional()])


class PostponeForm(Form):
    until = DateField(
        lazy_gettext("Show the row again on"), validators=[InputRequired(lazy_gettext("Choose a day after today."))]
    )
    why = TextAreaField(
        lazy_gettext("Why it can wait"),
        validators=[
            InputRequired(lazy_gettext("Write why it is postponed.")),
            Length(max=LONGEST_REASON, message=lazy_gettext("The note is too long; at most %(max)d signs.")),
        ],
    )


@blueprint.route("/participants/<study_id>/log-contact", methods=["GET", "POST"])
@audience(*WRITERS)
def log_contact(study_id: str) -> Response | tuple[str, int] | str:
    member, about = _whom(study_id)
    form = ContactForm()
    if request.method != "POST":
        form.next_on.data = contact_log.suggested_next(about, today=today()) if _waits(about) else None
        return _contact_page(form, member, about)
    if form.validate_on_submit():
        noted = contact_log.Note(form.method.data, request.form.get("outcome", ""), form.note.data, form.next_on.data)
        try:
            contact_log.log(
                database(),
                study=runtime().study,
                sites=staff().sites,
                study_id=study_id,
                assessment_id=about.id if about else None,
                noted=noted,
                actor=staff_actor(),
                now=now(),
            )
        except Refused as refusal:
            _refuse(form, refusal, {"next_on": form.next_on, "reason": form.note, "unknown_method": form.method})
        else:
            return _after_contact(member, about, noted)
    return _contact_page(form, member, about), 422


@blueprint.route("/participants/<study_id>/postpone", methods=["GET", "POST"])
@audience(*WRITERS)
def postpone(study_id: str) -> Response | tuple[str, int] | str:
    member, about = _whom(study_id)
    form = PostponeForm()
    if request.method != "POST":
        form.until.data = contact_log.suggested_next(about, today=today())
        return _postpone_page(form, member, about)
    if form.validate_on_submit() and form.until.data is not None:
        try:
            contact_log.postpone(
                database(),
                study=runtime().study,
                sites=staff().sites,
                study_id=study_id,
                assessment_id=about.id if about else None,
                until=form.until.data,
                why=form.why.data or "",
                actor=staff_actor(),
                now=now(),
            )
        except Refused as refusal:
            _refuse(form, refusal, {"next_on": form.until, "reason": form.why})
        else:
            until = format_date(form.until.data, "EEEE d MMMM")
            flash(gettext("%(study_id)s is postponed until %(day)s.", study_id=study_id, day=until))
            return redirect(back_to_list(), code=303)
    return _postpone_page(form, member, about), 422


def _whom(study_id: str) -> tuple[Member, Expected | None]:
    """The participant, and the assessment that the address names; NotFound for what is not theirs."""
    people = cohort.load(database(), study=runtime().study, sites=staff().sites, today=today(), study_id=study_id)
    if not people.members:
        raise NotFound(study_id)
    member, named = people.members[0], request.args.get("assessment", "")
    if not named:
        return member, None
    about = next((one for one in member.assessments if str(one.id) == named), None)
    if about is None:
        raise NotFound(named)
    return member, about


def _waits(about: Expected | None) -> bool:
    return about is not None and contact_log.is_waiting(about.state)


def _refuse(form: Form, refusal: Refused, fields: dict[str, Any]) -> None:
    params = {
        name: format_date(value, "d MMMM y") if isinstance(value, date) else value
        for name, value in refusal.params.items()
    }
    sentence = str(SENTENCES[refusal.code]) % params
    field = next((field for start, field in fields.items() if refusal.code.startswith(start)), None)
    form.refuse(field, sentence)


def _after_contact(member: Member, about: Expected | None, noted: contact_log.Note) -> Response:
    said = str(words.OUTCOMES[noted.outcome])
    flash(gettext("Contact with %(study_id)s noted: %(outcome)s.", study_id=member.study_id, outcome=said))
    if noted.outcome == "declined" and about is not None and may_decline(about.state):
        _decline(about)
    return redirect(back_to_list(), code=303)


def _decline(about: Expected) -> None:
    """A no is recorded with the call in which it was said: nobody is reminded of what has just been refused."""
    given: dict[str, Any] = {"study": runtime().study, "sites": staff().sites, "actor": staff_actor(), "now": now()}
    missing.decline(database(), assessment_id=about.id, note=None, **given)
    tell_refusal(about)


def tell_refusal(assessment: Expected) -> None:
    who, what = assessment.member.study_id, background().name(assessment)
    said = gettext(
        "%(study_id)s, %(timepoint)s: will not answer. It can be taken back while the window is open.",
        study_id=who,
        timepoint=what,
    )
    flash(said)


def _contact_page(form: ContactForm, member: Member, about: Expected | None) -> str:
    on = background()
    details = contacts.read(
        database(), vault=runtime().vault, study_id=member.study_id, sites=staff().sites, actor=staff_actor()
    )
    attempts = [a for a in reversed(member.attempts) if about is None or a.assessment_id == about.id]
    names = follow_up.staff_names(database())
    return render_template(
        "staff/log_contact.html",
        form=form,
        member=member,
        about=on.name(about) if about else "",
        window=timeline.window(about) if about else "",
        details=details,
        number=contacts.written(details.mobile),
        outcomes=[(code, words.OUTCOMES[code]) for code in contact_log.OUTCOMES],
        attempts=[timeline.attempt_line(attempt, names, on, member) for attempt in attempts],
    )


def _postpone_page(form: PostponeForm, member: Member, about: Expected | None) -> str:
    label = background().name(about) if about else ""
    return render_template("staff/work_postpone.html", form=form, member=member, about=label)
