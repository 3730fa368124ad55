"""From a step of an invented life to rows and their events in the trail, shaped as the services write them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from argon2 import PasswordHasher

from proapp.clock import local_date
from proapp.db.models import (
    ActivationCode,
    Answer,
    Assessment,
    AssessmentEvent,
    Contact,
    ContactAttempt,
    FormerSite,
    MissedReason,
    Participant,
    ParticipantEvent,
    PatientPin,
    ResponseSet,
)
from proapp.demo import people, steps, two_people
from proapp.demo.answers import Trajectory
from proapp.demo.rows import Rows
from proapp.demo.steps import Life, Step
from proapp.instruments.answers import Given
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import score
from proapp.services import planning
from proapp.services.audit import WORKER, Actor, Entry
from proapp.services.contacts import ContactDetails
from proapp.services.patient_codes import LOOKUP, VALID_FOR
from proapp.services.planning import Change, Dates, Stored
from proapp.services.vault import Vault
from proapp.study.events import Event
from proapp.study.model import Study
from proapp.study.reasons import MISSED_REASONS

# Codes and PINs of the invented are hashed fast: they protect nothing, and there may be ten thousand of them.
_FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NEAR_THE_END = timedelta(days=120)
ACCESS_ENDS = frozenset({"death", "trial_withdrawal"})


@dataclass(slots=True)
class Person:
    """A participant while the story is told."""

    study_id: str
    life: Life
    contact: ContactDetails
    trajectory: Trajectory
    nurse: Actor
    doctor: Actor
    colleagues: Mapping[tuple[str, str], Actor] = field(default_factory=dict)  # by site and role
    id: int = 0
    code_id: int = 0
    sheets: int = 0
    proposal: int = 0
    seen: str = ""  # the hash of what the newest proposal would do
    events: list[Event] = field(default_factory=list)
    plan: dict[str, Stored] = field(default_factory=dict)
    sets: dict[str, tuple[int, dict[str, dict[int, int]]]] = field(default_factory=dict)  # newest by time point

    @property
    def patient(self) -> Actor:
        return Actor("patient", self.id, "patient")

    @property
    def death_at(self) -> datetime | None:
        return next((s.at for s in self.life.steps if isinstance(s, steps.Happened) and s.type == "death"), None)


class Recorder:
    """Writes steps in order of time. `rng` is for what nobody sees (salts, nonces, receipts)."""

    def __init__(
        self, rows: Rows, study: Study, instruments: Mapping[str, Instrument], vault: Vault, *, seed: int
    ) -> None:
        self.rows, self.study, self.instruments, self.vault, self.seed = rows, study, instruments, vault, seed
        self.salts = random.Random(f"proapp salts {seed}")  # noqa: S311 - see _FAST
        self.packs = {
            code: {"version": pack.version, "hash": pack.content_hash, "algorithm": pack.algorithm_version}
            for code, pack in instruments.items()
        }

    def record(self, person: Person, step: Step) -> None:
        getattr(self, f"_{type(step).__name__.lower()}")(person, step)
        self.rows.flush_when_full()

    def _tell(self, person: Person, entries: list[Entry], actor: Actor, at: datetime) -> None:
        told = [replace(entry, site_code=person.life.site_code) for entry in entries]
        self.rows.tell(*told, actor=actor, at=at, participant_id=person.id)

    # --- enrolment and access ---------------------------------------------------------------------------------------

    def _enrolled(self, person: Person, step: steps.Enrolled) -> None:
        life, by = person.life, person.nurse.id
        said = {"study_id": person.study_id, "site_code": life.site_code, "language": life.language}
        person.id = self.rows.add(Participant, **said, enrolled_at=step.at, enrolled_by_id=by)
        contact = self._contact(person, step)
        consent = self._event(person, steps.Happened(at=step.at, type="pro_consent", on=step.consent_on))
        enrolled = Entry("participant.enrolled", "participant", person.id, said)
        planned = self._replan(person, step.at)
        self._tell(
            person, [enrolled, contact, consent, *planned, self._new_code(person, step.at)], person.nurse, step.at
        )

    def _contact(self, person: Person, step: steps.Enrolled) -> Entry:
        known = person.contact
        sealed = {"mobile": known.mobile, "email": known.email}
        self.rows.add(
            Contact,
            participant_id=person.id,
            sealed=self.vault.seal(sealed, bound_to=f"contact:{person.id}"),
            channel=known.channel,
            mobile_index=self.vault.keyed_hash("mobile", known.mobile) if known.mobile else None,
            updated_at=step.at,
            updated_by_id=person.nurse.id,
        )
        given = [name for name, value in asdict(known).items() if value is not None]
        return Entry("contact.recorded", "contact", person.id, {"fields": given}, step.shared)

    def _new_code(self, person: Person, at: datetime) -> Entry:
        person.sheets += 1
        code = people.code_of(self.seed, person.study_id, person.sheets)
        person.code_id = self.rows.add(
            ActivationCode,
            participant_id=person.id,
            lookup=self.vault.lookup(LOOKUP, code),
            code_hash=self._fast_hash(code),
            created_at=at,
            created_by_id=person.nurse.id,
            expires_at=at + VALID_FOR,
        )
        return Entry("code.issued", "activation_code", person.code_id, {"expires_at": at + VALID_FOR})

    def _fast_hash(self, secret: str) -> str:
        return _FAST.hash(self.vault.keyed_hash("slow hash", secret), salt=self.salts.randbytes(16))

    def _revoke(self, person: Person, why: str, at: datetime) -> Entry:
        self.rows.change(ActivationCode, person.code_id, revoked_at=at)
        return Entry("code.revoked", "activation_code", person.code_id, {"why": why})

    def _codereplaced(self, person: Person, step: steps.CodeReplaced) -> None:
        entries = [self._revoke(person, "replaced", step.at), self._new_code(person, step.at)]
        self._tell(person, entries, person.nurse, step.at)

    def _activated(self, person: Person, step: steps.Activated) -> None:
        self.rows.change(ActivationCode, person.code_id, used_at=step.at)
        self.rows.add(PatientPin, participant_id=person.id, pin_hash=self._fast_hash(people.PIN), set_at=step.at)
        used = Entry("patient.activated", "activation_code", person.code_id, {"used_at": step.at})
        chosen = Entry("patient.pin_chosen", "patient_pin", person.id, {"replaced": False})
        self._tell(person, [used, chosen], person.patient, step.at)

    # --- events and the plan ----------------------------------------------------------------------------------------

    def _proposed(self, person: Person, step: steps.Proposed) -> None:
        self._tell(person, [two_people.propose(self.rows, self.study, person, step)], person.nurse, step.at)

    def _happened(self, person: Person, step: steps.Happened) -> None:
        actor = person.doctor if step.corrects else person.nurse
        entries = [two_people.approve(self.rows, person, actor, step.at)] if step.corrects else []
        entries.append(self._event(person, step, actor))
        if step.type in ACCESS_ENDS:
            entries.append(self._revoke(person, step.type, step.at))
        if step.type == "language_change":
            entries.append(self._changed(person, "language", str(step.payload["to"])))
        if step.type == "site_transfer":
            entries += [self._changed(person, "site_code", str(step.payload["to"])), self._left(person, step)]
        self._tell(person, [*entries, *self._replan(person, step.at)], actor, step.at)
        if step.type == "site_transfer":
            person.life.site_code = str(step.payload["to"])
            person.nurse, person.doctor = (
                person.colleagues[person.life.site_code, role] for role in ("nurse", "investigator")
            )

    def _changed(self, person: Person, name: str, value: str) -> Entry:
        old = person.life.language if name == "language" else person.life.site_code
        self.rows.change(Participant, person.id, **{name: value})
        if name == "language":
            person.life.language = value
        return Entry("participant.changed", "participant", person.id, {"old": {name: old}, "new": {name: value}})

    def _left(self, person: Person, step: steps.Happened) -> Entry:
        period = {"site_code": person.life.site_code, "from_on": person.life.consent_on, "until_on": step.on}
        id_ = self.rows.add(FormerSite, participant_id=person.id, **period)
        return Entry("former_site.recorded", "former_site", id_, {"new": period})

    def _event(self, person: Person, step: steps.Happened, actor: Actor | None = None) -> Entry:
        old = next((event.id for event in reversed(person.events) if event.type == step.type), None)
        values: dict[str, Any] = {
            "type": step.type,
            "effective_on": step.on,
            "effective_time": step.time,
            "payload": dict(step.payload),
        }
        supersedes = old if step.corrects else None
        id_ = self.rows.add(
            ParticipantEvent,
            participant_id=person.id,
            **values,
            reason=step.reason,
            supersedes_id=supersedes,
            recorded_at=step.at,
            recorded_by_id=(actor or person.nurse).id,
        )
        arm = step.payload.get("arm")
        person.events.append(Event(id_, step.type, step.on, step.at, supersedes, arm, dict(step.payload)))
        return Entry("event.recorded", "participant_event", id_, {**values, "supersedes": supersedes}, step.reason)

    def _replan(self, person: Person, at: datetime) -> list[Entry]:
        """What the events mean for the plan, by the service's own comparison."""
        anchors = planning.anchors_of(person.events)
        entries = []
        for change in planning.changes(self.study, list(person.plan.values()), anchors):
            entries.append(self._follow(person, change, at))
            if self._nobody_asked(person, change, at):
                entries.append(self._reason(person, change.timepoint, "registered_after_window", "system", at))
        return entries

    def _follow(self, person: Person, change: Change, at: datetime) -> Entry:
        values = {**asdict(change.new), "cancelled_reason": change.cancelled_reason, "planned_at": at}
        named = {"timepoint": change.timepoint, "occurrence": change.occurrence}
        if change.assessment_id is None:
            version = {"participant_id": person.id, "protocol_version": self.study.number}
            id_ = self.rows.add(Assessment, **named, **version, **values)
        else:
            id_ = change.assessment_id
            self.rows.change(Assessment, id_, **values)
        before = person.plan.get(change.timepoint)
        person.plan[change.timepoint] = Stored(
            id_, change.timepoint, change.occurrence, change.new, change.cancelled_reason, change.opened,
            before.completed_on if before else None, version=self.study.number,
        )  # fmt: skip
        dates = {"old": asdict(change.old) if change.old else None, "new": asdict(change.new)}
        action = "assessment.moved" if change.old else "assessment.planned"
        return Entry(action, "assessment", id_, {**named, **dates, "cancelled_reason": change.cancelled_reason})

    def _nobody_asked(self, person: Person, change: Change, at: datetime) -> bool:
        """The window was over before it was known of (the baseline's is known from enrolment on)."""
        today = local_date(at, self.study.zone(person.life.site_code))
        old, end = change.old or Dates(), change.new.late_until
        if change.opened or end is None or change.timepoint == self.study.baseline.code:
            return False
        return end < today and not (old.opens_on is not None and old.opens_on <= today)

    # --- answers ----------------------------------------------------------------------------------------------------

    def _filled(self, person: Person, step: steps.Filled) -> None:
        assessment = person.plan[step.timepoint]
        person.plan[step.timepoint] = replace(assessment, opened=True)
        actor = person.doctor if step.by_staff else person.patient
        instruments = [self.instruments[code] for code in self.study.timepoint(step.timepoint).instruments]
        started: dict[str, Any] = {
            "mode": step.mode,
            "respondent": step.respondent,
            "protocol_version": self.study.number,
            "packs": {one.code: self.packs[one.code] for one in instruments},
        }
        by = actor.id if step.by_staff else None
        set_id = self.rows.add(
            ResponseSet, assessment_id=assessment.id, **started, started_at=step.at, entered_by_id=by
        )
        entry = Entry("response_set.started", "response_set", set_id, {"assessment": assessment.id, **started})
        self._tell(person, [entry], actor, step.at)
        codes, last_at = self._answers(person, step, set_id, instruments, actor)
        person.sets[step.timepoint] = set_id, codes
        if step.sent and step.completed_on:
            self._submit(person, step.timepoint, step.completed_on, actor, last_at + timedelta(seconds=25))

    def _answers(
        self, person: Person, step: steps.Filled, set_id: int, instruments: list[Instrument], actor: Actor
    ) -> tuple[dict[str, dict[int, int]], datetime]:
        """One row and one event for each item; returns the codes given and the time of the last."""
        codes: dict[str, dict[int, int]] = {one.code: {} for one in instruments}
        by = "patient" if actor.kind == "patient" else f"staff:{actor.id}"
        at, rows = step.at, []
        for number, (instrument, item, given) in enumerate(self._given(person, step, instruments), start=1):
            if step.items is not None and number > step.items:
                if step.again_at is None:
                    break
                at = max(at, step.again_at)
            at += timedelta(seconds=step.seconds)
            if given.code is not None:
                codes[instrument][item] = given.code
            rows.append(
                {
                    "response_set_id": set_id, "instrument": instrument, "item": item, "kind": given.kind,
                    "code": given.code, "language": person.life.language, "recorded_at": at, "client_id": None,
                    "device_at": None, "actor": by,
                }
            )  # fmt: skip
            told = {"old": None, "new": given.code or given.kind, "language": person.life.language}
            entry = Entry("answer.recorded", "answer", f"{set_id}/{instrument}.{item}", told)
            self._tell(person, [entry], actor, at)
        self.rows.add_plain(Answer, rows)
        return codes, at

    def _given(
        self, person: Person, step: steps.Filled, instruments: list[Instrument]
    ) -> Iterator[tuple[str, int, Given]]:
        end, months = person.death_at, self.study.timepoint(step.timepoint).months
        near = end is not None and end - step.at < NEAR_THE_END
        for instrument in instruments:
            for item, given in person.trajectory.answers(instrument, months=months, near_the_end=near):
                left_out = step.only is not None and not (instrument.core and item in step.only)
                yield instrument.code, item, Given("skipped") if left_out else given

    def _swept(self, person: Person, step: steps.Swept) -> None:
        self._submit(person, step.timepoint, step.completed_on, WORKER, step.at)

    def _submit(self, person: Person, timepoint: str, completed_on: date, actor: Actor, at: datetime) -> None:
        set_id, codes = person.sets[timepoint]
        facts = {
            "completed_on": completed_on,
            "auto_submitted": actor is WORKER,
            "receipt": self.vault.new_receipt(),
            "answered_items": sum(map(len, codes.values())),
            "valid": self._is_valid(codes),
        }
        self.rows.change(ResponseSet, set_id, submitted_at=at, **facts)
        stored = person.plan[timepoint]
        first = min(stored.completed_on or completed_on, completed_on)
        person.plan[timepoint] = replace(stored, completed_on=first)
        told = {"assessment": person.plan[timepoint].id, **facts}
        self._tell(person, [Entry("response_set.submitted", "response_set", set_id, told)], actor, at)

    def _is_valid(self, codes: Mapping[str, Mapping[int, int]]) -> bool:
        core = [self.instruments[code] for code in codes if self.instruments[code].core]
        results = [(one, result) for one in core for result in score(one, codes[one.code])]
        return any(result.value is not None and result.code in one.scales_by_code for one, result in results)

    def _voided(self, person: Person, step: steps.Voided) -> None:
        set_id, _ = person.sets[step.timepoint]
        self.rows.change(ResponseSet, set_id, void_reason=step.reason)
        payload, assessment = {"response_set": set_id}, person.plan[step.timepoint].id
        self._decision(person, assessment, "voided", payload, step.reason, person.doctor, step.at)

    # --- decisions, reasons, contacts -------------------------------------------------------------------------------

    def _decided(self, person: Person, step: steps.Decided) -> None:
        payload: dict[str, Any] = {} if step.by_staff else {"by": "patient"}
        if step.until:
            payload["until"] = step.until.isoformat()
        actor, assessment = person.nurse if step.by_staff else person.patient, person.plan[step.timepoint].id
        self._decision(person, assessment, step.type, payload, step.reason, actor, step.at)
        if step.type == "extended":
            self.rows.change(Assessment, assessment, extension_until=step.until)

    def _decision(
        self,
        person: Person,
        assessment_id: int,
        type: str,
        payload: dict[str, Any],
        reason: str | None,
        actor: Actor,
        at: datetime,
    ) -> None:
        id_ = self.rows.add(
            AssessmentEvent,
            assessment_id=assessment_id,
            type=type,
            payload=payload,
            reason=reason,
            recorded_at=at,
            recorded_by_id=actor.id if actor.kind == "staff" else None,
        )
        told = {"assessment": assessment_id, "type": type, **payload, "has_note": reason is not None}
        self._tell(person, [Entry(f"assessment.{type}", "assessment_event", id_, told)], actor, at)

    def _explained(self, person: Person, step: steps.Explained) -> None:
        actor = person.patient if step.source == "patient" else person.nurse
        entry = self._reason(person, step.timepoint, step.code, step.source, step.at)
        self._tell(person, [entry], actor, step.at)

    def _reason(self, person: Person, timepoint: str, code: str, source: str, at: datetime) -> Entry:
        known, assessment = MISSED_REASONS[code], person.plan[timepoint]
        flags = {"health_related": known.health_related, "avoidable": known.avoidable}
        by = person.nurse.id if source == "staff" else None
        id_ = self.rows.add(
            MissedReason,
            assessment_id=assessment.id,
            code=code,
            **flags,
            source=source,
            recorded_at=at,
            recorded_by_id=by,
        )
        told = {"assessment": timepoint, "code": code, **flags, "source": source, "previous": None}
        return Entry("missed_reason.recorded", "missed_reason", id_, {"study_id": person.study_id, **told})

    def _contacted(self, person: Person, step: steps.Contacted) -> None:
        assessment = person.plan[step.timepoint].id if step.timepoint else None
        said = {"method": step.method, "outcome": step.outcome, "next_on": step.next_on}
        id_ = self.rows.add(
            ContactAttempt,
            participant_id=person.id,
            assessment_id=assessment,
            **said,
            note=step.note,
            at=step.at,
            recorded_by_id=person.nurse.id,
        )
        told = {"study_id": person.study_id, "assessment": step.timepoint, **said, "has_note": step.note is not None}
        self._tell(person, [Entry("contact.logged", "contact_attempt", id_, told)], person.nurse, step.at)
