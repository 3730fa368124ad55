"""The answers as they come from the database: one statement for everybody, read a page at a time, so that memory does
not grow with the trial. Rows come participant by participant, in the order of their study ids."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from proapp.db.models import Answer, Assessment, Participant, ResponseSet
from proapp.export.cut import Cut

PAGE = 5000


class Latest(NamedTuple):
    """The newest row of an item, how many rows there are of it, and the one before. `entered_by`: patient or staff."""

    kind: str
    code: int | None
    language: str
    recorded_at: datetime
    entered_by: str
    version_no: int
    replaces: Latest | None = None

    def changes(self) -> Iterator[tuple[Latest, Latest]]:
        """(old, new) of every time the item was given anew, the first change first."""
        if self.replaces is not None:
            yield from self.replaces.changes()
            yield self.replaces, self


Given = Mapping[tuple[str, int], Latest]  # (instrument, item number)


def by_participant(session: Session, cut: Cut) -> Generator[tuple[str, dict[int, Given]]]:
    """(study id, response set id → answers) for everybody who has answered something that the cut lets through.

    Ascending by study id in code-point order, whatever the collation of the database. Void response sets are left out.
    """
    query = (
        select(
            Participant.study_id,
            Answer.response_set_id,
            Answer.instrument,
            Answer.item,
            Answer.kind,
            Answer.code,
            Answer.language,
            Answer.recorded_at,
            Answer.actor,
        )
        .join(ResponseSet, ResponseSet.id == Answer.response_set_id)
        .join(Assessment, Assessment.id == ResponseSet.assessment_id)
        .join(Participant, Participant.id == Assessment.participant_id)
        .where(ResponseSet.void_reason.is_(None), *_seen(cut), Answer.overtaken.is_(False))
        .order_by(_binary(session), Answer.response_set_id, Answer.id)
        .execution_options(yield_per=PAGE)
    )
    with session.connection().execute(query) as result:  # rows as they are: nothing here is an object of the session
        for study_id, rows in groupby(result, key=lambda row: str(row[0])):
            yield study_id, _latest(rows)


def _seen(cut: Cut) -> Iterator[ColumnElement[bool]]:
    """Known by then; and of what was sent after the cut-off only what had been answered by its end."""
    yield Answer.recorded_at < cut.as_of
    if cut.as_of > cut.end:
        sent = (ResponseSet.submitted_at < cut.as_of) & (ResponseSet.completed_on <= cut.day)
        yield sent | (Answer.recorded_at < cut.end)


def _latest(rows: Iterable[Row[*tuple[Any, ...]]]) -> dict[int, Given]:
    """Response set id → its newest rows; `rows` come in the order of recording."""
    sets: dict[int, dict[tuple[str, int], Latest]] = {}
    for _, set_id, instrument, item, kind, code, language, recorded_at, actor in rows:
        given = sets.setdefault(set_id, {})
        earlier = given.get((instrument, item))
        number = earlier.version_no + 1 if earlier else 1
        entered_by = "patient" if actor == "patient" else "staff"
        given[instrument, item] = Latest(kind, code, language, recorded_at, entered_by, number, earlier)
    return dict(sets)


def _binary(session: Session) -> ColumnElement[str]:
    """Study ids in code-point order: a language's collation differs between machines and may skip the hyphen."""
    collation = "C" if session.get_bind().dialect.name == "postgresql" else "BINARY"
    return Participant.study_id.collate(collation)
