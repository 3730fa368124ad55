"""The tables: facts only.

Whether an assessment is open, late or missed, its scores and every rate are derived when asked for. The plan
(`Assessment`) is the one derived thing with rows: it makes the expected denominator something SQL can count.
Tables in APPEND_ONLY refuse UPDATE and DELETE by triggers on both engines (see migrations).
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from sqlalchemy import ForeignKey, Index, MetaData, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from proapp.db.types import Instant, Payload

APPEND_ONLY = (
    "participant_event",
    "answer",
    "assessment_event",
    "missed_reason",
    "contact_attempt",
    "audit_event",
    "delivery_receipt",
    "patient_request",
    "answer_conflict",
    "api_write",
)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Instant, dict[str, Any]: Payload}


class Installation(Base):
    """What this database is: `kind` is demo or live, so that a demonstration never touches real data."""

    __tablename__ = "installation"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class StudyVersion(Base):
    """The text of each study file that was ever in force here."""

    __tablename__ = "study_version"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(40))
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime]


# --- people who work here -------------------------------------------------------------------------------------------


class StaffUser(Base):
    """One person, one account; an e-mail address is never given to somebody else later."""

    __tablename__ = "staff_user"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)  # lower case
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(20))
    language: Mapped[str] = mapped_column(String(5), default="sv")
    password_hash: Mapped[str | None] = mapped_column(String(200))
    totp_sealed: Mapped[bytes | None]
    totp_last_step: Mapped[int | None]
    wants_digest: Mapped[bool] = mapped_column(default=False, server_default=false())  # the Monday message
    created_at: Mapped[datetime]
    suspended_at: Mapped[datetime | None]


class StaffSite(Base):
    __tablename__ = "staff_site"
    user_id: Mapped[int] = mapped_column(ForeignKey("staff_user.id"), primary_key=True)
    site_code: Mapped[str] = mapped_column(String(20), primary_key=True)


class StaffInvitation(Base):
    """A one-time code with which a new person (or one who lost the phone) chooses password and second factor."""

    __tablename__ = "staff_invitation"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("staff_user.id"), index=True)
    lookup: Mapped[str] = mapped_column(String(64), index=True)
    code_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuthSession(Base):
    """A signed-in browser. The cookie holds an opaque token; the row holds only its hash.

    kind: patient | patient_pending (code given, no PIN yet) | patient_link (own link followed, no PIN yet) | device (a
    phone that leads straight to the PIN) | clinic (a clinic's tablet, for one assessment and nothing else) | own_phone
    (a square on that tablet, to be followed once by the participant's own phone) | staff | staff_pending (password
    given, TOTP not yet) | staff_suspended (this browser is handed over; the password resumes it).
    """

    __tablename__ = "auth_session"
    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"), index=True)
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participant.id"), index=True)
    # All that a clinic session opens, where a square leads, what a suspended session of staff was handed over for.
    assessment_id: Mapped[int | None] = mapped_column(ForeignKey("assessment.id"))
    handed_over_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))
    device: Mapped[str] = mapped_column(String(80), default="")
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]  # last time the password or PIN was given
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(40))


class SignInAttempt(Base):
    """Counted in the database so that limits hold over any number of processes. Subjects are keyed hashes."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index("ix_sign_in_attempt_subject", "kind", "subject", "at"),
        Index("ix_sign_in_attempt_address", "kind", "address", "at"),
        Index("ix_sign_in_attempt_at", "kind", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))  # throttle.Kind
    subject: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    succeeded: Mapped[bool]


# --- participants ---------------------------------------------------------------------------------------------------


class Participant(Base):
    __tablename__ = "participant"
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(String(40), unique=True)
    site_code: Mapped[str] = mapped_column(String(20), index=True)
    language: Mapped[str] = mapped_column(String(5))
    enrolled_at: Mapped[datetime]
    enrolled_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))


