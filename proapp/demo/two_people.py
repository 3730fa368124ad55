"""A corrected date of randomisation in an invented life: the nurse proposes, the doctor of the site approves."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from proapp.db.models import ChangeProposal
from proapp.demo import steps
from proapp.demo.rows import Rows
from proapp.services import planning
from proapp.services.audit import Actor, Entry
from proapp.study.diff import Person as Concerned
from proapp.study.diff import correction
from proapp.study.model import Study
from proapp.study.versions import chain

if TYPE_CHECKING:
    from proapp.demo.person import Person


def propose(rows: Rows, study: Study, person: Person, step: steps.Proposed) -> Entry:
    """The proposal's row, with the hash of what it would do."""
    payload = {
        "type": "randomized",
        "old": _plain(*_recorded(person, step.at)),
        "new": _plain(step.on, None),
    }
    said: dict[str, Any] = {"kind": "anchor_correction", "payload": payload, "diff_hash": _hash(study, person, step.on)}
    person.proposal = rows.add(
        ChangeProposal,
        participant_id=person.id,
        **said,
        reason=step.reason,
        proposed_at=step.at,
        proposed_by_id=person.nurse.id,
    )
    person.seen = said["diff_hash"]
    return Entry("proposal.made", "change_proposal", person.proposal, said, step.reason)


def approve(rows: Rows, person: Person, actor: Actor, at: datetime) -> Entry:
    """The second person's yes to the newest proposal."""
    rows.change(ChangeProposal, person.proposal, decision="approved", decided_at=at, decided_by_id=actor.id)
    told = {"kind": "anchor_correction", "decision": "approved", "proposed_by": person.nurse.id}
    told["diff_hash"] = person.seen
    return Entry("proposal.approved", "change_proposal", person.proposal, told)


def _recorded(person: Person, at: datetime) -> tuple[date, time | None]:
    """The randomisation as it was recorded before."""
    every = (one for one in person.life.steps if isinstance(one, steps.Happened) and one.type == "randomized")
    last = [one for one in every if one.at < at][-1]
    return last.on, last.time


def _plain(day: date, at: time | None) -> dict[str, str | None]:
    return {"date": day.isoformat(), "time": f"{at:%H:%M}" if at else None}


def _hash(study: Study, person: Person, right: date) -> str:
    anchors = planning.anchors_of(person.events)._replace(randomized_on=right)
    rows = [stored.row() for stored in person.plan.values()]
    concerned = Concerned(person.study_id, person.life.site_code, rows, anchors)
    return correction(chain(study, person.life.site_code), concerned).digest
