"""One log line per request: method, endpoint, status and milliseconds. Never the path, which names participants."""

from __future__ import annotations

import logging
import secrets
from time import perf_counter

import structlog
from flask import Flask, Response, g, request

from proapp.logs import say_finished

log = structlog.get_logger("proapp.web")
ready = logging.getLogger("proapp.web")


def init_app(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_say)
    app.teardown_request(_end)


def _begin() -> None:
    """A request id of our own making (one from outside could forge lines), on every line of this request."""
    g.request_began = perf_counter()
    g.request_id = secrets.token_hex(8)
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _say(response: Response) -> Response:
    began = g.get("request_began")
    if began is None or request.endpoint == "static":
        return response
    ms = round((perf_counter() - began) * 1000, 1)
    if request.endpoint is None:  # nothing of ours answers here, and the method may be any word somebody sent
        log.info("request", method=request.method, endpoint=None, status=response.status_code, ms=ms)
    else:
        fields = {"method": request.method, "endpoint": request.endpoint, "status": response.status_code, "ms": ms}
        say_finished(ready, "request", request_id=g.request_id, **fields)
    response.headers["X-Request-ID"] = g.request_id
    return response


def _end(_error: BaseException | None) -> None:
    structlog.contextvars.unbind_contextvars("request_id")
