"""A month of `proapp tick --as-of` against a real mail server, as docs/messages.md walks through it, and then the page
that explains: of every message why it went, or did not."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from click.testing import CliRunner

import proapp
from proapp.cli import main
from proapp.db.models import Contact
from proapp.services import contact_log, installation
from proapp.services.audit import Actor
from proapp.services.contact_log import Note
from tests.conftest import Browser, definitions
from tests.gateways.peers import free_port
from tests.messages import OPENED_TODAY, rows
from tests.people import People

FIRST, SECOND = date(2026, 11, 23), date(2026, 12, 10)  # the two steps of three months for participants
TICKED = {SECOND, *(FIRST + timedelta(days=number) for number in range(0, 30, 3))}  # more would only take longer
ABSENT = "+46701740699"


class Sink:
    """Keeps what arrives, and knows no mailbox for one of the numbers."""

    def __init__(self) -> None:
        self.arrived: list[str] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address.startswith(ABSENT):
            return "550 5.1.1 unknown user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.arrived += envelope.rcpt_tos
        return "250 OK"


@pytest.fixture
def sink() -> Iterator[tuple[Sink, int]]:
    handler, port = Sink(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.fixture
def tick(runtime: Any, sink: tuple[Sink, int], monkeypatch: pytest.MonkeyPatch) -> Any:
    settings = runtime.settings
    environment = {
        "PROAPP_DEMO": "1",
        "PROAPP_TODAY": FIRST.isoformat(),
        "PROAPP_DATABASE_URL": settings.database_url,
        "PROAPP_SECRET_KEY": settings.secret_key,
        "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(settings.contact_keys[0]).decode(),
        "PROAPP_BASE_URL": "http://127.0.0.1:8000",
        "PROAPP_EMAIL_GATEWAY": "smtp",
        "PROAPP_EMAIL_FROM": "svar@example.org",
        "PROAPP_SMS_GATEWAY": "smtp",
        "PROAPP_SMS_MAIL_TO": "{to}@sms.example.org",
        "PROAPP_SMTP_HOST": "127.0.0.1",
        "PROAPP_SMTP_PORT": str(sink[1]),
        "PROAPP_SMTP_SECURITY": "none",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        "proapp.runtime.load_definitions", lambda _settings: definitions()
    )  # read once, not a month long

    def step(day: date) -> str:
        done = CliRunner().invoke(main, ["tick", "--as-of", f"{day}T12:00"])
        assert done.exit_code == 0, done.output
        return done.output

    return step


def test_a_month_of_ticks_is_explained_message_by_message(runtime, clock, tick, sink):
    with runtime.writing.begin() as session:
        installation.mark(session, demo=True)
    people = People(runtime, proapp.create_app(runtime=runtime), Browser)
    anna, bo, eva, dag, fia = (
        people.participant(f"UME-00{number}", randomized_on=OPENED_TODAY, activated=False) for number in range(1, 6)
    )
    absent = runtime.vault.seal({"mobile": ABSENT, "email": None}, bound_to=f"contact:{fia}")
    with runtime.writing.begin() as session:
        session.get(Contact, fia).sealed = absent
    people.event(eva, "contact_pause", date(2026, 12, 1), until="2026-12-20")
    for number in range(30):
        day = FIRST + timedelta(days=number)
        clock.set(datetime(day.year, day.month, day.day, 11, 30, tzinfo=UTC))
        if day == date(2026, 11, 30):
            people.answered(bo, "m03", submitted_at=clock())
        if day == date(2026, 12, 2):
            _wrong_number(runtime, people, "UME-004")
        if day not in TICKED:
            continue
        said = tick(day)
        assert (day not in (FIRST, SECOND)) is ("messages: 0" in said), (day, said)
    assert sorted(sink[0].arrived) == ["+46701740605@sms.example.org"] * 5  # four at first, and anna's second one
    assert [(row.participant_id, row.step, row.state) for row in rows(runtime)] == [
        (anna, "opens+0", "sent"),
        (bo, "opens+0", "sent"),
        (eva, "opens+0", "sent"),
        (dag, "opens+0", "sent"),
        (fia, "opens+0", "failed"),
        (anna, "target+3", "sent"),
    ]
    berit = people.staff("berit")
    for study_id, day, sentence in (
        ("UME-001", FIRST, "Handed over Mon 23 Nov 2026 12:00"),
        ("UME-005", FIRST, "the number or address does not exist"),
        ("UME-001", SECOND, "Handed over Thu 10 Dec 2026 12:00"),
        ("UME-002", SECOND, "The questionnaire is answered"),
        ("UME-003", SECOND, "contact is paused"),
        ("UME-004", SECOND, "the number is known to be wrong"),
        ("UME-005", SECOND, "messages cannot be delivered to the number or address"),
    ):
        page = berit.get(f"/staff/participants/{study_id}/follow-up?day={day}").get_data(as_text=True)
        assert sentence.lower() in re.sub(r"\s+", " ", page).lower(), (study_id, day, sentence)


def _wrong_number(runtime: Any, people: People, study_id: str) -> None:
    about = {"study": runtime.study, "sites": None, "study_id": study_id, "assessment_id": None}
    actor = Actor("staff", people.staff_id("berit"), "nurse")
    with runtime.writing.begin() as session:
        contact_log.log(session, **about, noted=Note("phone", "wrong_number"), actor=actor, now=runtime.clock())
