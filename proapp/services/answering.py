"""What a patient does with a questionnaire: open it, answer, skip, take back, send.

Answers are appended, never changed; an unchanged value adds no row, so a reload or a double tap is harmless. Whatever a
patient typed inside the sitting's grace is taken, and classified later, never refused. Each write has its audit event
in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Answer, AuditEvent, ResponseSet
from proapp.db.prepared import Prepared
from proapp.db.session import connection_of
from proapp.instruments.answers import Given, parse_answer
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import score
from proapp.services import audit
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused
from proapp.services.messages import cancel_queued
from proapp.services.sitting import OpenedSet, Sitting, Step
from proapp.services.sitting_reading import find_for_worker, find_sitting
from proapp.services.vault import Vault
from proapp.study.model import Study
from proapp.study.status import abandoned

Respondent = Literal["self", "helped", "proxy"]
RESPONDENTS: tuple[Respondent, ...] = ("self", "helped", "proxy")

_answer: Any = Answer.__table__
_audit: Any = AuditEvent.__table__
_set: Any = ResponseSet.__table__
_INSERT_ANSWER = Prepared(
    insert(_answer).inline(),  # nobody asks for the new id
    columns=[column.name for column in _answer.columns if column.name != "id"],
)
_INSERT_AUDIT = Prepared(
    insert(_audit).inline(), columns=[column.name for column in _audit.columns if column.name != "id"]
)


@dataclass(frozen=True, slots=True)
class Device:
    """Where something was kept before it came here: the phone's own sign of it, the phone's clock, and how many seconds
    that is ahead of ours. `given_at` is by our clock, None where the phone's cannot be believed; `overtaken` says that
    another device was newer."""

    client_id: str
    at: datetime
    offset_s: int
    given_at: datetime | None
    overtaken: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was received and when; `reference` can be read over the telephone."""

    reference: str
    submitted_at: datetime


def open_sitting(
    session: Session,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    participant_id: int,
    assessment_id: int,
    respondent: Respondent,
    on_tablet: bool = False,
    now: datetime,
    actor: Actor,
) -> Sitting:
    """Start the assessment, which pins protocol, packs and algorithms; one already started is given back as it is, on
    whatever device that was. `on_tablet`: the clinic's.

    Raises NotFound, or Refused: not_open, closed, already_sent, answered_otherwise, declined, proxy_not_allowed.
    """
    whose: dict[str, Any] = {"participant_id": participant_id, "assessment_id": assessment_id}
    # Read behind the lock: two phones that start at once find one and the same set.
    sitting = find_sitting(session, study=study, instruments=instruments, now=now, lock=True, **whose)
    if sitting.own is not None and sitting.own.submitted_at is None:
        return sitting
    _require_answerable(sitting)
    if respondent == "proxy" and not sitting.study.proxy_allowed:
        raise Refused("proxy_not_allowed")
    values = {
        "assessment_id": assessment_id,
        "mode": "proxy" if respondent == "proxy" else "self_clinic" if on_tablet else "self_remote",
        "respondent": respondent,
        "protocol_version": sitting.study.number,
        "packs": {one.code: _pinned(one) for one in sitting.instruments},
        "started_at": now,
        "auto_submitted": False,
    }
    set_id = session.execute(insert(_set).values(**values).returning(_set.c.id)).scalar_one()
    details = {name: values[name] for name in ("mode", "respondent", "protocol_version", "packs")}
    entry = _entry(sitting, "response_set.started", "response_set", set_id, {"assessment": assessment_id, **details})
    audit.record(session, entry, actor=actor, now=now, participant_id=participant_id, locked=True)
    return find_sitting(session, study=study, instruments=instruments, now=now, lock=True, **whose)


def _pinned(instrument: Instrument) -> dict[str, str]:
    return {
        "version": instrument.version,
        "hash": instrument.content_hash,
        "algorithm": instrument.algorithm_version,
    }


def record(
    database: Session | Connection,
    sitting: Sitting,
    step: Step,
    *,
    kind: Literal["answered", "skipped", "cleared"] = "answered",
    raw: str | None = None,
    language: str,
    now: datetime,
    actor: Actor,
) -> Sitting:
    """Save what the patient did with one item, of a sitting found with `lock`; returns the sitting as it is then.

    An unchanged value writes nothing. `raw` is the answer as it arrived. Raises InvalidAnswer (not one of the item's
    answers), or Refused: not_started, already_sent, closed, declined, not_open, not_asked.
    """
    _require_open(sitting)
    instrument = sitting.instrument(step.instrument)
    new = Given(kind, parse_answer(instrument, step.item, raw) if kind == "answered" else None)
    if not sitting.is_asked(step):
        raise Refused("not_asked")
    return keep(connection_of(database), sitting, step, new, language=language, now=now, actor=actor)


