"""Triggers that make a table append-only, on both engines.

The application never updates or deletes facts; the triggers make that true for everybody who is not the database's
owner switching them off by hand, which `proapp audit verify` then reports.
"""

from __future__ import annotations

FUNCTION = """
CREATE OR REPLACE FUNCTION proapp_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""
DROP_FUNCTION = "DROP FUNCTION IF EXISTS proapp_refuse_change()"


def trigger_names(table: str) -> tuple[str, ...]:
    return (f"{table}_no_update", f"{table}_no_delete")


def protect(table: str, dialect: str) -> list[str]:
    """The statements that guard `table` (a name of ours, never user input)."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'table {table} is append-only: {verb} refused'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION proapp_refuse_change()",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION proapp_refuse_change()",
    ]


def unprotect(table: str, dialect: str) -> list[str]:
    on = "" if dialect == "sqlite" else f" ON {table}"
    return [f"DROP TRIGGER IF EXISTS {name}{on}" for name in trigger_names(table)]
