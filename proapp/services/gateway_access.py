"""Whether a report about a message comes from the gateway: by the name and password of the settings.

The right password is always heard, so nobody can shut the gateway out by guessing; it is long and random, so nobody
guesses it. Wrong ones are counted, and an address with too many of them is told to wait.
"""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy.orm import Session

from proapp.gateway_settings import GatewaySettings
from proapp.services import throttle
from proapp.services.errors import Refused
from proapp.services.vault import Vault


def let_in(
    session: Session,
    vault: Vault,
    *,
    settings: GatewaySettings,
    user: str,
    password: str,
    address: str | None,
    now: datetime,
) -> None:
    """Return for the gateway. Raises Refused for everybody else: not_the_gateway, too_many_tries(retry_at).

    A try is counted, so commit also after Refused.
    """
    known = f"{settings.receipt_user}:{settings.receipt_password}".encode()
    if settings.receipt_password and hmac.compare_digest(known, f"{user}:{password}".encode()):
        return
    source = throttle.address_key(vault, address)
    verdict = throttle.check(session, kind="receipt", subject=source, address=source, now=now)
    if not verdict.allowed:
        raise Refused("too_many_tries", retry_at=verdict.retry_at)
    throttle.note(session, kind="receipt", subject=source, address=source, succeeded=False, now=now)
    raise Refused("not_the_gateway")
