"""The people of the tests. berit is anna's nurse; charlie and linus, at another site, must see nothing of anna.

Rows are written directly, without the services under test; signing in is a row and a cookie. `faults` is for tests that
look for faults of the trail among such rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import insert, select

from proapp.db.models import (
    Answer,
    Assessment,
    Contact,
    Participant,
    ParticipantEvent,
    PatientPin,
    ResponseSet,
    StaffSite,
    StaffUser,
)
from proapp.runtime import Runtime
from proapp.services import api_tokens, audit, audit_review, sessions
from proapp.study.schedule import Anchors, plan
from proapp.web.guard import PATIENT_COOKIE, STAFF_COOKIE

STAFF: dict[str, tuple[str, tuple[str, ...]]] = {
    "berit": ("nurse", ("UME",)),
    "charlie": ("nurse", ("LUN",)),
    "ivar": ("investigator", ("UME",)),
    "linus": ("investigator", ("LUN",)),
    "karin": ("coordinator", ()),
    "kerstin": ("coordinator", ()),
    "mona": ("monitor", ()),
    "stina": ("statistician", ()),
    "ada": ("administrator", ()),
}
PIN = "4711"
# The events that were built, which no trail tells of, by the connections of one test: databases are used again.
BUILT: WeakKeyDictionary[Any, list[tuple[int, audit.Entry]]] = WeakKeyDictionary()


def faults(session: Any) -> Iterator[audit.Fault]:
    """What the review finds when the events built here are told as a service would have told them (not committed)."""
    aside = session.begin_nested()
    for participant_id, entry in BUILT.get(session.get_bind().engine.pool, ()):
        now = session.scalar(select(ParticipantEvent.recorded_at).where(ParticipantEvent.id == entry.entity_id))
        audit.record(session, entry, actor=audit.WORKER, now=now, participant_id=participant_id)
    yield from list(audit_review.faults(session))
    aside.rollback()


@dataclass
class People:
    runtime: Runtime
    app: Any
    make_browser: Callable[..., Any]

    def __post_init__(self) -> None:
        BUILT.setdefault(self.runtime.engine.pool, [])

    # staff ----------------------------------------------------------------------------------------------------------

    def staff_id(self, name: str) -> int:
        """The user id of a member of staff, made at first use."""
        role, sites = STAFF[name]
        email = f"{name}@example.org"
        with self.runtime.writing.begin() as session:
            known = session.scalar(select(StaffUser.id).where(StaffUser.email == email))
            if known is not None:
                return known
            user = StaffUser(
                email=email, name=name.capitalize(), role=role, language="en", created_at=self.runtime.clock()
            )
            session.add(user)
            session.flush()
            session.add_all(StaffSite(user_id=user.id, site_code=site) for site in sites)
            return user.id

    def staff(self, name: str, language: str = "en") -> Any:
        """A browser in which this member of staff is signed in."""
        user_id = self.staff_id(name)
        with self.runtime.writing.begin() as session:
            token = sessions.start(
                session, self.runtime.vault, kind="staff", now=self.runtime.clock(), user_id=user_id, device="Test"
            )
        browser = self.make_browser(self.app, language)
        browser.cookie(STAFF_COOKIE, token)
        return browser

    # machines -------------------------------------------------------------------------------------------------------

    def machine(self, *scopes: str, sites: tuple[str, ...] = (), arms: bool = False) -> Any:
        """A program that shows a token with these scopes."""
        with self.runtime.writing.begin() as session:
            made = api_tokens.add(
                session, self.runtime.vault, study=self.runtime.study, name="Robot", scopes=scopes, sites=sites,
                sees_arms=arms, last_day=date(2027, 12, 31), actor=audit.COMMAND_LINE, now=self.runtime.clock(),
            )  # fmt: skip
        browser = self.make_browser(self.app)
        browser.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {made.token}"
        browser.token_id = made.token_id
        return browser

    # participants ---------------------------------------------------------------------------------------------------

    def participant(
        self,
        study_id: str = "UME-001",
        *,
        consent_on: date | None = None,
        randomized_on: date | None = None,
        arm: str | None = None,
        language: str = "sv",
        channel: str | None = "sms",
        activated: bool = True,
        enrolled_at: datetime | None = None,
        events: bool = True,
    ) -> int:
        """A participant with consent, plan and PIN; randomised if a date is given. Returns the id. Without `events` the
        plan is there and nothing that it follows from."""
        study, now = self.runtime.study, enrolled_at or self.runtime.clock()
        consent_on = consent_on or randomized_on or now.date()
        with self.runtime.writing.begin() as session:
            person = Participant(study_id=study_id, site_code=study_id[:3], language=language, enrolled_at=now)
            session.add(person)
            session.flush()
            arm = arm or study.arms[0].code if randomized_on else arm
            if events:
                self._event(session, person.id, "pro_consent", consent_on, {}, now)
            if events and randomized_on:
                self._event(session, person.id, "randomized", randomized_on, {"arm": arm}, now)
            if channel:
                sealed = self.runtime.vault.seal(
                    {"mobile": "+46701740605", "email": None}, bound_to=f"contact:{person.id}"
                )
                session.add(Contact(participant_id=person.id, sealed=sealed, channel=channel, updated_at=now))
            if activated:
                session.add(
                    PatientPin(participant_id=person.id, pin_hash=self.runtime.vault.slow_hash(PIN), set_at=now)
                )
            anchors = Anchors(consent_on=consent_on, randomized_on=randomized_on, arm=arm)
            for planned in plan(study, anchors):
                session.add(
                    Assessment(
                        participant_id=person.id,
                        timepoint=planned.timepoint,
                        occurrence=planned.occurrence,
                        protocol_version=study.number,
                        anchor_on=planned.anchor_on,
                        target_on=planned.target_on,
                        opens_on=planned.opens_on,
                        closes_on=planned.closes_on,
                        late_until=planned.late_until,
                        planned_at=now,
                    )
                )
            return person.id

    def event(self, participant_id: int, type_: str, on: date, **payload: Any) -> None:
        with self.runtime.writing.begin() as session:
            self._event(session, participant_id, type_, on, payload, self.runtime.clock())

    def _event(
        self, session: Any, participant_id: int, type_: str, on: date, payload: dict[str, Any], now: datetime
    ) -> None:
        row = ParticipantEvent(
            participant_id=participant_id, type=type_, effective_on=on, payload=payload, recorded_at=now
        )
        session.add(row)
        session.flush()
        told = {"type": type_, "effective_on": on, "effective_time": None, "payload": payload, "supersedes": None}
        entry = audit.Entry("event.recorded", "participant_event", row.id, told)
        BUILT[self.runtime.engine.pool].append((participant_id, entry))

    def assessment_id(self, participant_id: int, timepoint: str) -> int:
        with self.runtime.reading() as session:
            found = session.scalar(
                select(Assessment.id).where(
                    Assessment.participant_id == participant_id, Assessment.timepoint == timepoint
                )
            )
            assert found is not None
            return found

    def answered(
        self,
        participant_id: int,
        timepoint: str,
        *,
        codes: dict[str, dict[int, int]] | None = None,
        started_at: datetime | None = None,
        submitted_at: datetime | None = None,
        completed_on: date | None = None,
        mode: str = "self_remote",
        valid: bool = True,
    ) -> int:
        """A response set with answers (every item its lowest code unless `codes` says otherwise). Returns its id."""
        started_at = started_at or self.runtime.clock()
        codes = codes if codes is not None else self.every_item()
        packs = {
            code: {"version": pack.version, "hash": pack.content_hash, "algorithm": pack.algorithm_version}
            for code, pack in self.runtime.instruments.items()
        }
        with self.runtime.writing.begin() as session:
            responses = ResponseSet(
                assessment_id=self.assessment_id(participant_id, timepoint),
                mode=mode,
                respondent="proxy" if mode == "proxy" else "self",
                protocol_version=self.runtime.study.number,
                packs=packs,
                started_at=started_at,
                submitted_at=submitted_at,
                completed_on=completed_on or (submitted_at.date() if submitted_at else None),
                receipt=f"{participant_id}-{timepoint}-{mode}"[:20] if submitted_at else None,
                answered_items=sum(map(len, codes.values())) if submitted_at else None,
                valid=valid if submitted_at else None,
            )
            session.add(responses)
            session.flush()
            rows = [
                {
                    "response_set_id": responses.id,
                    "instrument": instrument,
                    "item": item,
                    "kind": "answered",
                    "code": code,
                    "language": "sv",
                    "recorded_at": started_at,
                    "actor": "patient",
                }
                for instrument, answers in codes.items()
                for item, code in answers.items()
            ]
            if rows:
                session.execute(insert(Answer), rows)
            return responses.id

    def every_item(self, code: int = 1) -> dict[str, dict[int, int]]:
        """Every item of every instrument of the study, answered with `code`."""
        return {
            name: {item.number: code for item in self.runtime.instruments[name].items}
            for name in self.runtime.study.instruments
        }

    def tablet(self, participant_id: int, assessment_id: int, language: str = "en") -> Any:
        """A clinic's tablet that berit has handed over to this participant; of berit's own session it has nothing."""
        berit = self.staff_id("berit")
        with self.runtime.writing.begin() as session:
            token = sessions.start(
                session, self.runtime.vault, kind="clinic", now=self.runtime.clock(), participant_id=participant_id,
                assessment_id=assessment_id, handed_over_by_id=berit,
            )  # fmt: skip
        browser = self.make_browser(self.app, language)
        browser.cookie(PATIENT_COOKIE, token)
        return browser

    def patient(self, participant_id: int, language: str = "en") -> Any:
        """A browser in which this participant is signed in."""
        with self.runtime.writing.begin() as session:
            token = sessions.start(
                session, self.runtime.vault, kind="patient", now=self.runtime.clock(), participant_id=participant_id
            )
        browser = self.make_browser(self.app, language)
        browser.cookie(PATIENT_COOKIE, token)
        return browser
