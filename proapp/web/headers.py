"""Response headers: a strict content security policy, no referrer, nothing personal in any cache; and pages that travel
light."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)


FIXED = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
)


LIGHT = frozenset({"text/html", "application/json"})
WORTH_IT = 1024  # bytes


def init_app(app: Flask) -> None:
    app.after_request(_compressed)
    app.after_request(_not_kept)
    app.wsgi_app = _with_fixed(app.wsgi_app)  # type: ignore[method-assign]  Flask's own way to wrap an application


def _not_kept(response: Response) -> Response:
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _compressed(response: Response) -> Response:
    """A patient's page, and the questionnaire for the phone, take a third of the bytes over a poor line.

    Only what a GET shows: nothing that a stranger sent is said in it, and a foreign site's requests carry no cookie
    (Lax), so its length cannot be made to tell what the page holds (BREACH).
    """
    asked: Any = request._get_current_object()  # type: ignore[attr-defined]  # through the proxy each question costs thrice
    if (
        asked.blueprint == "patient"
        and asked.method == "GET"
        and response.status_code == 200
        and response.mimetype in LIGHT
    ):
        response.vary.add("Accept-Encoding")
        if "gzip" in asked.headers.get("Accept-Encoding", "") and len(response.data) >= WORTH_IT:
            response.set_data(gzip.compress(response.data, compresslevel=6, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
    return response


def _with_fixed(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Every answer, whatever made it, leaves with the fixed headers: seven at once instead of one by one."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, *FIXED], *exc_info)

        return application(environ, start)

    return answer
