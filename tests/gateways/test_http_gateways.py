"""46elks and the generic gateway against a real HTTP server, and against servers that misbehave."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from proapp.gateways.elks46 import Elks46Gateway
from proapp.gateways.http import HttpGateway
from proapp.gateways.protocol import Accepted, PassingFailure, PermanentFailure, UnknownOutcome
from tests.gateways.peers import EMAIL, MOBILE, TEXT, email, free_port, sms, speaking

JSON_BODY = '{"to": "{to}", "parts": [{"body": "{text}"}], "from": "{from}", "ref": "{reference}", "n": 1}'


def elks(url: str, receipts: str | None = "https://pro.example.org/receipts/46elks") -> Elks46Gateway:
    return Elks46Gateway(
        url=url, user="u1", password="p1", sender="Kliniken", receipts=receipts, receipt_login=("us", "s:3/cret")
    )


def generic(url: str, body: str = JSON_BODY, reference: str = "messages.0.id", **more: object) -> HttpGateway:
    given = {"method": "POST", "authorization": "Bearer abc", "senders": {"sms": "Kliniken"}, **more}
    return HttpGateway(url=url, body=body, reference=reference, **given)


def test_46elks_gets_the_form_it_documents(httpserver: HTTPServer):
    httpserver.expect_request("/a1/sms").respond_with_json({"id": "s70df5", "status": "created"})
    assert elks(httpserver.url_for("/a1/sms")).send(sms(), timeout=5) == Accepted("s70df5")
    [(request, _)] = httpserver.log
    assert request.method == "POST"
    assert (request.authorization.username, request.authorization.password) == ("u1", "p1")
    assert request.headers["Idempotency-Key"] == "ab12"
    assert request.form.to_dict() == {
        "from": "Kliniken",
        "to": MOBILE,
        "message": TEXT,
        "whendelivered": "https://us:s%3A3%2Fcret@pro.example.org/receipts/46elks",
    }


def test_46elks_is_asked_for_no_receipts_where_none_are_taken(httpserver: HTTPServer):
    httpserver.expect_request("/a1/sms").respond_with_json({"id": "s1"})
    elks(httpserver.url_for("/a1/sms"), receipts=None).send(sms(), timeout=5)
    assert "whendelivered" not in httpserver.log[0][0].form


def test_the_template_is_filled_as_json_whatever_the_text_holds(httpserver: HTTPServer):
    httpserver.expect_request("/send").respond_with_json({"messages": [{"id": 77}]})
    nasty = 'He said "{to}"\n\\ }{ å'
    assert generic(httpserver.url_for("/send")).send(sms(text=nasty), timeout=5) == Accepted("77")
    [(request, _)] = httpserver.log
    assert request.get_json() == {
        "to": MOBILE,
        "parts": [{"body": nasty}],
        "from": "Kliniken",
        "ref": "ab12",
        "n": 1,
    }
    assert request.headers["Authorization"] == "Bearer abc"
    assert request.headers["Idempotency-Key"] == "ab12"


def test_the_template_is_filled_as_a_form(httpserver: HTTPServer):
    httpserver.expect_request("/send", method="PUT").respond_with_data("queued")
    gateway = generic(httpserver.url_for("/send"), "to={to}&msg={text}&k=1&e=", "", method="PUT")
    assert gateway.send(sms(text="a&to=b=c + å"), timeout=5) == Accepted("ab12")
    assert httpserver.log[0][0].form.to_dict() == {"to": MOBILE, "msg": "a&to=b=c + å", "k": "1", "e": ""}


def test_e_mail_goes_with_its_subject(httpserver: HTTPServer):
    httpserver.expect_request("/send").respond_with_json({})
    generic(httpserver.url_for("/send"), '{"a": "{to}", "s": "{subject}", "t": "{text}"}', "").send(email(), timeout=5)
    assert httpserver.log[0][0].get_json() == {"a": EMAIL, "s": "Påminnelse", "t": TEXT}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (408, "gateway_fault"),
        (409, "gateway_fault"),
        (429, "too_many"),
        (503, "gateway_fault"),
        (301, "gateway_refused_us"),
        (307, "gateway_refused_us"),
        (401, "gateway_refused_us"),
        (403, "gateway_refused_us"),
        (404, "gateway_refused_us"),
    ],
)
def test_what_may_pass_is_a_passing_failure(httpserver: HTTPServer, status: int, reason: str):
    headers = {"Location": httpserver.url_for("/elsewhere")}
    httpserver.expect_request("/send").respond_with_data("no " + MOBILE, status=status, headers=headers)
    with pytest.raises(PassingFailure) as raised:
        elks(httpserver.url_for("/send")).send(sms(), timeout=5)
    assert (raised.value.reason, raised.value.retry_after) == (reason, None)
    assert len(httpserver.log) == 1  # a redirect is not followed: it would hand the message to somebody else
    assert MOBILE not in str(raised.value)


@pytest.mark.parametrize(("status", "reason"), [(500, "gateway_fault"), (502, "gateway_fault"), (504, "no_answer")])
def test_what_broke_over_a_message_says_nothing_about_it(httpserver: HTTPServer, status: int, reason: str):
    """It may have been accepted before; what stands before the gateway may have handed it on."""
    httpserver.expect_request("/send").respond_with_data("", status=status)
    with pytest.raises(UnknownOutcome, match=reason):
        elks(httpserver.url_for("/send")).send(sms(), timeout=5)


@pytest.mark.parametrize("status", [400, 410, 413, 422])
def test_a_message_that_is_refused_is_refused_for_good(httpserver: HTTPServer, status: int):
    httpserver.expect_request("/send").respond_with_data("Invalid to number " + MOBILE, status=status)
    with pytest.raises(PermanentFailure) as raised:
        elks(httpserver.url_for("/send")).send(sms(), timeout=5)
    assert str(raised.value) == "message_refused"
    assert not raised.value.undeliverable


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("120", 120, 120), ("999999999", 21600, 21600), ("Fri, 31 Dec 2100 23:59:59 GMT", 21600, 21600), ("0", 0, 0)],
)
def test_retry_after_is_obeyed_up_to_six_hours(httpserver: HTTPServer, header: str, least: int, most: int):
    httpserver.expect_request("/send").respond_with_data("", status=429, headers={"Retry-After": header})
    with pytest.raises(PassingFailure) as raised:
        elks(httpserver.url_for("/send")).send(sms(), timeout=5)
    assert timedelta(seconds=least) <= raised.value.retry_after <= timedelta(seconds=most)


@pytest.mark.parametrize("header", ["soon", "-5", "", "Fri, 31 Dec 2100 23:59:59 GMTx\u00e5"])
def test_an_odd_retry_after_does_no_harm(httpserver: HTTPServer, header: str):
    httpserver.expect_request("/send").respond_with_data("", status=503, headers={"Retry-After": header})
    with pytest.raises(PassingFailure):
        elks(httpserver.url_for("/send")).send(sms(), timeout=5)


def test_nobody_there_is_a_passing_failure():
    with pytest.raises(PassingFailure, match="no_connection"):
        elks(f"http://127.0.0.1:{free_port()}/").send(sms(), timeout=5)


def test_a_name_that_does_not_exist_is_a_passing_failure():
    with pytest.raises(PassingFailure, match="no_connection"):
        elks("http://gateway.invalid/").send(sms(), timeout=5)


def test_a_server_that_accepts_and_never_answers_leaves_the_outcome_unknown():
    started = time.monotonic()
    with speaking(b"") as port, pytest.raises(UnknownOutcome, match="no_answer"):
        elks(f"http://127.0.0.1:{port}/").send(sms(), timeout=0.5)
    assert time.monotonic() - started < 3


def test_a_server_that_hangs_up_after_the_request_leaves_the_outcome_unknown():
    with speaking(b"", then_close=True) as port, pytest.raises(UnknownOutcome):
        elks(f"http://127.0.0.1:{port}/").send(sms(), timeout=5)


def test_a_reply_that_stops_in_the_middle_leaves_the_outcome_unknown():
    half = b'HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"id":'
    with speaking(b"", half) as port, pytest.raises(UnknownOutcome):
        elks(f"http://127.0.0.1:{port}/").send(sms(), timeout=0.5)


def test_a_slow_answer_within_the_time_is_an_answer(httpserver: HTTPServer):
    def slowly(_request: Request) -> Response:
        time.sleep(0.6)
        return Response(json.dumps({"id": "s9"}), content_type="application/json")

    httpserver.expect_request("/send").respond_with_handler(slowly)
    assert elks(httpserver.url_for("/send")).send(sms(), timeout=5) == Accepted("s9")


def test_something_else_than_tls_at_the_other_end_is_a_passing_failure(httpserver: HTTPServer):
    address = httpserver.url_for("/send").replace("http://", "https://")
    with pytest.raises(PassingFailure):
        elks(address).send(sms(), timeout=5)


@pytest.mark.parametrize("reply", ["", "<html>", "[]", "{}", '{"id": ""}', '{"id": null}', '{"id": {"x": 1}}'])
def test_an_acceptance_that_is_not_understood_is_not_sent_again(httpserver: HTTPServer, reply: str):
    httpserver.expect_request("/send").respond_with_data(reply)
    with pytest.raises(UnknownOutcome, match="reply_not_understood"):
        elks(httpserver.url_for("/send")).send(sms(), timeout=5)
    with pytest.raises(UnknownOutcome, match="reply_not_understood"):
        generic(httpserver.url_for("/send"), reference="id.x.0").send(sms(), timeout=5)


def test_an_endless_reply_is_not_read_to_its_end(httpserver: HTTPServer):
    httpserver.expect_request("/send").respond_with_data(b"x" * 1_000_000)
    with pytest.raises(UnknownOutcome):
        elks(httpserver.url_for("/send")).send(sms(), timeout=5)
