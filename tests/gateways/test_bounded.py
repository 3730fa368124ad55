"""No message holds up the others for longer than a minute, however slowly the other side speaks."""

from __future__ import annotations

import time

import pytest

from proapp.gateways.bounded import LONGEST_SEND, BoundedGateway
from proapp.gateways.elks46 import Elks46Gateway
from proapp.gateways.protocol import Accepted, PassingFailure, UnknownOutcome
from proapp.gateways.smtp import SmtpGateway
from proapp.services.outbox import LEASE
from tests.gateways.peers import email, free_port, sms, trickling


def elks(port: int) -> BoundedGateway:
    url, login = f"http://127.0.0.1:{port}/", ("", "")
    inner = Elks46Gateway(url=url, user="u", password="p", sender="Kliniken", receipts=None, receipt_login=login)
    return BoundedGateway(inner, seconds=1)


def test_an_answer_that_trickles_for_ever_is_not_waited_for():
    started = time.monotonic()
    with trickling(b"HTTP/1.1 200 OK\r\nX-Slow: yes") as port, pytest.raises(UnknownOutcome, match="no_answer"):
        elks(port).send(sms(), timeout=10)
    assert time.monotonic() - started < 3


def test_a_greeting_that_trickles_for_ever_is_not_waited_for():
    started = time.monotonic()
    with trickling(b"2") as port:
        inner = SmtpGateway(host="127.0.0.1", port=port, security="none", user=None, password=None, sender="a@b.se")
        with pytest.raises(UnknownOutcome):
            BoundedGateway(inner, seconds=1).send(email(), timeout=10)
    assert time.monotonic() - started < 3


def test_what_the_gateway_says_is_said_on():
    class Fine:
        name = "fine"

        def send(self, message, *, timeout):
            assert timeout == 7
            return Accepted(message.reference)

    assert BoundedGateway(Fine()).name == "fine"
    assert BoundedGateway(Fine()).send(sms(), timeout=7) == Accepted("ab12")
    with pytest.raises(PassingFailure, match="no_connection"):
        elks(free_port()).send(sms(), timeout=7)


def test_the_claim_lasts_longer_than_any_sending():
    assert LEASE.total_seconds() > 1.5 * LONGEST_SEND
