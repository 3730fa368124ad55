"""Signing in: e-mail and password, then the one-time number; the first time with a set-up code. And signing out."""

from __future__ import annotations

import segno
import structlog
from flask import Response, make_response, redirect, render_template, request, url_for
from flask import session as browser
from flask_babel import lazy_gettext as _
from markupsafe import Markup
from wtforms import EmailField, PasswordField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from proapp.services import clinic
from proapp.services import staff_sign_in as signing_in
from proapp.services.errors import NotFound
from proapp.services.passwords import LONGEST
from proapp.services.staff_sign_in import Enrolment, Step
from proapp.web import look as looks
from proapp.web.forms import Form
from proapp.web.guard import (
    PATIENT_COOKIE,
    ROLES,
    STAFF_COOKIE,
    audience,
    clear_session_cookie,
    find_patient,
    find_staff,
    set_session_cookie,
    staff,
    staff_actor,
    was_tablet,
)
from proapp.web.staff import blueprint
from proapp.web.staff.devices import describe
from proapp.web.staff.sentences import try_again, weak_password
from proapp.web.transactions import database, keep, now, runtime

log = structlog.get_logger("proapp.sign_in")

FIRST_PAGES = {"statistician": "staff.exports", "administrator": "staff.users"}


class SignInForm(Form):
    email = EmailField(
        _("E-mail"), [InputRequired(_("Write your e-mail address.")), Length(max=254, message=_("That is too long."))]
    )
    password = PasswordField(
        _("Password"), [InputRequired(_("Write your password.")), Length(max=LONGEST, message=_("That is too long."))]
    )


class OneTimeCodeForm(Form):
    code = StringField(
        _("Six-digit number"),
        [InputRequired(_("Write the six digits that the app shows.")), Length(max=20, message=_("That is too long."))],
    )


class SetUpCodeForm(Form):
    code = StringField(
        _("Set-up code"),
        [InputRequired(_("Write the set-up code you were given.")), Length(max=64, message=_("That is too long."))],
    )


class ChoosePasswordForm(Form):
    password = PasswordField(_("New password"), [InputRequired(_("Write the password you want."))])
    again = PasswordField(
        _("The same password again"),
        [
            InputRequired(_("Write the password a second time.")),
            EqualTo("password", _("The two passwords are not the same.")),
        ],
    )


# --- every day ------------------------------------------------------------------------------------------------------


@blueprint.get("/")
@audience(*ROLES)
def start() -> Response:
    """The first page of the day, by role."""
    return _to(FIRST_PAGES.get(staff().role, "staff.work"))


@blueprint.route("/sign-in", methods=["GET", "POST"])
@audience("anyone")
def sign_in() -> Response:
    who = find_staff()
    if who is not None and who.kind == "staff":
        return _to("staff.start")
    form = SignInForm()
    if not form.validate_on_submit():
        return _form("staff/sign_in.html", form)
    step = signing_in.give_password(
        database(),
        runtime().vault,
        email=form.email.data or "",
        password=form.password.data or "",
        address=request.remote_addr,
        device=_device(),
        now=now(),
    )
    if step.token is None:
        log.warning("staff_password_refused", throttled=step.retry_at is not None)
        return refused("staff/sign_in.html", form, step, _("That e-mail address and password do not belong together."))
    if who is not None and who.kind == "staff_suspended":
        signing_in.give_up(database(), who=who, now=now())
    return set_session_cookie(_to("staff.second_factor"), STAFF_COOKIE, step.token)


@blueprint.route("/second-factor", methods=["GET", "POST"])
@audience("staff_pending")
def second_factor() -> Response:
    who = staff()
    if signing_in.may_set_up(database(), user_id=who.user_id, now=now()):
        return _to("staff.set_up_password")
    form = OneTimeCodeForm()
    if not form.validate_on_submit():
        return _form("staff/second_factor.html", form)
    step = signing_in.give_one_time_code(
        database(),
        runtime().vault,
        who=who,
        typed=form.code.data or "",
        address=request.remote_addr,
        device=_device(),
        now=now(),
    )
    if step.token is None:
        log.warning("staff_second_factor_refused", user_id=who.user_id, throttled=step.retry_at is not None)
        return refused("staff/second_factor.html", form, step, WRONG_NUMBER)
    return _signed_in(step.token, who.user_id)


@blueprint.post("/sign-out")
@audience(*ROLES)
def sign_out() -> Response:
    signing_in.sign_out(database(), who=staff(), now=now())
    log.info("staff_signed_out", user_id=staff().user_id)
    return clear_session_cookie(_to("staff.sign_in"), STAFF_COOKIE)


# --- the first time -------------------------------------------------------------------------------------------------


