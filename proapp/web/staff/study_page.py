"""What is in force: the version of the study, its sites, arms and time points, and the questionnaires with hashes."""

from __future__ import annotations

from flask import Response, make_response, render_template
from flask_babel import lazy_gettext as _

from proapp.instruments.model import Wording
from proapp.study.model import TimePoint
from proapp.web.guard import ROLES, audience
from proapp.web.i18n import language
from proapp.web.staff import blueprint
from proapp.web.transactions import runtime

ANCHORS = {
    "consent": _("consent"),
    "randomization": _("randomisation"),
    "surgery": _("surgery"),
    "progression": _("progression"),
    "manual": _("a date set by hand"),
}


@blueprint.get("/study")
@audience(*ROLES)
def study_page() -> Response:
    study, packs = runtime().study, runtime().instruments
    page = render_template(
        "staff/study.html",
        timepoints=[_timepoint(one) for one in study.timepoints],
        packs=[(packs[code], _wording(code)) for code in study.instruments],
    )
    return make_response(page)


def _timepoint(one: TimePoint) -> dict[str, object]:
    return {
        "label": one.label,
        "anchor": ANCHORS[one.anchor],
        "months": one.months,
        "days": one.days,
        "before_days": one.before_days,
        "after_days": one.after_days,
        "grace_days": one.grace_days,
        "is_baseline": one.kind == "baseline",
        "arms": one.arms,
        "instruments": [_wording(code).title for code in one.instruments],
    }


def _wording(code: str) -> Wording:
    words = runtime().instruments[code].wording
    return words.get(language()) or next(iter(words.values()))
