"""The frame of every staff page: who may go where, derived from the audiences the views declare themselves.

There is no second table of roles here, so a menu neither offers a page that the guard refuses nor hides one it allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import current_app, request, url_for
from flask_babel import lazy_gettext

from proapp.services import health, proposals
from proapp.web.guard import find_staff
from proapp.web.staff import blueprint
from proapp.web.transactions import database, now

SILENT_AFTER = timedelta(hours=2)
# endpoint, label, and the other endpoints that lie below it.
PLACES: tuple[tuple[str, Any, frozenset[str]], ...] = (
    ("staff.work", lazy_gettext("Worklist"), frozenset({"staff.reason", "staff.decline", "staff.letters"})),
    (
        "staff.participants",
        lazy_gettext("Participants"),
        frozenset(
            {
                "staff.participant",
                "staff.enrol",
                "staff.randomise",
                "staff.sheet",
                "staff.contact",
                "staff.events",
                "staff.record_event",
                "staff.revoke_event",
                "staff.correct_event",
                "staff.pause",
                "staff.change_language",
                "staff.transfer_participant",
                "staff.extend",
                "staff.end_extension",
                "staff.open_assessment",
                "staff.take_back",
                "staff.hand_over",
                "staff.correct_randomisation",
                "staff.log_contact",
                "staff.participant_follow_up",
            }
        ),
    ),
    ("staff.proposals", lazy_gettext("To approve"), frozenset({"staff.proposal"})),
    ("staff.compliance", lazy_gettext("Compliance"), frozenset()),
    ("staff.exports", lazy_gettext("Export"), frozenset()),
    ("staff.audit", lazy_gettext("Audit"), frozenset()),
    ("staff.users", lazy_gettext("Users"), frozenset({"staff.invite", "staff.user"})),
    ("staff.api_tokens", lazy_gettext("Machines"), frozenset({"staff.add_api_token", "staff.end_api_token"})),
    ("staff.study_page", lazy_gettext("Study"), frozenset({"staff.propose_amendment"})),
    ("staff.system", lazy_gettext("System"), frozenset()),
)


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu. `current`: page (this very page), true (a page below it) or empty."""

    address: str
    label: str
    current: str


@blueprint.app_context_processor
def _frame() -> Mapping[str, Any]:
    return {"may_open": may_open, "navigation": navigation, "silent_since": silent_since}


def silent_since() -> datetime | None:
    """When the clock last ticked, if that is too long ago: staff must not wait for reminders that nobody sends."""
    who = find_staff()
    if who is None or who.kind != "staff":
        return None
    tick = health.last_tick(database())
    return tick if tick is not None and now() - tick > SILENT_AFTER else None


def may_open(endpoint: str) -> bool:
    """Whether the member of staff signed in may open `endpoint`; False for strangers and for absent pages."""
    who, view = find_staff(), current_app.view_functions.get(endpoint)
    return who is not None and who.kind == "staff" and view is not None and who.role in getattr(view, "audience", ())


def navigation() -> list[Place]:
    """The menu of the person signed in, in one order for everybody."""
    return [
        Place(url_for(endpoint), _counted(endpoint, str(label)), _current(endpoint, below))
        for endpoint, label, below in PLACES
        if may_open(endpoint)
    ]


def _counted(endpoint: str, label: str) -> str:
    """What waits for the reader is counted in the menu, so that nobody has to look whether it does."""
    who = find_staff()
    if endpoint != "staff.proposals" or who is None:
        return label
    count = proposals.to_approve(database(), user_id=who.user_id, role=who.role, sites=who.sites)
    return f"{label} ({count})" if count else label


def _current(endpoint: str, below: frozenset[str]) -> str:
    if request.endpoint == endpoint:
        return "page"
    return "true" if request.endpoint in below else ""
