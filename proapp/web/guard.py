"""Who may open what: every route declares its audience, and a route that declares none is never served.

Audiences: `anyone`; `anyone_but_clinic` (not from a clinic's tablet that is out with one assessment); `patient` (code
and PIN given); `clinic` (the participant in front of such a tablet), also together with `patient`; `patient_pending`
(code given, PIN not yet); `staff_pending` (password given, second factor not yet); `staff_suspended` (has handed this
browser over); `gateway` (a machine with the name and password of the settings); a scope such as `participants:read`
(a machine with a token that has it; its cookies are not looked at); or staff roles by name. Site scope is not decided
here but in the query layer; that a tablet opens its one assessment and no other is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for

from proapp.services import api_tokens, clinic, gateway_access, sessions
from proapp.services.api_tokens import SCOPES, Machine
from proapp.services.audit import Actor
from proapp.services.errors import Refused
from proapp.services.sessions import Patient, Staff
from proapp.web import interrupted
from proapp.web.problems import problem
from proapp.web.transactions import READS, connection, database, keep, now, runtime, used

ROLES = frozenset({"nurse", "investigator", "coordinator", "monitor", "statistician", "administrator"})
PATIENTS = frozenset({"patient", "patient_pending", "clinic"})
PLAIN = frozenset({"anyone", "anyone_but_clinic", "staff_pending", "staff_suspended", "gateway", *SCOPES}) | PATIENTS
MACHINES = frozenset(SCOPES)
QUESTIONNAIRE = frozenset({"patient", "clinic"})  # the one pair: on the own phone, or on the clinic's tablet
PATIENT_COOKIE = "__Host-proapp-patient"
STAFF_COOKIE = "__Host-proapp-staff"
View = TypeVar("View", bound=Callable[..., Any])
_NOT_ASKED: Any = object()  # nobody is an answer too


class UndeclaredRoute(Exception):
    """A view has no audience: the app does not start."""


def audience(*names: str) -> Callable[[View], View]:
    """Declare who may open a view: one plain audience, patients on phone and tablet, or any number of staff roles."""
    allowed = frozenset(names)
    plain = (len(allowed) == 1 and allowed <= PLAIN) or allowed == QUESTIONNAIRE
    if not (allowed <= ROLES or plain) or not allowed:
        raise UndeclaredRoute(f"not an audience: {sorted(allowed)}")

    def declare(view: View) -> View:
        view.audience = allowed  # type: ignore[attr-defined]
        return view

    return declare


def require_audiences(app: Flask) -> None:
    """Raise UndeclaredRoute naming every view without an audience."""
    missing = [name for name, view in app.view_functions.items() if not getattr(view, "audience", None)]
    if missing:
        raise UndeclaredRoute(f"views without an audience: {', '.join(sorted(missing))}")


def init_app(app: Flask) -> None:
    app.before_request(_guard)


def _guard() -> Response | None:
    endpoint = request.endpoint
    if endpoint is None:
        return None  # no such address: Flask answers 404 itself
    view: Any = current_app.view_functions[endpoint]
    allowed: frozenset[str] = view.audience
    if allowed == {"anyone"}:
        return None
    if allowed == {"anyone_but_clinic"}:
        return _guard_tablet()
    if allowed <= PATIENTS:
        return _guard_patient(allowed)
    if allowed <= MACHINES:
        return _guard_machine(*allowed)
    return _guard_gateway() if allowed == {"gateway"} else _guard_staff(allowed)


def _guard_patient(allowed: frozenset[str]) -> Response | None:
    who = find_patient()
    if who is None or who.kind in sessions.AT_THE_PIN:
        interrupted.note()
    if who is None:
        return _away("patient.tablet" if was_tablet() else "patient.code")
    if who.kind not in allowed:
        if who.is_on_tablet:
            return _away("patient.start", assessment_id=who.assessment_id)
        return _away("patient.home" if who.kind == "patient" else "patient.pin")
    asked_for = (request.view_args or {}).get("assessment_id")
    if who.is_on_tablet and asked_for not in (None, who.assessment_id):
        abort(404)  # the participant's own, and not what was handed over
    _touch(who)
    return None


def _guard_tablet() -> Response | None:
    """Whoever holds a tablet that is out signs in nowhere on it, and one whose time is over waits for staff."""
    who = find_patient()
    if who is not None and who.is_on_tablet:
        return _away("patient.start", assessment_id=who.assessment_id)
    return _away("patient.tablet") if who is None and was_tablet() else None


def was_tablet() -> bool:
    """Whether this browser holds the cookie of a tablet's session that is over."""
    token = request.cookies.get(PATIENT_COOKIE, "")
    return bool(token) and find_patient() is None and clinic.how_it_ended(connection(), token) is not None


def _guard_staff(allowed: frozenset[str]) -> Response | None:
    who = find_staff()
    if who is None:
        return _away("staff.sign_in")
    if who.kind != "staff":
        step = {"staff_pending": "staff.second_factor", "staff_suspended": "staff.resume"}[who.kind]
        return None if allowed == {who.kind} else _away(step)
    if allowed <= PLAIN:
        return _away("staff.start")
    if who.role not in allowed:
        abort(403)
    _touch(who)
    return None