class Contact(Base):
    """Contact data, apart from the research data and sealed with a key that the database does not hold."""

    __tablename__ = "contact"
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), primary_key=True)
    sealed: Mapped[bytes]  # JSON {"mobile": E.164 | null, "email": … | null}
    channel: Mapped[str] = mapped_column(String(10))  # sms | email | letter
    mobile_index: Mapped[str | None] = mapped_column(String(64), index=True)  # keyed hash, to find a number used twice
    confirmed_at: Mapped[datetime | None]  # the patient has said that it is right
    verified_at: Mapped[datetime | None]  # a message was delivered to it
    undeliverable_at: Mapped[datetime | None]  # a gateway has said that it cannot be reached; null again on change
    undeliverable_reason: Mapped[str | None] = mapped_column(String(40))
    updated_at: Mapped[datetime]
    updated_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))


class ParticipantEvent(Base):
    """What happened to a participant. A correction is a new row that supersedes the old one.

    type: pro_consent | randomized {"arm": …} | pro_stop | trial_withdrawal {"data_use": …} | death | off_treatment |
    surgery | progression | lost_to_follow_up | contact_pause {"until": last day | null} | language_change
    {"from": …, "to": …} | site_transfer {"from": …, "to": …} | revoked (supersedes an event recorded by mistake).
    """

    __tablename__ = "participant_event"
    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), index=True)
    type: Mapped[str] = mapped_column(String(30))
    effective_on: Mapped[date]
    effective_time: Mapped[time | None]  # local to the site
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str | None] = mapped_column(Text)
    supersedes_id: Mapped[int | None] = mapped_column(ForeignKey("participant_event.id"), unique=True)
    recorded_at: Mapped[datetime]
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))


class FormerSite(Base):
    """A site that a participant has left, and its period: it still reads what belongs to that, and writes nothing.

    Derived from the site_transfer events and written in their transaction, like the plan, so that SQL can ask for it.
    """

    __tablename__ = "former_site"
    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), index=True)
    site_code: Mapped[str] = mapped_column(String(20), index=True)
    from_on: Mapped[date]
    until_on: Mapped[date]  # the day of the transfer, which belongs to the new site


class ActivationCode(Base):
    """The personal code of a printed sheet. Activates once; later it opens another device only with the PIN."""

    __tablename__ = "activation_code"
    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), index=True)
    lookup: Mapped[str] = mapped_column(String(64), index=True)
    code_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class PatientPin(Base):
    __tablename__ = "patient_pin"
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), primary_key=True)
    pin_hash: Mapped[str] = mapped_column(String(200))
    set_at: Mapped[datetime]


# --- assessments and answers ----------------------------------------------------------------------------------------


