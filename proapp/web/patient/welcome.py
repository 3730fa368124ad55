"""P1, after the PIN: is this how we reach you, and how would you like to be reminded? One question to a page.

Each page may be left out, and each saves what it asks for, so that going back or stopping half-way loses nothing. A
number or address that is recorded is shown only in part here (services/patient_contact.py says why).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from wtforms import RadioField, StringField

from proapp.services import patient_contact
from proapp.services.errors import Refused
from proapp.services.sessions import Patient
from proapp.web.forms import Form
from proapp.web.guard import audience, patient, patient_actor
from proapp.web.patient import blueprint
from proapp.web.patient.contact_words import REFUSALS
from proapp.web.transactions import database, now, runtime

STEPS = ("mobile", "email", "reminders")


class OwnForm(Form):
    """`answer` is one of yes, other, none; `mobile` or `email` goes with other."""

    answer = RadioField(validate_choice=False)
    mobile = StringField(lazy_gettext("Your mobile number"))
    email = StringField(lazy_gettext("Your e-mail address"))


class ChannelForm(Form):
    channel = RadioField(validate_choice=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One question. `known` is what is recorded, in part; empty when nothing is."""

    step: str
    place: str
    heading: str
    known: str
    ending: str
    options: tuple[tuple[str, str, str], ...]  # value, label, hint
    back: str


def first_page(who: Patient) -> str:
    """Where somebody goes who has just chosen a PIN: here, unless the details are confirmed already."""
    return "patient.home" if patient_contact.is_confirmed(database(), who) else "patient.welcome_mobile"


def _own() -> patient_contact.Own:
    return patient_contact.read(database(), vault=runtime().vault, who=patient())


@blueprint.get("/welcome/mobile")
@audience("patient")
def welcome_mobile() -> Any:
    return _ask("mobile", OwnForm())


@blueprint.get("/welcome/email")
@audience("patient")
def welcome_email() -> Any:
    return _ask("email", OwnForm())


@blueprint.post("/welcome/mobile")
@audience("patient")
def give_mobile() -> Any:
    return _take("mobile", OwnForm())


@blueprint.post("/welcome/email")
@audience("patient")
def give_email() -> Any:
    return _take("email", OwnForm())


def _ask(step: patient_contact.Field, form: OwnForm, status: int = 200) -> Any:
    return render_template("patient/welcome.html", page=_page(step), form=form), status


def _page(step: patient_contact.Field) -> Page:
    details = _own().details
    if step == "mobile":
        known = patient_contact.masked_mobile(details.mobile)
        ending = _("It ends with %(digits)s.", digits=known[-2:]) if known else ""
        heading = _("Is this your mobile number?") if known else _("Do you have a mobile phone?")
        other = _("No, I have another number") if known else _("Yes, and my number is")
        none = _("I have no mobile number") if known else _("No, or I would rather not say")
        back = ""
    else:
        known = patient_contact.masked_email(details.email)
        ending = _("It begins with %(sign)s.", sign=known[:1]) if known else ""
        heading = _("Is this your e-mail address?") if known else _("Do you have an e-mail address?")
        other = _("No, I have another address") if known else _("Yes, and my address is")
        none = _("I have no e-mail address") if known else _("No, or I would rather not say")
        back = url_for("patient.welcome_mobile")
    yes = (("yes", _("Yes, that is right"), ""),) if known else ()
    return Page(step, _place(step), heading, known, ending, (*yes, ("other", other, ""), ("none", none, "")), back)


def _place(step: str) -> str:
    return _("Step %(number)d of %(total)d", number=STEPS.index(step) + 1, total=len(STEPS))


def _take(step: patient_contact.Field, form: OwnForm) -> Any:
    offered = [value for value, _label, _hint in _page(step).options]
    field = form[step]
    if not form.validate() or form.answer.data not in offered:
        form.refuse(form.answer, _("Choose one of the answers."))
        return _ask(step, form, 422)
    if form.answer.data == "other" and not field.data:
        missing = _("Please write your mobile number.") if step == "mobile" else _("Please write your e-mail address.")
        form.refuse(field, missing)
        return _ask(step, form, 422)
    try:
        if form.answer.data != "yes":
            _set(step, field.data if form.answer.data == "other" else None)
    except Refused as refusal:
        form.refuse(field, str(REFUSALS[refusal.code][1]))
        return _ask(step, form, 422)
    return _away("patient.welcome_email" if step == "mobile" else "patient.welcome_reminders")


def _set(step: patient_contact.Field, typed: str | None) -> None:
    patient_contact.set_field(
        database(),
        vault=runtime().vault,
        who=patient(),
        field=step,
        typed=typed,
        actor=patient_actor(),
        now=now(),
    )


@blueprint.get("/welcome/reminders")
@audience("patient")
def welcome_reminders() -> Any:
    return _ask_channel(ChannelForm(channel=_own().details.channel))


@blueprint.post("/welcome/reminders")
@audience("patient")
def choose_reminders() -> Any:
    form = ChannelForm()
    try:
        patient_contact.choose_channel(
            database(),
            vault=runtime().vault,
            who=patient(),
            channel=form.channel.data or "" if form.validate() else "",
            actor=patient_actor(),
            now=now(),
        )
    except Refused as refusal:
        form.refuse(form.channel, str(REFUSALS[refusal.code][1]))
        return _ask_channel(form, 422)
    flash(_("Thank you. Everything is ready."))
    return _away("patient.home")


def _ask_channel(form: ChannelForm, status: int = 200) -> Any:
    details = _own().details
    page = Page(
        step="reminders",
        place=_place("reminders"),
        heading=_("How would you like to be reminded?"),
        known="",
        ending="",
        options=channels(patient_contact.masked_mobile(details.mobile), patient_contact.masked_email(details.email)),
        back=url_for("patient.welcome_email"),
    )
    return render_template("patient/welcome_reminders.html", page=page, form=form), status


def channels(mobile: str, email: str) -> tuple[tuple[str, str, str], ...]:
    """The ways that lead somewhere, as (value, label, hint)."""
    sms = (("sms", _("By text message"), mobile),) if mobile else ()
    mail = (("email", _("By e-mail"), email),) if email else ()
    return (*sms, *mail, ("letter", _("No messages"), _("Your clinic writes a letter to you instead.")))


def _away(endpoint: str) -> Any:
    return redirect(url_for(endpoint), code=303)
