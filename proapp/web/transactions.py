"""One transaction and at most one commit per request, here and nowhere else.

GET and HEAD read and never commit. A POST commits once, after the view and before the first byte of the answer leaves:
the thank-you page cannot overtake the data. A view that raises, or answers with a refusal (4xx or 5xx), leaves nothing
behind, however far it had come; only a try that has to be counted is kept, and the view says so.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from flask import Flask, Response, current_app, g, request
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.runtime import Runtime
from proapp.services import sessions

READS = frozenset({"GET", "HEAD", "OPTIONS"})


class DirtySession(AssertionError):
    """A page that may only read has changed something."""


def init_app(app: Flask) -> None:
    app.after_request(_commit)
    app.teardown_request(_close)


def runtime() -> Runtime:
    found: Runtime = current_app.extensions["proapp"]
    return found


def connection() -> Connection:
    """The request's transaction; begun at first use, writing for POST, reading otherwise."""
    found: Connection | None = g.get("connection")
    if found is None:
        ready = runtime()
        found = g.connection = (ready.engine if request.method in READS else ready.writing_engine).connect()
    return found


def database() -> Session:
    """The request's transaction as a session. The path of every answer does without: a session costs as much again."""
    session: Session | None = g.get("database")
    if session is None:
        # Taking part in the transaction, not owning it: it is committed once, below.
        session = g.database = Session(
            connection(),
            autoflush=request.method not in READS,
            expire_on_commit=False,
            join_transaction_mode="rollback_only",
        )
    return session


def now() -> datetime:
    """One moment per request, so that everything it writes carries the same time."""
    moment: datetime | None = g.get("now")
    if moment is None:
        moment = g.now = runtime().clock()
    return moment


def today(time_zone: str | None = None) -> date:
    """The local date of this request in `time_zone` (the study's unless a site's is given)."""
    return local_date(now(), ZoneInfo(time_zone or runtime().study.time_zone))


def keep() -> None:
    """What this request writes is kept although its answer is a refusal: a wrong password counts as a try."""
    g.keep = True


def undo() -> None:
    """Nothing that this request writes is kept, whatever its answer."""
    g.undo = True


def used(session_id: int) -> None:
    """Note that a signed-in session is in use; kept also when what the request asked for is refused."""
    g.used = session_id
    sessions.touch(connection(), session_id, now=now())


def _commit(response: Response) -> Response:
    transaction: Connection | None = g.get("connection")
    if transaction is None:
        return response
    session: Session | None = g.get("database")
    if request.method in READS:
        if session is not None and (session.new or session.dirty or session.deleted):
            raise DirtySession(request.endpoint)
    elif not g.get("undo", False) and (response.status_code < 400 or g.get("keep", False)):
        if session is not None:
            session.flush()
        transaction.commit()
    elif response.status_code < 500:
        _take_back(transaction, session)
    return response


def _take_back(transaction: Connection, session: Session | None) -> None:
    if session is not None:
        session.expunge_all()  # what was changed in memory must not be written after all
    transaction.rollback()
    session_id: int | None = g.get("used")
    if session_id is not None:
        sessions.touch(transaction, session_id, now=now())
        transaction.commit()


def _close(_error: BaseException | None) -> None:
    session: Session | None = g.pop("database", None)
    transaction: Connection | None = g.pop("connection", None)
    if session is not None:
        session.close()
    if transaction is not None:
        transaction.close()