class Assessment(Base):
    """One expected assessment. Dates are null while the anchor is unknown. There is no status column."""

    __tablename__ = "assessment"
    __table_args__ = (
        UniqueConstraint("participant_id", "timepoint", "occurrence"),
        Index("ix_assessment_late_until", "late_until"),
        Index("ix_assessment_opens_on", "timepoint", "opens_on"),
        Index("ix_assessment_target_on", "timepoint", "target_on"),
        Index("ix_assessment_closes_on", "timepoint", "closes_on"),
        Index(
            "ix_assessment_extension_until",
            "timepoint",
            "extension_until",
            sqlite_where=text("extension_until IS NOT NULL"),
            postgresql_where=text("extension_until IS NOT NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    timepoint: Mapped[str] = mapped_column(String(20))
    occurrence: Mapped[int] = mapped_column(default=1)
    protocol_version: Mapped[str] = mapped_column(String(40))
    anchor_on: Mapped[date | None]
    target_on: Mapped[date | None]
    opens_on: Mapped[date | None]
    closes_on: Mapped[date | None]
    late_until: Mapped[date | None]
    extension_until: Mapped[date | None]
    cancelled_reason: Mapped[str | None] = mapped_column(String(40))
    planned_at: Mapped[datetime]


class ResponseSet(Base):
    """One person's set of answers to one assessment. Written once at the start and once at submission.

    answered_items and valid are recorded at submission, when the answers and the packs are fixed for good; both can be
    recomputed from the answers at any time (docs/decisions/0002-validity-at-submission.md).
    """

    __tablename__ = "response_set"
    __table_args__ = (
        UniqueConstraint("assessment_id", "mode"),
        Index("ix_response_set_submitted_at", "submitted_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("assessment.id"))
    mode: Mapped[str] = mapped_column(String(20))  # self_remote | self_clinic | paper | phone | interview | proxy
    respondent: Mapped[str] = mapped_column(String(10))  # self | helped | proxy
    protocol_version: Mapped[str] = mapped_column(String(40))
    packs: Mapped[dict[str, Any]]  # {"c30": {"version": …, "hash": …, "algorithm": …}, …}
    started_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    completed_on: Mapped[date | None]  # the local day on which the patient completed it
    auto_submitted: Mapped[bool] = mapped_column(default=False)
    receipt: Mapped[str | None] = mapped_column(String(20), unique=True)
    answered_items: Mapped[int | None]
    valid: Mapped[bool | None]
    # Sent from a phone's own store: when the phone says that Send was pressed, and whether its clock can be believed.
    device_at: Mapped[datetime | None]
    device_offset_s: Mapped[int | None]  # the phone's clock minus ours, in seconds
    clock_trusted: Mapped[bool | None]
    entered_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))
    void_reason: Mapped[str | None] = mapped_column(Text)


class Answer(Base):
    """One value given to one item; the newest row of an item that is not overtaken is its answer.

    kind: answered | skipped | cleared. An answer that was given without network before another device gave a newer one
    comes late: it is kept as overtaken, and does not count. `device_at` is the phone's own time, as it was.
    """

    __tablename__ = "answer"
    # Also the index by which the answers of a set are found; one more would cost every saved answer a page written.
    __table_args__ = (UniqueConstraint("response_set_id", "client_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    response_set_id: Mapped[int] = mapped_column(ForeignKey("response_set.id"))
    instrument: Mapped[str] = mapped_column(String(20))
    item: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))
    code: Mapped[int | None]
    language: Mapped[str] = mapped_column(String(5))
    recorded_at: Mapped[datetime]
    client_id: Mapped[str | None] = mapped_column(String(40))
    device_at: Mapped[datetime | None]
    device_offset_s: Mapped[int | None]  # the phone's clock minus ours, in seconds
    given_at: Mapped[datetime | None]  # by our clock, where the phone's could be believed; else recorded_at counts
    overtaken: Mapped[bool] = mapped_column(default=False, server_default=false())
    actor: Mapped[str] = mapped_column(String(20))  # patient | staff:<id>


class AnswerConflict(Base):
    """What a phone had kept and could send only after the assessment had been submitted by another, where it differs.

    It changes nothing in the submission; the site sees it beside that.
    """

    __tablename__ = "answer_conflict"
    __table_args__ = (UniqueConstraint("response_set_id", "client_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    response_set_id: Mapped[int] = mapped_column(ForeignKey("response_set.id"))
    instrument: Mapped[str] = mapped_column(String(20))
    item: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10))
    code: Mapped[int | None]
    language: Mapped[str] = mapped_column(String(5))
    recorded_at: Mapped[datetime]
    client_id: Mapped[str] = mapped_column(String(40))
    device_at: Mapped[datetime | None]
    device_offset_s: Mapped[int | None]
    actor: Mapped[str] = mapped_column(String(20))


class AssessmentEvent(Base):
    """type: declined | decline_undone | extended {"until": last day | null} | voided | opened {its dates} (by staff,
    outside the plan) | taken_back (one that was opened by mistake)."""

    __tablename__ = "assessment_event"
    id: Mapped[int] = mapped_column(primary_key=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("assessment.id"), index=True)
    type: Mapped[str] = mapped_column(String(20))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str | None] = mapped_column(Text)
    recorded_at: Mapped[datetime]
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))


class MissedReason(Base):
    """Why an assessment is missing; the newest row counts."""

    __tablename__ = "missed_reason"
    id: Mapped[int] = mapped_column(primary_key=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("assessment.id"), index=True)
    code: Mapped[str] = mapped_column(String(30))
    health_related: Mapped[str] = mapped_column(String(1))  # Y | N | ?
    avoidable: Mapped[str] = mapped_column(String(1))
    source: Mapped[str] = mapped_column(String(10))  # patient | staff | system
    note: Mapped[str | None] = mapped_column(Text)
    recorded_at: Mapped[datetime]
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))


