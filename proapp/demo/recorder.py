"""From a step of an invented life to rows and their events in the trail, shaped as the services write them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from argon2 import PasswordHasher

from proapp.clock import local_date
from proapp.db.models import (
    ActivationCode,
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
from proapp.demo.answering import Answering
from proapp.demo.person import Person
from proapp.demo.steps import Step
from proapp.services import planning
from proapp.services.audit import Actor, Entry
from proapp.services.patient_codes import LOOKUP, VALID_FOR
from proapp.services.planning import Change, Dates, Stored
from proapp.study.events import Event
from proapp.study.reasons import MISSED_REASONS

# Codes and PINs of the invented are hashed fast: they protect nothing, and there may be ten thousand of them.
_FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ACCESS_ENDS = frozenset({"death", "trial_withdrawal"})


class Recorder(Answering):
    """Writes steps in order of time."""

    def record(self, person: Person, step: Step) -> None:
        getattr(self, f"_{type(step).__name__.lower()}")(person, step)
        self.rows.flush_when_full()

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

    # --- decisions, reasons, contacts -------------------------------------------------------------------------------

    def _voided(self, person: Person, step: steps.Voided) -> None:
        set_id, _ = person.sets[step.timepoint]
        self.rows.change(ResponseSet, set_id, void_reason=step.reason)
        payload, assessment = {"response_set": set_id}, person.plan[step.timepoint].id
        self._decision(person, assessment, "voided", payload, step.reason, person.doctor, step.at)

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
        told = {"assessment": assessment.id, "code": code, **flags, "source": source, "previous": None}
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
        told = {"study_id": person.study_id, "assessment": assessment, **said, "has_note": step.note is not None}
        self._tell(person, [Entry("contact.logged", "contact_attempt", id_, told)], person.nurse, step.at)
