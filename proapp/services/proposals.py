"""Changes that two people make: one proposes, another one looks at what it does and approves, refuses, or lets it wait.

An amendment is proposed by a coordinator and approved by another coordinator, or by an investigator whose sites are all
the sites it concerns: nobody approves what they may not see. The correction of an event that assessments are counted
from is proposed by whoever may write about the participant and approved by anybody else who may. Nothing is done before
the second person's yes, and then exactly what that person saw: the hash of the diff is carried along and compared in
the transaction that does it. What each kind does is in `amendments` and `anchor_corrections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from proapp.db.models import ChangeProposal, Participant, StaffUser, StudyVersion
from proapp.db.queries import AnySelect
from proapp.services import audit, register
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused

Kind = Literal["amendment", "anchor_correction"]
WRITERS = frozenset({"nurse", "investigator", "coordinator"})
APPROVERS: Mapping[str, frozenset[str]] = {
    "amendment": frozenset({"coordinator", "investigator"}),
    "anchor_correction": WRITERS,
}
SHOWN_DECIDED = 20


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal with the names of those who acted. `study_id` and `site_code` are those of a correction's participant;
    `number` is that of an amendment's version. `decision` is None, approved, refused or withdrawn."""

    id: int
    kind: Kind
    participant_id: int | None
    study_id: str | None
    site_code: str | None
    from_version_id: int | None
    to_version_id: int | None
    number: str | None
    payload: Mapping[str, Any]
    diff_hash: str
    reason: str
    proposed_at: datetime
    proposed_by_id: int
    proposed_by: str
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None
    decision_reason: str | None

    @property
    def sites(self) -> frozenset[str]:
        """The sites it concerns."""
        return (
            frozenset(self.payload.get("sites", {})) if self.kind == "amendment" else frozenset({self.site_code or ""})
        )


def why_not_approve(proposal: Proposal, *, user_id: int, role: str) -> str | None:
    """None if this person may say yes; else already_decided, own_proposal or not_an_approver."""
    if proposal.decision is not None:
        return "already_decided"
    if proposal.proposed_by_id == user_id:
        return "own_proposal"
    return None if role in APPROVERS[proposal.kind] else "not_an_approver"


def visible(proposal: Proposal, *, role: str, sites: frozenset[str] | None) -> bool:
    """Whether a person may look at all of it: their sites are all the sites it concerns."""
    if proposal.kind == "amendment" and role not in APPROVERS["amendment"]:
        return False
    return sites is None or proposal.sites <= sites


def undecided(session: Session, *, role: str, sites: frozenset[str] | None) -> tuple[Proposal, ...]:
    """Everything that waits for somebody and that this person may look at, oldest first. One statement."""
    query = _scoped(sites).where(ChangeProposal.decision.is_(None)).order_by(ChangeProposal.id)
    return tuple(one for one in map(_proposal, session.execute(query)) if visible(one, role=role, sites=sites))


def to_approve(session: Session, *, user_id: int, role: str, sites: frozenset[str] | None) -> int:
    """How many proposals wait for this very person. One statement; none for who approves nothing."""
    if role not in WRITERS:
        return 0
    waiting = undecided(session, role=role, sites=sites)
    return sum(why_not_approve(one, user_id=user_id, role=role) is None for one in waiting)


def decided(session: Session, *, role: str, sites: frozenset[str] | None) -> tuple[Proposal, ...]:
    """The latest that were decided, newest first. One statement."""
    newest = (ChangeProposal.decided_at.desc(), ChangeProposal.id.desc())
    query = _scoped(sites).where(ChangeProposal.decision.is_not(None)).order_by(*newest)
    # Which amendments are theirs is not known to SQL, so rows are read until enough of them are.
    with session.execute(query.execution_options(yield_per=SHOWN_DECIDED)) as rows:
        mine = (one for one in map(_proposal, rows) if visible(one, role=role, sites=sites))
        return tuple(islice(mine, SHOWN_DECIDED))


def find(session: Session, proposal_id: int, *, role: str, sites: frozenset[str] | None) -> Proposal:
    """Raises NotFound for an absent one and for one that this person may not look at alike."""
    row = session.execute(_scoped(sites).where(ChangeProposal.id == proposal_id)).first()
    found = _proposal(row) if row is not None else None
    if found is None or not visible(found, role=role, sites=sites):
        raise NotFound(str(proposal_id))
    return found


def of_participant(session: Session, study_id: str, *, sites: frozenset[str] | None) -> Proposal | None:
    """The correction that waits for this participant; there is at most one."""
    query = _scoped(sites).where(Participant.study_id == study_id, ChangeProposal.decision.is_(None))
    row = session.execute(query).first()
    return _proposal(row) if row is not None else None


_proposer, _decider = aliased(StaffUser), aliased(StaffUser)


