"""Rows on their way into the database: numbered here, kept until there are many, then written table by table.

Ids are given in the order of what happened, so a page that shows the newest first shows it for an invented trial too.
Every row is told to the audit trail by whoever adds it; the chains are linked here, with the trail's own function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from proapp.db.models import AuditEvent, Base
from proapp.services.audit import GENESIS, SYSTEM, Actor, Entry, chained, participant_chain

FULL = 20_000  # rows kept at most
Model = type[Base]


class Rows:
    """Collects rows of any table; `flush` writes them. Nothing is committed here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._where: dict[tuple[str, int], dict[str, Any]] = {}
        self._changes: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        self._last: dict[str, int] = defaultdict(int)
        self._heads: dict[str, tuple[int, str]] = {}
        self._count = 0

    def add(self, model: Model, **values: Any) -> int:
        """Add a row; the id it gets (0 for tables without one of their own). Columns left out are null."""
        table = model.__tablename__
        row = {column.name: _default(column) for column in model.__table__.columns} | values
        if "id" in row:
            self._last[table] += 1
            row["id"] = self._last[table]
            self._where[table, row["id"]] = row
        self._kept[table].append(row)
        self._count += 1
        return row.get("id") or 0

    def add_plain(self, model: Model, rows: list[dict[str, Any]]) -> None:
        """Add many rows that name every column but the id; they are never changed again."""
        table = model.__tablename__
        for row in rows:
            self._last[table] += 1
            row["id"] = self._last[table]
        self._kept[table] += rows
        self._count += len(rows)

    def change(self, model: Model, id_: int, **values: Any) -> None:
        """Change a row added before, wherever it is by now."""
        table = model.__tablename__
        kept = self._where.get((table, id_))
        if kept is not None:
            kept.update(values)
        else:
            self._changes[table].setdefault(id_, {}).update(values)

    def tell(self, *entries: Entry, actor: Actor, at: datetime, participant_id: int | None = None) -> None:
        """Append to the audit chain of the participant, or of the installation."""
        chain = SYSTEM if participant_id is None else participant_chain(participant_id)
        seq, head = self._heads.get(chain, (0, GENESIS))
        rows = chained(chain, seq, head, entries, actor=actor, now=at)
        if rows:
            self._heads[chain] = rows[-1]["seq"], rows[-1]["hash"]
            self.add_plain(AuditEvent, rows)

    def flush_when_full(self) -> None:
        if self._count >= FULL:
            self.flush()

    def flush(self) -> None:
        """Write everything kept, each table after those it refers to."""
        for table in Base.metadata.sorted_tables:
            rows = self._kept.pop(table.name, [])
            if rows:
                self._connection.execute(insert(table), rows)
            for id_, values in self._changes.pop(table.name, {}).items():
                self._connection.execute(
                    update(table).where(table.c.id == bindparam("row")).values(values), {"row": id_}
                )
        self._where.clear()
        self._count = 0

    def finish(self) -> None:
        """Write the rest; on PostgreSQL, let the next id of each table follow ours."""
        self.flush()
        if self._connection.dialect.name == "postgresql":
            for table in Base.metadata.sorted_tables:
                if self._last.get(table.name):
                    last = self._connection.scalar(select(func.max(table.c.id)))
                    self._connection.execute(
                        text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last)"),
                        {"table": table.name, "last": last},
                    )


def _default(column: Any) -> Any:
    default = column.default
    if default is None:
        return None
    return default.arg if default.is_scalar else {}


def details(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The named values of a row, for the trail."""
    return {name: row[name] for name in names}
