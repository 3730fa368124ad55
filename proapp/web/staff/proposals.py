"""What waits for a second person: the list, and a page on which somebody looks at what would happen and decides."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext, lazy_gettext
from wtforms import StringField

from proapp.services import amendments, anchor_corrections, proposals
from proapp.services.errors import Refused
from proapp.services.proposals import Proposal
from proapp.web import versions
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint, corrections, proposal_words
from proapp.web.staff.enrolment import CLINICAL
from proapp.web.staff.enrolment_forms import LONG
from proapp.web.staff.presenters import diff as presenter
from proapp.web.staff.presenters.history import EVENTS as EVENT_NAMES
from proapp.web.staff.proposal_words import sentence
from proapp.web.transactions import database, now, runtime

DECISIONS = {
    "approved": lazy_gettext("Approved"),
    "refused": lazy_gettext("Refused"),
    "withdrawn": lazy_gettext("Withdrawn"),
}
DONE = {
    "approve": lazy_gettext("Approved. It is done."),
    "refuse": lazy_gettext("Refused. Nothing was changed."),
    "withdraw": lazy_gettext("Withdrawn. Nothing was changed."),
}


class DecideForm(Form):
    reason = StringField(lazy_gettext("Reason, if you refuse"), [LONG])


class WithdrawForm(Form):
    reason = StringField(lazy_gettext("Why do you withdraw it?"), [LONG])


def _mine(proposal: Proposal) -> bool:
    return proposal.proposed_by_id == staff().user_id


def _scope() -> dict[str, Any]:
    return {"role": staff().role, "sites": staff().sites}


@blueprint.get("/proposals", endpoint="proposals")
@audience(*CLINICAL)
def proposal_list() -> str:
    """First what waits for the reader, then what waits for somebody else, then the latest decisions."""
    waiting = proposals.undecided(database(), **_scope())
    who = {"user_id": staff().user_id, "role": staff().role}
    mine = [one for one in waiting if proposals.why_not_approve(one, **who) is None]
    return render_template(
        "staff/proposals.html",
        to_approve=[(one, name(one)) for one in mine],
        others=[(one, name(one)) for one in waiting if one not in mine],
        decided=[(one, name(one)) for one in proposals.decided(database(), **_scope())],
        decisions=DECISIONS,
    )


def name(proposal: Proposal) -> str:
    if proposal.kind == "amendment":
        return gettext("Amendment: version %(number)s of the study", number=proposal.number)
    return f"{proposal.study_id}: {proposal_words.what(proposal)}"


@blueprint.route("/proposals/<int:proposal_id>", methods=["GET", "POST"])
@audience(*CLINICAL)
def proposal(proposal_id: int) -> Response:
    found = proposals.find(database(), proposal_id, **_scope())
    form = WithdrawForm() if _mine(found) else DecideForm()
    changed = False
    if form.validate_on_submit():
        try:
            return _decided(found, form)
        except Refused as refused:
            changed = refused.code == "look_again"
            if not changed:
                _refuse(form, refused)
    page = render_template("staff/proposal.html", **_shown(found), form=form, changed=changed)
    return make_response(page, 422 if form.errors else 200)


def _refuse(form: Form, refused: Refused) -> None:
    about_reason = refused.code in ("reason_required", "reason_too_long")
    form.refuse(form.reason if about_reason else None, sentence(refused))


def _decided(found: Proposal, form: Form) -> Response:
    act = request.form.get("do", "")
    given: dict[str, Any] = {"actor": staff_actor(), "now": now(), "sites": staff().sites}
    if act == "approve":
        _approve(found, given)
    elif act == "withdraw":
        proposals.withdraw(database(), found.id, reason=form.reason.data, **given)
    else:
        act = "refuse"
        proposals.refuse(database(), found.id, reason=form.reason.data, **given)
    flash(str(DONE[act]))
    if found.study_id and act == "approve":
        return make_response(redirect(url_for("staff.participant", study_id=found.study_id), code=303))
    return make_response(redirect(url_for("staff.proposals"), code=303))


def _approve(found: Proposal, given: dict[str, Any]) -> None:
    given = {**given, "seen": request.form.get("seen", ""), "study": runtime().study}
    if found.kind == "amendment":
        amendments.approve(database(), found.id, instruments=runtime().instruments, **given)
        versions.ask_again()
    else:
        anchor_corrections.approve(database(), found.id, **given)


def _shown(found: Proposal) -> dict[str, Any]:
    """What would happen, as of now; of one that is decided, or can no longer be done, only what was proposed."""
    who = {"user_id": staff().user_id, "role": staff().role}
    shown: dict[str, Any] = {
        "proposal": found,
        "name": name(found),
        "decisions": DECISIONS,
        "mine": _mine(found),
        "may_approve": proposals.why_not_approve(found, **who) is None,
        "why_not": None,
        "looked": None,
        "digest": "",
    }
    if found.kind == "anchor_correction":
        old, new = anchor_corrections.said(found, "old"), anchor_corrections.said(found, "new")
        arms = corrections.arm_names(old[2], new[2]) if old and new and new[2] else ()
        shown |= {"old": old, "new": new, "arms": arms, "event": EVENT_NAMES[found.payload["type"]]}
    if found.decision is not None:
        return shown
    try:
        return shown | (_amendment(found) if found.kind == "amendment" else _correction(found))
    except Refused as refused:
        return shown | {"why_not": sentence(refused), "may_approve": False}


def _correction(found: Proposal) -> dict[str, Any]:
    looked = anchor_corrections.look_at(database(), found, study=runtime().study, sites=staff().sites, now=now())
    return {
        "looked": looked,
        "digest": looked.diff.digest,
        "lines": presenter.move_lines(runtime().study, looked.diff),
    }


def _amendment(found: Proposal) -> dict[str, Any]:
    looked = amendments.look_at(database(), found, study=runtime().study, instruments=runtime().instruments, now=now())
    text = amendments.text_of(database(), found.to_version_id) if found.to_version_id else None
    return {"looked": looked, "digest": looked.diff.digest, "text": text, **of_diff(looked)}


def of_diff(looked: amendments.Looked) -> dict[str, Any]:
    """The pieces of an amendment's page."""
    names = {site.code: site.name for site in looked.new.sites}
    return {
        "areas": presenter.study_lines(looked.new, looked.diff.study),
        "counts": presenter.counts(looked.diff),
        "people": presenter.people(looked.new, looked.diff),
        "concerned": len(looked.diff.participants),
        "days": [(names.get(code, code), on) for code, on in (looked.diff.sites or {}).items()],
    }
