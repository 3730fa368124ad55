"""What assessments are counted from, put right by two people: one proposes what happened in truth (another day, another
arm, or that it never happened), and another one approves it, having seen what moves.

Randomisation is never corrected by one person; consent, surgery and progression are where nothing in the plan would
change (`Found.two_people`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from sqlalchemy.orm import Session

from proapp.services import audit, event_corrections, proposals, register
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.event_corrections import Correction, Found
from proapp.services.proposals import Proposal
from proapp.study.model import Study

OVERTAKEN = frozenset({"nothing_changed", "event_replaced", "already_revoked"})
Said = tuple[date, time | None, str | None]  # day, time if it is known, arm of a randomisation


def look(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    correction: Correction,
    now: datetime,
) -> Found:
    """What the correction would do, before it is proposed. Writes nothing. Raises as event_corrections.look does, and
    Refused: already_proposed where another one waits and this one needs two people too."""
    found = event_corrections.look(session, study=study, study_id=study_id, sites=sites, correction=correction, now=now)
    if found.two_people and proposals.of_participant(session, study_id, sites=sites) is not None:
        raise Refused("already_proposed")
    return found


def propose(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    correction: Correction,
    reason: str | None,
    seen: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Propose a correction; returns the proposal's id. `seen` is the hash of the diff that was looked at.

    Raises as `look` does, and Refused: look_again, reason_required, reason_too_long.
    """
    register.find(session, study_id=study_id, sites=sites, lock=True)
    found = look(session, study=study, study_id=study_id, sites=sites, correction=correction, now=now)
    if found.diff.digest != seen:
        raise Refused("look_again")
    payload = {"type": found.recorded.type, "event": correction.event_id, "old": _old(found), "new": _new(correction)}
    proposal_id, entry = proposals.add(
        session,
        kind="anchor_correction",
        payload=payload,
        diff_hash=seen,
        reason=reason,
        actor=actor,
        now=now,
        participant_id=found.participant.id,
        site_code=found.participant.site_code,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=found.participant.id, locked=True)
    return proposal_id


def look_at(
    session: Session,
    proposal: Proposal,
    *,
    study: Study,
    sites: frozenset[str] | None,
    now: datetime,
) -> Found:
    """What the proposal would do by now. Raises NotFound, and Refused as event_corrections.look does, and superseded
    where something else is recorded by now than what the proposal was to put right."""
    if proposal.study_id is None:
        raise NotFound(str(proposal.id))
    try:
        correction = _correction(session, proposal, sites)
        given: dict[str, Any] = {
            "study": study,
            "study_id": proposal.study_id,
            "sites": sites,
            "correction": correction,
            "now": now,
        }
        found = event_corrections.look(session, **given)
    except Refused as refused:
        raise Refused("superseded") if refused.code in OVERTAKEN else refused from None
    recorded = _old(found)
    if any(recorded.get(name) != value for name, value in proposal.payload["old"].items()):
        raise Refused("superseded")
    return found


def approve(
    session: Session,
    proposal_id: int,
    *,
    study: Study,
    seen: str,
    sites: frozenset[str] | None,
    actor: Actor,
    now: datetime,
) -> Proposal:
    """Do what was proposed, in one transaction, if it still is what the second person saw (`seen`).

    Raises NotFound, and Refused: already_decided, own_proposal, not_an_approver, superseded, look_again, and what a
    correction is refused for.
    """
    proposal = proposals.find(session, proposal_id, role=actor.role, sites=sites)
    proposals.require_approver(proposal, actor)
    row = proposals.lock_undecided(session, proposal)
    assert proposal.study_id is not None
    register.find(session, study_id=proposal.study_id, sites=sites, lock=True)
    if look_at(session, proposal, study=study, sites=sites, now=now).diff.digest != seen:
        raise Refused("look_again")
    entry = proposals.decide(row, "approved", actor=actor, now=now, diff_hash=seen, site_code=proposal.site_code)
    session.flush()
    audit.record(session, entry, actor=actor, now=now, participant_id=proposal.participant_id, locked=True)
    event_corrections.put_right(
        session,
        study=study,
        study_id=proposal.study_id,
        sites=sites,
        correction=_correction(session, proposal, sites),
        reason=proposal.reason,
        actor=actor,
        now=now,
        approved=True,
    )
    return proposal


# --- what a proposal says -------------------------------------------------------------------------------------------


def said(proposal: Proposal, which: str) -> Said | None:
    """Day, time and arm that the proposal found (`old`) or would set (`new`; None where it takes the event back)."""
    kept = proposal.payload[which]
    if kept is None:
        return None
    at = time.fromisoformat(kept["time"]) if kept["time"] else None
    return date.fromisoformat(kept["date"]), at, kept.get("arm")


def is_the_same(proposal: Proposal, correction: Correction) -> bool:
    """Whether the proposal is this very correction: a form sent twice."""
    return proposal.payload.get("event") == correction.event_id and proposal.payload["new"] == _new(correction)


def _correction(session: Session, proposal: Proposal, sites: frozenset[str] | None) -> Correction:
    """Proposals made before there were others than of the day of randomisation do not say which event they mean."""
    event_id = proposal.payload.get("event")
    if event_id is None:
        assert proposal.study_id is not None
        event_id = event_corrections.randomization(session, study_id=proposal.study_id, sites=sites).id
    new = said(proposal, "new")
    return Correction(event_id, *(new or (None,)))


def _old(found: Found) -> dict[str, str | None]:
    return _plain(found.recorded.effective_on, found.recorded_time, found.recorded.arm)


def _new(correction: Correction) -> Mapping[str, Any] | None:
    _, day, at, arm = correction
    return None if day is None else _plain(day, at, arm)


def _plain(day: date, at: time | None, arm: str | None) -> dict[str, str | None]:
    plain = {"date": day.isoformat(), "time": f"{at:%H:%M}" if at else None}
    return plain if arm is None else {**plain, "arm": arm}
