"""What becomes of messages, in words: their steps and states, and why one did not go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import format_date, format_datetime, gettext, lazy_gettext, ngettext

from proapp.services.explaining import Sent
from proapp.study.follow_up import LATER

STATES: Mapping[str, Any] = {
    "queued": lazy_gettext("In the queue"),
    "sending": lazy_gettext("Being handed over"),
    "sent": lazy_gettext("Handed over"),
    "delivered": lazy_gettext("Delivered"),
    "failed": lazy_gettext("Could not be delivered"),
    "cancelled": lazy_gettext("Cancelled"),
    "possibly_sent": lazy_gettext("Possibly sent"),
}

# Why a gateway did not take a message, or a message did not arrive.
REASONS: Mapping[str, Any] = {
    "settings": lazy_gettext("the settings do not fit the gateway"),
    "no_connection": lazy_gettext("no connection to the gateway"),
    "no_tls": lazy_gettext("the connection to the gateway cannot be encrypted"),
    "no_answer": lazy_gettext("the gateway did not answer"),
    "reply_not_understood": lazy_gettext("the gateway's answer was not understood"),
    "gateway_fault": lazy_gettext("a fault at the gateway"),
    "too_many": lazy_gettext("the gateway takes no more at the moment"),
    "gateway_broken": lazy_gettext("a fault of ours at the gateway"),
    "stalled": lazy_gettext("it was held up here before it left; it is decided about again"),
    "undecidable": lazy_gettext("a fault of ours; it is tried again in an hour"),
    "lease_over": lazy_gettext("the worker that was sending it did not come back"),
    "not_delivered": lazy_gettext("it did not arrive"),
    "gateway_refused_us": lazy_gettext("the gateway does not let us in"),
    "message_refused": lazy_gettext("the gateway refuses the message"),
    "recipient_refused": lazy_gettext("the number or address does not exist"),
    "recipient_later": lazy_gettext("the recipient cannot receive anything at the moment"),
    "address_not_supported": lazy_gettext("the number or address cannot be used"),
    "no_report": lazy_gettext("the gateway has not reported that it arrived, as it does of others"),
    "not_known": lazy_gettext("not known"),
    "undeliverable": lazy_gettext("the number or address cannot be reached"),
}


# Why a step does not go, or not yet. Cancelled messages carry the same codes.
NOT: Mapping[str, Any] = {
    "submitted": lazy_gettext("the questionnaire is answered"),
    "declined": lazy_gettext("the participant does not want to answer this time"),
    "died": lazy_gettext("the participant has died"),
    "stopped": lazy_gettext("the participant has stopped the questionnaires"),
    "withdrawn": lazy_gettext("the participant has left the trial"),
    "not_expected": lazy_gettext("nothing is expected at this time point"),
    "lost": lazy_gettext("contact with the participant is lost"),
    "paused": lazy_gettext("contact is paused"),
    "wrong_number": lazy_gettext("the number is known to be wrong"),
    "undeliverable": lazy_gettext("messages cannot be delivered to the number or address"),
    "no_contact": lazy_gettext("no number or address is known for it"),
    "chose_letter": lazy_gettext("the participant chose letters"),
    "superseded": lazy_gettext("a later step takes its place"),
    "too_late": lazy_gettext("it would come too late to be of use"),
    "closed": lazy_gettext("the window is closed"),
    "study_closed": lazy_gettext("the study is closed"),
    "site_closed": lazy_gettext("the site is closed"),
    "no_sending_day": lazy_gettext("the window has no day on which messages go out"),
    # What it waited for outlasts its use.
    "not_a_sending_day": lazy_gettext("no messages go out on the days that are left"),
    "quiet_hours": lazy_gettext("only quiet hours are left"),
    "cap_participant": lazy_gettext("the participant has had as many messages as go out in a day"),
    "cap_study": lazy_gettext("the study's limit of messages for the day is reached"),
    "another_wish": lazy_gettext("the participant asked for another time"),
    "not_in_policy": lazy_gettext("the reminder plan no longer has this step"),
    "contact_changed": lazy_gettext("the contact details were changed"),
    "moved": lazy_gettext("the dates were changed"),
    "amendment": lazy_gettext("the protocol was changed"),
    "resent": lazy_gettext("sent again by hand"),
    "answered_by_phone": lazy_gettext("the answers were given over the telephone"),
    "asked_later": lazy_gettext("the participant asked to be reminded later"),
    "gateway_silent": lazy_gettext("the gateway does not answer; it is tried again in a while"),
    "asked_to_call": lazy_gettext("the participant asked to be called"),
    "nothing_to_say": lazy_gettext("there is nothing to say any more"),
    "no_account": lazy_gettext("the account may no longer sign in"),
    # The events that silence a participant, by their own names.
    "death": lazy_gettext("the participant has died"),
    "pro_stop": lazy_gettext("the participant has stopped the questionnaires"),
    "trial_withdrawal": lazy_gettext("the participant has left the trial"),
    "lost_to_follow_up": lazy_gettext("contact with the participant is lost"),
    "contact_pause": lazy_gettext("contact is paused"),
}
# Why a message that is queued was put off, where it may go later after all.
PUT_OFF: Mapping[str, Any] = {
    "not_open": lazy_gettext("the window is not open yet"),
    "later": lazy_gettext("its day and hour have not come yet"),
    "quiet_hours": lazy_gettext("it waits for the end of the quiet hours"),
    "not_a_sending_day": lazy_gettext("it waits for a day on which messages go out"),
}
BASES = {
    "opens": (
        lazy_gettext("On the day the window opens"),
        lambda days: ngettext("%(num)s day before the window opens", "%(num)s days before the window opens", days),
        lambda days: ngettext("%(num)s day after the window opens", "%(num)s days after the window opens", days),
    ),
    "target": (
        lazy_gettext("On the target day"),
        lambda days: ngettext("%(num)s day before the target day", "%(num)s days before the target day", days),
        lambda days: ngettext("%(num)s day after the target day", "%(num)s days after the target day", days),
    ),
    "closes": (
        lazy_gettext("On the day the window closes"),
        lambda days: ngettext("%(num)s day before the window closes", "%(num)s days before the window closes", days),
        lambda days: ngettext("%(num)s day after the window closes", "%(num)s days after the window closes", days),
    ),
}
CHANNELS: Mapping[str, Any] = {
    "message": lazy_gettext("message"),
    "sms": lazy_gettext("SMS"),
    "email": lazy_gettext("e-mail"),
    "letter": lazy_gettext("letter"),
    "task": lazy_gettext("call by the clinic"),
    "digest": lazy_gettext("to the investigator"),
}


def state(code: str) -> str:
    return str(STATES.get(code, code))


def step_words(key: str) -> str:
    """opens+0 as: on the day the window opens."""
    if key.startswith(LATER):
        return gettext("As the participant asked")
    base = next((name for name in BASES if key.startswith(name)), None)
    count = key.removeprefix(base or "")
    if base is None or not count.lstrip("+-").isdigit():
        return key
    on_the_day, before, after = BASES[base]
    days = int(count)
    return str(on_the_day) if days == 0 else before(-days) if days < 0 else after(days)


def message_line(message: Sent, zone: ZoneInfo) -> str:
    """What became of a message, with its times."""
    return " ".join(_course(message, zone))


def why_not(code: str | None) -> str:
    """Why a message was not sent, or was cancelled, or a gateway refused it; a reason that has no words stays as it
    is."""
    known = NOT.get(code or "") or REASONS.get(code or "")
    return str(known or code or "")


def when(moment: datetime | None, zone: ZoneInfo) -> str:
    """Mon 23 Nov 2026 10:00, at the site; of a step for people, which has no hour, the day alone."""
    if moment is None:
        return ""
    local = moment.astimezone(zone)
    if local.time() == local.time().min:
        return format_date(local.date(), "EEE d MMM y")
    return format_datetime(local, "EEE d MMM y HH:mm", rebase=False)


def _course(message: Sent, zone: ZoneInfo) -> Iterator[str]:
    if message.handed_over_at is not None:
        yield gettext("Handed over %(when)s.", when=when(message.handed_over_at, zone))
    elif message.state in ("queued", "sending"):
        yield gettext("In the queue since %(when)s.", when=when(message.queued_at, zone))
    settled = when(message.settled_at, zone) if message.settled_at else ""
    if message.state == "delivered":
        yield gettext("Delivered %(when)s.", when=settled)
    elif message.state == "failed":
        yield gettext("Could not be delivered: %(why)s.", why=why_not(message.state_reason) or gettext("not known"))
    elif message.state == "cancelled":
        yield gettext("Cancelled %(when)s, because %(why)s.", when=settled, why=why_not(message.state_reason))
    elif message.state == "possibly_sent":
        yield gettext("Broken off while it was handed over: it may have been sent, or not.")
    elif message.state == "queued" and message.state_reason:
        yield gettext("Not sent yet: %(why)s.", why=PUT_OFF.get(message.state_reason) or why_not(message.state_reason))
