"""The worklist: who needs a call today and why. It is the first page of those who ring participants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from proapp.services import follow_up, register
from proapp.services.errors import NotFound
from proapp.study.worklist import RANKS
from proapp.web.guard import audience, staff
from proapp.web.staff import blueprint
from proapp.web.staff.presenters import grid as grid_words
from proapp.web.staff.presenters import work as presenter
from proapp.web.staff.presenters.words import Background
from proapp.web.transactions import database, now, runtime, today

GROUPS = (follow_up.CALLS, follow_up.CLOSING, follow_up.REASONS, follow_up.WISHES)


def background() -> Background:
    """Study, packs and today, for the presenters."""
    return Background(runtime().study, runtime().instruments, today())


def known(typed: str | None, values: Iterable[str]) -> str | None:
    """What the address says where it makes sense; a filter that nobody knows filters nothing."""
    return typed if typed in tuple(values) else None


@blueprint.get("/work")
@audience("nurse", "investigator", "coordinator", "monitor")
def work() -> str:
    site, wanted = _filter()
    found = follow_up.work(database(), study=runtime().study, sites=staff().sites, now=now(), site=site, wanted=wanted)
    on = background()
    return render_template(
        "staff/work.html",
        found=found,
        rows=[presenter.row(row, on, kept()) for row in found.rows],
        tabs=presenter.tabs(found, site=site, wanted=wanted),
        site=site,
        sites=grid_words.filter_choices(on, staff().sites)["site"],
        wanted=wanted,
    )


def kept() -> dict[str, str | None]:
    """The filter of the worklist as it stands in the address: the pages of its actions carry it along."""
    site, wanted = _filter()
    return {"site": site, "reason": wanted}


def back_to_list() -> str:
    """The worklist as it was filtered when its reader left it for one of its actions."""
    return url_for("staff.work", **kept())


def _filter() -> tuple[str | None, str | None]:
    site = known(request.args.get("site"), (one.code for one in runtime().study.sites))
    return site, known(request.args.get("reason"), (*GROUPS, *RANKS))


@blueprint.app_context_processor
def _way_back() -> dict[str, Any]:
    return {"back_to_list": back_to_list, "kept": kept}


@blueprint.get("/find")
@audience("nurse", "investigator", "coordinator", "monitor", "statistician")
def find() -> Response:
    """Straight to the participant whose study id was typed in full, else to the grid with what begins like it."""
    typed = request.args.get("q", "").strip()
    for study_id in (typed, typed.upper()):
        try:
            person = register.find(database(), study_id=study_id, sites=staff().sites)
        except NotFound:
            continue
        return redirect(url_for("staff.participant", study_id=person.study_id), code=303)
    return redirect(url_for("staff.participants", text=typed), code=303)
