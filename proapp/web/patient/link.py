"""The address in a message, or in the square on the clinic's tablet: <base>/l#TOKEN. What stands behind the # never
reaches a server, its log or a robot that looks ahead; a script moves it into a form, and only the press of a button
sends it."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, session, url_for
from flask_babel import gettext as _

from proapp.services import own_phone, personal_links
from proapp.services.errors import Refused
from proapp.services.personal_links import Link
from proapp.services.sessions import Patient
from proapp.web.guard import PATIENT_COOKIE, audience, find_patient, set_session_cookie
from proapp.web.patient import blueprint
from proapp.web.patient.devices import device_label, known_device
from proapp.web.patient.sign_in import NAMED_BY_LINK, locked
from proapp.web.transactions import database, keep, now, runtime


@blueprint.get("/l")
@audience("anyone_but_clinic")
def link() -> Any:
    """The page is the same for every link, and for none: it knows nothing of the token."""
    find_patient()
    return render_template("patient/link.html")


@blueprint.post("/l")
@audience("anyone_but_clinic")
def follow_link() -> Any:
    """To the assessment, by way of the PIN. Where the link leads nowhere, to the front door, whatever the reason."""
    try:
        found = personal_links.find(
            database(),
            runtime().vault,
            study=runtime().study,
            typed=request.form.get("link", "")[:100],
            address=request.remote_addr,
            now=now(),
        )
    except Refused as refusal:
        keep()
        return _refused(refusal)
    who = find_patient()
    try:
        return _go_on(found, who) if who is not None and who.kind == "patient" else _to_the_pin(found)
    except Refused as refusal:
        keep()
        return _refused(refusal)


def _go_on(found: Link, who: Patient) -> Response:
    """Somebody is signed in on this phone already."""
    if who.participant_id != found.participant_id:
        return _leads_nowhere()  # one browser is one person at a time
    if found.offer_id is not None:
        own_phone.go_on_here(database(), who, found.offer_id, found.assessment_id, now=now())
    return _to("patient.start", assessment_id=found.assessment_id)


def _to_the_pin(found: Link) -> Response:
    session[NAMED_BY_LINK] = (found.participant_id, found.assessment_id)
    phone = known_device()
    who = find_patient()
    is_known = who is None and phone is not None and phone.participant_id == found.participant_id
    if is_known and found.offer_id is None:
        return _to("patient.pin")  # this phone leads there by itself
    token = personal_links.stand_at_the_pin(database(), runtime().vault, found, device=device_label(), now=now())
    return set_session_cookie(_to("patient.pin"), PATIENT_COOKIE, token)


def _refused(refusal: Refused) -> Response:
    if refusal.code == "link_locked":
        return locked(refusal.params["retry_at"], url_for("patient.link"))
    return _leads_nowhere()


def _leads_nowhere() -> Response:
    flash(_("That link does not open anything here. It may be old. You can sign in as usual."), "problem")
    return _to("public.start")


def _to(endpoint: str, **values: Any) -> Response:
    return make_response(redirect(url_for(endpoint, **values), code=303))
