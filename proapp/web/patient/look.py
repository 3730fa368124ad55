"""Text size and contrast: a page that shows at once what it does, and leads back to where one came from."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _

from proapp.web import look as looks
from proapp.web.guard import audience, find_patient
from proapp.web.patient import blueprint
from proapp.web.way_back import safe_next


@blueprint.get("/look")
@audience("anyone")
def look() -> Any:
    find_patient()
    return render_template(
        "patient/look.html",
        chosen=looks.look(),
        sizes=[("normal", _("Ordinary")), ("large", _("Large")), ("largest", _("Largest"))],
        contrasts=[("auto", _("As on this device")), ("high", _("High"))],
        back_to=safe_next(request.args.get("next", "")),
    )


@blueprint.post("/look")
@audience("anyone")
def choose_look() -> Any:
    """The button says what is chosen: a size, or a contrast. The next page looks like it."""
    size, contrast = request.form.get("size"), request.form.get("contrast")
    group = "contrast" if size is None else "size"
    there = url_for("patient.look", next=safe_next(request.form.get("next", "")), _anchor=group)
    response = redirect(there, code=303)
    looks.remember(response, looks.changed(size=size, contrast=contrast))  # type: ignore[arg-type]
    return response
