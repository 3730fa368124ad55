"""P2: my contact details, to see and to change, once the PIN has been given a moment ago."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import PasswordField, RadioField, StringField

from proapp.services import contacts, patient_access, patient_contact
from proapp.services.errors import Refused
from proapp.web.forms import Form
from proapp.web.guard import audience, patient, patient_actor
from proapp.web.patient import blueprint, sign_in
from proapp.web.patient.contact_words import REFUSALS
from proapp.web.patient.welcome import channels
from proapp.web.transactions import database, keep, now, runtime


class PinAgainForm(Form):
    pin = PasswordField(lazy_gettext("PIN"))


class ContactForm(Form):
    """`pin` is asked for only when the one given before has become too old while the form was filled in."""

    mobile = StringField(lazy_gettext("Your mobile number"))
    email = StringField(lazy_gettext("Your e-mail address"))
    channel = RadioField(validate_choice=False)
    pin = PasswordField(lazy_gettext("Your PIN once more"))


@blueprint.get("/contact")
@audience("patient")
def contact() -> Any:
    if not _pin_is_fresh():
        return render_template("patient/pin_again.html", form=PinAgainForm())
    details = patient_contact.read(database(), vault=runtime().vault, who=patient()).details
    form = ContactForm(mobile=contacts.written(details.mobile), email=details.email or "", channel=details.channel)
    return _contact_page(form)


def _pin_is_fresh() -> bool:
    return patient_access.has_given_pin(database(), patient(), now=now())


@blueprint.post("/contact/pin")
@audience("patient")
def give_pin_again() -> Any:
    """What was right opens the page; there is nothing else on the way."""
    form = PinAgainForm()
    try:
        if form.validate():
            _confirm_pin(form.pin.data or "")
    except Refused as refusal:
        keep()
        if refusal.code == "pin_locked":
            return sign_in.locked(refusal.params["retry_at"], url_for("patient.contact"))
        form.refuse(form.pin, sign_in.wrong_pin(refusal))
        return render_template("patient/pin_again.html", form=form), 422
    return redirect(url_for("patient.contact"), code=303)


def _confirm_pin(typed: str) -> None:
    patient_access.confirm_pin(
        database(), runtime().vault, patient(), pin=typed, address=request.remote_addr, now=now()
    )


@blueprint.post("/contact")
@audience("patient")
def change_contact() -> Any:
    form = ContactForm()
    form.validate()
    stale = not _pin_is_fresh()
    if stale and not form.pin.data:
        form.refuse(form.pin, _("You have been away for a while. Please give your PIN, to protect your details."))
        return _contact_page(form, 422, with_pin=True)
    try:
        if stale:
            _confirm_pin(form.pin.data or "")
        changed = _change(form)
    except Refused as refusal:
        return _refused(form, refusal, stale=stale)
    flash(_("Saved. Thank you for telling us.") if changed else _("Thank you. Your details stay as they are."))
    return redirect(url_for("patient.home"), code=303)


def _change(form: ContactForm) -> tuple[str, ...]:
    return patient_contact.change(
        database(),
        vault=runtime().vault,
        who=patient(),
        channel=form.channel.data or "",
        mobile=form.mobile.data,
        email=form.email.data,
        actor=patient_actor(),
        now=now(),
    )


def _refused(form: ContactForm, refusal: Refused, *, stale: bool) -> Any:
    keep()  # a PIN that was looked at is counted; a refused change has written nothing
    if refusal.code == "pin_locked":
        return sign_in.locked(refusal.params["retry_at"], url_for("patient.contact"))
    if refusal.code == "wrong_pin":
        form.refuse(form.pin, sign_in.wrong_pin(refusal))
        return _contact_page(form, 422, with_pin=True)
    name, sentence = REFUSALS[refusal.code]
    form.refuse(form[name], str(sentence))
    return _contact_page(form, 422, with_pin=stale and not _pin_is_fresh())


def _contact_page(form: ContactForm, status: int = 200, *, with_pin: bool = False) -> Any:
    offered = channels(_("the number above"), _("the address above"))
    page = render_template("patient/contact.html", form=form, channels=offered, with_pin=with_pin)
    return page, status
