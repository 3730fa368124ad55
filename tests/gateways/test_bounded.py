"""No message holds up the others for longer than a minute, however slowly the other side speaks."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from proapp.clock import system_clock
from proapp.gateways.bounded import LONGEST_SEND, BoundedGateway
from proapp.gateways.elks46 import Elks46Gateway
from proapp.gateways.protocol import Accepted, Outgoing, PassingFailure, UnknownOutcome
from proapp.gateways.smtp import SmtpGateway
from proapp.services.outbox import LEASE
from tests.gateways.peers import TEXT, email, free_port, sms, speaking, trickling


def elks(port: int) -> BoundedGateway:
    url, login = f"http://127.0.0.1:{port}/", ("", "")
    inner = Elks46Gateway(url=url, user="u", password="p", sender="Kliniken", receipts=None, receipt_login=login)
    return BoundedGateway(inner, seconds=1)


def plain_smtp(port: int) -> SmtpGateway:
    return SmtpGateway(host="127.0.0.1", port=port, security="none", user=None, password=None, sender="a@b.se")


def test_an_answer_that_trickles_for_ever_is_not_waited_for():
    started = time.monotonic()
    with trickling(b"HTTP/1.1 200 OK\r\nX-Slow: yes") as port, pytest.raises(UnknownOutcome, match="no_answer"):
        elks(port).send(sms(), timeout=10)
    assert time.monotonic() - started < 3


def test_a_greeting_that_trickles_for_ever_is_not_waited_for():
    started = time.monotonic()
    with trickling(b"2") as port, pytest.raises(UnknownOutcome):
        BoundedGateway(plain_smtp(port), seconds=1).send(email(), timeout=10)
    assert time.monotonic() - started < 3


class Slow:
    """A gateway that is held up before it begins, by a name server for instance."""

    name = "slow"

    def __init__(self, inner: Any, seconds: float) -> None:
        self.inner, self.seconds, self.outcome = inner, seconds, []
        self.over = threading.Event()

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        time.sleep(self.seconds)
        try:
            return self.inner.send(message, timeout=timeout)
        except PassingFailure as failure:
            self.outcome.append(failure.reason)
            raise
        finally:
            self.over.set()


@pytest.mark.parametrize("by", ["http", "smtp"])
def test_what_has_been_given_up_is_not_handed_over_later(by):
    """The connection stands and the head is written, or the server is ready for the text: there it ends."""
    received = []
    lines = (b"220 hi\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n") if by == "smtp" else (b"",)
    with speaking(*lines, received=received) as port:
        inner = elks(port)._gateway if by == "http" else plain_smtp(port)
        slow = Slow(inner, seconds=0.4)
        with pytest.raises(UnknownOutcome, match="no_answer"):
            BoundedGateway(slow, seconds=0.1).send(sms() if by == "http" else email(), timeout=5)
        assert slow.over.wait(5)
    assert slow.outcome == ["stalled"]
    assert TEXT.split()[-1].encode() not in b"".join(received)


def test_a_process_that_was_stopped_hands_nothing_over_when_it_wakes(monkeypatch):
    """Whoever waits was stopped as well, so only the clock on the wall knows."""

    class Late:
        name = "late"

        def send(self, message, *, timeout):
            monkeypatch.setattr("proapp.gateways.bounded.system_clock", lambda: system_clock() + timedelta(hours=9))
            message.require_wanted()

    with pytest.raises(PassingFailure, match="stalled"):
        BoundedGateway(Late()).send(sms(), timeout=5)


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
