"""What happens to a cohort, recorded through the services as staff or the participants would have, each in a
transaction of its own, while workers may be running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, Participant
from proapp.runtime import Runtime
from proapp.services import (
    amendments,
    answering,
    contact_log,
    contact_pauses,
    contacts,
    declining,
    enrolment,
    installation,
    participant_events,
    patient_wishes,
    proposals,
)
from proapp.services.audit import Actor
from proapp.services.errors import Refused
from proapp.services.sitting_reading import find_sitting
from tests.life import FIRST, SECOND, Happening, Person
from tests.people import People

RECORDED = ("death", "pro_stop", "trial_withdrawal", "lost_to_follow_up")
SILENCING = frozenset({*RECORDED, "answered", "declined", "later", "paused", "wrong_number"})
"""After which less is sent, never more: they may come while the workers tick an hour that is done with."""


class Ward:
    """Everybody who writes something down. `refused` counts what the services would not have, by code: to answer what
    is closed, say. Whatever else they refused shows in the messages."""

    def __init__(self, runtime: Runtime, clock: Any) -> None:
        self.runtime, self.clock = runtime, clock
        people = People(runtime, None, None)
        self.karin, self.kerstin = (
            Actor("staff", people.staff_id(name), "coordinator") for name in ("karin", "kerstin")
        )
        self.refused: Counter[str] = Counter()
        self.done = 0
        self.ids: dict[str, int] = {}
        self.moves: Counter[str] = Counter()
        with runtime.writing.begin() as session:
            installation.record_study(session, runtime.study, FIRST, now=clock())

    def do(self, one: Person, news: Happening) -> None:
        self.clock.set(news.at)
        try:
            with self.runtime.writing.begin() as session:
                self._write(session, one, news)
            self.done += 1
        except Refused as refused:
            self.refused[refused.code] += 1

    def amend(self, sites: Mapping[str, date], at: datetime) -> None:
        """The study is amended by two coordinators."""
        self.clock.set(at)
        given: dict[str, Any] = {"study": self.runtime.study, "instruments": self.runtime.instruments, "now": at}
        with self.runtime.reading() as session:
            seen = amendments.look(session, text=SECOND, sites=dict(sites), **given).diff.digest
        about = {"text": SECOND, "sites": dict(sites), "reason": "Amendment", "seen": seen}
        with self.runtime.writing.begin() as session:
            made = amendments.propose(session, **about, actor=self.karin, **given)
        with self.runtime.reading() as session:
            found = proposals.find(session, made, role="coordinator", sites=None)
            seen = amendments.look_at(session, found, **given).diff.digest
        with self.runtime.writing.begin() as session:
            amendments.approve(session, made, seen=seen, sites=None, actor=self.kerstin, **given)

    def _write(self, session: Session, one: Person, news: Happening) -> None:
        study, day = self.runtime.study, news.at.astimezone(self.runtime.study.zone(one.site)).date()
        about: dict[str, Any] = {"study_id": one.study_id, "sites": None, "actor": self.karin, "now": news.at}
        if news.what == "enrolled":
            self._enrol(session, one, about)
        elif news.what == "randomized":
            when = {"randomized_on": one.randomized_on, "randomized_time": None}
            enrolment.randomize(session, study=study, arm=one.arm, **when, override_reason="A test", **about)
        elif news.what in RECORDED:
            use = "keep" if news.what == "trial_withdrawal" else None
            said = {"type": news.what, "effective_on": day, "data_use": use}
            participant_events.record_event(session, study=study, **said, **about)
        elif news.what == "paused":
            until = day + timedelta(days=news.value)
            contact_pauses.pause_contact(
                session, study=study, from_on=day, until_on=until, reason="On holiday", **about
            )
        elif news.what == "wrong_number":
            noted = contact_log.Note("phone", "wrong_number")
            contact_log.log(session, study=study, assessment_id=None, noted=noted, **about)
        elif news.what == "contact":
            self.moves[one.study_id] += 1
            contacts.change(session, vault=self.runtime.vault, **self._reach(one, news.value), **about)
        elif news.what != "address_dies":
            self._by_the_participant(session, one, news)

    def _enrol(self, session: Session, one: Person, about: dict[str, Any]) -> None:
        said = {"site_code": one.site, "language": "sv", "consent_on": one.consent_on}
        reach = self._reach(one, one.channel)
        enrolment.enrol(session, study=self.runtime.study, vault=self.runtime.vault, **said, **reach, **about)

    def _reach(self, one: Person, channel: str) -> dict[str, Any]:
        """A number of those that are nobody's, and another one after each move."""
        move = self.moves[one.study_id]
        return {
            "channel": channel,
            "mobile": f"+467017406{5 + (one.id * 7 + move) % 95:02}",
            "email": f"p{one.id}.{move}@example.org",
            "allow_shared_mobile_reason": "There are not numbers enough for all",
        }

    def _by_the_participant(self, session: Session, one: Person, news: Happening) -> None:
        study, packs = self.runtime.study, self.runtime.instruments
        query = select(Participant.id, Assessment.id).join(Assessment, Assessment.participant_id == Participant.id)
        row = session.execute(
            query.where(Participant.study_id == one.study_id, Assessment.timepoint == news.timepoint)
        ).one()
        whose = {"participant_id": row[0], "assessment_id": row[1]}
        patient = {"actor": Actor("patient", row[0], "patient"), "now": news.at}
        if news.what == "answered":
            sitting = answering.open_sitting(
                session, study=study, instruments=packs, respondent="self", **whose, **patient
            )
            sitting = answering.record(session, sitting, sitting.steps[0], raw="2", language="sv", **patient)
            answering.submit(session, sitting, vault=self.runtime.vault, **patient)
            return
        sitting = find_sitting(session, study=study, instruments=packs, now=news.at, lock=True, **whose)
        if news.what == "declined":
            declining.decline(session, sitting, reason_code=None, **patient)
        elif news.what == "decline_undone":
            declining.undo_decline(session, sitting, **patient)
        else:
            is_tonight = news.value.date() == news.at.date()
            when = "tonight" if is_tonight else "tomorrow"
            patient_wishes.remind_later(session, sitting, when=when, vault=self.runtime.vault, **patient)
