"""P2: a rest from reminders, and its end."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from wtforms import RadioField, StringField

from proapp.services import patient_pauses
from proapp.services.errors import Refused
from proapp.services.patient_pauses import Pause
from proapp.web import context
from proapp.web.forms import Form
from proapp.web.guard import audience, patient, patient_actor
from proapp.web.patient import blueprint
from proapp.web.transactions import database, now, runtime, today

DATES = "dates"
REFUSALS = {
    "from_in_past": ("from_on", lazy_gettext("The first day has already passed. Choose today or a later day.")),
    "from_too_far": ("from_on", lazy_gettext("The first day is more than a year away. Choose an earlier day.")),
    "until_before_from": ("until_on", lazy_gettext("The last day lies before the first.")),
    "pause_too_long": (
        "until_on",
        lazy_gettext("A pause can last six months at most. Choose an earlier last day; you can pause again then."),
    ),
    "reason_too_long": ("reason", lazy_gettext("Please write a little less: at most %(longest)d characters.")),
}


class PauseForm(Form):
    """`length` is a number of weeks, or "dates" with a first and a last day."""

    length = RadioField(validate_choice=False)
    from_on = StringField(lazy_gettext("First day"))
    until_on = StringField(lazy_gettext("Last day"))
    reason = StringField(lazy_gettext("Would you like to tell your clinic why?"))


@blueprint.get("/pause")
@audience("patient")
def pause() -> Any:
    return _page(PauseForm(from_on=_today().isoformat()))


def _today() -> date:
    return today(runtime().study.zone(patient().site_code).key)


def standing() -> Pause | None:
    """The signed-in patient's pause, now or to come."""
    return patient_pauses.current(database(), study=runtime().study, who=patient(), now=now())


def in_words(found: Pause | None) -> str:
    """One sentence about a pause; empty when there is none."""
    if found is None:
        return ""
    until = context.day_with_weekday(found.until_on)
    if found.from_on > _today():
        return _("Reminders rest from %(first)s to %(last)s.", first=context.day(found.from_on), last=until)
    return _("Reminders rest until %(last)s.", last=until) if until else _("Reminders rest until further notice.")


def _page(form: PauseForm, status: int = 200) -> Any:
    lengths = [
        (str(weeks), ngettext("%(num)d week", "%(num)d weeks", weeks), context.day_with_weekday(_last_day(weeks)))
        for weeks in patient_pauses.WEEKS
    ]
    page = render_template("patient/pause.html", form=form, lengths=lengths, standing=in_words(standing()))
    return page, status


def _last_day(weeks: int) -> date:
    return _today() + timedelta(weeks=weeks, days=-1)


@blueprint.post("/pause")
@audience("patient")
def pause_now() -> Any:
    form = PauseForm()
    form.validate()
    wanted = _wanted(form)
    if wanted is None:
        return _page(form, 422)
    try:
        patient_pauses.pause(
            database(),
            study=runtime().study,
            who=patient(),
            from_on=wanted[0],
            until_on=wanted[1],
            reason=form.reason.data,
            actor=patient_actor(),
            now=now(),
        )
    except Refused as refusal:
        name, sentence = REFUSALS[refusal.code]
        form.refuse(form[name], str(sentence) % refusal.params)
        return _page(form, 422)
    flash(_("Noted. Thank you for telling us."))
    return redirect(url_for("patient.home"), code=303)


def _wanted(form: PauseForm) -> tuple[date, date] | None:
    """First and last day as chosen, or None after saying beside the fields what is missing."""
    if form.length.data in {str(weeks) for weeks in patient_pauses.WEEKS}:
        return _today(), _last_day(int(form.length.data))
    if form.length.data != DATES:
        form.refuse(form.length, _("Choose how long you would like to pause."))
        return None
    first, last = _day(form.from_on.data), _day(form.until_on.data)
    for field, day in ((form.from_on, first), (form.until_on, last)):
        if day is None:
            form.refuse(field, _("Write the day as year-month-day, for example %(example)s.", example=_today()))
    return None if first is None or last is None else (first, last)


def _day(typed: str | None) -> date | None:
    try:
        return date.fromisoformat(typed or "")
    except ValueError:
        return None


@blueprint.post("/pause/end")
@audience("patient")
def end_pause() -> Any:
    patient_pauses.end_pause(database(), study=runtime().study, who=patient(), actor=patient_actor(), now=now())
    flash(_("The pause is over. You will be reminded again."))
    return redirect(url_for("patient.home"), code=303)
