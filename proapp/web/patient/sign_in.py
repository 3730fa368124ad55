"""P1: the personal code, then a PIN; and the way out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from wtforms import PasswordField, StringField

from proapp.services import patient_access
from proapp.services.errors import Refused
from proapp.services.sessions import AT_THE_PIN, Patient
from proapp.web import interrupted
from proapp.web.forms import Form
from proapp.web.guard import PATIENT_COOKIE, audience, drop_session_cookie, find_patient, patient, set_session_cookie
from proapp.web.patient import blueprint, welcome
from proapp.web.patient.devices import DEVICE_COOKIE, device_label, forget_device, known_device, remember_device
from proapp.web.transactions import database, keep, now, runtime, undo

NAMED_BY_LINK = "named_by_link"  # (participant, assessment) of the link that led to the PIN


class CodeForm(Form):
    code = StringField(lazy_gettext("Your personal code"))


class PinForm(Form):
    pin = PasswordField(lazy_gettext("PIN"))
    again = PasswordField(lazy_gettext("The same PIN once more"))


@blueprint.get("/a")
@audience("anyone_but_clinic")
def code() -> Any:
    who = find_patient()
    signed_in = who is not None and who.kind == "patient"
    if not signed_in and "other" not in request.args and known_device() is not None:
        return redirect(url_for("patient.pin"), code=303)
    return _without_dead_cookie(_code_page(CodeForm()))


def _code_page(form: CodeForm, status: int = 200) -> Response:
    who = find_patient()
    signed_in = who is not None and who.kind == "patient"
    page = render_template("patient/code.html", form=form, signed_in_now=signed_in, timed_out=_has_timed_out())
    return make_response(page, status)


def _has_timed_out() -> bool:
    """The browser still shows the cookie of a session that has ended."""
    return PATIENT_COOKIE in request.cookies and find_patient() is None


def _without_dead_cookie(response: Response) -> Response:
    """What has been said once about an ended session is not said again."""
    if _has_timed_out():
        response.delete_cookie(PATIENT_COOKIE, secure=True, httponly=True, samesite="Lax", path="/")
    return response


@blueprint.post("/a")
@audience("anyone_but_clinic")
def present_code() -> Any:
    form = CodeForm()
    if not form.validate():
        return _code_page(form, 422)
    before = find_patient()
    try:
        person, token = patient_access.present_code(
            database(),
            runtime().vault,
            study=runtime().study,
            typed=form.code.data or "",
            address=request.remote_addr,
            device=device_label(),
            now=now(),
        )
    except Refused as refusal:
        keep()
        return _refused_code(form, refusal)
    if before is not None and before.kind == "patient":
        return _already_signed_in(form, before, person)
    return set_session_cookie(_to("patient.pin"), PATIENT_COOKIE, token)


def _already_signed_in(form: CodeForm, before: Patient, person: int) -> Any:
    """One browser is one person at a time; the right code of somebody else changes nothing yet."""
    undo()
    if before.participant_id == person:
        return _to("patient.home")
    form.refuse(form.code, _("Somebody else is signed in on this phone. Sign out first, then enter your code."))
    return _code_page(form, 422)


def _refused_code(form: CodeForm, refusal: Refused) -> Any:
    if refusal.code == "incomplete_code":
        form.refuse(form.code, _("The code has 12 letters and digits. Please look at the paper and enter all of them."))
        return _code_page(form, 422)
    if refusal.code == "wrong_code":
        sentence = _("We do not recognise that code. Please compare it with the paper from your clinic.")
        form.refuse(form.code, sentence + _tries_left(refusal.params["remaining"]))
        return _code_page(form, 422)
    if refusal.code == "code_locked":
        return locked(refusal.params["retry_at"], url_for("patient.code", other=1))
    pages = {
        "code_expired": (
            _("This code is too old"),
            _("A code must be used for the first time within 14 days. Call your clinic and you will get a new one."),
        ),
        "not_taking_part": (
            _("There is nothing to answer"),
            _("This code no longer leads to any questionnaire. You are welcome to call your clinic with any question."),
        ),
    }
    title, text = pages[refusal.code]
    site = runtime().study.site(str(refusal.params["site"]))
    return render_template("patient/code_refused.html", title=title, text=text, site=site), 422


def wrong_pin(refusal: Refused) -> str:
    return _("That is not your PIN. Please try again.") + _tries_left(refusal.params["remaining"])


def _tries_left(remaining: Any) -> str:
    """A blank and a sentence, once few tries are left."""
    if remaining is None or remaining < 1:
        return ""
    return " " + ngettext("You have %(num)d try left.", "You have %(num)d tries left.", remaining)


def locked(retry_at: Any, again: str) -> Response:
    """The page after too many tries: how long to wait, and whom to call meanwhile."""
    assert isinstance(retry_at, datetime)
    seconds = max(1, int((retry_at - now()).total_seconds()))
    minutes = -(-seconds // 60)
    wait = ngettext(
        "For safety you have to wait %(num)d minute before you try again.",
        "For safety you have to wait %(num)d minutes before you try again.",
        minutes,
    )
    text = wait + " " + _("Your clinic can also help you right away.")
    who = find_patient() or known_device()
    site = runtime().study.site(who.site_code) if who is not None else None
    page = render_template("patient/code_refused.html", title=_("Too many tries"), text=text, again=again, site=site)
    response = make_response(page, 429)
    response.headers["Retry-After"] = str(seconds)
    return response


# --- PIN ------------------------------------------------------------------------------------------------------------


def _at_the_pin() -> Patient | None:
    """Who stands at the PIN: somebody whose code was right, who followed an own link, or whose phone is known."""
    who = find_patient()
    return who if who is not None and who.kind in AT_THE_PIN else known_device()


@blueprint.get("/pin")
@audience("anyone_but_clinic")
def pin() -> Any:
    who = _at_the_pin()
    signed_in = find_patient()
    if signed_in is not None and signed_in.kind == "patient":
        return _to("patient.home")
    if who is None:
        return redirect(url_for("patient.code", other=1), code=303)
    return _without_dead_cookie(_pin_page(PinForm(), who))


def _pin_page(form: PinForm, who: Patient, status: int = 200) -> Response:
    page = render_template(
        "patient/pin.html",
        form=form,
        task=patient_access.pin_task(database(), who),
        known_phone=known_device() is not None,
        timed_out=_has_timed_out(),
    )
    return make_response(page, status)


@blueprint.post("/pin")
@audience("anyone_but_clinic")
def give_pin() -> Any:
    who, form = _at_the_pin(), PinForm()
    if who is None or not form.validate():
        return _to("patient.code")
    task = patient_access.pin_task(database(), who)
    try:
        opened = _choose_or_enter(task, who, form)
    except Refused as refusal:
        keep()
        return _refused_pin(form, who, refusal)
    session.pop("csrf_token", None)  # a form from before the sign-in is worth nothing after it
    new_here = task == "choose" and not who.comes_from_tablet  # who is in the middle of a questionnaire goes on with it
    following = _to(welcome.first_page(who)) if new_here else _to_where_it_was(who)
    response = set_session_cookie(following, PATIENT_COOKIE, opened.token)
    if opened.device is not None:
        remember_device(response, opened.device)
    return response


def _to_where_it_was(who: Patient) -> Response:
    """Straight to what could not be saved, or to the assessment of the message when this patient's link led here."""
    person, assessment_id = session.pop(NAMED_BY_LINK, (None, None))
    address = interrupted.way_back(who.participant_id)
    if address is not None:
        return make_response(redirect(address, code=303))
    if person != who.participant_id:
        return _to("patient.home")
    return _to("patient.start", assessment_id=assessment_id)