def _guard_gateway() -> Response | None:
    """A machine is told what is wrong in plain words, not by a page."""
    given = request.authorization
    basic = given is not None and given.type == "basic"
    try:
        gateway_access.let_in(
            database(),
            runtime().vault,
            settings=runtime().settings.gateways,
            user=(given.username or "") if given is not None and basic else "",
            password=(given.password or "") if given is not None and basic else "",
            address=request.remote_addr,
            now=now(),
        )
    except Refused as refusal:
        keep()
        return _not_the_gateway(refusal.params.get("retry_at"))
    return None


def _not_the_gateway(retry_at: Any) -> Response:
    if retry_at is None:
        return Response("The name and password are not those of the settings.\n", 403, mimetype="text/plain")
    seconds = max(1, int((retry_at - now()).total_seconds()))
    headers = {"Retry-After": str(seconds)}
    return Response("Too many tries with a wrong password.\n", 429, headers, mimetype="text/plain")


def _guard_machine(scope: str) -> Response | None:
    """A token and nothing else: whatever cookies came along, nobody reads them. In transactions of its own, which are
    short: a page that reads must not hold the writers' lock, nor one that writes wait for it here."""
    given = request.authorization
    token = given.token if given is not None and given.type == "bearer" else None
    with runtime().reading() as session:
        found = api_tokens.find(session, token, now=now()) if token else None
    if found is None:
        return _no_machine(token)
    if scope not in found.scopes:
        detail = f"This token has no scope {scope}. An administrator can make one that has (docs/api.md)."
        return problem(403, "scope_missing", detail)
    g.machine = found
    return None


def _no_machine(token: str | None) -> Response:
    """The same for an unknown, an ended and an old one; none at all is no try."""
    if token:
        with runtime().writing.begin() as own:
            retry_at = api_tokens.refused(own, runtime().vault, address=request.remote_addr, now=now())
        if retry_at is not None:
            wait = {"Retry-After": str(max(1, int((retry_at - now()).total_seconds())))}
            return problem(429, "too_many_tries", "Too many tries with a wrong token. Wait, and mend it.", headers=wait)
    detail = "Send a token that is in force: Authorization: Bearer proapp_… An administrator makes them (docs/api.md)."
    return problem(401, "token_refused", detail, headers={"WWW-Authenticate": 'Bearer realm="proapp"'})


def _away(endpoint: str, **values: Any) -> Response:
    """To the page where the missing step is taken; 303 so that a POST is not repeated there."""
    response = redirect(url_for(endpoint, **values), code=303)
    assert isinstance(response, Response)
    return response


def _touch(who: Patient | Staff) -> None:
    """Note the use at most once a minute. A page that reads does it in a transaction of its own, which is short."""
    if not sessions.needs_touch(who, now=now()):
        return
    if request.method in READS:
        with runtime().writing.begin() as own:
            sessions.touch(own, who.session_id, now=now())
    else:
        used(who.session_id)


def find_patient() -> Patient | None:
    """Who holds the patient cookie, looked up once per request."""
    held: Any = g._get_current_object()  # type: ignore[attr-defined]  # asked several times for every single answer
    found: Patient | None = held.get("patient", _NOT_ASKED)
    if found is _NOT_ASKED:
        held.patient = None  # if the database is away, the page that says so does not ask it again
        token = request.cookies.get(PATIENT_COOKIE, "")
        found = held.patient = sessions.find_patient(connection(), token, now=now()) if token else None
    return found


def find_staff() -> Staff | None:
    """Who holds the staff cookie, looked up once per request."""
    if "staff" not in g:
        g.staff = None  # as above
        token = request.cookies.get(STAFF_COOKIE, "")
        g.staff = sessions.find_staff(database(), token, now=now()) if token else None
    found: Staff | None = g.staff
    return found


def patient() -> Patient:
    """The signed-in patient; only in views whose audience is a patient's."""
    who = find_patient()
    assert who is not None
    return who


def staff() -> Staff:
    """The signed-in member of staff; only in views whose audience is staff."""
    who = find_staff()
    assert who is not None
    return who


def machine() -> Machine:
    """The machine that was let in; only in views whose audience is a scope."""
    who: Machine = g.machine
    return who


def patient_actor() -> Actor:
    return Actor("patient", patient().participant_id, "patient")


def staff_actor() -> Actor:
    return Actor("staff", staff().user_id, staff().role)


def set_session_cookie(response: Response, name: str, token: str) -> Response:
    """A session cookie of the browser: gone when it closes; the row on the server decides anyway."""
    response.set_cookie(name, token, secure=True, httponly=True, samesite="Lax", path="/")
    return response


def clear_session_cookie(response: Response, name: str) -> Response:
    """The session's cookie goes, and whatever pages have left in the browser."""
    return leave_nothing(drop_session_cookie(response, name))


def drop_session_cookie(response: Response, name: str) -> Response:
    """The session's cookie goes, and what the Back button would still show. What a phone's store holds stays: its
    script knows which of it is this person's, and another's answers may wait beside."""
    response.headers["Clear-Site-Data"] = '"cache"'
    response.delete_cookie(name, secure=True, httponly=True, samesite="Lax", path="/")
    return response


def leave_nothing(response: Response) -> Response:
    """Whatever pages have left in the browser goes, and what the Back button would still show. Not the cookies: those
    of other programs of the hospital's domain would go with ours."""
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
