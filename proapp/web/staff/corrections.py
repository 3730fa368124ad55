"""A wrong randomisation: the form, a look at what moves and what stays, the proposal for a second person; and the
answers that all corrections share which two people make."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, make_response, redirect, request, url_for
from flask_babel import gettext

from proapp.services import anchor_corrections, proposals
from proapp.services.cohort import Event, Member
from proapp.services.errors import Refused
from proapp.services.event_corrections import Correction, Found
from proapp.web.context import in_language
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment import CLINICAL, member, page, to_participant
from proapp.web.staff.enrolment_forms import CorrectForm
from proapp.web.staff.enrolment_words import REFUSALS, refuse
from proapp.web.staff.presenters import diff as presenter
from proapp.web.staff.proposal_words import sentence
from proapp.web.transactions import database, now, runtime

NOT_AS_SEEN = frozenset({"look_again", "two_people"})  # what follows is not what was looked at: look once more


@blueprint.route("/participants/<study_id>/correct-randomisation", methods=["GET", "POST"])
@audience(*CLINICAL)
def correct_randomisation(study_id: str) -> Response:
    person = member(study_id)
    recorded = next((event for event in person.events if event.type == "randomized"), None)
    if recorded is None:
        flash(sentence(Refused("not_randomized")), "problem")
        return to_participant(study_id)
    as_recorded = {"new_date": recorded.effective_on, "new_time": recorded.effective_time}
    form = CorrectForm(data={**as_recorded, "arm": recorded.payload.get("arm")})
    correction = Correction(recorded.id, form.new_date.data, form.new_time.data, form.arm.data)
    if proposals.of_participant(database(), study_id, sites=staff().sites) is not None:
        return waits(study_id, correction if form.is_submitted() else None)
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        try:
            return _proposed(person, recorded, form, correction, step)
        except Refused as refused:
            if refused.code in REFUSALS:
                refuse(form, refused)
            else:
                form.refuse(None, sentence(refused))
    return page("staff/correct.html", form, person=person, recorded=recorded)


def _proposed(person: Member, recorded: Event, form: CorrectForm, correction: Correction, step: str) -> Response:
    if step == "confirm":
        try:
            return propose(person.study_id, correction, form.reason.data)
        except Refused as refused:
            if refused.code not in NOT_AS_SEEN:
                raise
    looked = look(person.study_id, correction)
    return page(
        "staff/correct_look.html",
        form,
        person=person,
        recorded=recorded,
        arms=arm_names(looked.recorded.arm, looked.right.arm),
        lines=presenter.move_lines(runtime().study, looked.diff),
        seen=looked.diff.digest,
        changed=step == "confirm",
    )


def arm_names(*codes: str | None) -> tuple[str, ...]:
    """The arms in words, where they differ; nothing else is worth saying about them."""
    names = {arm.code: str(in_language(arm.label)) for arm in runtime().study.arms}
    return tuple(names.get(code or "", code or "–") for code in codes) if len(set(codes)) > 1 else ()


# --- what every correction does -------------------------------------------------------------------------------------


def given(study_id: str, correction: Correction) -> dict[str, Any]:
    """What the services about corrections are told."""
    scope = {"study": runtime().study, "study_id": study_id, "sites": staff().sites}
    return {**scope, "correction": correction, "now": now()}


def look(study_id: str, correction: Correction) -> Found:
    return anchor_corrections.look(database(), **given(study_id, correction))


def propose(study_id: str, correction: Correction, reason: str | None) -> Response:
    """Leave it to a second person, if what would happen still is what was looked at. Raises as the service does."""
    about, seen = given(study_id, correction), request.form.get("seen", "")
    made = anchor_corrections.propose(database(), **about, reason=reason, seen=seen, actor=staff_actor())
    flash(gettext("The correction is proposed. It is done when a second person has approved it."))
    return make_response(redirect(url_for("staff.proposal", proposal_id=made), code=303))


def waits(study_id: str, correction: Correction | None) -> Response:
    """Another correction waits already. The same form sent twice is one proposal and the same answer."""
    waiting = proposals.of_participant(database(), study_id, sites=staff().sites)
    if waiting is None:
        return to_participant(study_id)
    if correction is not None and anchor_corrections.is_the_same(waiting, correction):
        flash(gettext("The correction is proposed. It is done when a second person has approved it."))
    else:
        flash(sentence(Refused("already_proposed")), "problem")
    return make_response(redirect(url_for("staff.proposal", proposal_id=waiting.id), code=303))
