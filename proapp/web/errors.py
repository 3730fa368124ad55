"""Errors as pages: what happened, what was saved, what to do. Never a stack trace, never a value.

A machine is told the same in JSON (web.problems).
"""

from __future__ import annotations

import secrets

import structlog
from flask import Flask, Response, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from proapp.services.errors import NotFound
from proapp.web import problems
from proapp.web.transactions import undo

log = structlog.get_logger()
AWAY = (OperationalError, PoolTimeout)


def init_app(app: Flask) -> None:
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(NotFound, lambda error: _page(404))
    app.register_error_handler(problems.Problem, _problem)
    app.register_error_handler(InternalServerError, _at_commit)
    for error in AWAY:
        app.register_error_handler(error, _busy)
    app.register_error_handler(Exception, _unexpected)


def _page(status: int, *, reference: str = "", kind: str = "") -> Response:
    if problems.asked_by_machine():
        undo()
        detail = f"Nothing was saved. Tell whoever runs the system this reference: {reference}" if reference else ""
        return problems.problem(status, problems.CODES.get(status, "refused"), detail)
    face = "staff" if request.path.startswith("/staff") else "patient"
    page = render_template("public/error.html", status=status, kind=kind, face=face, reference=reference)
    undo()
    return make_response(page, status)


def _problem(error: problems.Problem) -> Response:
    undo()
    return problems.problem(error.status, error.code, error.detail, faults=error.faults)


def _csrf(_error: CSRFError) -> Response:
    return _page(400, kind="stale_form")


def _http(error: HTTPException) -> Response:
    if error.response is not None or (error.code or 500) < 400:
        return make_response(error.get_response())
    response = _page(error.code or 500)
    for name, value in error.get_headers(request.environ):
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _at_commit(error: InternalServerError) -> Response:
    """What fails after the view has answered, above all the commit, comes here wrapped by Flask."""
    inner = error.original_exception
    if inner is None:
        return _http(error)
    return _busy(inner) if isinstance(inner, AWAY) else _unexpected(inner)


def _busy(error: BaseException) -> Response:
    """The database is locked or away: nothing was saved, and trying again in a moment is right."""
    log.warning("database_unavailable", error=type(error).__name__, endpoint=request.endpoint)
    response = _page(503, kind="busy")
    response.headers["Retry-After"] = "5"
    return response


def _unexpected(error: BaseException) -> Response:
    reference = secrets.token_hex(4).upper()
    frames = _frames(error)
    # Type and place only: the message of an exception may quote what a person typed.
    log.error("unexpected_error", reference=reference, error=type(error).__name__, endpoint=request.endpoint, at=frames)
    return _page(500, reference=reference)


def _frames(error: BaseException) -> list[str]:
    frames, step = [], error.__traceback__
    while step is not None:
        frames.append(f"{step.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{step.tb_lineno}")
        step = step.tb_next
    return frames[-6:]
