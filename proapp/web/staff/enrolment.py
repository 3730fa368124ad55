"""Enrolling and randomising: from the first form to the sheet the participant takes home, and how to reach them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import segno
from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask_babel import force_locale, gettext
from markupsafe import Markup

from proapp.clock import local_date
from proapp.services import cohort, contacts
from proapp.services import enrolment as enrolling
from proapp.services.cohort import Member
from proapp.services.errors import NotFound, Refused
from proapp.services.patient_codes import VALID_FOR
from proapp.services.vault import grouped
from proapp.web.context import day
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint, contact_check
from proapp.web.staff.enrolment_forms import ContactForm, EnrolForm, RandomiseForm, SheetForm
from proapp.web.staff.enrolment_words import refuse, sentence
from proapp.web.staff.presenters.windows import window_lines
from proapp.web.transactions import database, now, runtime, today

CLINICAL = ("nurse", "investigator", "coordinator")


def member(study_id: str) -> Member:
    """The participant of the address, within the reader's sites. Raises NotFound."""
    found = cohort.load(
        database(), study=runtime().study, sites=staff().sites, today=today(), study_id=study_id
    ).members
    if not found:
        raise NotFound(study_id)
    return found[0]


def to_participant(study_id: str) -> Response:
    return make_response(redirect(url_for("staff.participant", study_id=study_id), code=303))


def page(template: str, form: Form, **values: Any) -> Response:
    """A page with a form: 422 when something has to be mended."""
    return make_response(render_template(template, form=form, **values), 422 if form.errors else 200)


# --- enrol ----------------------------------------------------------------------------------------------------------


@blueprint.route("/participants/new", methods=["GET", "POST"])
@audience(*CLINICAL)
def enrol() -> Response:
    form = EnrolForm(data={"language": runtime().study.languages[0], "channel": "sms"})
    # Asked for first: an enrolment that is refused has taken its number until the request ends.
    free = enrolling.suggestions(database(), study=runtime().study, sites=staff().sites)
    if form.validate_on_submit() and _enrolled(form):
        study_id = enrolling.as_written(runtime().study, form.study_id.data or "")
        flash(
            gettext("%(study_id)s is enrolled. Now make the sheet that the participant takes home.", study_id=study_id)
        )
        return make_response(redirect(url_for("staff.sheet", study_id=study_id), code=303))
    return page("staff/enrol.html", form, free=free)


def _enrolled(form: EnrolForm) -> bool:
    try:
        enrolling.enrol(
            database(),
            study=runtime().study,
            vault=runtime().vault,
            study_id=form.study_id.data or "",
            site_code=form.site_code.data,
            language=form.language.data,
            consent_on=form.consent_on.data,
            channel=form.channel.data,
            mobile=form.mobile.data,
            email=form.email.data,
            sites=staff().sites,
            allow_shared_mobile_reason=form.allow_shared_mobile_reason.data,
            actor=staff_actor(),
            now=now(),
        )
    except Refused as refused:
        refuse(form, refused)
        return False
    return True


# --- randomise ------------------------------------------------------------------------------------------------------


@blueprint.route("/participants/<study_id>/randomise", methods=["GET", "POST"])
@audience(*CLINICAL)
def randomise(study_id: str) -> Response:
    """The form, a second look at every window it leads to, and only then the deed."""
    person, form = member(study_id), RandomiseForm()
    if person.facts.randomized_on is not None:
        return _already_randomised(person, form)
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        try:
            return _randomised(person, form) if step == "confirm" else _second_look(person, form)
        except Refused as refused:
            refuse(form, refused)
    return page("staff/randomise.html", form, person=person, baseline=_baseline_label(person))


def _given(form: RandomiseForm) -> dict[str, Any]:
    return {
        "arm": form.arm.data,
        "randomized_on": form.randomized_on.data,
        "randomized_time": form.randomized_time.data,
        "override_reason": form.override_reason.data,
        "study": runtime().study,
        "sites": staff().sites,
        "now": now(),
    }


def _second_look(person: Member, form: RandomiseForm) -> Response:
    windows = enrolling.check_randomization(database(), study_id=person.study_id, **_given(form))
    return page(
        "staff/randomise_look.html",
        form,
        person=person,
        arm=runtime().study.arm(form.arm.data),
        lines=window_lines(runtime().study, windows),
    )


