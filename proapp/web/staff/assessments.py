"""More time for one assessment, and assessments outside the plan."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Response, flash, make_response, redirect, url_for
from flask_babel import gettext

from proapp.services import contact_log, extension, unscheduled
from proapp.services.cohort import Expected
from proapp.services.errors import Refused
from proapp.web.context import day
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment import CLINICAL, member, page, to_participant
from proapp.web.staff.enrolment_words import refuse, sentence
from proapp.web.staff.event_forms import ExtensionForm, OpenForm, TakeBackForm
from proapp.web.staff.presenters import timeline
from proapp.web.staff.work import background
from proapp.web.transactions import database, now, runtime, today

USUAL = timedelta(days=7)  # how much more time is suggested


def _context() -> dict[str, Any]:
    return {"study": runtime().study, "sites": staff().sites, "actor": staff_actor(), "now": now()}


def _find(assessment_id: int) -> Expected:
    return contact_log.find_assessment(
        database(), study=runtime().study, sites=staff().sites, assessment_id=assessment_id, now=now()
    )


def _back(assessment: Expected) -> Response:
    address = url_for("staff.participant", study_id=assessment.member.study_id)
    return make_response(redirect(f"{address}#a{assessment.id}", code=303))


@blueprint.route("/assessments/<int:assessment_id>/extend", methods=["GET", "POST"])
@audience(*CLINICAL)
def extend(assessment_id: int) -> Response:
    assessment, study = _find(assessment_id), runtime().study
    blocked = extension.obstacle(assessment, today=today(), study=study)
    offer = extension.offer(assessment, today=today(), study=study)
    if blocked or offer is None:
        flash(sentence(Refused(blocked or "too_late")), "problem")
        return _back(assessment)
    form = ExtensionForm(data={"until": assessment.facts.extension_until or min(offer.latest, offer.earliest + USUAL)})
    if form.validate_on_submit():
        try:
            extension.extend(
                database(),
                assessment_id=assessment_id,
                until=form.until.data,
                reason=form.reason.data,
                **_context(),
            )
        except Refused as refused:
            refuse(form, refused)
        else:
            flash(gettext("Answers are taken until %(day)s.", day=day(form.until.data)))
            return _back(assessment)
    return page("staff/extend.html", form, offer=offer, **_about(assessment))


@blueprint.route("/assessments/<int:assessment_id>/end-extension", methods=["GET", "POST"])
@audience(*CLINICAL)
def end_extension(assessment_id: int) -> Response:
    assessment, form = _find(assessment_id), TakeBackForm()
    if assessment.facts.extension_until is None:
        flash(sentence(Refused("not_extended")), "problem")
        return _back(assessment)
    if form.validate_on_submit():
        try:
            extension.end_extension(database(), assessment_id=assessment_id, reason=form.reason.data, **_context())
        except Refused as refused:
            refuse(form, refused)
        else:
            flash(gettext("The longer window is taken back."))
            return _back(assessment)
    return page("staff/extension_end.html", form, **_about(assessment))


@blueprint.route("/participants/<study_id>/assessments/new", methods=["GET", "POST"])
@audience(*CLINICAL)
def open_assessment(study_id: str) -> Response:
    person = member(study_id)
    if not unscheduled.offered(runtime().study, person):
        flash(gettext("This study has no assessments that are opened by hand."), "problem")
        return to_participant(study_id)
    form = OpenForm(person, data={"opens_on": today()})
    if form.validate_on_submit():
        try:
            unscheduled.open_assessment(
                database(),
                study_id=study_id,
                timepoint=form.timepoint.data,
                opens_on=form.opens_on.data,
                closes_on=form.closes_on.data,
                reason=form.reason.data,
                **_context(),
            )
        except Refused as refused:
            refuse(form, refused)
        else:
            label = background().label(form.timepoint.data)
            opens = day(form.opens_on.data)
            flash(gettext("%(timepoint)s is opened, from %(day)s on.", timepoint=label, day=opens))
            return to_participant(study_id)
    points = unscheduled.offered(runtime().study, person)
    return page("staff/open_assessment.html", form, person=person, points=points)


@blueprint.route("/assessments/<int:assessment_id>/take-back", methods=["GET", "POST"])
@audience(*CLINICAL)
def take_back(assessment_id: int) -> Response:
    assessment, form = _find(assessment_id), TakeBackForm()
    if assessment.facts.kind != "unscheduled" or assessment.sets or assessment.facts.cancelled_reason:
        code = "not_unscheduled" if assessment.facts.kind != "unscheduled" else "begun"
        flash(sentence(Refused("already_revoked" if assessment.facts.cancelled_reason else code)), "problem")
        return _back(assessment)
    if form.validate_on_submit():
        try:
            unscheduled.take_back(database(), assessment_id=assessment_id, reason=form.reason.data, **_context())
        except Refused as refused:
            refuse(form, refused)
        else:
            flash(gettext("Taken back: %(event)s.", event=background().name(assessment)))
            return _back(assessment)
    return page("staff/assessment_take_back.html", form, **_about(assessment))


def _about(assessment: Expected) -> dict[str, Any]:
    return {
        "person": assessment.member,
        "assessment": assessment,
        "label": background().name(assessment),
        "window": timeline.window(assessment),
    }
