"""The part of the settings that says how messages leave, and what is missing or contradicts itself in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

MINIMUM_SECRET = 32  # characters
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_EMAIL_FROM = re.compile(r"[^<>@\s]+@[^<>@\s]+|[^<>@\r\n]+ <[^<>@\s]+@[^<>@\s]+>")
_SMS_MAIL_TO = re.compile(r"[^@\s<>]*\{(?:to|digits)\}[^@\s<>]*@[^@\s<>]+")
_SMS_FROM = re.compile(r"\+[1-9][0-9]{6,14}|[A-Za-z][A-Za-z0-9]{2,10}")


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How messages leave: `sms` is log | 46elks | smtp | http, `email` log | smtp | http. The rest is theirs, "" where
    unset; docs/settings.md says which belongs to which."""

    sms: str = "log"
    sms_from: str = ""
    sms_mail_to: str = ""
    sms_url: str = "https://api.46elks.com/a1/sms"
    sms_user: str = ""
    sms_password: str = field(default="", repr=False)
    email: str = "log"
    email_from: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    http_url: str = ""
    http_method: str = "POST"
    http_body: str = ""
    http_authorization: str = field(default="", repr=False)
    http_reference: str = ""
    receipt_user: str = ""
    receipt_password: str = field(default="", repr=False)

    @property
    def stays_here(self) -> bool:
        """Whether no message can leave this machine."""
        used = {self.sms, self.email}
        targets = [(self.smtp_host, "smtp"), (_host(self.sms_url), "46elks"), (_host(self.http_url), "http")]
        return all(host in LOCAL for host, gateway in targets if gateway in used)


def _host(address: str) -> str | None:
    return urlsplit(address).hostname


def gateway_problems(given: GatewaySettings) -> list[str]:
    """A sentence for each thing to mend before anything can be sent."""
    return [
        *(
            f"{name} is needed by the gateway that was chosen (docs/messages.md)."
            for name, value in _needed(given)
            if not value
        ),
        *_sender_problems(given),
        *_smtp_problems(given),
        *(_body_problems(given.http_body) if given.http_body else []),
        *_receipt_problems(given),
    ]


def _needed(given: GatewaySettings) -> list[tuple[str, str]]:
    needed = []
    if given.sms == "46elks":
        needed += [
            ("PROAPP_SMS_FROM", given.sms_from),
            ("PROAPP_SMS_USER", given.sms_user),
            ("PROAPP_SMS_PASSWORD", given.sms_password),
        ]
    if given.sms == "smtp":
        needed += [("PROAPP_SMS_MAIL_TO", given.sms_mail_to)]
    if "smtp" in {given.sms, given.email}:
        needed += [("PROAPP_SMTP_HOST", given.smtp_host), ("PROAPP_EMAIL_FROM", given.email_from)]
    if "http" in {given.sms, given.email}:
        needed += [("PROAPP_HTTP_URL", given.http_url), ("PROAPP_HTTP_BODY", given.http_body)]
    return needed


def _sender_problems(given: GatewaySettings) -> list[str]:
    problems = []
    if given.email_from and not _EMAIL_FROM.fullmatch(given.email_from):
        problems.append("PROAPP_EMAIL_FROM must be an address, or a name and one: Kliniken <svar@pro.example.se>")
    if given.sms_from and not _SMS_FROM.fullmatch(given.sms_from):
        problems.append("PROAPP_SMS_FROM must be 3 to 11 letters and digits, or a number such as +46766861234.")
    if given.sms_mail_to and not _SMS_MAIL_TO.fullmatch(given.sms_mail_to):
        problems.append("PROAPP_SMS_MAIL_TO must be an address with the number in it: {to}@sms.region.example.se")
    return problems


def _smtp_problems(given: GatewaySettings) -> list[str]:
    problems = []
    if bool(given.smtp_user) != bool(given.smtp_password):
        problems.append("PROAPP_SMTP_USER and PROAPP_SMTP_PASSWORD belong together; set both or neither.")
    if given.smtp_password and given.smtp_security == "none" and given.smtp_host not in LOCAL:
        problems.append("PROAPP_SMTP_SECURITY=none would send PROAPP_SMTP_PASSWORD readable; use starttls or tls.")
    return problems


def _receipt_problems(given: GatewaySettings) -> list[str]:
    problems = []
    if bool(given.receipt_user) != bool(given.receipt_password):
        problems.append("PROAPP_RECEIPT_USER and PROAPP_RECEIPT_PASSWORD belong together; set both or neither.")
    if ":" in given.receipt_user:
        problems.append("PROAPP_RECEIPT_USER must not contain a colon.")
    if given.receipt_password and len(given.receipt_password) < MINIMUM_SECRET:
        problems.append(f"PROAPP_RECEIPT_PASSWORD must be a random text of at least {MINIMUM_SECRET} characters.")
    return problems


def _body_problems(body: str) -> list[str]:
    problems = [
        f"PROAPP_HTTP_BODY does not say where {{{name}}} goes." for name in ("to", "text") if f"{{{name}}}" not in body
    ]
    if body.startswith("{"):
        try:
            json.loads(body)
        except ValueError:
            problems.append("PROAPP_HTTP_BODY begins like JSON but is not.")
    elif "=" not in body:
        problems.append("PROAPP_HTTP_BODY must be JSON or a form such as to={to}&text={text}")
    return problems
