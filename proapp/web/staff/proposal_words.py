"""What the services refuse about proposals, as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from proapp.services.errors import Refused
from proapp.services.proposals import Proposal
from proapp.web.context import day
from proapp.web.staff import enrolment_words
from proapp.web.staff.presenters.history import EVENTS
from proapp.web.transactions import runtime

REFUSALS: Mapping[str, Any] = {
    "already_decided": _("Somebody has decided about this meanwhile."),
    "own_proposal": _("You proposed this yourself. Somebody else has to approve it."),
    "not_own_proposal": _("Only the person who proposed this can withdraw it."),
    "not_an_approver": _("This is approved by a coordinator or an investigator."),
    "not_a_proposer": _("An amendment is proposed by a coordinator."),
    "already_proposed": _("A correction for this participant already waits for a second person."),
    "superseded": _("Something else was changed since this was proposed, so it can no longer be done. Refuse it."),
    "look_again": _("Something changed while you were reading. Look again at what would happen."),
    "no_sites": _("Choose at least one site and the day from which it works by the new version."),
    "site_unknown": _("The new study file has no site %(site)s."),
    "activation_in_past": _("%(site)s: the day lies in the past."),
    "before_earlier_version": _(
        "%(site)s: an earlier version begins there on %(active_from)s, and this one cannot begin before it."
    ),
    "already_active": _("%(site)s works by this version already, or will on a day that is approved."),
    "packs_missing": _("Questionnaires that the study file names are not installed here: %(packs)s."),
}


def what(proposal: Proposal) -> str:
    """What a correction is about, without saying what it would set: that is on its own page."""
    type_, old, new = (proposal.payload[name] for name in ("type", "old", "new"))
    event = str(EVENTS[type_])
    if new is None:
        return gettext("%(event)s, to be taken back", event=event)
    if type_ != "randomized":
        return gettext("%(event)s, another date", event=event)
    if new.get("arm") in (None, old.get("arm")):
        return gettext("date of randomisation")
    return gettext("randomisation, another arm")


def sentence(refused: Refused) -> str:
    """The refusal in the reader's language; those about participants have their words elsewhere."""
    if refused.code not in REFUSALS:
        return enrolment_words.sentence(refused)
    return str(REFUSALS[refused.code]) % {name: _in_words(name, value) for name, value in refused.params.items()}


def _in_words(name: str, value: object) -> str:
    if isinstance(value, date):
        return day(value)
    if name == "site":
        return next((site.name for site in runtime().study.sites if site.code == value), str(value))
    return str(value)
