"""SQLite: what may not be changed cannot be replaced either

Revision: 0005
Before it: 0004
"""

from alembic import op

from proapp.db.append_only import protect_keys

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GUARDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "participant_event": (("supersedes_id",),),
    "answer": (("response_set_id", "client_id"),),
    "assessment_event": (),
    "missed_reason": (),
    "contact_attempt": (),
    "audit_event": (("chain", "seq"),),
    "delivery_receipt": (("gateway", "provider_ref", "status"),),
    "patient_request": (),
    "answer_conflict": (("response_set_id", "client_id"),),
}


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        for table, keys in GUARDED.items():
            op.execute(protect_keys(table, *keys))


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        for table in GUARDED:
            op.execute(f"DROP TRIGGER IF EXISTS {table}_no_replace")
