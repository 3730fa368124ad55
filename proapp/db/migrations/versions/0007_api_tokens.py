"""machines: tokens of the API, what was read and written with them; what another system is told

Revision: 0007
Before it: 0006
"""

import sqlalchemy as sa
from alembic import op

import proapp.db.types
from proapp.db.append_only import protect, protect_keys, unprotect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", proapp.db.types.Payload, nullable=False),
        sa.Column("sites", proapp.db.types.Payload, nullable=True),
        sa.Column("sees_arms", sa.Boolean(), nullable=False),
        sa.Column("created_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("expires_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("ended_at", proapp.db.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["staff_user.id"], name=op.f("fk_api_token_created_by_id_staff_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_table(
        "api_use",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("scope", sa.String(length=30), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("participants", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["api_token.id"], name=op.f("fk_api_use_token_id_api_token")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_use")),
        sa.UniqueConstraint("token_id", "day", "scope", name=op.f("uq_api_use_token_id_day_scope")),
    )
    op.create_table(
        "api_write",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("answer", proapp.db.types.Payload, nullable=False),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_api_write_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(["token_id"], ["api_token.id"], name=op.f("fk_api_write_token_id_api_token")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_write")),
        sa.UniqueConstraint("token_id", "key_hash", name=op.f("uq_api_write_token_id_key_hash")),
    )
    op.create_index("ix_api_write_fingerprint", "api_write", ["fingerprint"])
    dialect = op.get_context().dialect.name
    for statement in protect("api_write", dialect):
        op.execute(statement)
    if dialect == "sqlite":
        op.execute(protect_keys("api_write", ("token_id", "key_hash")))
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=40), nullable=False),
        sa.Column("assessment_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("queued_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_reason", sa.String(length=40), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("settled_at", proapp.db.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessment.id"], name=op.f("fk_webhook_event_assessment_id_assessment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
        sa.UniqueConstraint("assessment_id", "status", name=op.f("uq_webhook_event_assessment_id_status")),
        sa.UniqueConstraint("event_id", name=op.f("uq_webhook_event_event_id")),
    )
    op.create_index("ix_webhook_event_state", "webhook_event", ["state", "next_try_at"])


def downgrade() -> None:
    op.drop_table("webhook_event")
    for statement in unprotect("api_write", op.get_context().dialect.name):
        op.execute(statement)
    op.drop_table("api_write")
    op.drop_table("api_use")
    op.drop_table("api_token")
