"""Whether messages reach a participant, in words; and the button that sends one to find out."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import flash, redirect, url_for
from flask_babel import gettext

from proapp.services import contact_check
from proapp.services.contact_check import Last, Standing
from proapp.services.errors import Refused
from proapp.web.context import moment
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.presenters import delivery
from proapp.web.transactions import database, now, runtime


@blueprint.post("/participants/<study_id>/contact/test")
@audience("nurse", "investigator", "coordinator")
def send_test(study_id: str) -> Any:
    try:
        contact_check.send(
            database(), study=runtime().study, study_id=study_id, sites=staff().sites, actor=staff_actor(), now=now()
        )
    except Refused as refusal:
        flash(_refusal(refusal), "problem")
    else:
        flash(gettext("The test message is on its way. It arrives within a minute or two."))
    return redirect(url_for("staff.contact", study_id=study_id), code=303)


@blueprint.post("/participants/<study_id>/contact/arrived")
@audience("nurse", "investigator", "coordinator")
def test_arrived(study_id: str) -> Any:
    try:
        contact_check.confirm(database(), study_id=study_id, sites=staff().sites, actor=staff_actor(), now=now())
    except Refused as refusal:
        flash(_refusal(refusal), "problem")
    else:
        flash(gettext("Noted: the test message has arrived."))
    return redirect(url_for("staff.contact", study_id=study_id), code=303)


def _refusal(refusal: Refused) -> str:
    sentences = {
        "test_by_letter": gettext("This participant is reached by letter, so no test message can be sent."),
        "test_ended": gettext("This participant is not to be written to any more. No test message was sent."),
        "test_waiting": gettext("A test message is on its way already."),
        "test_study_closed": gettext("The study is closed. No test message was sent."),
        "test_site_closed": gettext("The site is closed. No test message was sent."),
        "test_wrong_number": gettext("The number is known to be wrong: somebody else may have it. Change it first."),
        "no_test": gettext("No test message has gone to these details yet."),
    }
    if refusal.code == "tests_today":
        return gettext("No more than %(most)s test messages are sent in 24 hours.", most=refusal.params["most"])
    return sentences[refusal.code]


def standing(study_id: str) -> Standing:
    return contact_check.standing(database(), study_id=study_id, sites=staff().sites, actor=staff_actor())


class Reach(NamedTuple):
    """How sure we are that messages arrive: a chip and what is behind it."""

    word: str
    tone: str
    icon: str
    detail: str


def reach(found: Standing) -> Reach:
    """A failure weighs more than what was true before it, and a delivery more than somebody's word."""
    if found.undeliverable_at is not None:
        why = delivery.why_not(found.undeliverable_reason or "undeliverable")
        detail = gettext("%(why)s, %(when)s", why=why, when=moment(found.undeliverable_at))
        return Reach(gettext("Not reached"), "missed", "alert", detail)
    if found.verified_at is not None:
        detail = gettext("a message arrived %(when)s", when=moment(found.verified_at))
        return Reach(gettext("Verified"), "done", "done", detail)
    if found.confirmed_at is not None:
        detail = gettext("by the participant, %(when)s", when=moment(found.confirmed_at))
        return Reach(gettext("Confirmed"), "done", "done", detail)
    if found.channel == "letter":
        return Reach(gettext("Letter"), "na", "none", gettext("no messages are sent"))
    return Reach(gettext("Not verified"), "na", "none", gettext("no message is known to have arrived"))


def last_test(last: Last | None) -> str:
    """What became of the newest test message; empty where there was none."""
    if last is None:
        return ""
    state, when = delivery.state(last.state), moment(last.at)
    if last.state in ("failed", "cancelled") and last.reason:
        why = delivery.NOT.get(last.reason) or delivery.why_not(last.reason)
        return gettext("%(state)s %(when)s: %(why)s", state=state, when=when, why=why)
    return gettext("%(state)s %(when)s", state=state, when=when)
