"""The administrator's list of people: invite, change role and sites, suspend, reset, sign out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from flask import Response, flash, make_response, redirect, render_template, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _
from wtforms import EmailField, RadioField, SelectChoice, SelectMultipleField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from proapp.services import account_list, accounts
from proapp.services.account_list import Account
from proapp.services.accounts import Invited
from proapp.services.errors import Refused
from proapp.services.vault import grouped
from proapp.web.forms import Form
from proapp.web.guard import audience, staff_actor
from proapp.web.i18n import language
from proapp.web.staff import blueprint
from proapp.web.staff.sentences import ROLE_NAMES
from proapp.web.transactions import database, now, runtime

log = structlog.get_logger("proapp.accounts")
LONGEST_REASON = 500

ROLE_CHOICES = [
    SelectChoice("nurse", _("Nurse: works with the participants of some sites")),
    SelectChoice("investigator", _("Investigator: as a nurse, and sees scores and the audit trail of the sites")),
    SelectChoice("coordinator", _("Coordinator: works with the participants of all sites")),
    SelectChoice("monitor", _("Monitor: reads everything of all sites, changes nothing")),
    SelectChoice("statistician", _("Statistician: exports and compliance, no contact data")),
    SelectChoice("administrator", _("Administrator: these accounts, no participants")),
]

REFUSALS: dict[str, Any] = {
    "email_invalid": _("That is not an e-mail address."),
    "email_taken": _("There already is an account with that address. An address is never used for two people."),
    "name_invalid": _("Write the person's name, at most 120 characters."),
    "role_unknown": _("Choose a role."),
    "sites_needed": _("Choose at least one site for this role."),
    "site_unknown": _("Choose among the sites of the study."),
    "sites_not_used": _("This role is for all sites; choose none."),
    "reason_needed": _("Write why. The reason is kept in the audit trail."),
    "own_account": _("You cannot change your own account; ask another administrator."),
    "last_administrator": _("This is the last administrator who can sign in. Add another one first."),
    "already_suspended": _("This account is suspended already."),
    "not_suspended": _("This account is not suspended."),
    "suspended": _("This account is suspended. Let the person in again first."),
}
FIELDS = {
    "email_invalid": "email",
    "email_taken": "email",
    "name_invalid": "name",
    "role_unknown": "role",
    "sites_needed": "sites",
    "site_unknown": "sites",
    "sites_not_used": "sites",
    "reason_needed": "reason",
}


class SitesField(SelectMultipleField):
    """One box to tick for each site of the study."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(
            *args, choices=[SelectChoice(site.code, site.name) for site in runtime().study.sites], **kwargs
        )


def _role() -> RadioField:
    return RadioField(_("Role"), choices=ROLE_CHOICES, validators=[InputRequired(REFUSALS["role_unknown"])])


def _reason() -> TextAreaField:
    too_long = _("At most %(longest)s characters.", longest=LONGEST_REASON)
    needed = InputRequired(REFUSALS["reason_needed"])
    return TextAreaField(_("Reason"), [needed, Length(max=LONGEST_REASON, message=too_long)])


class InviteForm(Form):
    name = StringField(
        _("Name"), [InputRequired(REFUSALS["name_invalid"]), Length(max=120, message=REFUSALS["name_invalid"])]
    )
    email = EmailField(
        _("E-mail"), [InputRequired(REFUSALS["email_invalid"]), Length(max=254, message=REFUSALS["email_invalid"])]
    )
    role = _role()
    sites = SitesField(_("Sites"))


class AccessForm(Form):
    role = _role()
    sites = SitesField(_("Sites"))
    reason = _reason()


class ReasonForm(Form):
    reason = _reason()


@blueprint.get("/users")
@audience("administrator")
def users() -> Response:
    since = now() - timedelta(days=1)
    page = render_template(
        "staff/users.html",
        accounts=account_list.listing(database(), runtime().vault, now=now()),
        role_names=ROLE_NAMES,
        failed_today=account_list.failed_sign_ins(database(), since=since),
    )
    return make_response(page)


@blueprint.route("/users/invite", methods=["GET", "POST"])
@audience("administrator")
def invite() -> Response:
    form = InviteForm()
    if form.validate_on_submit():
        try:
            invited = accounts.add(
                database(),
                runtime().vault,
                email=form.email.data or "",
                name=form.name.data or "",
                role=form.role.data,
                sites=form.sites.data or (),
                known_sites=_site_codes(),
                language=language(),
                actor=staff_actor(),
                now=now(),
            )
        except Refused as refused:
            _explain(form, refused)
        else:
            log.info("staff_invited", user_id=invited.user_id)
            return _show_code(invited)
    return make_response(render_template("staff/users_invite.html", form=form), 422 if form.errors else 200)


