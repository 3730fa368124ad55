"""One log line per request: method, endpoint, status and milliseconds. Never the path, which names participants."""

from __future__ import annotations

import logging
import secrets
from itertools import count
from time import perf_counter

import structlog
from flask import Flask, Response, g, request

from proapp.logs import REQUEST_ID, say_finished

log = structlog.get_logger("proapp.web")
ready = logging.getLogger("proapp.web")
_process = secrets.token_hex(5)
_number = count(1)


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_say)
    app.teardown_request(_end)


def _begin() -> None:
    """A request id of our own making (one from outside could forge lines), on every line of this request."""
    g.request_began = perf_counter()
    g.request_id = request_id = f"{_process}{next(_number):06x}"
    REQUEST_ID.set(request_id)


def _say(response: Response) -> Response:
    began = g.get("request_began")
    asked = request._get_current_object()  # type: ignore[attr-defined]  # through the proxy each question costs thrice
    endpoint = asked.endpoint
    if began is None or endpoint == "static":
        return response
    ms = round((perf_counter() - began) * 1000, 1)
    if endpoint is None:  # nothing of ours answers here, and the method may be any word somebody sent
        log.info("request", method=asked.method, endpoint=None, status=response.status_code, ms=ms)
    else:
        say_finished(
            ready, "request", request_id=g.request_id, method=asked.method, endpoint=endpoint,
            status=response.status_code, ms=ms,
        )  # fmt: skip
    response.headers["X-Request-ID"] = g.request_id
    return response


def _end(_error: BaseException | None) -> None:
    REQUEST_ID.set(None)