def _choose_or_enter(task: patient_access.PinTask, who: Patient, form: PinForm) -> patient_access.Opened:
    typed = form.pin.data or ""
    phone = known_device()
    has_device = phone is not None and phone.participant_id == who.participant_id
    if task == "choose":
        again = form.again.data or ""
        return patient_access.choose_pin(
            database(),
            runtime().vault,
            who,
            pin=typed,
            again=again,
            device=device_label(),
            has_device=has_device,
            now=now(),
        )
    return patient_access.enter_pin(
        database(),
        runtime().vault,
        who,
        pin=typed,
        address=request.remote_addr,
        device=device_label(),
        has_device=has_device,
        now=now(),
    )


def _refused_pin(form: PinForm, who: Patient, refusal: Refused) -> Any:
    if refusal.code == "pin_locked":
        return locked(refusal.params["retry_at"], url_for("patient.pin"))
    if refusal.code == "code_gone":
        flash(_("Please enter your code again."), "problem")
        return redirect(url_for("patient.code", other=1), code=303)
    if refusal.code == "wrong_pin":
        form.refuse(form.pin, wrong_pin(refusal))
        return _pin_page(form, who, 422)
    sentences = {
        "pin_shape": _("Choose between 4 and 12 digits, and nothing but digits."),
        "pin_trivial": _("That PIN is easy to guess. Please choose digits that do not follow each other or repeat."),
        "pin_differs": _("The two PINs are not the same. Please enter both again."),
    }
    form.refuse(form.again if refusal.code == "pin_differs" else form.pin, sentences[refusal.code])
    return _pin_page(form, who, 422)


# --- the way out ----------------------------------------------------------------------------------------------------


@blueprint.post("/sign-out")
@audience("patient")
def sign_out() -> Any:
    patient_access.sign_out(database(), patient(), now=now())
    session.pop("csrf_token", None)
    flash(_("You are signed out. Everything you saved is still there."))
    return drop_session_cookie(_to("public.start"), PATIENT_COOKIE)


@blueprint.post("/forget")
@audience("anyone_but_clinic")
def forget() -> Any:
    """This phone is not (or no longer) the patient's own."""
    if known_device() is not None:
        patient_access.forget_device(database(), request.cookies[DEVICE_COOKIE], now=now())
        flash(_("This phone is forgotten. To sign in here, the code on paper is needed."))
    response = redirect(url_for("patient.code", other=1), code=303)
    assert isinstance(response, Response)
    forget_device(response)
    return response


def _to(endpoint: str, **values: Any) -> Response:
    response = redirect(url_for(endpoint, **values), code=303)
    assert isinstance(response, Response)
    return response
