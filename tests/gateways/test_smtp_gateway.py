"""E-mail over real sockets: a server that takes it, ones that refuse at each step, and ones that fall silent."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from proapp.gateways.protocol import PassingFailure, PermanentFailure, UnknownOutcome
from proapp.gateways.smtp import SmtpGateway
from tests.gateways.peers import EMAIL, TEXT, email, free_port, sms, speaking


class Sink:
    """Keeps what arrives; answers what it is told to at MAIL, RCPT and the end of DATA."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.arrived: list[Any] = []

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from, envelope.mail_options = address, options
        return self.answers.get("mail", "250 OK")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.answers.get("rcpt", "250 OK")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.arrived.append(envelope)
        return self.answers.get("data", "250 OK")


Start = Callable[..., tuple[Sink, int]]


@pytest.fixture
def serve() -> Iterator[Start]:
    running = []

    def start(options: dict[str, Any] | None = None, **answers: str) -> tuple[Sink, int]:
        sink, port = Sink(**answers), free_port()
        controller = Controller(sink, hostname="127.0.0.1", port=port, **(options or {}))
        controller.start()
        running.append(controller)
        return sink, port

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return key, cert


def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    return context


def gateway(port: int, **changed: Any) -> SmtpGateway:
    given = {"host": "127.0.0.1", "security": "none", "user": None, "password": None} | changed
    return SmtpGateway(port=port, sender="Kliniken i Umeå <svar@pro.example.se>", **given)


def test_a_message_arrives_as_it_was_written(serve: Start):
    sink, port = serve()
    accepted = gateway(port).send(email(text=TEXT + "\n.\n.dot\nslut"), timeout=5)
    [envelope] = sink.arrived
    assert (envelope.mail_from, envelope.rcpt_tos) == ("svar@pro.example.se", [EMAIL])
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert mail.get_content().replace("\r\n", "\n") == TEXT + "\n.\n.dot\nslut\n"
    assert mail["From"] == "Kliniken i Umeå <svar@pro.example.se>"
    assert mail["To"] == EMAIL
    assert mail["Subject"] == "Påminnelse"
    assert mail["Message-ID"] == accepted.reference == "<ab12@pro.example.se>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"]
    assert envelope.content.isascii()


def test_the_same_message_has_the_same_id_at_every_try(serve: Start):
    _, port = serve()
    assert gateway(port).send(email(), timeout=5) == gateway(port).send(email(), timeout=5)
    assert gateway(port).send(email(), timeout=5) != gateway(port).send(email(reference="cd"), timeout=5)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"mail": "451 try later"}, "gateway_fault"),
        ({"mail": "550 who are you"}, "gateway_refused_us"),
        ({"rcpt": f"450 4.2.1 {EMAIL} greylisted"}, "recipient_later"),
        ({"rcpt": "452 4.2.2 mailbox full"}, "recipient_later"),
        ({"data": "451 local error"}, "gateway_fault"),
        ({"data": "421 going down"}, "gateway_fault"),
    ],
)
def test_what_may_pass_is_a_passing_failure(serve: Start, answers: dict[str, str], reason: str):
    _, port = serve(**answers)
    with pytest.raises(PassingFailure) as raised:
        gateway(port).send(email(), timeout=5)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("answers", "reason", "undeliverable"),
    [
        ({"rcpt": f"550 5.1.1 <{EMAIL}> unknown user"}, "recipient_refused", True),
        ({"rcpt": "553 no such mailbox"}, "recipient_refused", True),
        ({"rcpt": "550 5.7.1 relaying denied"}, "recipient_refused", False),
        ({"data": f"554 5.6.0 spam for {EMAIL}"}, "message_refused", False),
    ],
)
def test_a_refusal_for_good_says_whether_the_address_is_bad(
    serve: Start, answers: dict[str, str], reason: str, undeliverable: bool
):
    _, port = serve(**answers)
    with pytest.raises(PermanentFailure) as raised:
        gateway(port).send(email(), timeout=5)
    assert (str(raised.value), raised.value.undeliverable) == (reason, undeliverable)


