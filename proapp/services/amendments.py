"""An amendment: the text of a new study file, the day from which each site works by it, and what follows from it.

One person proposes it, another one approves it (services.proposals). The sites whose day has come begin in the
transaction of the approval, the others on their day (services.activation). Sites that are not named stay with their
version; the same text can be proposed for them later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import ChangeProposal, SiteActivation, StudyVersion
from proapp.instruments.model import Instrument
from proapp.instruments.problems import DefinitionError, Problem
from proapp.services import activation, audit, plans, proposals, versions
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.proposals import Proposal
from proapp.services.register import today_at
from proapp.study import versions as book
from proapp.study.diff import SENTENCES, Diff, Obstacle, amendment, obstacles
from proapp.study.load import parse_study
from proapp.study.model import Study

FILE = "study file"
LONGEST = 200_000  # characters; a study file is a tenth of that


@dataclass(frozen=True, slots=True)
class Version:
    """A version that is in use or approved, as the database has it; `id` is None for a file that was never recorded."""

    id: int | None
    study: Study


@dataclass(frozen=True, slots=True)
class Looked:
    """What an amendment would do, as of now. `before` is the newest version in use or approved."""

    before: Version
    new: Study
    diff: Diff


def look(
    session: Session,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    text: str,
    sites: Mapping[str, date],
    now: datetime,
) -> Looked:
    """Writes nothing; five statements, whatever the number of participants.

    Raises DefinitionError with everything that is wrong with the text, or keeps it from following the version before;
    and Refused: no_sites, site_unknown(site), activation_in_past(site), before_earlier_version(site, active_from),
    already_active(site).
    """
    if len(text) > LONGEST:
        raise DefinitionError([Problem(FILE, "", f"is longer than {LONGEST} characters")])
    new = parse_study(text, instruments, name=FILE)
    known = approved(session, study)
    _require_able_to_follow(known, new)
    _check_days(session, study, new, sites, now)
    return _look(session, study, known[-1], new, sites)


def _look(session: Session, study: Study, newest: Version, new: Study, sites: Mapping[str, date]) -> Looked:
    current, old = versions.current(session, study), newest.study
    if old.content_hash == new.content_hash:  # for further sites: against the version they have
        old = book.in_force(current, min(sites))
    people = [one.person() for one in plans.read(session, sites=frozenset(sites))]
    return Looked(newest, new, amendment(current, old, new, people, sites))


def approved(session: Session, study: Study) -> list[Version]:
    """The first version and every one that was approved since, whether or not it is in force yet, oldest first."""
    activated = select(SiteActivation.version_id)
    proposed = select(ChangeProposal.to_version_id).where(ChangeProposal.to_version_id.is_not(None))
    rows = session.execute(
        select(StudyVersion.id, StudyVersion.text, StudyVersion.id.in_(activated))
        .where(StudyVersion.id.in_(activated) | StudyVersion.id.not_in(proposed))
        .order_by(StudyVersion.id)
    ).all()
    first = [Version(row[0], versions.parsed(row.text)) for row in rows if not row[2]][-1:]
    later = [Version(row[0], versions.parsed(row.text)) for row in rows if row[2]]
    return [*(first or [Version(None, book.versions(study)[0])]), *later]


def _require_able_to_follow(known: list[Version], new: Study) -> None:
    """The same text again is the same version (for further sites), if it is the newest."""
    if new.content_hash == known[-1].study.content_hash and len(known) > 1:
        return
    found: dict[Obstacle, None] = {}
    for one in known:
        found |= dict.fromkeys(obstacles(one.study, new))
    if found:
        raise DefinitionError(Problem(FILE, one.place, SENTENCES[one.code]) for one in found)


def _check_days(session: Session, study: Study, new: Study, sites: Mapping[str, date], now: datetime) -> None:
    if not sites:
        raise Refused("no_sites")
    latest = _latest_activations(session)
    for code, day in sites.items():
        if all(site.code != code for site in new.sites):
            raise Refused("site_unknown", site=code)
        if day < today_at(study, code, now):
            raise Refused("activation_in_past", site=code)
        earlier = latest.get(code)
        if earlier is not None and earlier.content_hash == new.content_hash:
            raise Refused("already_active", site=code)
        if earlier is not None and day < earlier.active_from:
            raise Refused("before_earlier_version", site=code, active_from=earlier.active_from)


@dataclass(frozen=True, slots=True)
class _Latest:
    active_from: date
    content_hash: str


def _latest_activations(session: Session) -> dict[str, _Latest]:
    """By site, the newest version approved for it, in force or not."""
    rows = session.execute(
        select(SiteActivation.site_code, SiteActivation.active_from, StudyVersion.content_hash)
        .join(StudyVersion, StudyVersion.id == SiteActivation.version_id)
        .order_by(SiteActivation.version_id)
    )
    return {site: _Latest(active_from, content_hash) for site, active_from, content_hash in rows}


def propose(
    session: Session,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    text: str,
    sites: Mapping[str, date],
    reason: str | None,
    seen: str,
    actor: Actor,
    now: datetime,
) -> int:
    """Keep the text and the days, for a second person; returns the proposal's id. `seen` is the hash of the diff.

    Raises as `look` does, and Refused: not_a_proposer, look_again, reason_required, reason_too_long.
    """
    if actor.role != "coordinator":
        raise Refused("not_a_proposer")
    looked = look(session, study=study, instruments=instruments, text=text, sites=sites, now=now)
    if looked.diff.digest != seen:
        raise Refused("look_again")
    version_id, kept = _keep(session, looked.new, text, now)
    proposal_id, entry = proposals.add(
        session,
        kind="amendment",
        payload={"sites": {code: day.isoformat() for code, day in sorted(sites.items())}},
        diff_hash=seen,
        reason=reason,
        actor=actor,
        now=now,
        from_version_id=looked.before.id,
        to_version_id=version_id,
    )
    audit.record(session, *kept, entry, actor=actor, now=now)
    return proposal_id


def _keep(session: Session, new: Study, text: str, now: datetime) -> tuple[int, list[Entry]]:
    """The row of the text; a text that was proposed before has one."""
    known = session.scalar(select(StudyVersion.id).where(StudyVersion.content_hash == new.content_hash))
    if known is not None:
        return known, []
    row = StudyVersion(number=new.number, content_hash=new.content_hash, text=text, recorded_at=now)
    session.add(row)
    session.flush()
    told = {"code": new.code, "number": new.number, "content_hash": new.content_hash}
    return row.id, [Entry("study.proposed", "study_version", row.id, told)]


# --- the second person ----------------------------------------------------------------------------------------------


def look_at(
    session: Session, proposal: Proposal, *, study: Study, instruments: Mapping[str, Instrument], now: datetime
) -> Looked:
    """What the proposal would do by now. A day that has passed meanwhile is today.

    Raises Refused: superseded (another version was approved since), already_active(site), packs_missing(packs).
    """
    known = approved(session, study)
    row = session.get_one(StudyVersion, proposal.to_version_id)
    new = versions.parsed(row.text)
    # Proposed for further sites, a text is already the newest version itself.
    if proposal.from_version_id != known[-1].id:
        raise Refused("superseded")
    absent = sorted(set(new.instruments) - set(instruments))
    if absent:
        raise Refused("packs_missing", packs=", ".join(absent))
    days = {
        code: max(date.fromisoformat(day), today_at(new, code, now)) for code, day in proposal.payload["sites"].items()
    }
    _check_days(session, study, new, days, now)
    return _look(session, study, known[-1], new, days)


def approve(
    session: Session,
    proposal_id: int,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    seen: str,
    sites: frozenset[str] | None,
    actor: Actor,
    now: datetime,
) -> Proposal:
    """Do what was proposed, in one transaction, if it still is what the second person saw (`seen`).

    Raises NotFound, and Refused: already_decided, own_proposal, not_an_approver, look_again, and as `look_at` does.
    """
    proposal = proposals.find(session, proposal_id, role=actor.role, sites=sites)
    proposals.require_approver(proposal, actor)
    row = proposals.lock_undecided(session, proposal)
    activation.hold(session, proposal.sites)
    looked = look_at(session, proposal, study=study, instruments=instruments, now=now)
    if looked.diff.digest != seen:
        raise Refused("look_again")
    entries = [proposals.decide(row, "approved", actor=actor, now=now, diff_hash=seen)]
    for code, day in sorted((looked.diff.sites or {}).items()):
        entries.append(_activate(session, study, proposal, looked.new, code, day, actor, now))
    audit.record(session, *entries, actor=actor, now=now)
    return proposal


def _activate(
    session: Session, study: Study, proposal: Proposal, new: Study, site: str, day: date, actor: Actor, now: datetime
) -> Entry:
    """The site's activation: at once where its day has come, else noted for the clock."""
    assert proposal.to_version_id is not None
    row = SiteActivation(
        version_id=proposal.to_version_id, site_code=site, active_from=day, proposal_id=proposal.id, applied_at=None
    )
    session.add(row)
    session.flush()
    if day <= today_at(new, site, now):
        _, entry = activation.begin(session, row, new.number, study=study, now=now, actor=actor)
        return entry
    told = {"number": new.number, "active_from": day}
    return Entry("activation.planned", "site_activation", row.id, told, site_code=site)


# --- for the study page ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A version in the history: which sites work by it from which day, and whether they do already."""

    id: int
    number: str
    content_hash: str
    recorded_at: datetime
    sites: Mapping[str, tuple[date, bool]]


def history(session: Session) -> list[Line]:
    """Every version that is or was in use or approved, newest first; two statements."""
    proposed = select(ChangeProposal.to_version_id).where(ChangeProposal.to_version_id.is_not(None))
    found: dict[int, dict[str, tuple[date, bool]]] = {}
    for row in session.scalars(select(SiteActivation).order_by(SiteActivation.active_from, SiteActivation.site_code)):
        found.setdefault(row.version_id, {})[row.site_code] = (row.active_from, row.applied_at is not None)
    kept = session.execute(
        select(StudyVersion.id, StudyVersion.number, StudyVersion.content_hash, StudyVersion.recorded_at)
        .where(StudyVersion.id.in_(found) | StudyVersion.id.not_in(proposed))
        .order_by(StudyVersion.id.desc())
    )
    return [Line(*row, found.get(row.id, {})) for row in kept]


def text_of(session: Session, version_id: int) -> str | None:
    """The text of a version, as it was recorded or proposed."""
    return session.scalar(select(StudyVersion.text).where(StudyVersion.id == version_id))