def _scoped(sites: frozenset[str] | None) -> AnySelect:
    """Corrections of participants of these sites, and amendments: whose sites are in the payload (`visible`)."""
    query: AnySelect = (
        select(
            ChangeProposal,
            Participant.study_id,
            Participant.site_code,
            StudyVersion.number,
            _proposer.name.label("proposer"),
            _decider.name.label("decider"),
        )
        .outerjoin(Participant, Participant.id == ChangeProposal.participant_id)
        .outerjoin(StudyVersion, StudyVersion.id == ChangeProposal.to_version_id)
        .join(_proposer, _proposer.id == ChangeProposal.proposed_by_id)
        .outerjoin(_decider, _decider.id == ChangeProposal.decided_by_id)
    )
    if sites is not None:
        query = query.where((ChangeProposal.participant_id.is_(None)) | Participant.site_code.in_(sorted(sites)))
    return query


def _proposal(row: Any) -> Proposal:
    one, study_id, site_code, number, proposer, decider = row
    return Proposal(
        one.id, one.kind, one.participant_id, study_id, site_code, one.from_version_id, one.to_version_id, number,
        one.payload, one.diff_hash, one.reason, one.proposed_at, one.proposed_by_id, proposer, one.decision,
        one.decided_at, decider, one.decision_reason,
    )  # fmt: skip


# --- writing --------------------------------------------------------------------------------------------------------


def add(
    session: Session,
    *,
    kind: Kind,
    payload: Mapping[str, Any],
    diff_hash: str,
    reason: str | None,
    actor: Actor,
    now: datetime,
    participant_id: int | None = None,
    from_version_id: int | None = None,
    to_version_id: int | None = None,
    site_code: str | None = None,
) -> tuple[int, Entry]:
    """The row of a new proposal, with its audit entry for the caller to record. Raises Refused: reason_required,
    reason_too_long."""
    assert actor.id is not None
    row = ChangeProposal(
        kind=kind,
        participant_id=participant_id,
        from_version_id=from_version_id,
        to_version_id=to_version_id,
        payload=dict(payload),
        diff_hash=diff_hash,
        reason=register.required_reason(reason),
        proposed_at=now,
        proposed_by_id=actor.id,
    )
    session.add(row)
    session.flush()
    told = {"kind": kind, "payload": row.payload, "diff_hash": diff_hash}
    return row.id, Entry("proposal.made", "change_proposal", row.id, told, row.reason, site_code)


def lock_undecided(session: Session, proposal: Proposal) -> ChangeProposal:
    """The row, for deciding; two who decide at once take turns. Raises Refused: already_decided(decision)."""
    row = session.scalars(
        select(ChangeProposal)
        .where(ChangeProposal.id == proposal.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if row.decision is not None:
        raise Refused("already_decided", decision=row.decision)
    return row


def decide(
    row: ChangeProposal,
    decision: Literal["approved", "refused", "withdrawn"],
    *,
    actor: Actor,
    now: datetime,
    reason: str | None = None,
    diff_hash: str | None = None,
    site_code: str | None = None,
) -> Entry:
    """Note the decision; returns its audit entry. `diff_hash` is of what the second person saw."""
    row.decision, row.decided_at, row.decided_by_id, row.decision_reason = decision, now, actor.id, reason
    told = {"kind": row.kind, "decision": decision, "proposed_by": row.proposed_by_id}
    if diff_hash is not None:
        told["diff_hash"] = diff_hash
    return Entry(f"proposal.{decision}", "change_proposal", row.id, told, reason, site_code)


def refuse(
    session: Session,
    proposal_id: int,
    *,
    reason: str | None,
    actor: Actor,
    now: datetime,
    sites: frozenset[str] | None,
) -> Proposal:
    """Say no, with a reason. Raises NotFound, and Refused: already_decided, own_proposal (withdraw it instead),
    not_an_approver, reason_required, reason_too_long."""
    proposal = find(session, proposal_id, role=actor.role, sites=sites)
    require_approver(proposal, actor)
    return _close(session, proposal, "refused", reason, actor, now)


def withdraw(
    session: Session,
    proposal_id: int,
    *,
    reason: str | None,
    actor: Actor,
    now: datetime,
    sites: frozenset[str] | None,
) -> Proposal:
    """Take one's own proposal back, with a reason. Raises NotFound, and Refused: already_decided, not_own_proposal,
    reason_required, reason_too_long."""
    proposal = find(session, proposal_id, role=actor.role, sites=sites)
    if proposal.proposed_by_id != actor.id:
        raise Refused("not_own_proposal")
    return _close(session, proposal, "withdrawn", reason, actor, now)


def require_approver(proposal: Proposal, actor: Actor) -> None:
    """Raises Refused: already_decided(decision), own_proposal, not_an_approver."""
    why = why_not_approve(proposal, user_id=actor.id or 0, role=actor.role)
    if why is not None:
        raise Refused(why, decision=proposal.decision)


def _close(
    session: Session,
    proposal: Proposal,
    decision: Literal["refused", "withdrawn"],
    reason: str | None,
    actor: Actor,
    now: datetime,
) -> Proposal:
    text = register.required_reason(reason)
    row = lock_undecided(session, proposal)
    entry = decide(row, decision, actor=actor, now=now, reason=text, site_code=proposal.site_code)
    session.flush()
    audit.record(session, entry, actor=actor, now=now, participant_id=proposal.participant_id)
    return proposal
