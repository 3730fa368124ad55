"""The audit trail as a page: who did what, to whom, when and why; filtered by the address, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, make_response, render_template, request, url_for

from proapp.services import audit_list
from proapp.services.audit_list import Area, Event, Filters
from proapp.web.guard import audience, staff
from proapp.web.staff import blueprint
from proapp.web.staff.audit_words import ACTOR_KINDS, GROUPS, SYSTEM_GROUPS, in_words
from proapp.web.staff.presenters.details import pieces
from proapp.web.staff.sentences import ROLE_NAMES
from proapp.web.transactions import database, runtime

MAY_SEE_ANSWERS = frozenset({"investigator"})
LONGEST = 60  # of anything in the address


@blueprint.get("/audit")
@audience("coordinator", "monitor", "investigator", "administrator")
def audit() -> Response:
    who = staff()
    area: Area = "system" if who.role == "administrator" else "participants"
    groups = SYSTEM_GROUPS if area == "system" else GROUPS
    chosen = {name: request.args.get(name, "").strip()[:LONGEST] for name in ("who", "what", "id", "from", "to")}
    found = audit_list.page(
        database(),
        area=area,
        sites=who.sites,
        filters=_filters(chosen, groups),
        before=request.args.get("before", "")[:LONGEST],
        may_see_answers=who.role in MAY_SEE_ANSWERS,
    )
    names = audit_list.staff_names(database(), sites=who.sites)
    page = render_template(
        "staff/audit.html",
        rows=[_row(event, dict(names)) for event in found.events],
        area=area,
        chosen=chosen,
        groups=groups,
        actor_kinds={kind: said for kind, said in ACTOR_KINDS.items() if area != "system" or kind != "patient"},
        names=names,
        older=url_for("staff.audit", **_kept(chosen), before=found.older) if found.older else "",
        newest=url_for("staff.audit", **_kept(chosen)) if request.args.get("before") else "",
        zone=runtime().study.time_zone,
    )
    return make_response(page)


def _filters(chosen: Mapping[str, str], groups: Mapping[str, tuple[Any, tuple[str, ...]]]) -> Filters:
    """What the address asks for; a value that makes no sense filters nothing."""
    who = chosen["who"]
    return Filters(
        actor=who if who in ACTOR_KINDS or (who.isascii() and who.isdigit()) else "",
        actions=groups[chosen["what"]][1] if chosen["what"] in groups else (),
        study_id=chosen["id"],
        since=_midnight(chosen["from"], 0),
        until=_midnight(chosen["to"], 1),
    )


def _midnight(text: str, days_later: int) -> datetime | None:
    """The beginning of a local day of the study, as a moment; None when `text` is not a day."""
    try:
        day = date.fromisoformat(text) + timedelta(days=days_later)
    except (ValueError, OverflowError):
        return None
    if not 1900 <= day.year <= 2200:
        return None
    return datetime.combine(day, time(), ZoneInfo(runtime().study.time_zone)).astimezone(UTC)


def _kept(chosen: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in chosen.items() if value}


def _row(event: Event, names: Mapping[int, str]) -> dict[str, Any]:
    about = names.get(int(event.entity_id)) if event.entity == "staff_user" and event.entity_id.isdigit() else None
    return {
        "at": event.at,
        "utc": f"{event.at:%Y-%m-%d %H:%M:%S}",
        "actor": event.actor_name or ACTOR_KINDS.get(event.actor_kind, event.actor_kind),
        "role": ROLE_NAMES.get(event.actor_role, ""),
        "action": in_words(event.action),
        "about": about or f"{event.entity} {event.entity_id}",
        "study_id": event.study_id,
        "details": list(pieces(event.details)),
        "reason": event.reason,
    }
