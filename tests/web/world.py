"""A small world with two sites, for tests that walk through every page: anna at UME and lisa at LUN, both in the middle
of a questionnaire, and a browser for every kind of person."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select

from proapp.db.models import Base, ChangeProposal, Message, ParticipantEvent
from proapp.services import sessions
from proapp.web.guard import STAFF_COOKIE

RANDOMIZED_ON = date(2026, 8, 23)  # 3 months before the tests' day: m03 is open
STOPPED_ON = date(2026, 11, 23)  # an event that can be revoked, too late to touch m03
ROLES = {
    "nurse": "berit",
    "investigator": "ivar",
    "coordinator": "karin",
    "monitor": "mona",
    "statistician": "stina",
    "administrator": "ada",
}
# Of machines one that reads and one that writes stand for all.
MACHINES = ("participants:read", "participants:write")
EVERYBODY = ("anyone", "patient", "clinic", "staff_pending", "staff_suspended", *MACHINES, *ROLES)


@dataclass
class Place:
    """What the addresses of one site's participant are made of."""

    participant_id: int
    participant: str
    assessment: int
    event: int
    user: int
    message: int
    proposal: int
    token: int

    def address(self, path: str) -> str:
        return path.format(
            assessment=self.assessment,
            participant=self.participant,
            event=self.event,
            user=self.user,
            message=self.message,
            proposal=self.proposal,
            token=self.token,
        )


@dataclass
class World:
    people: Any
    anna: Place
    lisa: Place

    def browser(self, who: str) -> Any:
        """A fresh browser of somebody who is `who`: anyone, patient (anna), clinic (anna at the tablet), staff_pending,
        staff_suspended (berit, who has handed it over), the scope of a machine's token, or a role."""
        if who in ("anyone", "anyone_but_clinic"):
            return self.people.make_browser(self.people.app)
        if who == "patient":
            return self.people.patient(self.anna.participant_id)
        if who == "clinic":
            return self.people.tablet(self.anna.participant_id, self.anna.assessment)
        if who in ("staff_pending", "staff_suspended"):
            return self._half(who)
        return self.people.machine(who) if ":" in who else self.people.staff(ROLES[who])

    def _half(self, kind: Any) -> Any:
        runtime, user_id = self.people.runtime, self.people.staff_id("berit")
        with runtime.writing.begin() as session:
            token = sessions.start(session, runtime.vault, kind=kind, now=runtime.clock(), user_id=user_id)
        browser = self.people.make_browser(self.people.app)
        browser.cookie(STAFF_COOKIE, token)
        return browser


def build(people: Any) -> World:
    return World(people, _place(people, "UME-001", "berit"), _place(people, "LUN-001", "charlie"))


def _place(people: Any, study_id: str, nurse: str) -> Place:
    participant = people.participant(study_id, randomized_on=RANDOMIZED_ON)
    people.answered(participant, "m03", codes={"c30": {1: 2}})
    people.event(participant, "pro_stop", STOPPED_ON)
    with people.runtime.reading() as session:
        event = session.scalars(
            select(ParticipantEvent.id).where(
                ParticipantEvent.participant_id == participant, ParticipantEvent.type == "pro_stop"
            )
        ).one()
    assessment = people.assessment_id(participant, "m03")
    message = _message(people, participant, assessment)
    proposal = _proposal(people, participant, nurse)
    token = people.machine("compliance:read").token_id
    return Place(participant, study_id, assessment, event, people.staff_id(nurse), message, proposal, token)


def _proposal(people: Any, participant: int, nurse: str) -> int:
    """A correction of the randomisation that waits for a second person."""
    days = {"old": RANDOMIZED_ON, "new": RANDOMIZED_ON - timedelta(days=2)}
    proposal = ChangeProposal(
        kind="anchor_correction", participant_id=participant, diff_hash="0" * 64, reason="Read wrongly",
        payload={"type": "randomized", **{name: {"date": day.isoformat(), "time": None} for name, day in days.items()}},
        proposed_at=people.runtime.clock(), proposed_by_id=people.staff_id(nurse),
    )  # fmt: skip
    with people.runtime.writing.begin() as session:
        session.add(proposal)
        session.flush()
        return proposal.id


def _message(people: Any, participant: int, assessment: int) -> int:
    """A reminder that a gateway has refused."""
    now = people.runtime.clock()
    message = Message(
        key=f"reminder:{assessment}:opens+0:sms", kind="reminder", participant_id=participant, channel="sms",
        assessment_id=assessment, step="opens+0", due_at=now, queued_at=now, next_try_at=now, settled_at=now,
        state="failed", state_reason="recipient_refused",
    )  # fmt: skip
    with people.runtime.writing.begin() as session:
        session.add(message)
        session.flush()
        return message.id


def fingerprint(engine: Any, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """A hash of every row of every table (but those named)."""
    with engine.connect() as connection:
        return {
            name: hashlib.sha256(
                repr(connection.execute(select(table).order_by(*table.primary_key.columns)).all()).encode()
            ).hexdigest()
            for name, table in Base.metadata.tables.items()
            if name not in but
        }


def without_tokens(page: Any) -> str:
    """The body, without the form tokens and references that differ in every answer."""
    body = page.get_data(as_text=True)
    return re.sub(r'name="csrf_token"[^>]*value="[^"]+"|value="[^"]+"[^>]*name="csrf_token"', "", body)
