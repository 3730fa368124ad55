"""Triggers that make a table append-only, on both engines.

The application never updates or deletes facts; the triggers make that true for everybody who is not the database's
owner switching them off by hand, which `proapp audit verify` then reports.

SQLite has a third way to change a row: `INSERT OR REPLACE` removes the old one without a word to the DELETE trigger
(unless the connection has set `recursive_triggers`, which nobody can demand of a foreign one). So there an INSERT whose
key is taken is refused before it can replace anything.
"""

from __future__ import annotations

FUNCTION = """
CREATE OR REPLACE FUNCTION proapp_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""
DROP_FUNCTION = "DROP FUNCTION IF EXISTS proapp_refuse_change()"

# What a row can be replaced by, beside its number; a test holds it to the models.
KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "participant_event": (("supersedes_id",),),
    "answer": (("response_set_id", "client_id"),),
    "audit_event": (("chain", "seq"),),
    "delivery_receipt": (("gateway", "provider_ref", "status"),),
    "answer_conflict": (("response_set_id", "client_id"),),
    "api_write": (("token_id", "key_hash"),),
}


def guards(table: str, dialect: str) -> dict[str, str]:
    """The triggers of a guarded table: their names and how each is made."""
    made = dict(zip(_names(table), protect(table, dialect), strict=True))
    if dialect == "sqlite":
        made[f"{table}_no_replace"] = protect_keys(table, *KEYS.get(table, ()))
    return made


def protect(table: str, dialect: str) -> list[str]:
    """The statements that refuse UPDATE and DELETE on `table` (a name of ours, never user input)."""
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


def protect_keys(table: str, *keys: tuple[str, ...]) -> str:
    """SQLite only: the statement that refuses an INSERT in the place of a row that is there. One look into an index for
    each key; a number that SQLite is still to give is -1 here, and a key with a null in it is nobody's."""
    taken = " OR ".join(
        f"EXISTS (SELECT 1 FROM {table} WHERE {' AND '.join(f'{name} = NEW.{name}' for name in key)})"  # noqa: S608  ours
        for key in (("id",), *keys)
    )
    return (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {taken} "
        f"BEGIN SELECT RAISE(ABORT, 'table {table} is append-only: REPLACE refused'); END"
    )


def unprotect(table: str, dialect: str) -> list[str]:
    on = "" if dialect == "sqlite" else f" ON {table}"
    return [f"DROP TRIGGER IF EXISTS {name}{on}" for name in guards(table, dialect)]


def _names(table: str) -> tuple[str, ...]:
    return (f"{table}_no_update", f"{table}_no_delete")
