"""The export page: what a file would hold, the file itself, and every export that was ever made.

A file is made again from what was asked for and sent only if it is the same to the last byte, so an old hash can be
checked years later without keeping old files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Response, abort, flash, make_response, redirect, render_template, request, send_file, url_for
from flask_babel import format_decimal, gettext, lazy_gettext
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import AnyOf, InputRequired, Length, Optional, Regexp

from proapp.export.bundle import Bundle, bundle
from proapp.export.cut import Unexportable
from proapp.export.snapshot import snapshot
from proapp.services import cohort, exporting
from proapp.services import staff_sign_in as signing_in
from proapp.services.errors import Refused
from proapp.services.exporting import Asked, Earlier, Made
from proapp.services.passwords import LONGEST
from proapp.study.versions import as_of
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.compliance import CutOff
from proapp.web.staff.presenters import words
from proapp.web.staff.sentences import try_again
from proapp.web.transactions import database, now, runtime, today

UNEXPORTABLE: Mapping[str, Any] = {
    "not_installed": lazy_gettext(
        "Nothing was exported: %(study_id)s, %(timepoint)s was answered with the questionnaire %(instrument)s, "
        "which is not installed any more."
    ),
    "other_version": lazy_gettext(
        "Nothing was exported: %(study_id)s, %(timepoint)s was answered with another version of the questionnaire "
        "%(instrument)s, and the answers do not fit the one installed now."
    ),
}
NAMES: Mapping[str, Any] = {
    "name_needed": lazy_gettext("Write a name, such as Interim 1."),
    "name_too_long": lazy_gettext("A name has at most %(longest)s characters.", longest=exporting.LONGEST_NAME),
    "name_taken": lazy_gettext("There is a cut with this name already. Choose another."),
}
READS_THE_TRAIL = frozenset({"coordinator"})
PARTS: Mapping[str, Any] = {
    "proapp": lazy_gettext("the program"),
    "protocol": lazy_gettext("the protocol's version"),
    "study": lazy_gettext("the study file"),
    "instruments": lazy_gettext("a questionnaire or its scoring"),
}


class CutOffFilter(Form):
    """Which day to look at; lives in the address, so it carries no form token."""

    class Meta(Form.Meta):
        csrf = False

    cutoff = CutOff()


class ExportForm(Form):
    """All but the cut-off is that of an earlier export that this one is to equal. With `compare` it is only told
    whether it does."""

    cutoff = CutOff()
    as_of = HiddenField(validators=[Optional(), Regexp("^[0-9T:-]{19}[+]00:00$")])
    profile = HiddenField(default="analysis", validators=[AnyOf(exporting.PROFILES)])
    site = HiddenField(filters=[lambda code: code or None])
    arms = HiddenField(validators=[Optional(), AnyOf(["no"])])
    compare = HiddenField()
    expected = HiddenField(validators=[Optional(), Regexp("^[0-9a-f]{64}$")])


class FreezeForm(Form):
    """A name for the cut of that day, and the signature under it."""

    cutoff = CutOff()
    named = StringField(lazy_gettext("Name of the cut"))
    password = PasswordField(
        lazy_gettext("Your password"),
        [
            InputRequired(lazy_gettext("Write your password.")),
            Length(max=LONGEST, message=lazy_gettext("That is too long.")),
        ],
    )


@dataclass(frozen=True, slots=True)
class EarlierRow:
    """An earlier export, or a frozen cut, in words. `changed` names what has changed since, so that other bytes need
    not surprise; `again` is the form that makes it again, None where this page cannot."""

    at: Any
    who: str
    named: str
    cut_off: Any
    as_of: Any
    made_for: str
    again: Mapping[str, str] | None
    sha256: str
    megabytes: str
    rows: str
    changed: str


@blueprint.route("/export", methods=["GET", "POST"])
@audience("statistician", "coordinator")
def exports() -> Response:
    if request.method != "POST":
        form = CutOffFilter(request.args if "cutoff" in request.args else None, data={"cutoff": today()})
        return _page(form, status=200 if form.validate() else 422)
    form = ExportForm()
    if not form.validate():
        return _page(form, status=422)
    try:
        return _file(form)
    except Refused:  # a moment that no button of the page names
        return _page(form, status=422)
    except Unexportable as error:
        return _page(form, problem=_unexportable(error), status=409)


def _unexportable(error: Unexportable) -> str:
    said = {"study_id": error.study_id, "timepoint": error.timepoint, "instrument": error.instrument}
    return str(UNEXPORTABLE[error.code] % said)


def _asked(form: ExportForm) -> Asked:
    """As asked for, without the arms for a role that may not see them, and the trail only for who reads it anyway."""
    if form.profile.data == "archive" and staff().role not in READS_THE_TRAIL:
        abort(403)
    return exporting.ask(
        runtime().study,
        now=now(),
        cut_off=form.cutoff.data,
        as_of=datetime.fromisoformat(form.as_of.data) if form.as_of.data else None,
        profile=form.profile.data,
        site=form.site.data,
        arms=staff().role in exporting.SEES_ARMS and form.arms.data != "no",
    )


def _file(form: ExportForm) -> Response:
    asked = _asked(form)
    # A page that writes holds the writers' lock from its start; patients' answers are not to wait for an export.
    database().rollback()
    with (
        snapshot(runtime().engine) as session,
        bundle(session, study=runtime().study, instruments=runtime().instruments, asked=asked) as made,
    ):
        session.rollback()
        if form.expected.data and form.expected.data != made.sha256:
            return _page(form, problem=_differs(made, form.expected.data), status=409)
        if form.compare.data:
            flash(gettext("Made again, the file is the same to the last byte: SHA-256 %(sha256)s", sha256=made.sha256))
            return make_response(redirect(url_for("staff.exports"), code=303))
        exporting.record(database(), _remembered(made), actor=staff_actor(), now=now())
        file = made.path.open("rb")  # stays readable after its name is gone
    response = send_file(file, mimetype="application/zip", as_attachment=True, download_name=made.name)
    response.content_length = made.bytes
    return response


def _remembered(made: Bundle) -> Made:
    definitions = exporting.definitions(made.cut.study, runtime().instruments)
    return Made(made.cut.asked, made.sha256, made.bytes, made.rows, definitions)


def _definitions(cut_off: date) -> Mapping[str, Any]:
    return exporting.definitions(as_of(runtime().study, cut_off), runtime().instruments)


def _differs(made: Bundle, expected: str) -> str:
    return gettext(
        "Nothing was sent: the file would not be the same as before. Its SHA-256 is now %(now)s…, then it was "
        "%(then)s…. To get it as it is now, create an export with this cut-off date.",
        now=made.sha256[:16],
        then=expected[:16],
    )


@blueprint.post("/export/freeze")
@audience("statistician", "coordinator")
def freeze_cut() -> Response:
    """The signature first: what is written about it is kept, whatever comes of the rest."""
    form = FreezeForm()
    if not form.validate() or not _is_signed(form):
        return _page(form, freezing=form, status=422)
    try:
        _freeze(form)
    except Unexportable as error:
        return _page(form, problem=_unexportable(error), status=409)
    flash(gettext('The cut is frozen as "%(name)s".', name=form.named.data))
    return make_response(redirect(url_for("staff.exports"), code=303))


def _is_signed(form: FreezeForm) -> bool:
    database().rollback()  # a try is counted in a transaction of its own, which is short
    with runtime().writing.begin() as own:
        try:
            form.named.data = exporting.new_name(own, form.named.data or "")
        except Refused as refusal:
            form.refuse(form.named, str(NAMES[refusal.code]))
            return False
        signature = signing_in.sign(
            own,
            runtime().vault,
            email=staff().email,
            password=form.password.data or "",
            address=request.remote_addr,
            now=now(),
        )
    if signature.retry_at is not None:
        form.refuse(form.password, try_again(signature.retry_at))
    elif signature.actor is None:
        form.refuse(form.password, gettext("That is not the password of %(name)s.", name=staff().name))
    return signature.actor is not None


def _freeze(form: FreezeForm) -> None:
    asked = exporting.ask(runtime().study, now=now(), cut_off=form.cutoff.data)
    with (
        snapshot(runtime().engine) as session,
        bundle(session, study=runtime().study, instruments=runtime().instruments, asked=asked) as made,
    ):
        session.rollback()
        exporting.freeze(database(), _remembered(made), name=form.named.data, signer=staff_actor(), now=now())


def _page(form: Form, *, freezing: FreezeForm | None = None, problem: str = "", status: int = 200) -> Response:
    cut_off = None if form.cutoff.errors else form.cutoff.data
    found = exporting.earlier(database())
    frozen = exporting.earlier(database(), action=exporting.FROZEN)
    page = render_template(
        "staff/exports.html",
        form=form,
        cut_off=cut_off,
        contents=_contents(cut_off) if cut_off and not problem else None,
        is_today=cut_off == today(),
        problem=problem,
        freezing=freezing or FreezeForm(formdata=None),
        frozen=[_row(one) for one in frozen],
        earlier=[_row(one) for one in found],
        changed=_changed(found[0].made) if found else "",
    )
    return make_response(page, status)


def _contents(cut_off: Any) -> Any:
    study = runtime().study
    return exporting.contents(cohort.load(database(), study=study, sites=None, today=cut_off, cut_off=cut_off))


def _row(one: Earlier) -> EarlierRow:
    made, asked = one.made, one.made.asked
    return EarlierRow(
        at=one.at,
        who=one.who or words.role(one.role),
        named=one.named,
        made_for=_made_for(asked),
        again=_again(made),
        cut_off=asked.cut_off,
        as_of=asked.as_of,
        sha256=made.sha256,
        megabytes=format_decimal(round(made.bytes / 1e6, 1)),
        rows=format_decimal(sum(made.rows.values())),
        changed=_changed(made),
    )


def _made_for(asked: Asked) -> str:
    """Who it was made for, where that is not everybody's analysis."""
    if asked.profile == "site":
        return gettext("one site: %(site)s", site=asked.site)
    if asked.profile == "archive":
        return gettext("the archive, with the audit trail")
    said = [] if asked.arms else [gettext("without arms")]
    return ", ".join([*said, *([gettext("ids by the key %(key)s", key=asked.key_id)] if asked.key_id else [])])


def _again(made: Made) -> Mapping[str, str] | None:
    """What the form holds that makes it again. Keys are not here, and the trail is not for everybody."""
    asked = made.asked
    if asked.key_id is not None or (asked.profile == "archive" and staff().role not in READS_THE_TRAIL):
        return None
    said = {
        "cutoff": asked.cut_off.isoformat(),
        "as_of": asked.as_of.isoformat() if asked.as_of else "",
        "profile": asked.profile,
        "site": asked.site or "",
        "arms": "" if asked.arms else "no",
        "expected": made.sha256,
    }
    return {name: value for name, value in said.items() if value}


def _changed(made: Made) -> str:
    """What has changed since, in words; empty when the same data must give the same bytes."""
    current = _definitions(made.asked.cut_off)
    return ", ".join(str(name) for part, name in PARTS.items() if made.definitions.get(part) != current[part])
