"""A wrong date of randomisation: everything is counted from it, so one person proposes the right one and another one
approves it, having seen what moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy.orm import Session

from proapp.db.models import Participant, ParticipantEvent
from proapp.services import audit, event_corrections, plans, proposals, register, versions
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.participant_events import supposed
from proapp.services.proposals import Proposal
from proapp.study.diff import Diff, correction
from proapp.study.events import standing
from proapp.study.model import Study
from proapp.study.versions import chain


@dataclass(frozen=True, slots=True)
class Looked:
    """What a corrected date would do, as of now. Recorded and proposed date, each with its time if that is known."""

    study_id: str
    recorded: tuple[date, time | None]
    proposed: tuple[date, time | None]
    diff: Diff


def look(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    new_date: date,
    new_time: time | None,
    now: datetime,
) -> Looked:
    """Writes nothing. Raises NotFound, and Refused: not_randomized, nothing_changed, date_in_future,
    date_before_consent(consent_on), after_end(type, effective_on), already_proposed."""
    if proposals.of_participant(session, study_id, sites=sites) is not None:
        raise Refused("already_proposed")
    participant = register.find(session, study_id=study_id, sites=sites)
    return _look(session, study, participant, sites, new_date, new_time, now)


def _look(
    session: Session,
    study: Study,
    participant: Participant,
    sites: frozenset[str] | None,
    new_date: date,
    new_time: time | None,
    now: datetime,
) -> Looked:
    given: dict[str, Any] = {"new_date": new_date, "new_time": new_time, "reason": None, "now": now}
    event_corrections.correct_randomization(
        session,
        study=study,
        study_id=participant.study_id,
        sites=sites,
        actor=Actor("system", None, "look"),  # named nowhere: a dry run
        dry_run=True,
        **given,
    )
    (held,) = plans.read(session, sites=None, participant_id=participant.id)
    event = standing(held.events)["randomized"]
    right = supposed(held.events, event.type, new_date, now, instead_of=event)
    site_chain = chain(versions.current(session, study), participant.site_code)
    recorded = session.get_one(ParticipantEvent, event.id)
    return Looked(
        participant.study_id,
        (recorded.effective_on, recorded.effective_time),
        (new_date, new_time),
        correction(site_chain, held.person([*held.events, right])),
    )


def propose(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    new_date: date,
    new_time: time | None,
    reason: str | None,
    seen: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Propose another date; returns the proposal's id. `seen` is the hash of the diff that was looked at.

    Raises as `look` does, and Refused: look_again, reason_required, reason_too_long.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    looked = look(session, study=study, study_id=study_id, sites=sites, new_date=new_date, new_time=new_time, now=now)
    if looked.diff.digest != seen:
        raise Refused("look_again")
    payload = {"type": "randomized", "old": _plain(looked.recorded), "new": _plain(looked.proposed)}
    proposal_id, entry = proposals.add(
        session,
        kind="anchor_correction",
        payload=payload,
        diff_hash=seen,
        reason=reason,
        actor=actor,
        now=now,
        participant_id=participant.id,
        site_code=participant.site_code,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    return proposal_id


def _plain(moment: tuple[date, time | None]) -> dict[str, str | None]:
    day, at = moment
    return {"date": day.isoformat(), "time": f"{at:%H:%M}" if at else None}


def proposed(proposal: Proposal, which: str = "new") -> tuple[date, time | None]:
    """The date (and time) that the proposal would set; with `old`, the one it found."""
    said = proposal.payload[which]
    return date.fromisoformat(said["date"]), time.fromisoformat(said["time"]) if said["time"] else None


def look_at(
    session: Session, proposal: Proposal, *, study: Study, sites: frozenset[str] | None, now: datetime
) -> Looked:
    """What the proposal would do by now. Raises NotFound, and Refused as `look` does, and superseded where another date
    is recorded by now than the one the proposal was to put right."""
    participant = session.get(Participant, proposal.participant_id) if proposal.participant_id else None
    if participant is None:
        raise NotFound(str(proposal.id))
    new_date, new_time = proposed(proposal)
    try:
        looked = _look(session, study, participant, sites, new_date, new_time, now)
    except Refused as refused:
        raise Refused("superseded") if refused.code == "nothing_changed" else refused from None
    if _plain(looked.recorded) != proposal.payload["old"]:
        raise Refused("superseded")
    return looked


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
    looked = look_at(session, proposal, study=study, sites=sites, now=now)
    if looked.diff.digest != seen:
        raise Refused("look_again")
    entry = proposals.decide(row, "approved", actor=actor, now=now, diff_hash=seen, site_code=proposal.site_code)
    session.flush()
    audit.record(session, entry, actor=actor, now=now, participant_id=proposal.participant_id, locked=True)
    new_date, new_time = proposed(proposal)
    event_corrections.correct_randomization(
        session,
        study=study,
        study_id=proposal.study_id,
        sites=sites,
        new_date=new_date,
        new_time=new_time,
        reason=proposal.reason,
        actor=actor,
        now=now,
    )
    return proposal