@blueprint.route("/set-up", methods=["GET", "POST"])
@audience("anyone")
def set_up() -> Response:
    """The link carries the code behind #, which no server and no log ever sees; opening it uses nothing up."""
    form = SetUpCodeForm()
    if not form.validate_on_submit():
        return _form("staff/set_up.html", form)
    step = signing_in.give_setup_code(
        database(),
        runtime().vault,
        code=form.code.data or "",
        address=request.remote_addr,
        device=_device(),
        now=now(),
    )
    if step.token is None:
        log.warning("staff_set_up_refused", throttled=step.retry_at is not None)
        wrong = _("That set-up code does not work: it may be mistyped, used or too old. Ask for a new one.")
        return refused("staff/set_up.html", form, step, wrong)
    return set_session_cookie(_to("staff.set_up_password"), STAFF_COOKIE, step.token)


@blueprint.route("/set-up/password", methods=["GET", "POST"])
@audience("staff_pending")
def set_up_password() -> Response:
    if not signing_in.may_set_up(database(), user_id=staff().user_id, now=now()):
        return _to("staff.second_factor")
    form = ChoosePasswordForm()
    if not form.validate_on_submit():
        return _form("staff/set_up_password.html", form)
    weak = signing_in.choose_password(
        database(),
        runtime().vault,
        who=staff(),
        password=form.password.data or "",
        study_code=runtime().study.code,
        now=now(),
    )
    if weak:
        form.refuse(form.password, weak_password(weak))
        return _form("staff/set_up_password.html", form)
    return _to("staff.set_up_app")


@blueprint.route("/set-up/app", methods=["GET", "POST"])
@audience("staff_pending")
def set_up_app() -> Response:
    """Scan the picture (or type the key), then prove it with a number; only then does the account work."""
    form, key = OneTimeCodeForm(), _enrolment()
    if key is None:
        return _to("staff.set_up_password")
    if not form.validate_on_submit():
        return _form("staff/set_up_app.html", form, **_picture(key))
    who = staff()
    step = signing_in.confirm_set_up(
        database(),
        runtime().vault,
        who=who,
        typed=form.code.data or "",
        address=request.remote_addr,
        device=_device(),
        now=now(),
    )
    if step.token is None:
        log.warning("staff_set_up_number_refused", user_id=who.user_id, throttled=step.retry_at is not None)
        return refused("staff/set_up_app.html", form, step, WRONG_NUMBER, **_picture(key))
    return _signed_in(step.token, who.user_id)


WRONG_NUMBER = _("That number is not right, or was used already. Wait for the next one and try again.")


def _enrolment() -> Enrolment | None:
    try:
        return signing_in.enrolment(
            database(), runtime().vault, who=staff(), issuer=f"proapp {runtime().study.code}", now=now()
        )
    except NotFound:
        return None


def _picture(key: Enrolment) -> dict[str, object]:
    svg = segno.make(key.address, error="m", micro=False).svg_inline(
        scale=5, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=False
    )
    groups = " ".join(key.secret[start : start + 4] for start in range(0, len(key.secret), 4))
    return {"picture": Markup(svg), "key": groups}  # noqa: S704  segno's own output; the address is inside the squares


def _signed_in(token: str, user_id: int) -> Response:
    log.info("staff_signed_in", user_id=user_id)
    response = set_session_cookie(_to("staff.start"), STAFF_COOKIE, token)
    return nothing_left(response) if tablet_is_back() else response


def tablet_is_back() -> bool:
    """Whoever of the staff signs in on a tablet that is out with a questionnaire has it back. False anywhere else."""
    tablet = find_patient()
    if tablet is None or not tablet.is_on_tablet:
        return was_tablet()
    clinic.take_back(database(), tablet, actor=staff_actor(), now=now())
    return True


def nothing_left(response: Response) -> Response:
    """Nothing of the participant stays in this browser: no cookie, no language or size of letters chosen, no page to go
    back to."""
    browser.clear()
    looks.forget(response)
    return clear_session_cookie(response, PATIENT_COOKIE)


def refused(template: str, form: Form, step: Step, wrong: object, **values: object) -> Response:
    """The same page again: wrong (422), or too many tries (429 with the time at which it opens again)."""
    keep()
    if step.retry_at is None:
        form.refuse(None, str(wrong))
        return _form(template, form, **values)
    form.refuse(None, try_again(step.retry_at))
    response = _form(template, form, **values)
    response.status_code = 429
    response.headers["Retry-After"] = str(max(1, round((step.retry_at - now()).total_seconds())))
    return response


def _form(template: str, form: Form, **values: object) -> Response:
    return make_response(render_template(template, form=form, **values), 422 if form.errors else 200)


def _to(endpoint: str) -> Response:
    return make_response(redirect(url_for(endpoint), code=303))


def _device() -> str:
    return describe(request.user_agent.string)