def test_starttls_is_insisted_on(serve: Start):
    sink, port = serve()
    with pytest.raises(PassingFailure, match="no_tls"):
        gateway(port, security="starttls").send(email(), timeout=5)
    assert sink.arrived == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_is_not_trusted(serve: Start, certificate: tuple[Path, Path], security: str):
    sink, port = serve(_tls_options(certificate, security))
    with pytest.raises(PassingFailure, match="no_connection"):
        gateway(port, security=security).send(email(), timeout=5)
    assert sink.arrived == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_password_travels_encrypted(serve: Start, certificate: tuple[Path, Path], security: str):
    seen = []

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        seen.append(given)
        return AuthResult(success=given == LoginPassword(b"proapp", b"hemligt"), handled=False)

    options = {**_tls_options(certificate, security), "authenticator": check}
    # The sink does not notice that a connection encrypted from its first byte is encrypted.
    sink, port = serve({**options, "auth_require_tls": security == "starttls"})
    tls = ssl.create_default_context(cafile=certificate[1])
    login = {"security": security, "tls": tls, "user": "proapp"}
    gateway(port, password="hemligt", **login).send(email(), timeout=5)
    assert len(sink.arrived) == len(seen) == 1
    with pytest.raises(PassingFailure, match="gateway_refused_us"):
        gateway(port, password="fel", **login).send(email(), timeout=5)
    assert len(sink.arrived) == 1


def _tls_options(certificate: tuple[Path, Path], security: str) -> dict[str, Any]:
    context = server_tls(certificate)
    return {"tls_context": context, "require_starttls": True} if security == "starttls" else {"ssl_context": context}


def test_an_address_beyond_ascii_arrives_where_the_server_takes_it(serve: Start):
    sink, port = serve({"enable_SMTPUTF8": True})
    gateway(port).send(email(to="åsa@exämple.org"), timeout=5)
    assert sink.arrived[0].rcpt_tos == ["åsa@xn--exmple-cua.org"]


def test_an_address_the_server_cannot_take_is_undeliverable(serve: Start):
    _, port = serve({"enable_SMTPUTF8": False})
    with pytest.raises(PermanentFailure) as raised:
        gateway(port).send(email(to="åsa@example.org"), timeout=5)
    assert raised.value.undeliverable


@pytest.mark.parametrize(
    ("sms_to", "address"),
    [
        ("{to}@sms.example.se", "+46701740605@sms.example.se"),
        ("{digits}.umea@sms.example.se", "46701740605.umea@sms.example.se"),
    ],
)
def test_a_text_message_goes_as_e_mail_where_the_hospital_takes_it_so(serve: Start, sms_to: str, address: str):
    sink, port = serve()
    gateway(port, sms_to=sms_to).send(sms(), timeout=5)
    [envelope] = sink.arrived
    assert envelope.rcpt_tos == [address]
    assert message_from_bytes(envelope.content, policy=policy.default).get_content().strip() == TEXT


@pytest.mark.parametrize("address", ["a@b.se\r\nBcc: x@y.se", "a@b.se>\r\nRCPT TO:<x@y.se", "no address", ""])
def test_an_address_cannot_smuggle_in_another(serve: Start, address: str):
    sink, port = serve()
    with pytest.raises(PermanentFailure):
        gateway(port).send(email(to=address), timeout=5)
    assert sink.arrived == []


def test_a_subject_cannot_smuggle_in_a_header(serve: Start):
    sink, port = serve()
    with pytest.raises(PermanentFailure):
        gateway(port).send(email(subject="Hej\r\nBcc: x@y.se"), timeout=5)
    assert sink.arrived == []


def test_nobody_there_is_a_passing_failure():
    with pytest.raises(PassingFailure, match="no_connection"):
        gateway(free_port()).send(email(), timeout=5)


SAID = (b"220 hello\r\n", b"250 hello\r\n", b"250 sender\r\n", b"250 recipient\r\n", b"354 go on\r\n")


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_silence_before_the_message_is_handed_over_is_a_passing_failure(steps: int):
    started = time.monotonic()
    with speaking(*(SAID[:steps] or (b"",))) as port, pytest.raises(PassingFailure):
        gateway(port).send(email(), timeout=0.3)
    assert time.monotonic() - started < 4


def test_silence_after_it_leaves_the_outcome_unknown():
    with speaking(*SAID) as port, pytest.raises(UnknownOutcome, match="no_answer"):
        gateway(port).send(email(), timeout=0.3)


def test_hanging_up_after_it_leaves_the_outcome_unknown():
    with speaking(*SAID, then_close=True) as port, pytest.raises(UnknownOutcome):
        gateway(port).send(email(), timeout=5)


def test_an_answer_that_is_none_leaves_the_outcome_unknown():
    with speaking(*SAID, b"hm\r\n") as port, pytest.raises(UnknownOutcome):
        gateway(port).send(email(), timeout=5)


def test_a_server_that_takes_no_more_connections_is_a_passing_failure():
    with speaking(b"421 too many\r\n") as port, pytest.raises(PassingFailure, match="gateway_fault"):
        gateway(port).send(email(), timeout=5)
