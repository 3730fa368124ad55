"""What one may ask for instead of answering now: a reminder at a better time, a call, or no more questionnaires."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from proapp.services import patient_wishes
from proapp.services.errors import Refused
from proapp.services.patient_wishes import Offers
from proapp.services.sitting import Sitting
from proapp.services.sitting_reading import find_sitting
from proapp.study.status import is_waiting
from proapp.web.guard import audience, patient, patient_actor
from proapp.web.patient import blueprint
from proapp.web.transactions import database, now, runtime, today

EVENING = 17  # the hour from which it is evening in the sentences


def at_about(moment: datetime) -> str:
    """this evening at about 18:00; tomorrow at about 10:00 (the furthest there is), which the next day is today."""
    local = _local(moment)
    clock = f"{local:%H:%M}"
    if local.date() > today(str(local.tzinfo)):
        return _("tomorrow at about %(time)s", time=clock)
    if local.hour < EVENING:
        return _("today at about %(time)s", time=clock)
    return _("this evening at about %(time)s", time=clock)


def _local(moment: datetime) -> datetime:
    return moment.astimezone(runtime().study.zone(patient().site_code))


def _sitting(assessment_id: int, *, lock: bool = False) -> Sitting:
    """The signed-in patient's own assessment; a page not found for anybody else's."""
    return find_sitting(
        database(),
        study=runtime().study,
        instruments=runtime().instruments,
        participant_id=patient().participant_id,
        assessment_id=assessment_id,
        now=now(),
        lock=lock,
    )


@blueprint.get("/assessment/<int:assessment_id>/not-now")
@audience("patient")
def not_now(assessment_id: int) -> Any:
    sitting = _sitting(assessment_id)
    if not is_waiting(sitting.state):
        return redirect(url_for("patient.start", assessment_id=assessment_id), code=303)  # which says how it is
    return _page(sitting)


def _page(sitting: Sitting, status: int = 200) -> Any:
    offers = patient_wishes.offers(database(), sitting, vault=runtime().vault)
    asked = patient_wishes.noted(database(), participant_id=sitting.participant_id, now=now())
    names = {"tonight": _("Remind me this evening"), "tomorrow": _("Remind me tomorrow")}
    page = render_template(
        "patient/not_now.html",
        id=sitting.assessment_id,
        begun=bool(sitting.given),
        times=[
            (when, names[when], _("at about %(time)s", time=f"{_local(at):%H:%M}")) for when, at in offers.times.items()
        ],
        why_not=_why_not(offers),
        change_contact=offers.why_not in {"no_messages", "unreachable"},
        called=asked.call_at is not None,
    )
    return page, status


def _why_not(offers: Offers) -> str:
    """Why no reminder, or not each of them, can be offered; empty when there is nothing to say."""
    return {
        "no_messages": _("You get no messages from us, so we cannot remind you by one."),
        "unreachable": _("Our messages do not reach you. Please check that your contact details are right."),
        "lost": _(
            "The clinic has noted that it cannot reach you, so no reminders are sent. "
            "Call the clinic if you want them again."
        ),
        "paused": _("Your reminders rest, so none will come. You can end the pause on the first page."),
        "last_day": _("This one closes soon, so there is no later reminder than this.")
        if offers.times
        else _("This one closes before we could remind you."),
    }.get(offers.why_not, "")


@blueprint.post("/assessment/<int:assessment_id>/not-now")
@audience("patient")
def ask(assessment_id: int) -> Any:
    """The button says what is asked for: tonight, tomorrow or call."""
    sitting, wish = _sitting(assessment_id, lock=True), request.form.get("do", "")
    try:
        if wish == "call":
            patient_wishes.call_me(database(), sitting, actor=patient_actor(), now=now())
            flash(_("Noted. The clinic will call you as soon as they can."))
        else:
            at = patient_wishes.remind_later(
                database(), sitting, when=wish, vault=runtime().vault, actor=patient_actor(), now=now()
            )
            flash(_("Noted. We will remind you %(when)s.", when=at_about(at)))
    except Refused as refusal:
        if refusal.code == "cannot_remind":
            return _page(sitting, 422)
        return redirect(url_for("patient.start", assessment_id=assessment_id), code=303)
    return redirect(url_for("patient.home"), code=303)


# --- no more --------------------------------------------------------------------------------------------------------


@blueprint.get("/no-more")
@audience("patient")
def no_more() -> Any:
    return render_template("patient/no_more.html")


@blueprint.post("/no-more")
@audience("patient")
def stop_questionnaires() -> Any:
    patient_wishes.no_more(database(), study=runtime().study, who=patient(), actor=patient_actor(), now=now())
    flash(_("Noted. You will get no more questionnaires."))
    return redirect(url_for("patient.home"), code=303)