def _randomised(person: Member, form: RandomiseForm) -> Response:
    enrolling.randomize(database(), study_id=person.study_id, actor=staff_actor(), **_given(form))
    flash(gettext("%(study_id)s is randomised.", study_id=person.study_id))
    return to_participant(person.study_id)


def _already_randomised(person: Member, form: RandomiseForm) -> Response:
    """The same form sent twice is one randomisation and the same answer; anything else changes nothing and says so."""
    same = (form.arm.data, form.randomized_on.data) == (person.facts.arm, person.facts.randomized_on)
    if request.method == "POST" and same:
        flash(gettext("%(study_id)s is randomised.", study_id=person.study_id))
    else:
        flash(sentence(Refused("already_randomized", effective_on=person.facts.randomized_on)), "problem")
    return to_participant(person.study_id)


def _baseline_label(person: Member) -> Any:
    """The label of the baseline while the study requires one and none is there, else None."""
    study = runtime().study
    there = any(
        one.timepoint == study.baseline.code and one.facts.submitted_at and one.facts.valid
        for one in person.assessments
    )
    return None if there or not study.baseline_required else study.baseline.label


# --- the sheet to take home -----------------------------------------------------------------------------------------


@blueprint.route("/participants/<study_id>/sheet", methods=["GET", "POST"])
@audience(*CLINICAL)
def sheet(study_id: str) -> Response:
    """The code is made by the POST and is in that one answer only; nobody, staff included, can see it again."""
    person, form = member(study_id), SheetForm()
    if form.validate_on_submit():
        try:
            code = enrolling.issue_code(
                database(),
                vault=runtime().vault,
                study_id=study_id,
                sites=staff().sites,
                actor=staff_actor(),
                now=now(),
                lost_phone=form.lost_phone.data == "yes",
                identity_check=form.identity_check.data,
            )
            return make_response(render_template("staff/sheet_printed.html", person=person, paper=_paper(person, code)))
        except Refused as refused:
            refuse(form, refused)
    return page("staff/sheet.html", form, person=person)


def _paper(person: Member, code: str) -> Markup:
    """The sheet itself, in the participant's language whoever prints it."""
    study, base_url = runtime().study, runtime().settings.base_url
    last_day = local_date(now() + VALID_FOR, study.zone(person.site_code)) - timedelta(days=1)
    with force_locale(person.language):
        return Markup(  # noqa: S704  a template of ours, which escapes what is put into it
            render_template(
                "staff/sheet_paper.html",
                person=person,
                site=study.site(person.site_code),
                address=f"{base_url}/a".partition("://")[2],
                code=grouped(code),
                picture=_picture(f"{base_url}/a#{code}"),
                last_day=day(last_day),
            )
        )


def _picture(address: str) -> Markup:
    """The address as a square for the camera. Behind the # it never reaches a server or a log."""
    svg = segno.make(address, error="m", micro=False).svg_inline(
        scale=5, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True
    )
    return Markup(svg)  # noqa: S704  segno's own output; the address is inside the squares


# --- contact --------------------------------------------------------------------------------------------------------


@blueprint.route("/participants/<study_id>/contact", methods=["GET", "POST"])
@audience(*CLINICAL)
def contact(study_id: str) -> Response:
    who = {"vault": runtime().vault, "study_id": study_id, "sites": staff().sites, "actor": staff_actor()}
    kept = contacts.read(database(), **who)
    form = ContactForm(
        data={"channel": kept.channel, "mobile": contacts.written(kept.mobile), "email": kept.email or ""}
    )
    if form.validate_on_submit():
        try:
            changed = contacts.change(
                database(),
                **who,
                channel=form.channel.data,
                mobile=form.mobile.data,
                email=form.email.data,
                allow_shared_mobile_reason=form.allow_shared_mobile_reason.data,
                now=now(),
            )
        except Refused as refused:
            refuse(form, refused)
        else:
            flash(gettext("The contact details are changed.") if changed else gettext("Nothing was changed."))
            return to_participant(study_id)
    found = contact_check.standing(study_id)
    return page(
        "staff/contact.html",
        form,
        person=member(study_id),
        by_letter=found.channel in ("letter", ""),
        reach=contact_check.reach(found),
        last_test=contact_check.last_test(found.last),
        may_confirm=found.may_confirm,
    )
