"""The phone a patient has signed in on before: a cookie of its own that leads to the PIN and opens nothing."""

from __future__ import annotations

from flask import Response, g, request

from proapp.services import patient_access
from proapp.services.sessions import LIMITS, Patient
from proapp.web.transactions import database, now

DEVICE_COOKIE = "__Host-proapp-device"
# Enough to recognise one's own phone in a list, too little to recognise a person.
_KINDS = ("iPhone", "iPad", "Android", "Windows", "Macintosh", "CrOS", "Linux")


def known_device() -> Patient | None:
    """Whose phone this is, looked up once per request."""
    if "device" not in g:
        token = request.cookies.get(DEVICE_COOKIE, "")
        g.device = patient_access.known_device(database(), token, now=now())
    found: Patient | None = g.device
    return found


def remember_device(response: Response, token: str) -> None:
    age = LIMITS["device"].absolute
    response.set_cookie(DEVICE_COOKIE, token, max_age=age, secure=True, httponly=True, samesite="Lax", path="/")


def forget_device(response: Response) -> None:
    response.delete_cookie(DEVICE_COOKIE, secure=True, httponly=True, samesite="Lax", path="/")


def device_label() -> str:
    """What kind of device this is, in one word."""
    agent = request.user_agent.string
    return next((kind for kind in _KINDS if kind in agent), "other")
