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
from urllib.parse import urlsplit

MINIMUM_SECRET = 32
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
)
SECRETS = frozenset({"PROAPP_DATABASE_URL", "PROAPP_SECRET_KEY", "PROAPP_SECRET_KEY_PREVIOUS", "PROAPP_CONTACT_KEYS"})


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
    )
    if settings.today and not settings.demo:
        reader.problems.append("PROAPP_TODAY moves the clock and is only allowed together with PROAPP_DEMO=1.")
    reader.unknown()
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


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
        parts = urlsplit(value)
        local = parts.hostname in {"127.0.0.1", "localhost", "::1"}
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

    def count(self, name: str) -> int:
        value = self.text(name, "0")
        if not value.isascii() or not value.isdigit() or int(value) > 5:
            self.problems.append(f"{name} must be a whole number from 0 to 5.")
            return 0
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
