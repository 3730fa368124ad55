"""What went wrong, for machines: application/problem+json (RFC 9457), with a sentence that says how to mend it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, request

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request cannot be read",
    401: "Not let in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Not JSON",
    422: "Not accepted",
    429: "Too many tries",
    500: "A fault of ours",
    503: "Busy",
}
CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "not_json",
    500: "fault",
    503: "busy",
}
_MENDED_BY = {
    404: "There is no such thing, or not for this token.",
    405: "This address is not used in this way; see /api/v1/openapi.json.",
    413: "The body is too large.",
    415: "Send the body as application/json.",
    503: "The database is busy. Nothing was saved; send the same request again in a moment.",
}


class Problem(Exception):
    """Raised by a view instead of an answer. Nothing that was sent may stand in `detail` or `faults`."""

    def __init__(self, status: int, code: str, detail: str, faults: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.faults = status, code, detail, faults


def asked_by_machine() -> bool:
    return request.path.startswith("/api/")


def problem(
    status: int,
    code: str,
    detail: str = "",
    *,
    faults: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    said: dict[str, Any] = {
        "type": f"urn:proapp:problem:{code}",
        "title": TITLES.get(status, "Refused"),
        "status": status,
        "detail": detail or _MENDED_BY.get(status, "See /api/v1/openapi.json."),
    }
    if faults:
        said["faults"] = list(faults)
    return Response(json.dumps(said), status, headers, mimetype=MEDIA_TYPE)
