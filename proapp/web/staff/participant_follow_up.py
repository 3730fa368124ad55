"""The reminders of one participant explained, day by day; and a message sent once more by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from werkzeug.wrappers import Response

from proapp.services import explaining, outbox
from proapp.services.errors import Refused
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.contact_log import WRITERS
from proapp.web.staff.presenters import explained
from proapp.web.staff.presenters.work import channel_warning
from proapp.web.staff.work import background
from proapp.web.transactions import database, now, runtime

SENTENCES: dict[str, Any] = {
    "cannot_resend": lazy_gettext("That message is already on its way, or was settled meanwhile."),
    "too_late": lazy_gettext("It is too late for that message: a later step or the close of the window has passed."),
}


@blueprint.get("/participants/<study_id>/follow-up")
@audience("nurse", "investigator", "coordinator", "monitor")
def participant_follow_up(study_id: str) -> str:
    found = explaining.explain(
        database(),
        study=runtime().study,
        vault=runtime().vault,
        sites=staff().sites,
        study_id=study_id,
        day=_day(),
        now=now(),
    )
    on = background()
    return render_template(
        "staff/participant_follow_up.html",
        found=found,
        warning=channel_warning(found.member, on),
        sections=explained.sections(found, on),
        days=explained.days(found, url_for("staff.participant_follow_up", study_id=study_id)),
        form=Form(formdata=None),
    )


@blueprint.post("/messages/<int:message_id>/send-again")
@audience(*WRITERS)
def send_again(message_id: int) -> Response:
    study_id = explaining.whose(database(), message_id=message_id, sites=staff().sites)
    try:
        outbox.resend(database(), message_id, sites=staff().sites, actor=staff_actor(), now=now())
    except Refused as refusal:
        flash(str(SENTENCES[refusal.code]), "problem")
    else:
        flash(gettext("The message is in the queue again."))
    day = _day()
    address = url_for("staff.participant_follow_up", study_id=study_id, day=day.isoformat() if day else None)
    return redirect(address, code=303)


def _day() -> date | None:
    """The day of the address; None (today) where it names none."""
    try:
        day = date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2199 else None
