"""follow up: messages, requests of patients, former sites, changes that two people make

Revision: 0002
Before it: 0001
"""

import sqlalchemy as sa
from alembic import op

import proapp.db.types
from proapp.db.append_only import protect, unprotect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


GUARDED = ("delivery_receipt", "patient_request")


def upgrade() -> None:
    op.create_table(
        "delivery_receipt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(length=20), nullable=False),
        sa.Column("provider_ref", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("at", proapp.db.types.Instant(), nullable=True),
        sa.Column("received_at", proapp.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_receipt")),
        sa.UniqueConstraint(
            "gateway", "provider_ref", "status", name=op.f("uq_delivery_receipt_gateway_provider_ref_status")
        ),
    )
    op.create_table(
        "change_proposal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=True),
        sa.Column("from_version_id", sa.Integer(), nullable=True),
        sa.Column("to_version_id", sa.Integer(), nullable=True),
        sa.Column("payload", proapp.db.types.Payload, nullable=False),
        sa.Column("diff_hash", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("proposed_by_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(length=20), nullable=True),
        sa.Column("decided_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("decided_by_id", sa.Integer(), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["staff_user.id"], name=op.f("fk_change_proposal_decided_by_id_staff_user")
        ),
        sa.ForeignKeyConstraint(
            ["from_version_id"], ["study_version.id"], name=op.f("fk_change_proposal_from_version_id_study_version")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_change_proposal_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["proposed_by_id"], ["staff_user.id"], name=op.f("fk_change_proposal_proposed_by_id_staff_user")
        ),
        sa.ForeignKeyConstraint(
            ["to_version_id"], ["study_version.id"], name=op.f("fk_change_proposal_to_version_id_study_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_proposal")),
    )
    op.create_index(op.f("ix_change_proposal_participant_id"), "change_proposal", ["participant_id"], unique=False)

    op.create_table(
        "former_site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("site_code", sa.String(length=20), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_former_site_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_site")),
    )
    op.create_index(op.f("ix_former_site_participant_id"), "former_site", ["participant_id"], unique=False)
    op.create_index(op.f("ix_former_site_site_code"), "former_site", ["site_code"], unique=False)

    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("assessment_id", sa.Integer(), nullable=True),
        sa.Column("step", sa.String(length=40), nullable=True),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("due_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("not_after", proapp.db.types.Instant(), nullable=True),
        sa.Column("queued_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("state_reason", sa.String(length=40), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("claimed_by", sa.String(length=40), nullable=True),
        sa.Column("lease_until", proapp.db.types.Instant(), nullable=True),
        sa.Column("gateway", sa.String(length=20), nullable=True),
        sa.Column("provider_ref", sa.String(length=120), nullable=True),
        sa.Column("handed_over_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("settled_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("units", sa.Integer(), nullable=True),
        sa.Column("link_hash", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessment.id"], name=op.f("fk_message_assessment_id_assessment")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_message_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["staff_user.id"], name=op.f("fk_message_user_id_staff_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("key", name=op.f("uq_message_key")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_message_link_hash")),
    )
    op.create_index(op.f("ix_message_assessment_id"), "message", ["assessment_id"], unique=False)
    op.create_index("ix_message_participant_id", "message", ["participant_id", "queued_at"], unique=False)
    op.create_index("ix_message_provider_ref", "message", ["gateway", "provider_ref"], unique=False)
    op.create_index("ix_message_state", "message", ["state", "next_try_at"], unique=False)

    op.create_table(
        "patient_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("assessment_id", sa.Integer(), nullable=True),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("payload", proapp.db.types.Payload, nullable=False),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessment.id"], name=op.f("fk_patient_request_assessment_id_assessment")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_patient_request_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_request")),
    )
    op.create_index(op.f("ix_patient_request_assessment_id"), "patient_request", ["assessment_id"], unique=False)
    op.create_index(op.f("ix_patient_request_participant_id"), "patient_request", ["participant_id"], unique=False)

    op.create_table(
        "site_activation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("site_code", sa.String(length=20), nullable=False),
        sa.Column("active_from", sa.Date(), nullable=False),
        sa.Column("proposal_id", sa.Integer(), nullable=True),
        sa.Column("applied_at", proapp.db.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["change_proposal.id"], name=op.f("fk_site_activation_proposal_id_change_proposal")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["study_version.id"], name=op.f("fk_site_activation_version_id_study_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_activation")),
        sa.UniqueConstraint("version_id", "site_code", name=op.f("uq_site_activation_version_id_site_code")),
    )
    op.create_index("ix_assessment_closes_on", "assessment", ["timepoint", "closes_on"], unique=False)
    op.create_index("ix_assessment_opens_on", "assessment", ["timepoint", "opens_on"], unique=False)
    op.create_index("ix_assessment_target_on", "assessment", ["timepoint", "target_on"], unique=False)

    op.add_column("contact", sa.Column("confirmed_at", proapp.db.types.Instant(), nullable=True))
    op.add_column("contact", sa.Column("verified_at", proapp.db.types.Instant(), nullable=True))
    op.add_column("contact", sa.Column("undeliverable_at", proapp.db.types.Instant(), nullable=True))
    op.add_column("contact", sa.Column("undeliverable_reason", sa.String(length=40), nullable=True))

    op.add_column("staff_user", sa.Column("wants_digest", sa.Boolean(), server_default=sa.false(), nullable=False))
    dialect = op.get_bind().dialect.name
    for table in GUARDED:
        for statement in protect(table, dialect):
            op.execute(statement)


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for table in GUARDED:
        for statement in unprotect(table, dialect):
            op.execute(statement)
    op.drop_column("staff_user", "wants_digest")

    op.drop_column("contact", "undeliverable_reason")
    op.drop_column("contact", "undeliverable_at")
    op.drop_column("contact", "verified_at")
    op.drop_column("contact", "confirmed_at")

    op.drop_index("ix_assessment_target_on", table_name="assessment")
    op.drop_index("ix_assessment_opens_on", table_name="assessment")
    op.drop_index("ix_assessment_closes_on", table_name="assessment")

    op.drop_table("site_activation")
    op.drop_index(op.f("ix_patient_request_participant_id"), table_name="patient_request")
    op.drop_index(op.f("ix_patient_request_assessment_id"), table_name="patient_request")

    op.drop_table("patient_request")
    op.drop_index("ix_message_state", table_name="message")
    op.drop_index("ix_message_provider_ref", table_name="message")
    op.drop_index("ix_message_participant_id", table_name="message")
    op.drop_index(op.f("ix_message_assessment_id"), table_name="message")

    op.drop_table("message")
    op.drop_index(op.f("ix_former_site_site_code"), table_name="former_site")
    op.drop_index(op.f("ix_former_site_participant_id"), table_name="former_site")

    op.drop_table("former_site")
    op.drop_index(op.f("ix_change_proposal_participant_id"), table_name="change_proposal")

    op.drop_table("change_proposal")
    op.drop_table("delivery_receipt")
