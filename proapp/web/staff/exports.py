"""The export page: what a file would hold, the file itself, and every export that was ever made.

A file is made again from what was asked for and sent only if it is the same to the last byte, so an old hash can be
checked years later without keeping old files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Response, make_response, render_template, request, send_file
from flask_babel import format_decimal, gettext, lazy_gettext
from wtforms import HiddenField
from wtforms.validators import Optional, Regexp

from proapp.export.bundle import Bundle, bundle
from proapp.export.cut import Unexportable
from proapp.export.snapshot import snapshot
from proapp.services import cohort, exporting
from proapp.services.errors import Refused
from proapp.services.exporting import Asked, Earlier, Made
from proapp.study.versions import as_of
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.compliance import CutOff
from proapp.web.staff.presenters import words
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
    """`as_of` and `expected` are those of an earlier export that this one is to equal."""

    cutoff = CutOff()
    as_of = HiddenField(validators=[Optional(), Regexp("^[0-9T:-]{19}[+]00:00$")])
    expected = HiddenField(validators=[Optional(), Regexp("^[0-9a-f]{64}$")])


@dataclass(frozen=True, slots=True)
class EarlierRow:
    """An earlier export in words. `changed` names what has changed since, so that other bytes need not surprise."""

    at: Any
    who: str
    cut_off: Any
    as_of: Any
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
        problem = UNEXPORTABLE[error.code] % {
            "study_id": error.study_id,
            "timepoint": error.timepoint,
            "instrument": error.instrument,
        }
        return _page(form, problem=problem, status=409)


def _asked(form: ExportForm) -> Asked:
    """As asked for, without the arms for a role that may not see them."""
    return exporting.ask(
        runtime().study,
        now=now(),
        cut_off=form.cutoff.data,
        as_of=datetime.fromisoformat(form.as_of.data) if form.as_of.data else None,
        arms=staff().role in exporting.SEES_ARMS,
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


def _page(form: Form, *, problem: str = "", status: int = 200) -> Response:
    cut_off = None if form.cutoff.errors else form.cutoff.data
    found = exporting.earlier(database())
    page = render_template(
        "staff/exports.html",
        form=form,
        cut_off=cut_off,
        contents=_contents(cut_off) if cut_off and not problem else None,
        is_today=cut_off == today(),
        problem=problem,
        earlier=[_row(one) for one in found],
        changed=_changed(found[0].made) if found else "",
    )
    return make_response(page, status)


def _contents(cut_off: Any) -> Any:
    study = runtime().study
    return exporting.contents(cohort.load(database(), study=study, sites=None, today=cut_off, cut_off=cut_off))


def _row(one: Earlier) -> EarlierRow:
    made = one.made
    return EarlierRow(
        at=one.at,
        who=one.who or words.role(one.role),
        cut_off=made.asked.cut_off,
        as_of=made.asked.as_of,
        sha256=made.sha256,
        megabytes=format_decimal(round(made.bytes / 1e6, 1)),
        rows=format_decimal(sum(made.rows.values())),
        changed=_changed(made),
    )


def _changed(made: Made) -> str:
    """What has changed since, in words; empty when the same data must give the same bytes."""
    current = _definitions(made.asked.cut_off)
    return ", ".join(str(name) for part, name in PARTS.items() if made.definitions.get(part) != current[part])
