"""Puts the web face together. Order matters in one place only: the guard runs before every view."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from proapp.runtime import Runtime
from proapp.web import context, errors, guard, headers, i18n, look, request_log, static_files, transactions, versions
from proapp.web.api import blueprint as api
from proapp.web.gateway import blueprint as gateway
from proapp.web.patient import blueprint as patient
from proapp.web.public import blueprint as public
from proapp.web.staff import blueprint as staff

csrf = CSRFProtect()


class Web(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing of ours is asynchronous, so no function is examined for it before each call."""
        return func

    def log_exception(self, exc_info: Any) -> None:
        """The error page logs what happened, by type and place; Flask's own line would name the path."""


def make_app(runtime: Runtime) -> Flask:
    app = Web("proapp.web", root_path=str(Path(__file__).parent), static_folder=None)
    settings = runtime.settings
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=[settings.secret_key_previous] if settings.secret_key_previous else None,
        SESSION_COOKIE_NAME="__Host-proapp",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
        MAX_CONTENT_LENGTH=256 * 1024,
        MAX_FORM_PARTS=500,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a patient may rest in the middle of a questionnaire
        WTF_CSRF_SSL_STRICT=False,  # referrers are switched off by our own Referrer-Policy
    )
    app.extensions["proapp"] = runtime
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    request_log.init_app(app)  # first, so that a refused form token leaves a line too
    csrf.init_app(app)
    csrf.exempt(gateway)  # machines have no form; the guard asks for their password
    csrf.exempt(api)  # and here for their token, and reads no cookie that a browser would send by itself
    for part in (transactions, i18n, look, guard, versions, context, headers, errors, static_files):
        part.init_app(app)
    for blueprint in (public, patient, staff, gateway, api):
        app.register_blueprint(blueprint)
    guard.require_audiences(app)
    return app
