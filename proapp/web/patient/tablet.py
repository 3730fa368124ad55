"""What only a clinic's tablet shows: how to go on with the own phone, and that it belongs back with the staff."""

from __future__ import annotations

from typing import Any

import segno
from flask import Response, make_response, redirect, render_template, request, url_for
from markupsafe import Markup

from proapp.services import answering, clinic, own_phone
from proapp.services.sitting_reading import find_sitting
from proapp.web.guard import PATIENT_COOKIE, audience, clear_session_cookie, find_patient, patient
from proapp.web.patient import blueprint
from proapp.web.transactions import connection, database, now, runtime


@blueprint.get("/tablet")
@audience("anyone")
def tablet() -> Any:
    """Where a tablet ends up whose session is over: with the staff. Nothing of the participant is left on it."""
    who = find_patient()
    if who is not None:
        on_tablet = who.is_on_tablet
        here = url_for("patient.start", assessment_id=who.assessment_id) if on_tablet else url_for("public.start")
        return redirect(here, code=303)
    token = request.cookies.get(PATIENT_COOKIE, "")
    ended = clinic.how_it_ended(connection(), token) if token else None
    response = make_response(render_template("patient/tablet.html", on_phone=ended == clinic.ON_PHONE))
    return response if ended is None else clear_session_cookie(response, PATIENT_COOKIE)


@blueprint.get("/tablet/awake")
@audience("clinic")
def awake() -> Response:
    """Asked by the page: is this session still going on? Asking counts as use of it."""
    return Response(status=204)


@blueprint.get("/assessment/<int:assessment_id>/own-phone")
@audience("clinic")
def own_phone_page(assessment_id: int) -> Any:
    return _page(assessment_id)


@blueprint.post("/assessment/<int:assessment_id>/own-phone")
@audience("clinic")
def show_square(assessment_id: int) -> Any:
    """A new square at each press; the one before it stops working."""
    return _page(assessment_id, with_square=True)


def _page(assessment_id: int, *, with_square: bool = False) -> Any:
    sitting = find_sitting(
        connection(),
        study=runtime().study,
        instruments=runtime().instruments,
        participant_id=patient().participant_id,
        assessment_id=assessment_id,
        now=now(),
    )
    start = url_for("patient.start", assessment_id=assessment_id)
    if answering.why_not(sitting) is not None:
        return redirect(start, code=303)  # it says why
    square = _square() if with_square else None
    return render_template("patient/own_phone.html", square=square, start=start)


def _square() -> Markup:
    """Held up to the camera, and nowhere else: behind the # it reaches no server and no log."""
    token = own_phone.offer(database(), runtime().vault, patient(), now=now())
    address = f"{runtime().settings.base_url}{url_for('patient.link')}#{token}"
    svg = segno.make(address, error="m", micro=False).svg_inline(
        scale=5, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True
    )
    return Markup(svg)  # noqa: S704  segno's own output; the address is inside the squares