def keep(
    connection: Connection,
    sitting: Sitting,
    step: Step,
    new: Given,
    *,
    language: str,
    now: datetime,
    actor: Actor,
    device: Device | None = None,
) -> Sitting:
    """Append what was given to the history of its item, unless it says what is there already; whoever calls has made
    sure that it may be. What another device has overtaken is kept, and changes nothing."""
    own, old = sitting.own, sitting.given.get(step)
    assert own is not None
    if new == old or (old is None and new.kind == "cleared"):
        return sitting
    overtaken = device is not None and device.overtaken
    values = {
        "response_set_id": own.id,
        "instrument": step.instrument,
        "item": step.item,
        "kind": new.kind,
        "code": new.code,
        "language": language,
        "recorded_at": now,
        "client_id": device.client_id if device else None,
        "device_at": device.at if device else None,
        "device_offset_s": device.offset_s if device else None,
        "given_at": device.given_at if device else None,
        "overtaken": overtaken,
        "actor": "patient" if actor.kind == "patient" else f"{actor.kind}:{actor.id}",
    }
    _INSERT_ANSWER.write(connection, values)
    details = {"old": _plain(old), "new": _plain(new), "language": language, **_clock(device)}
    if overtaken:
        details["overtaken"] = True
    place = f"{own.id}/{step.instrument}.{step.item}"
    head = _note(connection, sitting, _entry(sitting, "answer.recorded", "answer", place, details), actor)
    return replace(sitting, given=sitting.given if overtaken else {**sitting.given, step: new}, head=head)


def note_conflict(
    connection: Connection, sitting: Sitting, step: Step, given: Given, *, device: Device | None, actor: Actor
) -> Sitting:
    """The audit event of an answer that came after the submission and says something else."""
    assert sitting.own is not None
    details = {"sent": _plain(sitting.given.get(step)), "new": _plain(given), **_clock(device)}
    place = f"{sitting.own.id}/{step.instrument}.{step.item}"
    entry = _entry(sitting, "answer.conflict", "answer_conflict", place, details)
    return replace(sitting, head=_note(connection, sitting, entry, actor))


def _clock(device: Device | None) -> dict[str, Any]:
    return {"device_at": device.at.isoformat(), "device_offset_s": device.offset_s} if device else {}


def _plain(given: Given | None) -> int | str | None:
    if given is None:
        return None
    return given.code if given.kind == "answered" else given.kind


def submit(database: Session | Connection, sitting: Sitting, *, vault: Vault, now: datetime, actor: Actor) -> Receipt:
    """Send the answers; the same again, or twenty times at once, gives the one receipt.

    Raises Refused: not_started, closed, declined, not_open, nothing_answered.
    """
    if sitting.own is not None and sitting.own.submitted_at is not None:
        return receipt(sitting)
    _require_open(sitting)
    return submit_kept(database, sitting, vault=vault, now=now, completed_at=now, actor=actor)


def submit_kept(
    database: Session | Connection,
    sitting: Sitting,
    *,
    vault: Vault,
    now: datetime,
    completed_at: datetime,
    actor: Actor,
    device: Device | None = None,
) -> Receipt:
    """Send what was completed at `completed_at`, by a caller who knows that it was in time. Raises Refused."""
    if not sitting.answered:
        raise Refused("nothing_answered")
    return _submit(
        database, sitting, vault=vault, now=now, completed_at=completed_at, auto=False, actor=actor, device=device
    )


def submit_abandoned(
    session: Session,
    response_set_id: int,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    vault: Vault,
    now: datetime,
    actor: Actor,
) -> Receipt | None:
    """Submit, flagged, what a patient began and left, once it can no longer be answered.

    It counts as completed on the local day of the last answer. None when there is nothing to do: submitted meanwhile,
    no answer in it, still open. Safe to run twice and at once.
    """
    given_at = func.coalesce(Answer.given_at, Answer.recorded_at)
    last_at = select(Answer.response_set_id, func.max(given_at).label("at")).group_by(Answer.response_set_id)
    last = last_at.where(Answer.response_set_id == response_set_id).subquery()
    row = session.execute(
        select(ResponseSet.assessment_id, last.c.at)
        .outerjoin(last, last.c.response_set_id == ResponseSet.id)
        .where(ResponseSet.id == response_set_id)
    ).first()
    if row is None:
        raise NotFound
    sitting = find_for_worker(session, row.assessment_id, study=study, instruments=instruments, now=now)
    facts = sitting.assessment._replace(last_answer_at=row.at)
    if sitting.own is None or sitting.own.id != response_set_id or not sitting.answered:
        return None
    if not abandoned(facts, sitting.participant, now=now, study=study, zone=sitting.zone):
        return None
    return _submit(session, sitting, vault=vault, now=now, completed_at=row.at, auto=True, actor=actor)


