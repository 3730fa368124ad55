"""The whole invented trial into an empty database: its staff, its study file, and every life in order of time.

The same day, number and seed give the same rows. Nothing here reads a clock or the operating system's randomness.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, insert

from proapp.db.models import Installation, StaffSite, StaffUser, StudyVersion
from proapp.demo import people, tales
from proapp.demo.answers import Trajectory
from proapp.demo.person import Person
from proapp.demo.recorder import Recorder
from proapp.demo.rows import Rows
from proapp.demo.steps import Enrolled, Life
from proapp.instruments.model import Instrument
from proapp.services.audit import COMMAND_LINE, Actor, Entry
from proapp.services.contacts import ContactDetails
from proapp.services.passwords import normal_password
from proapp.services.vault import Vault
from proapp.study.model import Study


def build(
    connection: Connection,
    *,
    study: Study,
    study_text: str,
    instruments: Mapping[str, Instrument],
    secret_key: str,
    contact_keys: tuple[bytes, ...],
    today: date,
    participants: int,
    seed: int,
) -> None:
    """Fill the empty, migrated database behind `connection`; the caller commits."""
    hidden = random.Random(f"proapp vault {seed} {today} {participants}")  # noqa: S311 - nothing here is secret
    vault = Vault(secret_key, contact_keys, hidden.randbytes)
    rows = Rows(connection)
    lives = list(tales.lives(study, today, participants=participants, seed=seed))
    begins = datetime.combine(min(life.consent_on for life in lives) - timedelta(days=30), time(9), tzinfo=UTC)
    members = people.staff(study)
    _study(rows, connection, study, study_text, begins)
    _staff(rows, vault, members, begins)
    recorder = Recorder(rows, study, instruments, vault, seed=seed)
    crowd = _people(lives, members, seed)
    order = sorted(
        (step.at, number, place) for number, person in enumerate(crowd) for place, step in enumerate(person.life.steps)
    )
    for _at, number, place in order:
        recorder.record(crowd[number], crowd[number].life.steps[place])
    rows.finish()


def _study(rows: Rows, connection: Connection, study: Study, text: str, at: datetime) -> None:
    connection.execute(insert(Installation), [{"name": "kind", "value": "demo"}])
    rows.add(StudyVersion, number=study.number, content_hash=study.content_hash, text=text, recorded_at=at)
    marked = Entry("installation.marked", "installation", "kind", {"old": None, "new": "demo"})
    told = {"code": study.code, "number": study.number}
    recorded = Entry("study.recorded", "study_version", study.content_hash[:40], told)
    rows.tell(marked, recorded, actor=COMMAND_LINE, at=at)


def _staff(rows: Rows, vault: Vault, members: tuple[people.Member, ...], at: datetime) -> None:
    password = vault.slow_hash(normal_password(people.PASSWORD))
    for member in members:
        secret = {"secret": vault.new_totp_secret()}
        rows.add(
            StaffUser,
            email=member.email,
            name=member.name,
            role=member.role,
            language="sv",
            password_hash=password,
            totp_sealed=vault.seal(secret, bound_to=f"totp:{member.id}"),
            totp_last_step=0,
            created_at=at,
        )
        for site in member.sites:
            rows.add(StaffSite, user_id=member.id, site_code=site)
        told = {"role": member.role, "sites": list(member.sites)}
        added = Entry("user.added", "staff_user", member.id, told)
        rows.tell(added, Entry("user.set_up", "staff_user", member.id, {}), actor=COMMAND_LINE, at=at)


def _people(lives: list[Life], members: tuple[people.Member, ...], seed: int) -> list[Person]:
    """Numbered per site in the order of consent, as a site numbers its participants."""
    actors = {(site, one.role): Actor("staff", one.id, one.role) for one in members for site in one.sites}
    contacts = _contacts(lives)
    by_consent = sorted(range(len(lives)), key=lambda number: (lives[number].consent_on, number))
    numbers: Counter[str] = Counter()
    crowd = []
    for number in by_consent:
        life = lives[number]
        numbers[life.site_code] += 1
        rng = random.Random(f"proapp answers {seed} {number}")  # noqa: S311 - invention
        crowd.append(
            Person(
                study_id=f"{life.site_code}-{numbers[life.site_code]:03}",
                life=life,
                contact=contacts[number],
                trajectory=Trajectory(rng, life.arm),
                nurse=actors[life.site_code, "nurse"],
                doctor=actors[life.site_code, "investigator"],
                colleagues=actors,
            )
        )
    return crowd


def _contacts(lives: list[Life]) -> list[ContactDetails]:
    """The fictional numbers go to the first who want one, as far as they last; others are reached by e-mail."""
    free, found = iter(people.FICTIONAL_MOBILES), list[ContactDetails]()
    last = people.FICTIONAL_MOBILES[0]
    for number, life in enumerate(lives):
        enrolled = next(step for step in life.steps if isinstance(step, Enrolled))
        email = f"deltagare{number + 1:04}@example.org"
        if enrolled.channel == "letter":
            found.append(ContactDetails("letter"))
        elif enrolled.channel == "sms" and (mobile := last if enrolled.shared else next(free, None)):
            found.append(ContactDetails("sms", mobile, email if number % 3 == 0 else None))
            last = mobile
        else:
            found.append(ContactDetails("email", None, email))
    return found
