"""Where the pages live while they are photographed: a database in a folder that is thrown away, a clock that stands
still, chance from a seed, and one invented patient for each language."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from proapp.config import Settings
from proapp.db.migrate import upgrade
from proapp.db.models import Assessment, Participant, ParticipantEvent
from proapp.db.session import make_engine
from proapp.instruments.model import Instrument
from proapp.runtime import Runtime
from proapp.screens.chapters import Chapter
from proapp.screens.serve import serving
from proapp.services import sessions
from proapp.services.vault import Vault
from proapp.study.model import Study

MORNING = time(10)
WINDOW = timedelta(days=28)
# They protect nobody: there is nobody in the database, and it is gone when the command ends.
SECRET, KEY = "screens-only-not-a-secret-0123456789abcdef", b"s" * 32


@dataclass(frozen=True)
class Patient:
    """A signed-in patient who has this assessment to answer."""

    token: str
    assessment_id: int


@dataclass(frozen=True)
class Place:
    address: str
    runtime: Runtime

    def patient(self, chapter: Chapter, language: str) -> Patient:
        """Somebody new, whose window for the chapter's assessment has just opened."""
        now = self.runtime.clock()
        site = chapter.study.sites[0]
        today = now.astimezone(chapter.study.zone(site.code)).date()
        with self.runtime.writing.begin() as session:
            person = Participant(
                study_id=f"{chapter.name}-{language}", site_code=site.code, language=language, enrolled_at=now
            )
            session.add(person)
            session.flush()
            consent = {"type": "pro_consent", "effective_on": today, "payload": {}}
            session.add(ParticipantEvent(participant_id=person.id, recorded_at=now, **consent))
            assessment = Assessment(
                participant_id=person.id, timepoint=chapter.timepoint.code, protocol_version=chapter.study.number,
                anchor_on=today, target_on=today, opens_on=today, closes_on=today + WINDOW, late_until=today + WINDOW,
                planned_at=now,
            )  # fmt: skip
            session.add(assessment)
            session.flush()
            token = sessions.start(session, self.runtime.vault, kind="patient", now=now, participant_id=person.id)
            return Patient(token, assessment.id)


@contextmanager
def place(study: Study, instruments: Mapping[str, Instrument]) -> Iterator[Place]:
    """An installation for this study, served until the block is left."""
    with tempfile.TemporaryDirectory(prefix="proapp-screens-") as folder:
        settings = Settings(f"sqlite:///{Path(folder) / 'screens.sqlite3'}", SECRET, (KEY,), "http://127.0.0.1")
        engine = make_engine(settings.database_url)
        upgrade(engine)
        moment = datetime.combine(study.effective_from, MORNING, study.zone()).astimezone(UTC)
        vault = Vault(SECRET, settings.contact_keys, random.Random(study.content_hash).randbytes)  # noqa: S311
        runtime = Runtime(settings, study, instruments, engine, lambda: moment, vault)
        try:
            with serving(runtime) as address:
                yield Place(address, runtime)
        finally:
            runtime.close()
