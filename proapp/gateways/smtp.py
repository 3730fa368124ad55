"""E-mail over the hospital's own SMTP server, one connection for each message; and text messages, where the hospital
has a gateway that takes them as e-mail to an address with the number in it.

Until the final dot nothing has been handed over, so whatever breaks before it is worth another try; what breaks between
the dot and its answer may have been accepted.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Literal

from proapp.clock import system_clock
from proapp.gateways.protocol import (
    LONGEST,
    Accepted,
    Outgoing,
    PassingFailure,
    PermanentFailure,
    UnknownOutcome,
)

Security = Literal["starttls", "tls", "none"]
_ADDRESS = re.compile(r"[^@\s<>()\[\]\",;:\\]+@[^@\s<>()\[\]\",;:\\]+")
STEPS = 4  # the whole conversation may take so many times the longest wait for one answer


class SmtpGateway:
    name = "smtp"

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: Security,
        user: str | None,
        password: str | None,
        sender: str,
        sms_to: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`sender` is an address, or a name and an address: Kliniken <svar@pro.example.se>. `sms_to` is where text
        messages go, with {to} (+46701740605) or {digits} (46701740605) in it. `tls` for own roots."""
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._sender_name, self._sender = parseaddr(sender)
        self._sms_to, self._tls = sms_to, tls

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        with self._connected(min(timeout, LONGEST)) as server:
            self._greet(server)
            to = _plain_domain(self._recipient(message))
            if not to.isascii() and not server.has_extn("smtputf8"):
                raise PermanentFailure("address_not_supported", undeliverable=True)
            mail = self._mail(message, to, utf8=not to.isascii())
            self._address(server, to, utf8=not to.isascii())
            self._hand_over(server, mail, message)
        return Accepted(str(mail["Message-ID"])[:120])

    def _recipient(self, message: Outgoing) -> str:
        if message.channel == "email":
            return message.to
        digits = message.to.removeprefix("+")
        return (self._sms_to or "").replace("{to}", message.to).replace("{digits}", digits)

    @contextmanager
    def _connected(self, seconds: float) -> Iterator[_Server]:
        """A connection, whose every loss before the final dot is a passing failure."""
        domain = self._sender.rpartition("@")[2]
        kind = _TlsServer if self._security == "tls" else _Server
        server = kind(self._host, domain, seconds, self._tls)
        try:
            code, _ = server.connect(self._host, self._port)
            if code != 220:
                raise PassingFailure("gateway_fault")
            yield server
        except smtplib.SMTPException:
            raise PassingFailure("gateway_fault") from None
        except OSError:
            raise PassingFailure("no_connection") from None
        finally:
            server.leave()

    def _greet(self, server: _Server) -> None:
        server.ehlo_or_helo_if_needed()
        if self._security == "starttls":
            if not server.has_extn("starttls"):
                raise PassingFailure("no_tls")  # never in clear text because somebody took the offer out
            server.starttls(context=server.tls)
            server.ehlo()
        if self._user is not None:
            try:
                server.login(self._user, self._password or "")
            except smtplib.SMTPServerDisconnected:
                raise
            except smtplib.SMTPException:  # its message holds what the server said, which may quote the name
                raise PassingFailure("gateway_refused_us") from None

    def _mail(self, message: Outgoing, to: str, *, utf8: bool) -> EmailMessage:
        mail = EmailMessage(policy=SMTPUTF8 if utf8 else SMTP)
        domain = self._sender.rpartition("@")[2]
        try:
            mail["From"] = Address(self._sender_name, addr_spec=self._sender)
            mail["To"] = Address(username=to.rpartition("@")[0], domain=to.rpartition("@")[2])
            mail["Subject"] = message.subject or ""
        except (ValueError, IndexError, MessageError):  # none of them may be quoted: the address is in it
            raise PermanentFailure("address_not_supported", undeliverable=True) from None
        mail["Date"] = format_datetime(system_clock())
        mail["Message-ID"] = f"<{message.reference}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine answers it
        mail.set_content(message.text, cte="quoted-printable")
        return mail

    def _address(self, server: _Server, to: str, *, utf8: bool) -> None:
        options = ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else []
        code, _ = server.mail(self._sender, options)
        if code != 250:
            # Also a refusal for good: the sender is a setting, and the message goes once that is mended.
            raise PassingFailure("gateway_refused_us" if code >= 500 else "gateway_fault")
        code, said = server.rcpt(to)
        if code in {250, 251, 252}:
            return
        if code < 500:
            raise PassingFailure("recipient_later")  # greylisting, a full mailbox
        raise PermanentFailure("recipient_refused", undeliverable=not _is_policy(said))

    def _hand_over(self, server: _Server, mail: EmailMessage, message: Outgoing) -> None:
        code, _ = server.docmd("DATA")
        if code != 354:
            raise PermanentFailure("message_refused") if code >= 500 else PassingFailure("gateway_fault")
        message.require_wanted()
        try:
            server.send(_dotted(mail.as_bytes()))
            code, _ = server.getreply()
        except (smtplib.SMTPException, OSError):
            raise UnknownOutcome("no_answer") from None
        if code == 250:
            return
        if code < 400:
            raise UnknownOutcome("reply_not_understood")
        raise PermanentFailure("message_refused") if code >= 500 else PassingFailure("gateway_fault")


def _plain_domain(address: str) -> str:
    """The address with its domain in ASCII (IDNA), which every server takes."""
    local, _, domain = address.rpartition("@")
    try:
        if not _ADDRESS.fullmatch(address):
            raise UnicodeError
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise PermanentFailure("address_not_supported", undeliverable=True) from None


def _is_policy(said: bytes) -> bool:
    """An enhanced status X.7.X is about who may send, not about the address (RFC 3463)."""
    return re.match(rb"\s*5\.7\.", said) is not None


def _dotted(raw: bytes) -> bytes:
    """The body as DATA takes it: a dot at the start of a line is doubled, and a dot of its own ends it (RFC 5321)."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n"


class _Server(smtplib.SMTP):
    """smtplib's client with an end to the whole conversation, and a farewell that never waits."""

    def __init__(self, host: str, own_name: str, seconds: float, tls: ssl.SSLContext | None) -> None:
        """`own_name` is said in EHLO; smtplib would look it up, and wait for a name server that does not answer."""
        self.seconds = seconds
        self.tls = tls or ssl.create_default_context()
        self._ends = time.monotonic() + STEPS * seconds
        self._prepare(own_name)
        self._host = host  # the name that its certificate must bear

    def _prepare(self, own_name: str) -> None:
        smtplib.SMTP.__init__(self, local_hostname=own_name, timeout=self.seconds)

    def getreply(self) -> tuple[int, bytes]:
        left = min(self.seconds, self._ends - time.monotonic())
        if self.sock is not None:
            self.sock.settimeout(max(left, 0.01))
        return super().getreply()

    def leave(self) -> None:
        try:
            if self.sock is not None:
                self.putcmd("quit")
        except (smtplib.SMTPException, OSError):
            pass
        finally:
            self.close()


class _TlsServer(_Server, smtplib.SMTP_SSL):
    """TLS from the first byte."""

    def _prepare(self, own_name: str) -> None:
        smtplib.SMTP_SSL.__init__(self, local_hostname=own_name, timeout=self.seconds, context=self.tls)
