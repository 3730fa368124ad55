"""What this database is: a demonstration or a real trial, and which study files were in force.

The two kinds never mix: the web face refuses to serve the one as the other.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from proapp.db.models import ChangeProposal, Installation, Participant, SiteActivation, StudyVersion
from proapp.db.session import UnsafeDatabase
from proapp.study.model import Study


def kind(session: Session) -> str:
    """demo, live, or new (nothing recorded yet)."""
    return session.scalar(select(Installation.value).where(Installation.name == "kind")) or "new"


def mark(session: Session, *, demo: bool) -> None:
    """Say once what this database is. Raises UnsafeDatabase when it already is the other, or holds data unmarked."""
    wanted, found = ("demo" if demo else "live"), kind(session)
    if found == wanted:
        return
    if found != "new" or (demo and session.scalar(select(func.count()).select_from(Participant))):
        raise UnsafeDatabase(f"This database is {found} and cannot be used as {wanted}; name another database.")
    session.execute(insert(Installation).values(name="kind", value=wanted))


def require_kind(session: Session, *, demo: bool) -> None:
    """Raise UnsafeDatabase unless demonstration meets demonstration and trial meets trial."""
    found = kind(session)
    if demo != (found == "demo"):
        raise UnsafeDatabase(
            "This database holds a demonstration; start with PROAPP_DEMO=1 or name another database."
            if found == "demo"
            else "PROAPP_DEMO=1 is set, but this database was not made by proapp demo; name another database."
        )


def require_study(session: Session, study: Study) -> None:
    """Raise UnsafeDatabase for a study file that this database does not work by, if it knows any. One that was only
    proposed is not one of them."""
    proposed = select(ChangeProposal.to_version_id).where(ChangeProposal.to_version_id.is_not(None))
    approved = select(SiteActivation.version_id)
    by_now = StudyVersion.id.not_in(proposed) | StudyVersion.id.in_(approved)
    known = set(session.scalars(select(StudyVersion.content_hash).where(by_now)))
    if known and study.content_hash not in known:
        raise UnsafeDatabase(
            f"This study file (version {study.number}) is not one that this database works by. A new version is "
            "proposed on the study page and approved by a second person (docs/amendments.md); until then PROAPP_STUDY "
            "names the file as it was."
        )


def record_study(session: Session, study: Study, text: str, *, now: datetime) -> bool:
    """Keep the text of the study file in force; the same file twice is one row. Returns whether it was new.

    Raises UnsafeDatabase where there are participants already who follow another file: that is an amendment, which two
    people make.
    """
    if session.scalar(select(func.count()).select_from(Participant)):
        require_study(session, study)
    if session.scalar(select(StudyVersion.id).where(StudyVersion.content_hash == study.content_hash)) is None:
        session.add(StudyVersion(number=study.number, content_hash=study.content_hash, text=text, recorded_at=now))
        session.flush()
        return True
    return False


def note_worker(session: Session, worker: str, *, now: datetime) -> None:
    """A worker's sign of life (`worker:<name>`); those of workers not heard of for a day go. No audit event: it is not
    a fact about the trial."""
    name, value = f"worker:{worker}"[:40], now.isoformat(timespec="seconds")
    old = (now - timedelta(days=1)).isoformat(timespec="seconds")
    session.execute(delete(Installation).where(Installation.name.like("worker:%"), Installation.value < old))
    if session.execute(update(Installation).where(Installation.name == name).values(value=value)).rowcount == 0:  # type: ignore[attr-defined]
        session.execute(insert(Installation).values(name=name, value=value))
