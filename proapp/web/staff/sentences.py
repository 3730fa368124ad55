"""Sentences that several staff pages share about accounts: what is wrong with a password, when to try again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext, lazy_gettext

from proapp.services.passwords import LONGEST, SHORTEST
from proapp.web.transactions import runtime

ROLE_NAMES: dict[str, Any] = {
    "nurse": lazy_gettext("Nurse"),
    "investigator": lazy_gettext("Investigator"),
    "coordinator": lazy_gettext("Coordinator"),
    "monitor": lazy_gettext("Monitor"),
    "statistician": lazy_gettext("Statistician"),
    "administrator": lazy_gettext("Administrator"),
}

_WEAK: dict[str, Any] = {
    "too_short": lazy_gettext("The password must have at least %(shortest)s characters.", shortest=SHORTEST),
    "too_long": lazy_gettext("The password can have at most %(longest)s characters.", longest=LONGEST),
    "common": lazy_gettext("That password is among the first that a stranger would try. Choose another."),
    "personal": lazy_gettext(
        "Your name, your e-mail address and the name of the study are easy to guess. "
        "Without them the password must still have at least %(shortest)s characters.",
        shortest=SHORTEST,
    ),
}


def weak_password(code: str) -> str:
    """The sentence for a code of services.passwords.weakness."""
    return str(_WEAK[code])


def try_again(moment: datetime) -> str:
    """Too many tries; the time is the study's local time, rounded up to the minute so that it is never too early."""
    local = moment.astimezone(ZoneInfo(runtime().study.time_zone))
    minute = local.replace(second=0, microsecond=0)
    at = minute if minute == local else minute.fromtimestamp(minute.timestamp() + 60, tz=local.tzinfo)
    return gettext("Too many tries. Please try again at %(time)s.", time=f"{at:%H:%M}")