class ContactAttempt(Base):
    """A call, a letter or a postponement by staff. `next_on` hides the worklist row until that day."""

    __tablename__ = "contact_attempt"
    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), index=True)
    assessment_id: Mapped[int | None] = mapped_column(ForeignKey("assessment.id"))
    method: Mapped[str] = mapped_column(String(10))  # phone | sms | email | letter | visit | none (a postponement)
    outcome: Mapped[str] = mapped_column(String(30))
    note: Mapped[str | None] = mapped_column(Text)
    next_on: Mapped[date | None]
    at: Mapped[datetime]
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))


class PatientRequest(Base):
    """What a patient asked for on the phone. type: call_me | remind_later {"at": instant in ISO 8601}."""

    __tablename__ = "patient_request"
    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"), index=True)
    assessment_id: Mapped[int | None] = mapped_column(ForeignKey("assessment.id"), index=True)
    type: Mapped[str] = mapped_column(String(20))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    recorded_at: Mapped[datetime]


# --- messages -------------------------------------------------------------------------------------------------------


class Message(Base):
    """The outbox: one message that fell due, from queueing to its receipt. Written in the transaction of its cause.

    `key` says what it is about (reminder:<assessment>:<step>:<channel>), so that no step is sent twice, however many
    workers there are. The text is made from the study file when it is sent and is not kept; nor is the address.
    state: queued | sending | sent (the gateway has it) | delivered | failed | cancelled | possibly_sent (a worker died
    between handing over and noting it: shown and counted, never sent again by itself).
    """

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_state", "state", "next_try_at"),
        Index("ix_message_provider_ref", "gateway", "provider_ref"),
        Index("ix_message_participant_id", "participant_id", "queued_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(20))  # reminder | remind_later | test | digest | escalation
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participant.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))
    assessment_id: Mapped[int | None] = mapped_column(ForeignKey("assessment.id"), index=True)
    step: Mapped[str | None] = mapped_column(String(40))
    channel: Mapped[str] = mapped_column(String(10))  # sms | email
    due_at: Mapped[datetime]  # when the policy wanted it
    not_after: Mapped[datetime | None]  # useless from then on: the next step is due, or the window is over
    queued_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    state_reason: Mapped[str | None] = mapped_column(String(40))
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime]
    claimed_by: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    gateway: Mapped[str | None] = mapped_column(String(20))
    reference: Mapped[str | None] = mapped_column(String(32), index=True)  # ours, as the gateway was last given it
    provider_ref: Mapped[str | None] = mapped_column(String(120))
    handed_over_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]  # delivered, failed, cancelled or found possibly sent
    units: Mapped[int | None]  # parts of an SMS
    link_hash: Mapped[str | None] = mapped_column(String(64), unique=True)  # of its personal link, if it has one


class DeliveryReceipt(Base):
    """What a gateway reported about a message, each report once; it may come before we know the reference."""

    __tablename__ = "delivery_receipt"
    __table_args__ = (UniqueConstraint("gateway", "provider_ref", "status"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    gateway: Mapped[str] = mapped_column(String(20))
    provider_ref: Mapped[str] = mapped_column(String(120))
    status: Mapped[str] = mapped_column(String(20))  # accepted | delivered | failed
    reason: Mapped[str | None] = mapped_column(String(40))
    at: Mapped[datetime | None]  # the gateway's own time
    received_at: Mapped[datetime]


# --- changes that two people make -----------------------------------------------------------------------------------


class ChangeProposal(Base):
    """An amendment or a corrected anchor that one person proposes and a second one approves, having seen the same diff.

    kind: amendment (`to_version_id`, payload {"sites": {code: activates_on}}) | anchor_correction (`participant_id`,
    payload {"type", "event", "old", "new"}; `new` is null where the event never happened). `diff_hash` is of the diff
    that was seen: another one needs another look.
    """

    __tablename__ = "change_proposal"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    participant_id: Mapped[int | None] = mapped_column(ForeignKey("participant.id"), index=True)
    from_version_id: Mapped[int | None] = mapped_column(ForeignKey("study_version.id"))
    to_version_id: Mapped[int | None] = mapped_column(ForeignKey("study_version.id"))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    diff_hash: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    proposed_at: Mapped[datetime]
    proposed_by_id: Mapped[int] = mapped_column(ForeignKey("staff_user.id"))
    decision: Mapped[str | None] = mapped_column(String(20))  # approved | refused | withdrawn
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))
    decision_reason: Mapped[str | None] = mapped_column(Text)


