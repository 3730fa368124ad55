"""Where gateways report what became of a message. The one place that is written to by machines.

A gateway has no cookie and no form token: the guard lets it in by the name and password of the settings, sent as Basic
auth and never in an address. What it posts about the recipient is not read, so that it can be in no log. A report may
come twice, early or out of order; each is answered with success once it is kept, because a gateway repeats the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import Blueprint, Response, make_response, request

from proapp.services import receipts
from proapp.web.guard import audience
from proapp.web.transactions import database, now

blueprint = Blueprint("gateway", __name__, url_prefix="/receipts")
LONGEST_REFERENCE = 120
_ELKS_STATUSES = {"created": "accepted", "sent": "accepted", "delivered": "delivered", "failed": "failed"}
_REASON = re.compile(r"[a-z][a-z_]{0,39}")  # a word of ours: it cannot hold a number or an address


class Malformed(Exception):
    """The sentence says what to mend, without quoting what was sent."""


class Report(NamedTuple):
    reference: str
    status: str
    at: datetime | None
    reason: str | None


@blueprint.post("/46elks")
@audience("gateway")
def elks46() -> Response:
    """A form with id, status and the time of delivery."""
    return _taken("46elks", _of_elks, request.form)


@blueprint.post("/http")
@audience("gateway")
def http() -> Response:
    """A JSON object {"id", "status", "at", "reason"}; the last two may be left out."""
    return _taken("http", _of_json, request.get_json(force=True, silent=True))


@blueprint.post("/smtp")
@audience("gateway")
def smtp() -> Response:
    """As /http, of whatever reads the mail that comes back: "id" is the Message-ID of the mail that bounced."""
    return _taken("smtp", _of_json, request.get_json(force=True, silent=True))


def _taken(gateway: str, read: Any, given: Any) -> Response:
    try:
        report: Report = read(given)
    except Malformed as fault:
        return _plain(f"{fault}\n", 400)
    receipts.receive(
        database(),
        gateway=gateway,
        provider_ref=report.reference,
        status=report.status,
        at=report.at,
        reason=report.reason,
        now=now(),
    )
    return _plain("", 204)


def _of_elks(form: Mapping[str, str]) -> Report:
    status = _ELKS_STATUSES.get(form.get("status", ""))
    if status is None:
        raise Malformed("status must be delivered or failed.")
    try:
        at = _moment(form.get("delivered"))
    except Malformed:
        at = None  # the time is a courtesy; what became of the message is what counts
    return Report(_reference(form.get("id")), status, at, None)


def _of_json(given: Any) -> Report:
    if not isinstance(given, dict):
        raise Malformed('The body must be a JSON object such as {"id": "...", "status": "delivered"}.')
    status, reason = given.get("status"), given.get("reason")
    if not isinstance(status, str) or status not in receipts.STATUSES:
        raise Malformed(f"status must be one of {', '.join(receipts.STATUSES)}.")
    if reason is not None and (not isinstance(reason, str) or not _REASON.fullmatch(reason)):
        raise Malformed("reason must be one word of small letters and underscores.")
    return Report(_reference(given.get("id")), status, _moment(given.get("at")), reason)


def _reference(given: Any) -> str:
    reference = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not reference or len(reference) > LONGEST_REFERENCE or not reference.isprintable():
        raise Malformed("id must be the number that was given when the message was taken.")
    return reference


def _moment(given: Any) -> datetime | None:
    """ISO 8601; a time without a zone is UTC."""
    if given is None or given == "":
        return None
    try:
        moment = datetime.fromisoformat(given)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise Malformed("The time must be written like 2027-03-29T10:00:00Z.") from None


def _plain(text: str, status: int) -> Response:
    response = make_response(text, status)
    response.mimetype = "text/plain"
    return response
