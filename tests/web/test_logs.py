"""Nothing anybody types, and nobody's secret, is ever in a log line."""

from __future__ import annotations

import io
import json
import logging
from datetime import date

import pytest
import structlog
from sqlalchemy import text

from proapp.logs import REMOVED, configure, remove_private

SECRETS = {
    "password": "canary-password-pQ7",
    "email": "canary.eva@example.org",
    "code": "CANA-RYCD-EFGH",
    "name": "Canary Carlsson",
    "mobile": "070-174 06 05",
    "reason": "canary reason: lives next door",
    "study_id": "UME-001",
}


@pytest.fixture
def lines():
    """What is logged, as it is written; logging is put back afterwards."""
    stream = io.StringIO()
    root, level = logging.getLogger(), logging.getLogger().level
    configure("DEBUG", stream)
    yield lambda: stream.getvalue().splitlines()
    for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_one_json_line_for_each_request_without_its_path(lines, people):
    browser = people.staff("karin")
    people.participant("UME-001")
    browser.get("/staff/participants/UME-001?note=canary")
    told = [json.loads(line) for line in lines()]
    (request,) = [one for one in told if one["event"] == "request"]
    assert (request["method"], request["endpoint"], request["status"]) == ("GET", "staff.participant", 200)
    assert request["ms"] > 0
    assert len(request["request_id"]) == 16
    assert browser.page.headers["X-Request-ID"] == request["request_id"]
    assert "UME-001" not in "".join(lines())
    assert "canary" not in "".join(lines())


def test_a_request_id_from_outside_is_not_taken(lines, browser):
    browser.get("/a", headers={"X-Request-ID": "forged"})
    assert "forged" not in "".join(lines())


@pytest.mark.parametrize("address", ["/a", "/nowhere"])
def test_a_method_somebody_made_up_is_searched_like_anything_typed(lines, app, address):
    app.test_client().open(address, method="CANARY@EXAMPLE.ORG")
    assert any('"event": "request"' in line for line in lines())
    assert "CANARY" not in "".join(lines())


def test_what_people_type_is_in_no_line(lines, people, runtime, browsers):
    """A walk through the forms of everybody, right and wrong, with canaries in every field."""
    stranger = browsers()
    stranger.get("/staff/sign-in")
    stranger.post("/staff/sign-in", {"email": SECRETS["email"], "password": SECRETS["password"]})
    stranger.get("/a")
    stranger.post("/a", {"code": SECRETS["code"]})
    stranger.get("/staff/set-up")
    stranger.post("/staff/set-up", {"code": SECRETS["code"]})

    ada = people.staff("ada")
    ada.get("/staff/users/invite")
    ada.post("/staff/users/invite", {"name": SECRETS["name"], "email": SECRETS["email"], "role": "monitor"})
    shown = ada.text

    berit = people.staff("berit")
    berit.get("/staff/participants/new")
    form = {
        "study_id": SECRETS["study_id"],
        "mobile": SECRETS["mobile"],
        "email": SECRETS["email"],
        "site": "UME",
        "language": "sv",
    }
    berit.post("/staff/participants/new", form)
    berit.get("/staff/account")
    berit.post("/staff/account/password", {"current": SECRETS["password"], "password": "x", "again": "y"})

    anna = people.participant("UME-002", randomized_on=date(2026, 8, 23))
    berit.get("/staff/participants/UME-002/log-contact")
    berit.post("/staff/participants/UME-002/log-contact", {"note": SECRETS["reason"], "outcome": SECRETS["reason"]})
    phone = people.patient(anna)
    assessment = people.assessment_id(anna, "m03")
    phone.get(f"/assessment/{assessment}")
    phone.post(f"/assessment/{assessment}", {"who": "self"})
    phone.post(f"/assessment/{assessment}/c30/1", {"answer": "canary-answer", "do": "save"})
    phone.post(f"/assessment/{assessment}/c30/1", {"answer": "3", "do": "save"})

    written = "\n".join(lines())
    assert written.count('"event": "request"') > 15
    for secret in (*SECRETS.values(), "canary", "UME-002", "CANARYCDEFGH", "46701740605", "0701740605"):
        assert secret.lower() not in written.lower()
    for cookie in ("__Host-proapp-staff", "__Host-proapp-patient"):
        for browser in (stranger, ada, berit, phone):
            value = browser.client.get_cookie(cookie)
            assert value is None or value.value not in written
    code = shown.split("/staff/set-up#")[1][:12]
    assert code not in written


def test_sign_ins_are_logged_by_user_id_only(lines, people, browsers):
    browser = browsers()
    browser.get("/staff/sign-in")
    browser.post("/staff/sign-in", {"email": "nobody@example.org", "password": "wrong wrong wrong"})
    berit = people.staff("berit")
    berit.get("/staff/account")
    berit.post("/staff/sign-out")
    told = [json.loads(line) for line in lines()]
    (refused,) = [one for one in told if one["event"] == "staff_password_refused"]
    (out,) = [one for one in told if one["event"] == "staff_signed_out"]
    known = {"event", "level", "logger", "request_id", "time"}
    assert refused.keys() - known == {"throttled"}
    assert out.keys() - known == {"user_id"}


