"""Statements of the path that every single answer travels, made ready once and then handed straight to the driver.

SQLAlchemy writes the SQL and knows the types; asking it to do so again for each of a questionnaire's 74 items, twice,
costs five times what the database does. Only for statements that never change their shape. Everything else goes
through SQLAlchemy as usual, in the same transaction of the same connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Insert, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Convert = Callable[[Any], Any]


class _Ready(NamedTuple):
    """The statement as one engine takes it. `fixed`: values that the statement itself holds, by name."""

    sql: str
    names: tuple[str, ...] | None  # in order, where the driver counts parameters instead of naming them
    fixed: Mapping[str, Any]
    given: Mapping[str, Convert]  # what is done to a parameter on its way in
    taken: tuple[tuple[int, Convert], ...]  # what is done to a column on its way out


class Prepared:
    """`columns`: those that an INSERT fills. Parameters are given by name, all of them each time."""

    def __init__(self, statement: Select[Any] | Insert, *, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._ready: dict[str, _Ready] = {}

    def all(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """Every row, as a sequence of values in the order of the statement's columns."""
        ready, rows = self._run(connection, parameters, fetch=True)
        if not ready.taken:
            return rows
        return [self._converted(row, ready.taken) for row in rows]

    def peek(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Any]:
        """As `all`, before the transaction has begun: on SQLite a writer holds the lock from its beginning, and need
        not while it finds out who is asking."""
        ready, rows = self._run(connection, parameters, fetch=True, begin=False)
        return [self._converted(row, ready.taken) for row in rows]

    def write(self, connection: Connection, parameters: Mapping[str, Any]) -> None:
        self._run(connection, parameters, fetch=False)

    @staticmethod
    def _converted(row: Sequence[Any], taken: tuple[tuple[int, Convert], ...]) -> list[Any]:
        values = list(row)
        for place, convert in taken:
            values[place] = convert(values[place])
        return values

    def _run(
        self, connection: Connection, parameters: Mapping[str, Any], *, fetch: bool, begin: bool = True
    ) -> tuple[_Ready, list[Any]]:
        dialect = connection.dialect
        ready = self._ready.get(dialect.name) or self._make_ready(dialect)
        values = {**ready.fixed, **parameters}
        for name, convert in ready.given.items():
            values[name] = convert(values[name])
        if begin and not connection.in_transaction():
            connection.begin()
        cursor: Any = connection.connection.cursor()
        try:
            cursor.execute(ready.sql, values if ready.names is None else [values[name] for name in ready.names])
            return ready, cursor.fetchall() if fetch else []
        except dialect.loaded_dbapi.Error as error:  # type: ignore[attr-defined]  every dialect of a driver has it
            # The same errors that SQLAlchemy would raise, and no parameters in them: they are answers.
            raise DBAPIError.instance(
                ready.sql, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect
            ) from error  # type: ignore[attr-defined]
        finally:
            cursor.close()

    def _make_ready(self, dialect: Dialect) -> _Ready:
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)
        assert isinstance(compiled, SQLCompiler)
        given = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()}
        columns = () if isinstance(self._statement, Insert) else self._statement.selected_columns
        taken = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        ready = self._ready[dialect.name] = _Ready(
            sql=str(compiled),
            names=tuple(compiled.positiontup) if compiled.positiontup is not None else None,
            fixed={name: value for name, value in compiled.params.items() if value is not None},
            given={name: convert for name, convert in given.items() if convert is not None},
            taken=tuple((place, convert) for place, convert in enumerate(taken) if convert is not None),
        )
        return ready