def _submit(
    database: Session | Connection,
    sitting: Sitting,
    *,
    vault: Vault,
    now: datetime,
    completed_at: datetime,
    auto: bool,
    actor: Actor,
    device: Device | None = None,
) -> Receipt:
    own = sitting.own
    assert own is not None
    values: dict[str, Any] = {
        "submitted_at": now,
        "completed_on": local_date(completed_at, sitting.zone),
        "auto_submitted": auto,
        "receipt": vault.new_receipt(),
        "answered_items": sitting.answered,
        "valid": is_valid(sitting),
    }
    if device is not None:
        values |= {
            "device_at": device.at,
            "device_offset_s": device.offset_s,
            "clock_trusted": device.given_at is not None,
        }
    # The condition decides between two that come at once, whatever isolation the database gives.
    connection = connection_of(database)
    mine = connection.execute(update(_set).where(_set.c.id == own.id, _set.c.submitted_at.is_(None)).values(**values))
    if mine.rowcount == 0:
        found = connection.execute(select(_set.c.receipt, _set.c.submitted_at).where(_set.c.id == own.id)).one()
        return Receipt(found.receipt, found.submitted_at)
    facts = {name: value for name, value in values.items() if name not in {"submitted_at", "device_at"}}
    facts |= _clock(device)
    details = {"assessment": sitting.assessment_id, **facts}
    submitted = _entry(sitting, "response_set.submitted", "response_set", own.id, details)
    # Thanked and asked again is what nobody forgives: what is queued about it goes in the same transaction.
    cancelled = cancel_queued(
        connection, assessment_id=sitting.assessment_id, site_code=sitting.site_code, reason="submitted", now=now
    )
    _note(connection, sitting, submitted, actor, *cancelled)
    return Receipt(values["receipt"], now)


def receipt(sitting: Sitting) -> Receipt:
    """The receipt of a submitted sitting. Raises NotFound while there is none."""
    own = sitting.own
    if own is None or own.receipt is None or own.submitted_at is None:
        raise NotFound
    return Receipt(own.receipt, own.submitted_at)


def is_valid(sitting: Sitting) -> bool:
    """Whether at least one scale of a core instrument (of any, where the assessment has no core) can be scored."""
    core = [one for one in sitting.instruments if one.core] or sitting.instruments
    return any(
        result.value is not None and result.code in instrument.scales_by_code
        for instrument in core
        for result in score(instrument, sitting.codes(instrument.code))
    )


def _require_open(sitting: Sitting) -> OpenedSet:
    """The set that takes answers now. Raises Refused with the reason why not."""
    if sitting.own is None:
        raise Refused("not_started")
    if sitting.own.submitted_at is not None:
        raise Refused("already_sent")
    if not sitting.takes_answers:
        raise Refused(_why_not(sitting))
    return sitting.own


def _require_answerable(sitting: Sitting) -> None:
    if not sitting.takes_answers:
        raise Refused(_why_not(sitting))


def _why_not(sitting: Sitting) -> str:
    now = sitting.state
    if now.collection == "SUBMITTED":
        return "already_sent" if sitting.own is not None else "answered_otherwise"
    if now.collection == "DECLINED":
        return "declined"
    if now.expectation == "EXPECTED" and now.phase == "BEFORE" or now.expectation == "PENDING":
        return "not_open"
    return "closed"


def why_not(sitting: Sitting) -> str | None:
    """None while answers are taken; else not_open, closed, declined, already_sent or answered_otherwise."""
    if sitting.own is not None and sitting.own.submitted_at is not None:
        return "already_sent"
    return None if sitting.takes_answers else _why_not(sitting)


def _entry(sitting: Sitting, action: str, entity: str, entity_id: int | str, details: Mapping[str, Any]) -> Entry:
    return Entry(action, entity, entity_id, details, site_code=sitting.site_code)


def _note(connection: Connection, sitting: Sitting, entry: Entry, actor: Actor, *more: Entry) -> tuple[int, str]:
    """Append to the audit chain behind the head that was read under this sitting's lock; returns the new head."""
    if sitting.head is None:
        raise ValueError("a sitting that writes must be found with lock=True")
    seq, last_hash = sitting.head
    chain = audit.participant_chain(sitting.participant_id)
    rows = audit.chained(chain, seq, last_hash, [entry, *more], actor=actor, now=sitting.now)
    for row in rows:
        _INSERT_AUDIT.write(connection, row)
    return rows[-1]["seq"], rows[-1]["hash"]