@blueprint.get("/users/<int:user_id>")
@audience("administrator")
def user(user_id: int) -> Response:
    return _user_page(_account(user_id))


@blueprint.post("/users/<int:user_id>/access")
@audience("administrator")
def change_user(user_id: int) -> Response:
    form = AccessForm()

    def act() -> Response:
        changed = accounts.change(
            database(),
            user_id=user_id,
            role=form.role.data,
            sites=form.sites.data or (),
            known_sites=_site_codes(),
            reason=form.reason.data or "",
            actor=staff_actor(),
            now=now(),
        )
        done = gettext("Role and sites are changed, and the person is signed out everywhere.")
        return _back(user_id, done if changed else gettext("Nothing was changed."))

    return _act(user_id, "access", form, act)


@blueprint.post("/users/<int:user_id>/suspend")
@audience("administrator")
def suspend_user(user_id: int) -> Response:
    form = ReasonForm(prefix="suspend")

    def act() -> Response:
        accounts.suspend(database(), user_id=user_id, reason=form.reason.data or "", actor=staff_actor(), now=now())
        return _back(user_id, gettext("The account is suspended and signed out everywhere."))

    return _act(user_id, "suspend", form, act)


@blueprint.post("/users/<int:user_id>/reactivate")
@audience("administrator")
def reactivate_user(user_id: int) -> Response:
    form = ReasonForm(prefix="suspend")

    def act() -> Response:
        accounts.reactivate(database(), user_id=user_id, reason=form.reason.data or "", actor=staff_actor(), now=now())
        return _back(user_id, gettext("The person can sign in again."))

    return _act(user_id, "suspend", form, act)


@blueprint.post("/users/<int:user_id>/reset")
@audience("administrator")
def reset_user(user_id: int) -> Response:
    form = ReasonForm(prefix="reset")

    def act() -> Response:
        reason = form.reason.data or ""
        invited = accounts.reset(
            database(), runtime().vault, user_id=user_id, reason=reason, actor=staff_actor(), now=now()
        )
        log.info("staff_reset", user_id=user_id)
        return _show_code(invited)

    return _act(user_id, "reset", form, act)


@blueprint.post("/users/<int:user_id>/end-sessions")
@audience("administrator")
def end_user_sessions(user_id: int) -> Response:
    ended = accounts.end_sessions(database(), user_id=user_id, actor=staff_actor(), now=now())
    return _back(user_id, ngettext("%(num)s device is signed out.", "%(num)s devices are signed out.", ended))


def _act(user_id: int, which: str, form: Form, act: Callable[[], Response]) -> Response:
    """Do it, or show the person's page again with what was typed and why not."""
    found = _account(user_id)
    if form.validate():
        try:
            return act()
        except Refused as refused:
            _explain(form, refused)
    return _user_page(found, **{which: form})


def _user_page(found: Account, **refused: Form) -> Response:
    forms: dict[str, Form] = {
        "access": AccessForm(formdata=None, data={"role": found.role, "sites": list(found.sites)}),
        "suspend": ReasonForm(formdata=None, prefix="suspend"),
        "reset": ReasonForm(formdata=None, prefix="reset"),
        **refused,
    }
    page = render_template(
        "staff/users_one.html",
        account=found,
        role=ROLE_NAMES[found.role],
        forms=forms,
        refused=next(iter(refused.values()), None),
        is_own=staff_actor().id == found.id,
    )
    return make_response(page, 422 if refused else 200)


def _show_code(invited: Invited) -> Response:
    """Shown in the answer itself and nowhere else: the code is stored as a hash only."""
    page = render_template(
        "staff/users_code.html",
        account=_account(invited.user_id),
        code=grouped(invited.code),
        link=f"{runtime().settings.base_url}{url_for('staff.set_up')}#{invited.code}",
        expires_at=invited.expires_at,
    )
    return make_response(page)


def _explain(form: Form, refused: Refused) -> None:
    """Put the sentence beside the field it is about, else on top."""
    name = FIELDS.get(refused.code)
    field = next((one for one in form if one.short_name == name), None)
    form.refuse(field, str(REFUSALS[refused.code]))


def _account(user_id: int) -> Account:
    return account_list.one(database(), runtime().vault, user_id=user_id, now=now())


def _site_codes() -> list[str]:
    return [site.code for site in runtime().study.sites]


def _back(user_id: int, message: str) -> Response:
    flash(message)
    return make_response(redirect(url_for("staff.user", user_id=user_id), code=303))
