"""Who did what, from the audit trail: of rows that are changed later (a message sent again, a person with a new role)
it still tells what was true at the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import AuditEvent, Message
from proapp.export.columns import Column, meanings
from proapp.export.cut import Cut

_RECORDED = ("event.recorded", "contact.logged")
_SENT = ("message.sent", "message.posted")
_REMINDERS = ("reminder", "remind_later")
_ROLES = meanings(
    "nurse", "investigator", "coordinator", "monitor", "statistician", "administrator",
    patient="the participant", staff="the clinic", worker="the program, by the clock",
    command_line="somebody at the server",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Acts:
    """`roles` of who recorded a row, by (entity, id); `reminders`: when each went out, by assessment, in order."""

    roles: Mapping[tuple[str, str], str]
    reminders: Mapping[int, list[datetime]]

    def role(self, entity: str, id_: int) -> str | None:
        return self.roles.get((entity, str(id_)))


def read(session: Session, cut: Cut) -> Acts:
    """Two statements, for everybody."""
    messages = select(Message.id, Message.assessment_id).where(
        Message.kind.in_(_REMINDERS), Message.assessment_id.is_not(None)
    )
    about = {id_: assessment_id for id_, assessment_id in session.execute(messages)}
    rows = session.execute(
        select(AuditEvent.action, AuditEvent.entity, AuditEvent.entity_id, AuditEvent.actor_role, AuditEvent.at)
        .where(AuditEvent.action.in_((*_RECORDED, *_SENT)), AuditEvent.at < cut.as_of)
        .order_by(AuditEvent.at, AuditEvent.id)
    )
    roles: dict[tuple[str, str], str] = {}
    reminders: dict[int, list[datetime]] = {}
    for action, entity, entity_id, role, at in rows:
        if action in _RECORDED:
            roles[entity, entity_id] = role
        elif at < cut.end and (assessment_id := about.get(int(entity_id))) is not None:
            reminders.setdefault(assessment_id, []).append(at)
    return Acts(roles, reminders)


def role_column() -> Column:
    return Column("role", "code", "Role of who recorded it, at that time", "Roll hos den som förde in det, då", _ROLES,
                  empty="not in the audit trail")  # fmt: skip
