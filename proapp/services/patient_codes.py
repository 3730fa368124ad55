"""The personal code of the printed sheet: how a participant gets in for the first time, and again after a lost phone.

The code exists in clear only in the answer to the request that made it. Staff can issue and revoke codes, but never see
or choose a patient's PIN, and never open a patient's session.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from proapp.db.models import ActivationCode, AuthSession, Participant, PatientPin
from proapp.services import audit, register, sessions
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.planning import load_events
from proapp.services.vault import Vault
from proapp.study.events import standing

VALID_FOR = timedelta(days=14)  # to activate with it; once a PIN is chosen it stays good until replaced or revoked
LOOKUP = "activation"  # the purpose under which the sign-in looks for a code
ENDED = ("death", "trial_withdrawal", "pro_stop")


def issue_code(
    session: Session,
    *,
    vault: Vault,
    study_id: str,
    sites: frozenset[str] | None,
    actor: Actor,
    now: datetime,
    lost_phone: bool = False,
    identity_check: str | None = None,
) -> str:
    """A new personal code (12 signs, as vault.new_code makes them), returned in clear this once; only its hash is kept.

    Earlier codes stop working. With `lost_phone` every phone is signed out and forgotten and the PIN is taken away, so
    that the participant chooses a new one; how the caller was recognised must then be stated in `identity_check`.
    Raises NotFound, and Refused: participant_ended (died, left the trial, or stopped answering), reason_required,
    reason_too_long.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    reason = register.required_reason(identity_check) if lost_phone else register.optional_reason(identity_check)
    if any(type_ in standing(load_events(session, participant.id)) for type_ in ENDED):
        raise Refused("participant_ended")
    entries = revoke_codes(session, participant, reason="replaced", now=now)
    if lost_phone:
        entries += end_sessions(session, participant, reason="lost_phone", now=now)
        entries += _take_pin(session, participant)
    code, entry = _new_code(session, vault, participant, actor, now)
    done = [*entries, entry]
    told = [Entry(one.action, one.entity, one.entity_id, one.details, reason, one.site_code) for one in done]
    audit.record(session, *told, actor=actor, now=now, participant_id=participant.id, locked=True)
    return code


def _new_code(
    session: Session, vault: Vault, participant: Participant, actor: Actor, now: datetime
) -> tuple[str, Entry]:
    code = vault.new_code()
    row = ActivationCode(
        participant_id=participant.id,
        lookup=vault.lookup(LOOKUP, code),
        code_hash=vault.slow_hash(code),
        created_at=now,
        created_by_id=actor.id if actor.kind == "staff" else None,
        expires_at=now + VALID_FOR,
    )
    session.add(row)
    session.flush()
    details = {"expires_at": row.expires_at}
    return code, Entry("code.issued", "activation_code", row.id, details, site_code=participant.site_code)


def revoke_codes(session: Session, participant: Participant, *, reason: str, now: datetime) -> list[Entry]:
    """Make every code of the participant useless. Returns one audit entry per code, for the caller to record."""
    live = (ActivationCode.participant_id == participant.id) & ActivationCode.revoked_at.is_(None)
    ids = session.scalars(select(ActivationCode.id).where(live).order_by(ActivationCode.id)).all()
    session.execute(
        update(ActivationCode).where(ActivationCode.id.in_(ids)).values(revoked_at=now),
        execution_options={"synchronize_session": False},
    )
    return [
        Entry("code.revoked", "activation_code", id_, {"why": reason}, site_code=participant.site_code) for id_ in ids
    ]


def end_sessions(session: Session, participant: Participant, *, reason: str, now: datetime) -> list[Entry]:
    """Sign every phone of the participant out and forget it. Returns one audit entry per session or device."""
    live = (AuthSession.participant_id == participant.id) & AuthSession.ended_at.is_(None)
    found = session.execute(select(AuthSession.id, AuthSession.kind).where(live).order_by(AuthSession.id)).all()
    sessions.end(session, now=now, reason=reason, participant_id=participant.id)
    return [
        Entry(
            "session.ended", "auth_session", row.id, {"kind": row.kind, "why": reason}, site_code=participant.site_code
        )
        for row in found
    ]


def _take_pin(session: Session, participant: Participant) -> list[Entry]:
    taken = session.execute(delete(PatientPin).where(PatientPin.participant_id == participant.id)).rowcount  # type: ignore[attr-defined]  # a write has one
    if not taken:
        return []
    return [Entry("pin.removed", "patient_pin", participant.id, {"why": "lost_phone"}, site_code=participant.site_code)]
