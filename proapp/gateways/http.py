"""Any gateway that takes a message as one HTTP request: address, body and the place of its reference are settings.

The body is a template, JSON when it begins with a brace and a form otherwise, with {to} {text} {subject} {from}
{channel} {reference} where they belong. Values are put in after the template is taken apart, so that no quotation mark
in a text can change the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import requests

from proapp.gateways.http_call import AuthBase, call
from proapp.gateways.protocol import Accepted, Outgoing, UnknownOutcome


class HttpGateway:
    name = "http"

    def __init__(
        self,
        *,
        method: str,
        url: str,
        body: str,
        authorization: str | None,
        reference: str,
        senders: Mapping[str, str],
    ) -> None:
        """`authorization` is the whole header; `reference` the way to the provider's id in the JSON reply, such as
        messages.0.id, empty when it gives none; `senders` what {from} is on each channel."""
        self._method, self._url, self._reference, self._senders = method, url, reference, senders
        self._auth = _Header(authorization) if authorization else None
        self._json = body.lstrip().startswith("{")
        self._template: Any = json.loads(body) if self._json else parse_qsl(body, keep_blank_values=True)

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        filled = _filled(self._template, self._values(message))
        reply = call(
            self._method,
            self._url,
            timeout=timeout,
            body=json.dumps(filled, ensure_ascii=False).encode() if self._json else urlencode(filled).encode(),
            content_type="application/json" if self._json else "application/x-www-form-urlencoded",
            reference=message.reference,
            require_wanted=message.require_wanted,
            auth=self._auth,
        )
        return Accepted(self._found(reply) if self._reference else message.reference)

    def _values(self, message: Outgoing) -> dict[str, str]:
        return {
            "to": message.to,
            "text": message.text,
            "subject": message.subject or "",
            "from": self._senders.get(message.channel, ""),
            "channel": message.channel,
            "reference": message.reference,
        }

    def _found(self, reply: Any) -> str:
        for step in self._reference.split("."):
            if isinstance(reply, dict):
                reply = reply.get(step)
            elif isinstance(reply, list) and step.isdigit() and int(step) < len(reply):
                reply = reply[int(step)]
            else:
                reply = None
        if not isinstance(reply, str | int) or isinstance(reply, bool) or reply == "":
            raise UnknownOutcome("reply_not_understood")
        return str(reply)[:120]


class _Header(AuthBase):
    """The Authorization header as it is. Given as `auth`, so that no .netrc of the machine replaces it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    """The same structure with every placeholder in every text replaced, once."""
    if isinstance(template, str):
        return re.sub(r"\{(to|text|subject|from|channel|reference)\}", lambda found: values[found[1]], template)
    if isinstance(template, dict):
        return {name: _filled(inner, values) for name, inner in template.items()}
    if isinstance(template, list | tuple):
        return type(template)(_filled(inner, values) for inner in template)
    return template
