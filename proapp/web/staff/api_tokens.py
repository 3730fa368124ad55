"""The administrator's list of machines: what each may ask, until when, and when it last did."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Response, flash, make_response, redirect, render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, SelectChoice, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from proapp.services import api_tokens as tokens
from proapp.services.api_tokens import Listed
from proapp.services.errors import NotFound, Refused
from proapp.web.forms import Form
from proapp.web.guard import audience, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment_forms import Day
from proapp.web.staff.presenters import words
from proapp.web.staff.users import ReasonForm, SitesField
from proapp.web.transactions import database, now, runtime

log = structlog.get_logger("proapp.machines")
REFUSALS: dict[str, Any] = {
    "token_name_invalid": _("Write which machine it is, at most 80 characters."),
    "scopes_needed": _("Choose at least one thing that it may do."),
    "scope_unknown": _("Choose among what is offered."),
    "site_unknown": _("Choose among the sites of the study."),
    "exports_of_all_sites": _("An export holds every site. Choose no site, or do without the exports."),
    "last_day_over": _("This day is over. Choose today or a later day."),
    "last_day_needed": _("Choose the last day on which it works."),
    "reason_needed": _("Write why. The reason is kept in the audit trail."),
    "token_ended": _("This token is ended already."),
}
FIELDS = {
    "token_name_invalid": "name",
    "scopes_needed": "scopes",
    "scope_unknown": "scopes",
    "site_unknown": "sites",
    "exports_of_all_sites": "sites",
    "last_day_over": "last_day",
    "reason_needed": "reason",
}


class ScopesField(SelectMultipleField):
    """One box to tick for each thing that a machine may do."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class TokenForm(Form):
    name = StringField(
        _("Which machine"),
        [
            InputRequired(REFUSALS["token_name_invalid"]),
            Length(max=tokens.LONGEST_NAME, message=REFUSALS["token_name_invalid"]),
        ],
    )
    scopes = ScopesField(_("What it may do"), choices=[SelectChoice(*one) for one in words.SCOPES.items()])
    sites = SitesField(_("Sites"))
    sees_arms = BooleanField(_("It may see who has which arm"))
    last_day = Day(_("Last day"), [InputRequired(REFUSALS["last_day_needed"])])


@blueprint.get("/api-tokens")
@audience("administrator")
def api_tokens() -> Response:
    return make_response(render_template("staff/api_tokens.html", tokens=_listing(), scope_names=words.SCOPES))


@blueprint.route("/api-tokens/new", methods=["GET", "POST"])
@audience("administrator")
def add_api_token() -> Response:
    form = TokenForm()
    if form.validate_on_submit():
        try:
            made = tokens.add(
                database(),
                runtime().vault,
                study=runtime().study,
                name=form.name.data or "",
                scopes=form.scopes.data or (),
                sites=form.sites.data or (),
                sees_arms=form.sees_arms.data,
                last_day=form.last_day.data,
                actor=staff_actor(),
                now=now(),
            )
        except Refused as refused:
            _explain(form, refused)
        else:
            log.info("api_token_added", token_id=made.token_id)
            # Shown in the answer itself and nowhere else: the token is stored as a hash only.
            return make_response(render_template("staff/api_tokens_made.html", made=made))
    return make_response(render_template("staff/api_tokens_new.html", form=form), 422 if form.errors else 200)


@blueprint.route("/api-tokens/<int:token_id>/end", methods=["GET", "POST"])
@audience("administrator")
def end_api_token(token_id: int) -> Response:
    form, token = ReasonForm(), next((one for one in _listing() if one.id == token_id), None)
    if token is None:
        raise NotFound
    if form.validate_on_submit():
        try:
            tokens.end(database(), token_id=token_id, reason=form.reason.data or "", actor=staff_actor(), now=now())
        except Refused as refused:
            _explain(form, refused)
        else:
            flash(gettext("The token is ended. It opens nothing any more."))
            return make_response(redirect(url_for("staff.api_tokens"), code=303))
    refused_now = bool(form.errors or form.form_errors)
    page = render_template("staff/api_tokens_end.html", form=form, token=token)
    return make_response(page, 422 if refused_now else 200)


def _listing() -> list[Listed]:
    return list(tokens.listing(database(), study=runtime().study, now=now()))


def _explain(form: Form, refused: Refused) -> None:
    """Put the sentence beside the field it is about, else on top."""
    name = FIELDS.get(refused.code)
    field = next((one for one in form if one.short_name == name), None)
    form.refuse(field, str(REFUSALS[refused.code]))