def test_an_unexpected_error_is_logged_by_type_and_place_and_never_by_its_words(lines, app, browser):
    from proapp.web.guard import audience

    @audience("anyone")
    def broken():
        raise ValueError("canary in an exception")

    app.add_url_rule("/broken", "broken", broken)
    browser.get("/broken")
    (told,) = [one for one in map(json.loads, lines()) if one["event"] == "unexpected_error"]
    assert told["error"] == "ValueError"
    assert told["at"][-1].startswith("test_logs.py:")
    assert told["reference"] in browser.text
    assert "canary" not in "".join(lines())


@pytest.mark.parametrize(
    ("fault", "told"), [("OperationalError", "database_unavailable"), ("IntegrityError", "unexpected_error")]
)
def test_a_commit_that_fails_is_logged_once_and_without_the_path(lines, people, engine, monkeypatch, fault, told):
    def fail(_driver):
        raise getattr(engine.dialect.loaded_dbapi, fault)("canary: disk is full")

    people.participant("UME-001")
    berit, address = people.staff("berit"), "/staff/participants/UME-001/events/contact_pause"
    berit.get(address)
    monkeypatch.setattr(engine.dialect, "do_commit", fail)
    berit.post(address, {"from_on": "2026-11-23", "reason": "canary"})
    events = [json.loads(line) for line in lines()]
    assert [one["event"] for one in events] == ["request", told, "request"]
    assert events[1]["endpoint"] == "staff.pause"
    assert "UME-001" not in "".join(lines())
    assert "canary" not in "".join(lines())


def test_an_exception_given_to_any_logger_is_reduced_to_type_and_place(lines):
    for log in (structlog.get_logger("ours"), logging.getLogger("theirs")):
        try:
            raise KeyError("canary")
        except KeyError:
            log.exception("failed")
    told = [json.loads(line) for line in lines()]
    assert [one["error"] for one in told] == ["KeyError", "KeyError"]
    assert "canary" not in "".join(lines())
    assert "Traceback" not in "".join(lines())


def test_a_failing_statement_does_not_show_its_values(lines, engine):
    with engine.connect() as connection, pytest.raises(Exception) as failed:  # noqa: PT011  each engine has its own
        connection.execute(text("SELECT * FROM nothing_here WHERE x = :secret"), {"secret": "canary"})
    try:
        raise failed.value
    except Exception:
        logging.getLogger("sqlalchemy").exception("statement failed")
    assert "canary" not in "".join(lines())


@pytest.mark.parametrize("typed", ["a\nb", "a\r\nb", 'a"}\n{"event": "forged"', "a\u2028b", "\x1b[31ma"])
def test_a_line_break_that_was_typed_makes_no_new_line(lines, typed):
    structlog.get_logger("ours").info("event", thing=typed)
    logging.getLogger("theirs").warning("event %s", typed)
    assert len("\n".join(lines()).split("\n")) == 2
    assert [json.loads(line)["event"].split()[0] for line in lines()] == ["event", "event"]


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "pin", "PIN", "code", "set_up_code", "token", "csrf_token", "answer", "answers", "mobile", "email", "e-mail",
     "phone", "contact", "cookie", "Set-Cookie", "authorization", "secret", "secret_key", "totp", "reason", "note", "form", "data", "path", "url", "query", "ip", "body", "typed", "raw"],
)  # fmt: skip
def test_fields_by_these_names_are_taken_out(name):
    told = remove_private(None, "info", {"event": "x", name: "canary", "inner": {name: ["canary"]}})
    assert told[name] == REMOVED
    assert told["inner"] == {name: REMOVED}


@pytest.mark.parametrize(
    "value",
    [
        "eva@example.org",
        "+46 70 174 06 05",
        "+46701740605",
        "19121212-1212",
        "1212121212",
        "ABCD-EFGH-JKMN",
        "ABCDEFGHJKMN",
        "x" * 43,
    ],
)
def test_values_that_look_private_are_taken_out_of_any_text(value):
    told = remove_private(None, "info", {"event": f"could not send to {value} today", "list": [value, {"x": value}]})
    assert value not in json.dumps(told)
    assert "today" in told["event"]


@pytest.mark.parametrize(
    "kept",
    [{"status": 200}, {"user_id": 7}, {"endpoint": "staff.work"}, {"ms": 12.5}, {"reference": "A1B2C3D4"}, {"time": "2026-11-23T09:00:00.000+00:00"},
     {"at": ["app.py:12"]}, {"rows": 12}, {"throttled": True}, {"nothing": None}, {"request_id": "0123456789abcdef"}],
)  # fmt: skip
def test_what_is_needed_to_find_a_fault_stays(kept):
    assert remove_private(None, "info", {"event": "x", **kept}) == {"event": "x", **kept}


def test_a_log_that_cannot_be_written_does_not_take_the_page_down(browser, monkeypatch):
    class Full(io.StringIO):
        def write(self, _text):
            raise OSError("No space left on device")

    monkeypatch.setattr(logging, "raiseExceptions", False)
    root, level = logging.getLogger(), logging.getLogger().level
    configure("INFO", Full())
    try:
        assert browser.get("/a").status_code == 200
    finally:
        for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
            root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()
