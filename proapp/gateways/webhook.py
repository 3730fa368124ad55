"""The receiver of another system: one POST for each event, signed, so that it can tell ours from a stranger's.

Signed are the moment of the try and the body together, so that an old request cannot be sent once more by somebody else
without its age being seen.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

import requests

from proapp.gateways.bounded import LONGEST_SEND, within
from proapp.gateways.http_call import AuthBase, call
from proapp.gateways.protocol import LONGEST

HEADER = "Proapp-Signature"


@dataclass(frozen=True, slots=True)
class Receiver:
    url: str
    secret: str = field(repr=False)

    def tell(self, event_id: str, body: bytes, *, at: datetime) -> None:
        """Return when the receiver has it. Raises DeliveryFailure, whatever else happens."""
        timestamp = str(int(at.timestamp()))

        def act() -> None:
            call(
                "POST",
                self.url,
                timeout=LONGEST,
                body=body,
                content_type="application/json",
                reference=event_id,
                auth=_Signed(f"t={timestamp},v1={signature(self.secret, timestamp, body)}"),
            )

        within(LONGEST_SEND, act, "webhook")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over the timestamp, a full stop and the body, in hexadecimal."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class _Signed(AuthBase):
    """Given as `auth`, so that no .netrc of the machine sends a password along."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[HEADER] = self._value
        return request
