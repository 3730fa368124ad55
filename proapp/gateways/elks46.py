"""46elks, a Swedish operator: https://46elks.com/docs/send-sms. Text messages only.

A message is a form POST with Basic auth; the reply carries an id. Its fate comes later, to the address in
`whendelivered`, as a form POST with id, status (delivered | failed) and time, repeated until we answer 200 to 204.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from proapp.gateways.http_call import HTTPBasicAuth, call
from proapp.gateways.protocol import Accepted, Outgoing, UnknownOutcome


class Elks46Gateway:
    name = "46elks"

    def __init__(
        self, *, url: str, user: str, password: str, sender: str, receipts: str | None, receipt_login: tuple[str, str]
    ) -> None:
        """`receipts` is the address of our receipt page, None when no receipts are wanted."""
        self._url, self._sender = url, sender
        self._auth = HTTPBasicAuth(user, password)
        self._receipts = with_login(receipts, *receipt_login) if receipts else None

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        fields = {"from": self._sender, "to": message.to, "message": message.text}
        if self._receipts:
            fields["whendelivered"] = self._receipts
        reply = call(
            "POST",
            self._url,
            timeout=timeout,
            body=urlencode(fields).encode(),
            content_type="application/x-www-form-urlencoded",
            reference=message.reference,
            require_wanted=message.require_wanted,
            auth=self._auth,
        )
        found = reply.get("id") if isinstance(reply, dict) else None
        if not isinstance(found, str) or not found:
            raise UnknownOutcome("reply_not_understood")
        return Accepted(found[:120])


def with_login(address: str, user: str, password: str) -> str:
    """https://user:password@host/path: how a provider is told to authenticate its receipts (never in the query)."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"))
