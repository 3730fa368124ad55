"""A wrong date of randomisation: the form, a look at what moves and what stays, the proposal for a second person."""

from __future__ import annotations

from flask import Response, flash, make_response, redirect, request, url_for
from flask_babel import gettext

from proapp.services import anchor_corrections, proposals
from proapp.services.cohort import Event, Member
from proapp.services.errors import Refused
from proapp.services.proposals import Proposal
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment import CLINICAL, member, page, to_participant
from proapp.web.staff.enrolment_forms import CorrectForm
from proapp.web.staff.enrolment_words import REFUSALS, refuse
from proapp.web.staff.presenters import diff as presenter
from proapp.web.staff.proposal_words import sentence
from proapp.web.transactions import database, now, runtime


@blueprint.route("/participants/<study_id>/correct-randomisation", methods=["GET", "POST"])
@audience(*CLINICAL)
def correct_randomisation(study_id: str) -> Response:
    person, form = member(study_id), CorrectForm()
    recorded = next((event for event in person.events if event.type == "randomized"), None)
    if recorded is None:
        flash(sentence(Refused("not_randomized")), "problem")
        return to_participant(study_id)
    waiting = proposals.of_participant(database(), study_id, sites=staff().sites)
    if waiting is not None:
        return _waits(waiting, form)
    if not form.is_submitted():
        form = CorrectForm(data={"new_date": recorded.effective_on, "new_time": recorded.effective_time})
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        try:
            return _proposed(person, recorded, form, step)
        except Refused as refused:
            if refused.code in REFUSALS:
                refuse(form, refused)
            else:
                form.refuse(None, sentence(refused))
    return page("staff/correct.html", form, person=person, recorded=recorded)


def _waits(waiting: Proposal, form: CorrectForm) -> Response:
    """The same form sent twice is one proposal and the same answer."""
    if form.is_submitted() and anchor_corrections.proposed(waiting) == (form.new_date.data, form.new_time.data):
        flash(gettext("The correction is proposed. It is done when a second person has approved it."))
    else:
        flash(sentence(Refused("already_proposed")), "problem")
    return make_response(redirect(url_for("staff.proposal", proposal_id=waiting.id), code=303))


def _proposed(person: Member, recorded: Event, form: CorrectForm, step: str) -> Response:
    given = {
        "study": runtime().study,
        "study_id": person.study_id,
        "sites": staff().sites,
        "new_date": form.new_date.data,
        "new_time": form.new_time.data,
        "now": now(),
    }
    looked = anchor_corrections.look(database(), **given)
    seen = request.form.get("seen", "")
    if step == "confirm" and seen == looked.diff.digest:
        made = anchor_corrections.propose(database(), **given, reason=form.reason.data, seen=seen, actor=staff_actor())
        flash(gettext("The correction is proposed. It is done when a second person has approved it."))
        return make_response(redirect(url_for("staff.proposal", proposal_id=made), code=303))
    return page(
        "staff/correct_look.html",
        form,
        person=person,
        recorded=recorded,
        lines=presenter.move_lines(runtime().study, looked.diff),
        seen=looked.diff.digest,
        changed=step == "confirm",
    )
