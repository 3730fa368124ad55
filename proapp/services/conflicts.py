"""Answers that came when none could be taken any more and say something else: kept for the site, changing nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from proapp.db.models import AnswerConflict
from proapp.db.prepared import Prepared
from proapp.instruments.answers import Given
from proapp.services import answering
from proapp.services.answering import Device
from proapp.services.audit import Actor
from proapp.services.sitting import Sitting, Step

_conflict: Any = AnswerConflict.__table__
_KNOWN = Prepared(select(_conflict.c.client_id).where(_conflict.c.response_set_id == bindparam("set_id")))
_INSERT = Prepared(
    insert(_conflict).inline(), columns=[column.name for column in _conflict.columns if column.name != "id"]
)


def known(connection: Connection, set_id: int) -> set[str]:
    """The client ids that have been kept for this set."""
    return {row[0] for row in _KNOWN.all(connection, {"set_id": set_id})}


def differs(sitting: Sitting, step: Step, given: Given) -> bool:
    old = sitting.given.get(step)
    return old != given and not (old is None and given.kind == "cleared")


def keep(
    connection: Connection,
    sitting: Sitting,
    step: Step,
    given: Given,
    *,
    client_id: str,
    language: str,
    now: datetime,
    actor: Actor,
    device: Device | None = None,
) -> Sitting:
    """Keep what differs, under an id that is not among the known ones, of a sitting found with `lock`."""
    assert sitting.own is not None
    values = {
        "response_set_id": sitting.own.id,
        "instrument": step.instrument,
        "item": step.item,
        "kind": given.kind,
        "code": given.code,
        "language": language,
        "recorded_at": now,
        "client_id": client_id,
        "device_at": device.at if device else None,
        "device_offset_s": device.offset_s if device else None,
        "actor": "patient",
    }
    _INSERT.write(connection, values)
    return answering.note_conflict(connection, sitting, step, given, device=device, actor=actor)


def keep_from_page(
    connection: Connection, sitting: Sitting, step: Step, given: Given, *, language: str, now: datetime, actor: Actor
) -> bool:
    """The same for a page that was still open when the questionnaire was sent; whether it differs. Each value once,
    however often its button is pressed."""
    if sitting.own is None or not differs(sitting, step, given):
        return False
    client_id = f"page-{step.instrument}.{step.item}-{given.kind if given.code is None else given.code}"[:40]
    if client_id not in known(connection, sitting.own.id):
        keep(connection, sitting, step, given, client_id=client_id, language=language, now=now, actor=actor)
    return True
