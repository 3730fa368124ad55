"""on the phone: answers kept without network, what came too late to count, a clinic's tablet

Revision: 0004
Before it: 0003
"""

import sqlalchemy as sa
from alembic import op

import proapp.db.types
from proapp.db.append_only import protect, unprotect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

REFERENCES = (("assessment_id", "assessment"), ("handed_over_by_id", "staff_user"))


def upgrade() -> None:
    op.add_column("answer", sa.Column("device_offset_s", sa.Integer(), nullable=True))
    op.add_column("answer", sa.Column("given_at", proapp.db.types.Instant(), nullable=True))
    op.add_column("answer", sa.Column("overtaken", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("response_set", sa.Column("device_at", proapp.db.types.Instant(), nullable=True))
    op.add_column("response_set", sa.Column("device_offset_s", sa.Integer(), nullable=True))
    op.add_column("response_set", sa.Column("clock_trusted", sa.Boolean(), nullable=True))
    op.create_table(
        "answer_conflict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("response_set_id", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(length=20), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("device_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("device_offset_s", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_set_id"], ["response_set.id"], name=op.f("fk_answer_conflict_response_set_id_response_set")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer_conflict")),
        sa.UniqueConstraint("response_set_id", "client_id", name=op.f("uq_answer_conflict_response_set_id_client_id")),
    )
    for statement in protect("answer_conflict", op.get_context().dialect.name):
        op.execute(statement)
    for column, table in REFERENCES:
        name = f"fk_auth_session_{column}_{table}"
        if op.get_context().dialect.name == "sqlite":
            # In place: a new copy of the table, as batches make it, has its constraints in an order that chance decides,
            # and the same demonstration is to be the same database.
            op.execute(
                f"ALTER TABLE auth_session ADD COLUMN {column} INTEGER CONSTRAINT {name} REFERENCES {table} (id)"
            )
        else:
            op.add_column("auth_session", sa.Column(column, sa.Integer(), nullable=True))
            op.create_foreign_key(op.f(name), "auth_session", table, [column], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("auth_session") as batch:
        for column, table in REFERENCES:
            if op.get_context().dialect.name != "sqlite":  # there it goes with its column
                batch.drop_constraint(op.f(f"fk_auth_session_{column}_{table}"), type_="foreignkey")
            batch.drop_column(column)
    for statement in unprotect("answer_conflict", op.get_context().dialect.name):
        op.execute(statement)
    op.drop_table("answer_conflict")
    op.drop_column("response_set", "clock_trusted")
    op.drop_column("response_set", "device_offset_s")
    op.drop_column("response_set", "device_at")
    op.drop_column("answer", "overtaken")
    op.drop_column("answer", "given_at")
    op.drop_column("answer", "device_offset_s")