class SiteActivation(Base):
    """From which day a site works by a version of the study; the newest whose day has come is in force there."""

    __tablename__ = "site_activation"
    __table_args__ = (UniqueConstraint("version_id", "site_code"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("study_version.id"))
    site_code: Mapped[str] = mapped_column(String(20))
    active_from: Mapped[date]
    proposal_id: Mapped[int | None] = mapped_column(ForeignKey("change_proposal.id"))
    applied_at: Mapped[datetime | None]


# --- machines -------------------------------------------------------------------------------------------------------


class ApiToken(Base):
    """What a machine shows to be let in, by its hash only. An ended one stays: the trail names it by its id.

    `sites` is null for all sites; `expires_at` is the first moment at which it opens nothing any more.
    """

    __tablename__ = "api_token"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(Payload)
    sites: Mapped[list[str] | None] = mapped_column(Payload)
    sees_arms: Mapped[bool]
    created_at: Mapped[datetime]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_user.id"))
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ApiUse(Base):
    """How much a token has read of one kind on one day: a counter, so that a token that reads too much is seen."""

    __tablename__ = "api_use"
    __table_args__ = (UniqueConstraint("token_id", "day", "scope"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id"))
    day: Mapped[date]
    scope: Mapped[str] = mapped_column(String(30))
    requests: Mapped[int]
    participants: Mapped[int]  # of whom something was given, counted at every request


class ApiWrite(Base):
    """A request of a machine that wrote something, and the answer it got: sent again it gets the same answer, and
    nothing is written twice. Key and request are kept as keyed hashes."""

    __tablename__ = "api_write"
    __table_args__ = (
        UniqueConstraint("token_id", "key_hash"),
        Index("ix_api_write_fingerprint", "fingerprint"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("api_token.id"))
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id"))
    key_hash: Mapped[str | None] = mapped_column(String(64))
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]


class WebhookEvent(Base):
    """What another system is told, once for each assessment and outcome. `body` is the very text, alike at every try.

    state: waiting | delivered | given_up. A try pushes `next_try_at` ahead before it is made, so that a worker that
    dies leaves an event that is told again; the receiver knows it by its `event_id`.
    """

    __tablename__ = "webhook_event"
    __table_args__ = (
        UniqueConstraint("assessment_id", "status"),
        Index("ix_webhook_event_state", "state", "next_try_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(40), unique=True)
    assessment_id: Mapped[int] = mapped_column(ForeignKey("assessment.id"))
    status: Mapped[str] = mapped_column(String(30))  # completed | completed_unscorable | declined | missed
    body: Mapped[str] = mapped_column(Text)
    queued_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    state_reason: Mapped[str | None] = mapped_column(String(40))  # why the last try failed
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


# --- audit ----------------------------------------------------------------------------------------------------------


class AuditEvent(Base):
    """One row for every write, hash-chained per participant (`chain` = p<id>) or for the installation (`system`)."""

    __tablename__ = "audit_event"
    __table_args__ = (UniqueConstraint("chain", "seq"), Index("ix_audit_event_at", "at"))
    id: Mapped[int] = mapped_column(primary_key=True)
    chain: Mapped[str] = mapped_column(String(20))
    seq: Mapped[int]
    at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(10))  # patient | staff | system | machine
    actor_id: Mapped[int | None]
    actor_role: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(40))
    entity: Mapped[str] = mapped_column(String(30))
    entity_id: Mapped[str] = mapped_column(String(40))
    site_code: Mapped[str | None] = mapped_column(String(20), index=True)
    details: Mapped[str] = mapped_column(Text)  # canonical JSON; the very text that is hashed
    reason: Mapped[str | None] = mapped_column(Text)
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
