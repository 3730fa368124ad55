"""How a participant is reached from now on: a pause, another language, another clinic."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, redirect, request, url_for
from flask_babel import gettext

from proapp.services import contact_pauses, former_sites, language_change, transfer
from proapp.services.cohort import Member
from proapp.services.errors import NotFound, Refused
from proapp.web.context import day
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment import CLINICAL, member, page, to_participant
from proapp.web.staff.enrolment_words import LANGUAGE_NAMES, refuse, sentence
from proapp.web.staff.event_forms import LanguageForm, PauseForm, TransferForm
from proapp.web.transactions import database, now, runtime, today


def _about(study_id: str) -> dict[str, Any]:
    return {"study": runtime().study, "study_id": study_id, "sites": staff().sites}


@blueprint.route("/participants/<study_id>/events/contact_pause", methods=["GET", "POST"])
@audience(*CLINICAL)
def pause(study_id: str) -> Response:
    person, form = member(study_id), PauseForm(data={"from_on": today()})
    if form.validate_on_submit():
        try:
            contact_pauses.pause_contact(
                database(),
                **_about(study_id),
                from_on=form.from_on.data,
                until_on=form.until_on.data,
                reason=form.reason.data,
                actor=staff_actor(),
                now=now(),
            )
        except Refused as refused:
            if not _is_same_pause(person, form):
                refuse(form, refused)
        if not form.errors:
            flash(gettext("Contact is paused from %(day)s.", day=day(form.from_on.data)))
            return to_participant(study_id)
    return page("staff/pause.html", form, person=person)


def _is_same_pause(person: Member, form: PauseForm) -> bool:
    """The same form sent twice is one pause and the same answer."""
    until = form.until_on.data.isoformat() if form.until_on.data else None
    return any(
        event.type == "contact_pause" and (event.effective_on, event.payload.get("until")) == (form.from_on.data, until)
        for event in person.events
    )


@blueprint.post("/participants/<study_id>/events/<int:event_id>/end-pause")
@audience(*CLINICAL)
def end_pause(study_id: str, event_id: int) -> Response:
    form = Form()
    if form.validate_on_submit():
        try:
            contact_pauses.end_pause(database(), **_about(study_id), event_id=event_id, actor=staff_actor(), now=now())
        except Refused as refused:
            flash(sentence(refused), "problem")
        else:
            flash(gettext("The pause is ended. Contact begins again today."))
    return to_participant(study_id)


@blueprint.route("/participants/<study_id>/events/language_change", methods=["GET", "POST"])
@audience(*CLINICAL)
def change_language(study_id: str) -> Response:
    person = member(study_id)
    form = LanguageForm(data={"language": person.language})
    if form.validate_on_submit():
        try:
            changed = language_change.change_language(
                database(), **_about(study_id), language=form.language.data, actor=staff_actor(), now=now()
            )
        except Refused as refused:
            refuse(form, refused)
        else:
            name = LANGUAGE_NAMES.get(form.language.data, form.language.data)
            flash(
                gettext("Pages and messages are in %(language)s from now on.", language=name)
                if changed
                else gettext("Nothing was changed.")
            )
            return to_participant(study_id)
    return page("staff/language_change.html", form, person=person, names=LANGUAGE_NAMES)


@blueprint.route("/participants/<study_id>/events/site_transfer", methods=["GET", "POST"])
@audience(*CLINICAL)
def transfer_participant(study_id: str) -> Response:
    """The form, a look at what the new site takes over, and only then the deed."""
    gone = _moved_already(study_id)
    if gone is not None:
        return gone
    person = member(study_id)
    form = TransferForm(person, data={"effective_on": today()})
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        try:
            return _transferred(person, form) if step == "confirm" else _look(person, form)
        except Refused as refused:
            refuse(form, refused)
    return page("staff/transfer.html", form, person=person, site=runtime().study.site(person.site_code))


def _look(person: Member, form: TransferForm) -> Response:
    given = {"to": form.to.data, "effective_on": form.effective_on.data, "now": now()}
    transfer.check_transfer(database(), **_about(person.study_id), **given)
    study, sites = runtime().study, staff().sites
    return page(
        "staff/transfer_look.html",
        form,
        person=person,
        old=study.site(person.site_code),
        new=study.site(form.to.data),
        loses=sites is not None and form.to.data not in sites,
    )


def _transferred(person: Member, form: TransferForm) -> Response:
    transfer.transfer(
        database(),
        **_about(person.study_id),
        to=form.to.data,
        effective_on=form.effective_on.data,
        note=form.note.data,
        actor=staff_actor(),
        now=now(),
    )
    site = runtime().study.site(form.to.data).name
    flash(gettext("%(study_id)s is transferred to %(site)s.", study_id=person.study_id, site=site))
    return to_participant(person.study_id)


def _moved_already(study_id: str) -> Response | None:
    """The same form sent twice, by somebody of the site that was left: one transfer and the same answer."""
    if request.method != "POST" or request.form.get("step") != "confirm":
        return None
    seen = former_sites.load(
        database(), study=runtime().study, sites=staff().sites, today=today(), study_id=study_id
    ).members
    if not seen:
        raise NotFound(study_id)
    asked = (request.form.get("to"), request.form.get("effective_on"))
    last = next((event for event in reversed(seen[0].events) if event.type == "site_transfer"), None)
    if last is None or (last.payload.get("to"), last.effective_on.isoformat()) != asked:
        return None
    site = runtime().study.site(str(last.payload["to"])).name
    flash(gettext("%(study_id)s is transferred to %(site)s.", study_id=study_id, site=site))
    response: Any = redirect(url_for("staff.participant", study_id=study_id), code=303)
    return response
