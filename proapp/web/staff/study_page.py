"""What is in force: the version of the study at each site and those before it, sites, arms and time points, and the
questionnaires with hashes."""

from __future__ import annotations

from datetime import date

from flask import Response, make_response, render_template
from flask_babel import lazy_gettext as _

from proapp.instruments.model import Wording
from proapp.services import amendments
from proapp.study.model import Site, TimePoint
from proapp.study.versions import chain
from proapp.web.guard import ROLES, audience
from proapp.web.i18n import language
from proapp.web.staff import blueprint
from proapp.web.transactions import database, runtime

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
        sites=[_site(site) for site in study.sites],
        history=[_version(line) for line in amendments.history(database())],
    )
    return make_response(page)


def _site(site: Site) -> dict[str, object]:
    """The version it works by, and from which day, where that is known."""
    newest = chain(runtime().study, site.code)[-1]
    since = None if newest.active_from == date.min else newest.active_from
    return {"site": site, "number": newest.study.number, "since": since}


def _version(line: amendments.Line) -> dict[str, object]:
    names = {site.code: site.name for site in runtime().study.sites}
    begun = [(names.get(code, code), on) for code, (on, is_begun) in line.sites.items() if is_begun]
    return {
        "line": line,
        "begun": begun,
        "planned": [(names.get(code, code), on) for code, (on, is_begun) in line.sites.items() if not is_begun],
    }


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
        "kind": one.kind,
        "arms": one.arms,
        "instruments": [_wording(code).title for code in one.instruments],
    }


def _wording(code: str) -> Wording:
    words = runtime().instruments[code].wording
    return words.get(language()) or next(iter(words.values()))
