"""The letters that are due today: a list to print and tick, and a button for each that has gone."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import format_date, gettext, lazy_gettext
from werkzeug.wrappers import Response

from proapp.services import letters as service
from proapp.services.errors import Refused
from proapp.services.letters import Letter
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.contact_log import WRITERS
from proapp.web.staff.presenters import grid as grid_words
from proapp.web.staff.presenters import words
from proapp.web.staff.presenters.words import Background
from proapp.web.staff.work import background, known
from proapp.web.transactions import database, now, runtime

SENTENCES: dict[str, Any] = {
    "not_a_letter": lazy_gettext("That is not a letter."),
    "no_longer_wanted": lazy_gettext("That letter is no longer wanted: answered meanwhile, or not to be contacted."),
}


@blueprint.get("/letters")
@audience("nurse", "investigator", "coordinator", "monitor")
def letters() -> str:
    site, on = _site(), background()
    found = service.due(database(), study=runtime().study, sites=staff().sites, now=now(), site=site)
    return render_template(
        "staff/letters.html",
        letters=[_line(letter, on) for letter in found],
        site=site,
        sites=grid_words.filter_choices(on, staff().sites)["site"],
        form=Form(formdata=None),
    )


@blueprint.post("/letters/<int:message_id>/sent")
@audience(*WRITERS)
def letter_sent(message_id: int) -> Response:
    try:
        study_id = service.mark_sent(
            database(),
            study=runtime().study,
            sites=staff().sites,
            message_id=message_id,
            actor=staff_actor(),
            now=now(),
        )
    except Refused as refusal:
        flash(str(SENTENCES[refusal.code]), "problem")
    else:
        flash(gettext("Letter to %(study_id)s noted as sent.", study_id=study_id))
    return redirect(url_for("staff.letters", site=_site()), code=303)


def _site() -> str | None:
    return known(request.args.get("site"), (one.code for one in runtime().study.sites))


def _line(letter: Letter, on: Background) -> dict[str, Any]:
    member = letter.assessment.member
    return {
        "id": letter.message_id,
        "study_id": member.study_id,
        "address": f"{url_for('staff.participant', study_id=member.study_id)}#a{letter.assessment.id}",
        "site": on.site_name(member.site_code),
        "timepoint": on.label(letter.assessment.timepoint),
        "language": str(words.LANGUAGES.get(member.language, member.language)),
        "due": format_date(letter.due_on, "EEE d MMM"),
        "due_iso": letter.due_on.isoformat(),
        "last": format_date(letter.last_on, "EEE d MMM") if letter.last_on else "",
    }
