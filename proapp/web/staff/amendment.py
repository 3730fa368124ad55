"""Proposing an amendment: the new study file, the day from which each site works by it, and a look at what it does."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Response, flash, make_response, redirect, request, url_for
from flask_babel import gettext, lazy_gettext
from flask_wtf.file import FileField
from wtforms import StringField, TextAreaField
from wtforms.validators import DataRequired, Optional

from proapp.instruments.problems import DefinitionError
from proapp.services import amendments
from proapp.services.errors import Refused
from proapp.web.forms import Form
from proapp.web.guard import audience, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment import page
from proapp.web.staff.enrolment_forms import LONG, Day
from proapp.web.staff.proposal_words import sentence
from proapp.web.staff.proposals import of_diff
from proapp.web.transactions import database, now, runtime


class AmendmentForm(Form):
    file = FileField(lazy_gettext("New study file"), [Optional()])
    text = TextAreaField(lazy_gettext("Or its text"), [Optional()])
    reason = StringField(
        lazy_gettext("What is it about?"),
        [DataRequired(lazy_gettext("Write a reason. It is kept with the change.")), LONG],
    )

    def days(self) -> dict[str, Day]:
        """The field of each site, by its code."""
        return {name.removeprefix("from_"): field for name, field in self._fields.items() if name.startswith("from_")}


def _form() -> AmendmentForm:
    """With a day for each site that the study has now; a site that only the new file has begins with it."""
    fields = {f"from_{site.code}": Day(site.name) for site in runtime().study.sites}
    form: AmendmentForm = type("AmendmentFormOfSites", (AmendmentForm,), fields)()
    return form


def _read(form: AmendmentForm) -> None:
    """A file goes before a text that was pasted."""
    if not form.file.data:
        return
    try:
        form.text.data = form.file.data.read().decode("utf-8-sig").replace("\0", "").strip()
    except UnicodeDecodeError:
        form.refuse(form.file, gettext("This is not a text file in UTF-8."))


@blueprint.route("/study/amendment", methods=["GET", "POST"])
@audience("coordinator")
def propose_amendment() -> Response:
    form = _form()
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        _read(form)
        try:
            if not form.errors:
                return _proposed(form, step)
        except DefinitionError as error:
            for problem in error.problems:
                form.refuse(form.text, f"{problem.path}: {problem.sentence}" if problem.path else problem.sentence)
        except Refused as refused:
            _refuse(form, refused)
    return page("staff/amendment.html", form, days=form.days())


def _refuse(form: AmendmentForm, refused: Refused) -> None:
    field = form.days().get(str(refused.params.get("site", "")))
    form.refuse(field or next(iter(form.days().values()), None), sentence(refused))


def _proposed(form: AmendmentForm, step: str) -> Response:
    text = (form.text.data or "").replace("\r\n", "\n")
    days: dict[str, date] = {code: field.data for code, field in form.days().items() if field.data}
    given: dict[str, Any] = {
        "study": runtime().study,
        "instruments": runtime().instruments,
        "text": text,
        "sites": days,
        "now": now(),
    }
    looked, seen = amendments.look(database(), **given), request.form.get("seen", "")
    if step == "confirm" and seen == looked.diff.digest:
        made = amendments.propose(database(), **given, reason=form.reason.data, seen=seen, actor=staff_actor())
        flash(gettext("The amendment is proposed. It is done when a second person has approved it."))
        return make_response(redirect(url_for("staff.proposal", proposal_id=made), code=303))
    return page(
        "staff/amendment_look.html",
        form,
        text=text,
        number=looked.new.number,
        seen=looked.diff.digest,
        changed=step == "confirm",
        kept=[f"from_{code}" for code in form.days()],
        **of_diff(looked),
    )
