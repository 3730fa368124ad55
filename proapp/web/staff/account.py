"""One's own account: where one is signed in, the password, the language."""

from __future__ import annotations

from datetime import datetime

import structlog
from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask import session as browser
from flask_babel import gettext, ngettext, refresh
from flask_babel import lazy_gettext as _
from wtforms import HiddenField, PasswordField, SelectChoice, SelectField
from wtforms.validators import EqualTo, InputRequired, Regexp

from proapp.services import digest, sessions
from proapp.services import staff_sign_in as signing_in
from proapp.web.forms import Form
from proapp.web.guard import ROLES, audience, staff, staff_actor
from proapp.web.i18n import CHOSEN, LANGUAGES
from proapp.web.staff import blueprint
from proapp.web.staff.sentences import ROLE_NAMES, try_again, weak_password
from proapp.web.transactions import database, keep, now, runtime

log = structlog.get_logger("proapp.sign_in")
LISTED = ("staff", "staff_suspended")
LANGUAGE_NAMES = {"sv": "Svenska", "en": "English"}  # each in its own language, so that it is found by its speakers


class PasswordForm(Form):
    current = PasswordField(_("Password you have now"), [InputRequired(_("Write the password you have now."))])
    password = PasswordField(_("New password"), [InputRequired(_("Write the password you want."))])
    again = PasswordField(
        _("The same password again"),
        [
            InputRequired(_("Write the password a second time.")),
            EqualTo("password", _("The two passwords are not the same.")),
        ],
    )


class LanguageForm(Form):
    language = SelectField(_("Language of the pages"), choices=[SelectChoice(*one) for one in LANGUAGE_NAMES.items()])


class SessionForm(Form):
    session_id = HiddenField(validators=[InputRequired(), Regexp(r"[0-9]{1,15}\Z")])


@blueprint.get("/account")
@audience(*ROLES)
def account() -> Response:
    return _page(PasswordForm(formdata=None))


@blueprint.post("/account/password")
@audience(*ROLES)
def change_password() -> Response:
    form = PasswordForm()
    if not form.validate():
        return _page(form)
    found = signing_in.change_password(
        database(),
        runtime().vault,
        who=staff(),
        current=form.current.data or "",
        new=form.password.data or "",
        study_code=runtime().study.code,
        address=request.remote_addr,
        now=now(),
    )
    if found is None:
        log.info("staff_password_changed", user_id=staff().user_id)
        flash(gettext("Your password is changed, and your other devices are signed out."))
        return _back()
    keep()
    if isinstance(found, datetime):
        form.refuse(form.current, try_again(found))
    elif found == "wrong_password":
        form.refuse(form.current, gettext("That is not the password you have now."))
    else:
        form.refuse(form.password, weak_password(found))
    return _page(form)


@blueprint.post("/account/language")
@audience(*ROLES)
def choose_language() -> Response:
    form = LanguageForm()
    if not form.validate() or form.language.data not in LANGUAGES:
        return _page(PasswordForm(formdata=None), language_form=form)
    signing_in.choose_language(database(), who=staff(), language=form.language.data, now=now())
    browser[CHOSEN] = form.language.data
    refresh()  # the message below is already in the new language
    flash(gettext("The pages are now in English."))
    return _back()


@blueprint.post("/account/digest")
@audience(*sorted(digest.ROLES))
def choose_digest() -> Response:
    wants = request.form.get("wants") == "1"
    digest.choose(database(), user_id=staff().user_id, wants=wants, actor=staff_actor(), now=now())
    on, off = gettext("The message on Mondays is switched on."), gettext("The message on Mondays is switched off.")
    flash(on if wants else off)
    return _back()


@blueprint.post("/account/sessions/end")
@audience(*ROLES)
def end_session() -> Response:
    """Sign out another of one's own devices."""
    form = SessionForm()
    if not form.validate():
        return _back()
    signing_in.end_own_session(database(), who=staff(), session_id=int(form.session_id.data or 0), now=now())
    flash(gettext("That device is signed out."))
    return _back()


@blueprint.post("/account/sessions/end-others")
@audience(*ROLES)
def end_other_sessions() -> Response:
    ended = signing_in.end_own_other_sessions(database(), who=staff(), now=now())
    flash(ngettext("%(num)s device is signed out.", "%(num)s devices are signed out.", ended))
    return _back()


def _page(form: PasswordForm, language_form: LanguageForm | None = None) -> Response:
    who = staff()
    page = render_template(
        "staff/account.html",
        form=form,
        language_form=language_form or LanguageForm(formdata=None, data={"language": who.language}),
        session_form=SessionForm(formdata=None),
        who=who,
        role=ROLE_NAMES[who.role],
        wants_digest=_wants_digest() if who.role in digest.ROLES else None,
        sessions=[row for row in sessions.living(database(), now=now(), user_id=who.user_id) if row.kind in LISTED],
    )
    return make_response(page, 422 if form.errors or (language_form and language_form.errors) else 200)


def _wants_digest() -> bool:
    (reader,) = digest.readers(database(), staff().user_id)
    return reader.wants_digest


def _back() -> Response:
    return make_response(redirect(url_for("staff.account"), code=303))
