"""What becomes of messages, in words: their states, and why one did not go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext

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
    "gateway_refused_us": lazy_gettext("the gateway does not let us in"),
    "message_refused": lazy_gettext("the gateway refuses the message"),
    "recipient_refused": lazy_gettext("the number or address does not exist"),
    "recipient_later": lazy_gettext("the recipient cannot receive anything at the moment"),
    "address_not_supported": lazy_gettext("the number or address cannot be used"),
    "not_known": lazy_gettext("not known"),
    "undeliverable": lazy_gettext("the number or address cannot be reached"),
}


def state(code: str) -> str:
    return str(STATES.get(code, code))


def why_not(code: str) -> str:
    """A gateway's reason in words; one of its own that has none stays as it is."""
    return str(REASONS.get(code, code))
