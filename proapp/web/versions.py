"""How a web process learns that a version of the study began: it asks, at most every quarter of a minute, on pages of
staff, of machines, and on a patient's first page. The pages on which a patient answers ask nothing: they go by the
version that the assessment names, and whoever writes a plan asks in the same transaction. What can be late for some
seconds are labels.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Flask, current_app, request

from proapp.runtime import Runtime, refreshed
from proapp.web.transactions import now, runtime

EVERY = timedelta(seconds=15)
ASKED = "proapp.versions_asked"
ABOUT_VERSIONS = frozenset(
    {"staff.study_page", "staff.propose_amendment"}
)  # here a late label would be taken for a fault


def init_app(app: Flask) -> None:
    app.extensions[ASKED] = app.extensions["proapp"].clock()
    app.before_request(_ask)


def ask_again() -> None:
    """The next page of this process asks, whenever the last one did."""
    current_app.extensions[ASKED] = None


def _ask() -> None:
    if not (request.blueprint in {"staff", "api"} or request.endpoint == "patient.home"):
        return
    asked = current_app.extensions[ASKED]
    if asked is None or request.endpoint in ABOUT_VERSIONS or abs(now() - asked) >= EVERY:
        current_app.extensions[ASKED] = now()
        fresh = refreshed(runtime())
        if fresh is not runtime():
            _use(fresh)


def _use(fresh: Runtime) -> None:
    current_app.extensions["proapp"] = fresh
    current_app.jinja_env.globals["study"] = fresh.study
    for pieces in ("proapp.frames", "proapp.switches"):
        current_app.extensions[pieces].clear()
