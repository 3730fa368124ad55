"""Pages for everybody: the front door, the language switch, privacy, accessibility, health."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError

from proapp.db.migrate import current_revision, head_revision
from proapp.services import health as checking
from proapp.services.health import Health
from proapp.services.sessions import AT_THE_PIN
from proapp.version import __version__
from proapp.web.guard import audience, find_patient, was_tablet
from proapp.web.i18n import LANGUAGES, choose
from proapp.web.patient.devices import known_device
from proapp.web.transactions import database, now, runtime
from proapp.web.way_back import here, safe_next

blueprint = Blueprint("public", __name__)


@blueprint.get("/")
@audience("anyone")
def start() -> Any:
    """To where this browser left off: signed in, code given, phone known, or new."""
    who = find_patient()
    if who is not None and who.kind == "patient":
        return redirect(url_for("patient.home"), code=303)
    if (who is not None and who.is_on_tablet) or was_tablet():
        return redirect(url_for("patient.tablet"), code=303)
    if (who is not None and who.kind in AT_THE_PIN) or known_device() is not None:
        return redirect(url_for("patient.pin"), code=303)
    return redirect(url_for("patient.code"), code=303)


@blueprint.post("/language")
@audience("anyone")
def language() -> Any:
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES and chosen in runtime().study.languages:
        choose(chosen)
        session.permanent = True
    return redirect(safe_next(request.form.get("next", "")), code=303)


@blueprint.get("/about/privacy")
@audience("anyone")
def privacy() -> Any:
    find_patient()
    return render_template("public/privacy.html")


@blueprint.get("/about/accessibility")
@audience("anyone")
def accessibility() -> Any:
    find_patient()
    return render_template("public/accessibility.html")


@blueprint.get("/healthz")
@audience("anyone")
def health() -> Response:
    """For the machine that watches this one: 200 when answers can be saved and what is due is sent, else 503.

    The numbers are those of the system page: times and counts, nothing of what the database holds.
    """
    try:
        found = current_revision(runtime().engine)
        runs = checking.health(database(), study=runtime().study, now=now()) if found == _head() else None
    except (SQLAlchemyError, OSError):
        found = runs = None
    checks = {"database": found is not None, "migrations": found == _head()}
    troubles = list(runs.troubles) if runs else []
    is_well = all(checks.values()) and not troubles
    answer = jsonify(
        status="ok" if is_well else "failing", version=__version__, **checks, troubles=troubles, **_numbers(runs)
    )
    answer.status_code = 200 if is_well else 503
    return answer


def _numbers(runs: Health | None) -> dict[str, Any]:
    """Moments in ISO 8601, UTC; None for what never was."""
    if runs is None:
        return {}
    moments = ("last_tick", "oldest_waiting", "oldest_retried", "last_handed_over")
    told = {name: getattr(runs, name) for name in moments}
    return {
        **{name: moment.isoformat(timespec="seconds") if moment else None for name, moment in told.items()},
        # When each was last heard of; their names are those of machines, and this page is anybody's.
        "workers": sorted(seen.isoformat(timespec="seconds") for seen in runs.workers.values()),
        "messages": dict(sorted(runs.states.items())),
        "last_48_hours": {"due": runs.due, "handed_over": runs.handed_over},
        "failed_last_24_hours": runs.failed,
        "unknown_last_24_hours": runs.unknown,
        "today": {"tried": runs.tried_today, "cap": runs.cap},
        "last_7_days": {"left": runs.left, "arrived": runs.arrived},
    }


@cache
def _head() -> str:
    return head_revision()


@blueprint.app_template_filter()
def dial(phone: str) -> str:
    """A telephone number as a tel: address takes it. Swedish numbers as they are printed: 08-465 004 01."""
    return "".join(sign for sign in phone if sign.isdigit() or sign == "+")


@blueprint.app_template_global()
def error_words(status: int, kind: str, face: str) -> dict[str, str]:
    """Heading, text and the one way on, for an error page."""
    home, again = url_for("staff.start" if face == "staff" else "public.start"), _("Try again")
    words = {
        "stale_form": (
            _("The page had been open too long"),
            _("Nothing was saved this time. Go to the first page and continue; what was saved before is still there."),
        ),
        "busy": (
            _("Please wait a moment"),
            _(
                "Your latest step was not saved, because the service is busy. Everything you saved before is safe. "
                "Wait a little and try again."
            ),
        ),
        403: (_("You may not open this page"), _("Your account does not have the right to see it.")),
        404: (_("There is no such page"), _("The address may be mistyped, or the page may not be for you.")),
        405: (_("That did not work"), _("The page was opened in a way it does not understand. Nothing was saved.")),
        413: (_("That was too much at once"), _("What was sent is larger than we accept. Nothing was saved.")),
        429: (_("Too many tries"), _("Please wait a quarter of an hour and try again.")),
    }
    default = (
        (
            _("Something went wrong"),
            _("The fault is ours. Your latest step was not saved; everything saved before is safe."),
        )
        if status >= 500
        else (_("That did not work"), _("The page did not understand what was sent. Nothing was saved."))
    )
    heading, text = words.get(kind) or words.get(status) or (words["busy"] if status == 503 else default)
    action = again if status in {429, 503} else _("To the first page")
    return {"heading": heading, "text": text, "action": action, "address": here() if kind == "busy" else home}
