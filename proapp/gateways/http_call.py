"""One HTTP request to a gateway, with every way it can end sorted into the four of the protocol."""

from __future__ import annotations

import io
import json
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import HTTPError, NewConnectionError

from proapp.clock import system_clock
from proapp.gateways.protocol import LONGEST, PassingFailure, PermanentFailure, UnknownOutcome

__all__ = ["AuthBase", "HTTPBasicAuth", "call"]
LARGEST_REPLY = 64 * 1024
LONGEST_RETRY_AFTER = timedelta(hours=6)
# The fault is in the settings, the account or the credit, not in the message: mended, the same message goes through.
_OURS = frozenset({401, 402, 403, 404, 405, 407})
_LATER = frozenset({408, 409, 425, 429})  # 409: the same reference is being dealt with right now


def call(
    method: str,
    url: str,
    *,
    timeout: float,
    body: bytes,
    content_type: str,
    reference: str,
    auth: AuthBase | None,
    require_wanted: Callable[[], None] = lambda: None,
) -> Any:
    """The JSON of a 2xx reply, None when it holds none. Redirects are not followed: they would resend the message.
    `require_wanted` is asked before the first byte of `body` goes out, and may raise.

    Raises PassingFailure, PermanentFailure, UnknownOutcome.
    """
    seconds = min(timeout, LONGEST)
    headers = {"Content-Type": content_type, "Idempotency-Key": reference, "User-Agent": "proapp"}
    started = time.monotonic()
    try:
        with requests.request(
            method,
            url,
            data=_Body(body, require_wanted),
            headers=headers,
            auth=auth,
            timeout=(seconds, seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            _require_success(response)
            return _json(_read(response, ends=started + 2 * seconds))
    except ValueError:  # an address or a header that cannot be sent at all
        raise PassingFailure("settings") from None
    except requests.ConnectionError as error:
        if _never_connected(error):
            raise PassingFailure("no_connection") from None
        raise UnknownOutcome("no_answer") from None
    except (requests.RequestException, HTTPError, OSError):  # read timeouts and broken replies among them
        raise UnknownOutcome("no_answer") from None


class _Body(io.BytesIO):
    """What is read when the name is found, the connection made and the head written: a gateway that gets a head alone
    has no message."""

    def __init__(self, content: bytes, require_wanted: Callable[[], None]) -> None:
        super().__init__(content)
        self._require_wanted = require_wanted

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() == 0:
            self._require_wanted()
        return super().read(size)


def _never_connected(error: requests.ConnectionError) -> bool:
    """Whether it broke before anything was said. A TLS connection that ends early may have carried the message."""
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(error, requests.exceptions.SSLError):
        told = reason.args[0] if isinstance(reason, Exception) and reason.args else None
        return not isinstance(told, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return isinstance(reason, NewConnectionError)


def _require_success(response: requests.Response) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if status >= 500 and status != 503:
        # It broke while it had the message, or whoever stands before it has handed it on in vain: it may go out yet.
        raise UnknownOutcome("gateway_fault" if status != 504 else "no_answer")
    if status in _LATER or status == 503:
        reason = "too_many" if status == 429 else "gateway_fault"
        raise PassingFailure(reason, retry_after=_retry_after(response.headers.get("Retry-After", "")))
    if status in _OURS or status < 400:
        raise PassingFailure("gateway_refused_us")
    raise PermanentFailure("message_refused")


def _retry_after(value: str) -> timedelta | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3), as a wait of at most six hours."""
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=min(int(value), 10**6)), LONGEST_RETRY_AFTER)
    try:
        wait = parsedate_to_datetime(value) - system_clock()
    except (ValueError, TypeError):
        return None
    return min(max(wait, timedelta(0)), LONGEST_RETRY_AFTER)


def _read(response: requests.Response, *, ends: float) -> bytes:
    """The body, as long as it is short and does not trickle; what is beyond is nothing we asked for."""
    parts: list[bytes] = []
    for part in response.iter_content(4096):
        parts.append(part)
        if sum(map(len, parts)) > LARGEST_REPLY or time.monotonic() > ends:
            raise UnknownOutcome("no_answer")
    return b"".join(parts)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
