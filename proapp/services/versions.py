"""Which versions of the study are in force, as the database has them.

The file a process was started with is the first version; what was approved since lies in study_version and
site_activation. A process learns of it here: one short statement says whether anything is new, and a text is read and
parsed only once. Nothing has to be told to anybody, and no process can write by a version that is out of date, because
whoever writes a plan asks in the same transaction (docs/decisions/0007-versions-in-the-database.md).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from pydantic import PrivateAttr
from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from proapp.db.models import ChangeProposal, SiteActivation, StudyVersion
from proapp.study import versions as book
from proapp.study.model import Study
from proapp.study.versions import Activation, Amended

_PROPOSED = select(ChangeProposal.to_version_id).where(ChangeProposal.to_version_id.is_not(None))
# The version that was there before anything was proposed, and each site's part in the later ones that has begun.
_STATE = (
    select(StudyVersion.id, StudyVersion.content_hash, SiteActivation.site_code, SiteActivation.active_from)
    .outerjoin(
        SiteActivation,
        (SiteActivation.version_id == StudyVersion.id) & SiteActivation.applied_at.is_not(None),
    )
    .where(SiteActivation.id.is_not(None) | StudyVersion.id.not_in(_PROPOSED))
    .order_by(StudyVersion.id, SiteActivation.site_code)
)


class Begun(NamedTuple):
    """A line of what the database says: a version, and a site that has begun to work by it (None: the first one)."""

    version_id: int
    content_hash: str
    site: str | None
    active_from: date | None


class Known(Amended):
    """An amended study that remembers what it was made from, so that asking again costs one statement."""

    _state: tuple[Begun, ...] = PrivateAttr(default=())
    _file: Study | None = PrivateAttr(default=None)


def current(session: Session | Connection, study: Study) -> Study:
    """`study` with every version that is in force somewhere by now; `study` itself if nothing is new. One statement,
    and one more when there are texts this process has not read yet."""
    state = tuple(Begun(*row) for row in session.execute(_STATE))
    file = study._file or study if isinstance(study, Known) else study
    if isinstance(study, Known) and study._state == state:
        return study
    if not any(one.site for one in state):
        return file
    first = [one.version_id for one in state if one.site is None]
    texts = _texts(session, {one.version_id for one in state if one.site} | set(first[-1:]))
    base = texts[first[-1]] if first else file
    begun = [
        Activation(one.site, one.active_from, texts[one.version_id]) for one in state if one.site and one.active_from
    ]
    return _remembering(book.combine(file if base.content_hash == file.content_hash else base, begun), state, file)


def as_known(session: Session | Connection, study: Study, *, day: date, before: datetime) -> Study:
    """The study as it stood at the end of `day` by what had been recorded before `before`. One statement, and none
    where there was never more than one version."""
    if not isinstance(study, Amended):
        return study
    later = (
        select(SiteActivation.site_code, StudyVersion.number)
        .join(StudyVersion, StudyVersion.id == SiteActivation.version_id)
        .where(SiteActivation.applied_at >= before)
    )
    return book.as_of(study, day, unknown={(site, number) for site, number in session.execute(later)})


def _remembering(study: Study, state: tuple[Begun, ...], file: Study) -> Study:
    assert isinstance(study, Amended)
    known = Known.model_construct(
        _fields_set=set(study.model_fields_set), **{name: getattr(study, name) for name in Study.model_fields}
    )
    known._versions, known._used, known._chains = study.versions, study.versions, study.chains
    known._state, known._file = state, file
    return known


def _texts(session: Session | Connection, ids: set[int]) -> dict[int, Study]:
    rows = session.execute(select(StudyVersion.id, StudyVersion.text).where(StudyVersion.id.in_(sorted(ids))))
    return {id_: parsed(text) for id_, text in rows}


@lru_cache(maxsize=32)
def parsed(text: str) -> Study:
    """The study that a stored text states. It was checked before it was stored."""
    return Study.of(tomllib.loads(text))


def named(session: Session | Connection, study: Study, number: str) -> Study:
    """The version that a row names. One statement only if this process has not heard of it before."""
    return book.numbered(knowing(session, study, [number]), number)


def knowing(session: Session | Connection, study: Study, numbers: Iterable[str]) -> Study:
    """`study`, asked anew if a row names a version that this process has not heard of. No statement otherwise."""
    return study if all(book.knows(study, number) for number in set(numbers)) else current(session, study)
