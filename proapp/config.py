"""Settings, read once from the environment into one frozen value.

Every problem is reported together and the app refuses to start: a hospital finds out at the first try all that is
missing, and never in the middle of a trial. docs/settings.md is the table of them; a test keeps it true.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from proapp.gateway_settings import LOCAL, MINIMUM_SECRET, GatewaySettings, gateway_problems

NAMES = (
    "PROAPP_DATABASE_URL",
    "PROAPP_SECRET_KEY",
    "PROAPP_SECRET_KEY_PREVIOUS",
    "PROAPP_CONTACT_KEYS",
    "PROAPP_BASE_URL",
    "PROAPP_STUDY",
    "PROAPP_PACKS_DIR",
    "PROAPP_DEMO",
    "PROAPP_TODAY",
    "PROAPP_TRUSTED_PROXIES",
    "PROAPP_LOG_LEVEL",
    "PROAPP_SMS_GATEWAY",
    "PROAPP_SMS_FROM",
    "PROAPP_SMS_MAIL_TO",
    "PROAPP_SMS_URL",
    "PROAPP_SMS_USER",
    "PROAPP_SMS_PASSWORD",
    "PROAPP_EMAIL_GATEWAY",
    "PROAPP_EMAIL_FROM",
    "PROAPP_SMTP_HOST",
    "PROAPP_SMTP_PORT",
    "PROAPP_SMTP_SECURITY",
    "PROAPP_SMTP_USER",
    "PROAPP_SMTP_PASSWORD",
    "PROAPP_HTTP_URL",
    "PROAPP_HTTP_METHOD",
    "PROAPP_HTTP_BODY",
    "PROAPP_HTTP_AUTHORIZATION",
    "PROAPP_HTTP_REFERENCE",
    "PROAPP_RECEIPT_USER",
    "PROAPP_RECEIPT_PASSWORD",
    "PROAPP_WEBHOOK_URL",
    "PROAPP_WEBHOOK_SECRET",
)
SECRETS = frozenset(
    {
        "PROAPP_DATABASE_URL",
        "PROAPP_SECRET_KEY",
        "PROAPP_SECRET_KEY_PREVIOUS",
        "PROAPP_CONTACT_KEYS",
        "PROAPP_SMS_PASSWORD",
        "PROAPP_SMTP_PASSWORD",
        "PROAPP_HTTP_AUTHORIZATION",
        "PROAPP_RECEIPT_PASSWORD",
        "PROAPP_WEBHOOK_SECRET",
    }
)


class SettingsError(Exception):
    """The environment does not hold what is needed. `problems` names each setting and how to mend it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    database_url: str
    secret_key: str = field(repr=False)
    contact_keys: tuple[bytes, ...] = field(repr=False)  # newest first, 32 bytes each
    base_url: str
    secret_key_previous: str | None = field(default=None, repr=False)
    study_file: Path | None = None
    packs_dir: Path | None = None
    demo: bool = False
    today: date | None = None
    trusted_proxies: int = 0
    log_level: str = "INFO"
    gateways: GatewaySettings = GatewaySettings()
    webhook_url: str = ""  # empty: nobody is told
    webhook_secret: str = field(default="", repr=False)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from `environment`; NAME_FILE may name a file that holds the value of a secret.

    Raises SettingsError with every problem found.
    """
    reader = _Reader(environment)
    settings = Settings(
        database_url=reader.text("PROAPP_DATABASE_URL", "sqlite:///var/proapp.sqlite3"),
        secret_key=reader.secret_key(),
        secret_key_previous=reader.text("PROAPP_SECRET_KEY_PREVIOUS", "") or None,
        contact_keys=reader.contact_keys(),
        base_url=reader.base_url(),
        study_file=reader.path("PROAPP_STUDY"),
        packs_dir=reader.path("PROAPP_PACKS_DIR"),
        demo=reader.yes("PROAPP_DEMO"),
        today=reader.day("PROAPP_TODAY"),
        trusted_proxies=reader.count("PROAPP_TRUSTED_PROXIES"),
        log_level=reader.choice("PROAPP_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        gateways=_gateways(reader),
        webhook_url=reader.outside("PROAPP_WEBHOOK_URL", ""),
        webhook_secret=reader.text("PROAPP_WEBHOOK_SECRET", ""),
    )
    reader.problems.extend(_webhook_problems(settings))
    if settings.today and not settings.demo:
        reader.problems.append("PROAPP_TODAY moves the clock and is only allowed together with PROAPP_DEMO=1.")
    if settings.demo and not settings.gateways.stays_here:
        reader.problems.append(
            "PROAPP_DEMO=1: the people are invented, so messages may only go to the log or to a server on this machine."
        )
    reader.unknown()
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def _webhook_problems(settings: Settings) -> list[str]:
    problems = []
    if bool(settings.webhook_url) != bool(settings.webhook_secret):
        problems.append("PROAPP_WEBHOOK_URL and PROAPP_WEBHOOK_SECRET belong together; set both or neither.")
    if settings.webhook_secret and len(settings.webhook_secret) < MINIMUM_SECRET:
        problems.append(f"PROAPP_WEBHOOK_SECRET must be a random text of at least {MINIMUM_SECRET} characters.")
    if settings.demo and settings.webhook_url and _split(settings.webhook_url).hostname not in LOCAL:
        problems.append("PROAPP_DEMO=1: the people are invented, so a webhook may only go to a server on this machine.")
    return problems


def _gateways(reader: _Reader) -> GatewaySettings:
    """The gateways, each complete or a problem that names what is missing."""
    found = GatewaySettings(
        sms=reader.choice("PROAPP_SMS_GATEWAY", "log", ("log", "46elks", "smtp", "http")),
        sms_from=reader.text("PROAPP_SMS_FROM", ""),
        sms_mail_to=reader.text("PROAPP_SMS_MAIL_TO", ""),
        sms_url=reader.outside("PROAPP_SMS_URL", "https://api.46elks.com/a1/sms"),
        sms_user=reader.text("PROAPP_SMS_USER", ""),
        sms_password=reader.text("PROAPP_SMS_PASSWORD", ""),
        email=reader.choice("PROAPP_EMAIL_GATEWAY", "log", ("log", "smtp", "http")),
        email_from=reader.text("PROAPP_EMAIL_FROM", ""),
        smtp_host=reader.text("PROAPP_SMTP_HOST", ""),
        smtp_port=reader.count("PROAPP_SMTP_PORT", default="587", most=65535),
        smtp_security=reader.choice("PROAPP_SMTP_SECURITY", "starttls", ("starttls", "tls", "none")),
        smtp_user=reader.text("PROAPP_SMTP_USER", ""),
        smtp_password=reader.text("PROAPP_SMTP_PASSWORD", ""),
        http_url=reader.outside("PROAPP_HTTP_URL", ""),
        http_method=reader.choice("PROAPP_HTTP_METHOD", "POST", ("POST", "PUT")),
        http_body=reader.text("PROAPP_HTTP_BODY", ""),
        http_authorization=reader.text("PROAPP_HTTP_AUTHORIZATION", ""),
        http_reference=reader.text("PROAPP_HTTP_REFERENCE", ""),
        receipt_user=reader.text("PROAPP_RECEIPT_USER", ""),
        receipt_password=reader.text("PROAPP_RECEIPT_PASSWORD", ""),
    )
    reader.problems.extend(gateway_problems(found))
    return found


class _Reader:
    """Collects problems instead of stopping at the first."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        value = self.environment.get(name, "").strip()
        file = self.environment.get(f"{name}_FILE", "").strip() if name in SECRETS else ""
        if file and not value:
            try:
                value = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                self.problems.append(f"{name}_FILE names a file that cannot be read ({type(error).__name__}).")
        return value or default

    def secret_key(self) -> str:
        value = self.text("PROAPP_SECRET_KEY", "")
        if len(value) < MINIMUM_SECRET or len(set(value)) < 8:
            self.problems.append(
                f"PROAPP_SECRET_KEY must be a random text of at least {MINIMUM_SECRET} characters; "
                "make one with: proapp keys"
            )
        return value

    def contact_keys(self) -> tuple[bytes, ...]:
        keys = []
        for number, text in enumerate(self.text("PROAPP_CONTACT_KEYS", "").split(","), start=1):
            try:
                key = base64.urlsafe_b64decode(text.strip())
            except (binascii.Error, ValueError):
                key = b""
            if len(key) != 32:
                self.problems.append(
                    f"PROAPP_CONTACT_KEYS, key {number}: must be 32 random bytes in base64; make one with: proapp keys"
                )
            keys.append(key)
        return tuple(keys)

    def base_url(self) -> str:
        value = self.text("PROAPP_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
        parts = _split(value)
        local = parts.hostname in LOCAL
        if not parts.hostname or parts.query or parts.fragment:
            self.problems.append("PROAPP_BASE_URL must be the address patients see, such as https://pro.example.se")
        elif parts.scheme != "https" and not (local and parts.scheme == "http"):
            self.problems.append("PROAPP_BASE_URL must begin with https:// (http:// is only allowed on this machine).")
        return value

    def path(self, name: str) -> Path | None:
        value = self.text(name, "")
        if not value:
            return None
        if not Path(value).exists():
            self.problems.append(f"{name} names a file or folder that does not exist.")
        return Path(value)

    def yes(self, name: str) -> bool:
        return self.choice(name, "0", ("0", "1")) == "1"

    def day(self, name: str) -> date | None:
        value = self.text(name, "")
        try:
            return date.fromisoformat(value) if value else None
        except ValueError:
            self.problems.append(f"{name} must be a date such as 2027-03-29.")
            return None

    def outside(self, name: str, default: str) -> str:
        """The address of somebody else's server, which is told secrets: encrypted unless it is on this machine."""
        value = self.text(name, default)
        parts = _split(value)
        encrypted = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
        if value and (not parts.hostname or not encrypted or "@" in parts.netloc or "{" in value):
            self.problems.append(
                f"{name} must be an address that begins with https://, without name and password in it."
            )
            return default
        return value

    def count(self, name: str, *, default: str = "0", most: int = 5) -> int:
        value = self.text(name, default)
        if not value.isascii() or not value.isdigit() or int(value) > most:
            self.problems.append(f"{name} must be a whole number from 0 to {most}.")
            return int(default)
        return int(value)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}.")
            return default
        return value

    def unknown(self) -> None:
        known = {*NAMES, *(f"{name}_FILE" for name in SECRETS)}
        self.problems.extend(
            f"{name} is not a setting of proapp; see docs/settings.md."
            for name in sorted(self.environment)
            if name.startswith("PROAPP_") and name not in known
        )


def _split(address: str) -> SplitResult:
    """The parts of an address, none of what cannot be one (an unclosed bracket)."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
