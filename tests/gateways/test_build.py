"""From the environment to gateways: what is missing is said at the start, and what is there is used."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from pytest_httpserver import HTTPServer

from proapp import logs
from proapp.config import Settings, SettingsError, read_settings
from proapp.gateways.build import build
from proapp.gateways.protocol import Accepted, DeliveryFailure, PassingFailure, PermanentFailure, UnknownOutcome
from tests.gateways.peers import EMAIL, MOBILE, TEXT, email, free_port, sms

GOOD = {
    "PROAPP_SECRET_KEY": "a-secret-of-the-tests-0123456789-abcdefg",
    "PROAPP_CONTACT_KEYS": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    "PROAPP_BASE_URL": "https://pro.example.org",
}
ELKS = {
    "PROAPP_SMS_GATEWAY": "46elks",
    "PROAPP_SMS_FROM": "Kliniken",
    "PROAPP_SMS_USER": "u1",
    "PROAPP_SMS_PASSWORD": "p1",
}
SMTP = {
    "PROAPP_EMAIL_GATEWAY": "smtp",
    "PROAPP_SMTP_HOST": "smtp.region.example.se",
    "PROAPP_EMAIL_FROM": "Kliniken <svar@pro.example.se>",
}
MAILED = {
    "PROAPP_SMS_GATEWAY": "smtp",
    "PROAPP_SMS_MAIL_TO": "{to}@sms.region.example.se",
    "PROAPP_SMTP_HOST": "smtp.region.example.se",
    "PROAPP_EMAIL_FROM": "svar@pro.example.se",
}
HTTP = {
    "PROAPP_SMS_GATEWAY": "http",
    "PROAPP_HTTP_URL": "https://sms.region.example.se/send",
    "PROAPP_HTTP_BODY": "to={to}&text={text}",
}
RECEIPTS = {"PROAPP_RECEIPT_USER": "receipts", "PROAPP_RECEIPT_PASSWORD": "r" * 32}


def read(**changed: str) -> Settings:
    return read_settings({**GOOD, **changed})


def problems(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as raised:
        read(**environment)
    return str(raised.value)


def test_nothing_leaves_the_house_until_a_gateway_is_named():
    gateways = build(read())
    assert {channel: gateway.name for channel, gateway in gateways.items()} == {"sms": "log", "email": "log"}
    assert gateways["sms"].send(sms(), timeout=1) == Accepted("log-ab12")


@pytest.mark.parametrize(("given", "channel"), [(ELKS, "sms"), (SMTP, "email"), (HTTP, "sms"), (MAILED, "sms")])
def test_each_gateway_is_built_from_its_settings(given: dict[str, str], channel: str):
    name = given.get("PROAPP_SMS_GATEWAY") or given["PROAPP_EMAIL_GATEWAY"]
    assert build(read(**given))[channel].name == name


@pytest.mark.parametrize(
    ("given", "name"),
    [(given, name) for given in (ELKS, SMTP, HTTP, MAILED) for name in given if not name.endswith("_GATEWAY")],
)
def test_each_setting_a_gateway_needs_is_asked_for(given: dict[str, str], name: str):
    assert name in problems({key: value for key, value in given.items() if key != name})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({**HTTP, "PROAPP_HTTP_URL": "http://sms.region.example.se/"}, "PROAPP_HTTP_URL"),
        ({**HTTP, "PROAPP_HTTP_URL": "https://user:pw@sms.region.example.se/"}, "PROAPP_HTTP_URL"),
        ({**HTTP, "PROAPP_HTTP_URL": "https://sms.region.example.se/{to}"}, "PROAPP_HTTP_URL"),
        ({**HTTP, "PROAPP_HTTP_URL": "https://[sms"}, "PROAPP_HTTP_URL"),
        ({**HTTP, "PROAPP_HTTP_BODY": "to={to}"}, "{text}"),
        ({**HTTP, "PROAPP_HTTP_BODY": '{"to": "{to}", "text": "{text}"'}, "JSON"),
        ({**HTTP, "PROAPP_HTTP_BODY": "{to} {text}"}, "JSON"),
        ({**HTTP, "PROAPP_HTTP_METHOD": "GET"}, "PROAPP_HTTP_METHOD"),
        ({**ELKS, "PROAPP_SMS_FROM": "Bröstkliniken"}, "PROAPP_SMS_FROM"),
        ({**MAILED, "PROAPP_SMS_MAIL_TO": "sms@region.example.se"}, "PROAPP_SMS_MAIL_TO"),
        ({**MAILED, "PROAPP_SMS_MAIL_TO": "{to}"}, "PROAPP_SMS_MAIL_TO"),
        ({**MAILED, "PROAPP_DEMO": "1"}, "PROAPP_DEMO"),
        ({**SMTP, "PROAPP_EMAIL_FROM": "Kliniken"}, "PROAPP_EMAIL_FROM"),
        ({**SMTP, "PROAPP_SMTP_PORT": "70000"}, "PROAPP_SMTP_PORT"),
        ({**SMTP, "PROAPP_SMTP_USER": "proapp"}, "PROAPP_SMTP_PASSWORD"),
        (
            {**SMTP, "PROAPP_SMTP_USER": "p", "PROAPP_SMTP_PASSWORD": "x", "PROAPP_SMTP_SECURITY": "none"},
            "PROAPP_SMTP_SECURITY",
        ),
        ({"PROAPP_RECEIPT_USER": "receipts"}, "PROAPP_RECEIPT_PASSWORD"),
        ({"PROAPP_RECEIPT_USER": "a:b", "PROAPP_RECEIPT_PASSWORD": "r" * 32}, "colon"),
        ({"PROAPP_RECEIPT_USER": "receipts", "PROAPP_RECEIPT_PASSWORD": "short"}, "PROAPP_RECEIPT_PASSWORD"),
        ({**ELKS, "PROAPP_DEMO": "1"}, "PROAPP_DEMO"),
        ({**SMTP, "PROAPP_DEMO": "1"}, "PROAPP_DEMO"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(wrong: dict[str, str], said: str):
    assert said in problems(wrong)


def test_a_demonstration_may_talk_to_a_server_on_this_machine():
    local = {**SMTP, "PROAPP_SMTP_HOST": "127.0.0.1", "PROAPP_SMTP_SECURITY": "none", "PROAPP_DEMO": "1"}
    assert build(read(**local))["email"].name == "smtp"


def test_no_secret_of_a_gateway_is_shown_with_the_settings():
    secrets = {
        "PROAPP_SMS_PASSWORD": "secret-one",
        "PROAPP_SMTP_USER": "proapp",
        "PROAPP_SMTP_PASSWORD": "secret-two",
        "PROAPP_HTTP_AUTHORIZATION": "Bearer secret-three",
        "PROAPP_RECEIPT_USER": "receipts",
        "PROAPP_RECEIPT_PASSWORD": "secret-four-" + "x" * 32,
    }
    assert "secret" not in repr(read(**{**ELKS, **secrets}).gateways)


def test_receipts_are_asked_for_only_where_somebody_may_report(httpserver: HTTPServer):
    httpserver.expect_request("/a1/sms").respond_with_json({"id": "s1"})
    here = {**ELKS, "PROAPP_SMS_URL": httpserver.url_for("/a1/sms").replace("localhost", "127.0.0.1")}
    for environment in (here, {**here, **RECEIPTS}):
        build(read(**environment))["sms"].send(sms(), timeout=5)
    without, asked = (request.form.get("whendelivered") for request, _ in httpserver.log)
    assert without is None
    assert asked == f"https://receipts:{'r' * 32}@pro.example.org/receipts/46elks"


@pytest.fixture
def said() -> Iterator[Callable[[], str]]:
    """Everything that is logged, as it is written; logging is put back afterwards."""
    stream, root = io.StringIO(), logging.getLogger()
    level = root.level
    logs.configure("DEBUG", stream)
    yield stream.getvalue
    for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
        root.removeHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


def test_no_contact_and_no_text_gets_into_a_log_line(httpserver: HTTPServer, said: Callable[[], str]):
    """At the most talkative level, libraries included, on the way in and on every way it can fail."""
    httpserver.expect_request("/ok").respond_with_json({"id": "s1"})
    httpserver.expect_request("/bad").respond_with_data(f"Invalid to: {MOBILE}", status=400)
    for path in ("/ok", "/bad"):
        url = httpserver.url_for(path).replace("localhost", "127.0.0.1")
        _try(build(read(**{**ELKS, "PROAPP_SMS_URL": url}))["sms"], sms())
    _try(build(read())["sms"], sms())
    _try(build(read())["email"], email())
    nobody = {**SMTP, "PROAPP_SMTP_HOST": "127.0.0.1", "PROAPP_SMTP_PORT": str(free_port())}
    _try(build(read(**nobody))["email"], email())
    assert "gateway.logged" in said()
    assert "message_refused" not in said()  # a failure is written by its type and place
    for private in (MOBILE, MOBILE[1:], EMAIL, TEXT, "formulär", "Påminnelse", "p1"):
        assert private not in said()


@pytest.mark.parametrize("words", [f"no such number {MOBILE}", TEXT, "", "Failed", "x" * 41])
def test_a_reason_that_is_not_a_code_of_ours_is_not_taken(words: str):
    for failure in (PassingFailure, PermanentFailure, UnknownOutcome):
        with pytest.raises(ValueError, match="one word"):
            failure(words)


def _try(gateway: object, message: object) -> None:
    try:
        gateway.send(message, timeout=2)
    except DeliveryFailure as failure:
        logging.getLogger("tests").warning("failed", exc_info=failure)


def manual() -> list[dict[str, str]]:
    """The settings of each example in docs/messages.md."""
    text = (Path(__file__).parents[2] / "docs" / "messages.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    found = []
    for block in blocks:
        pairs = re.findall(r"^(PROAPP_[A-Z_]+)=(\"[^\"]*\"|.*)$", block, re.MULTILINE)
        if pairs:
            found.append({name: value.strip('"') for name, value in pairs})
    return found


@pytest.mark.parametrize("example", manual())
def test_the_examples_of_the_manual_start(example: dict[str, str]):
    assert len(manual()) == 5
    settings = read(**example)
    for channel, name in (("sms", settings.gateways.sms), ("email", settings.gateways.email)):
        assert build(settings)[channel].name == name


def test_the_trial_run_of_the_manual_stays_on_this_machine():
    text = (Path(__file__).parents[2] / "docs" / "messages.md").read_text(encoding="utf-8")
    exported = dict(re.findall(r"(PROAPP_[A-Z_]+)=(\S+)", "\n".join(re.findall(r"^export .*$", text, re.MULTILINE))))
    assert read(**exported, PROAPP_DEMO="1").gateways.stays_here
