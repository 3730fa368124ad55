"""first tables

Revision: 0001
Before it: None
"""

import sqlalchemy as sa
from alembic import op

import proapp.db.types
from proapp.db.append_only import DROP_FUNCTION, FUNCTION, protect, unprotect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


GUARDED = ("participant_event", "answer", "assessment_event", "missed_reason", "contact_attempt", "audit_event")


def upgrade() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("chain", sa.String(length=20), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", proapp.db.types.Instant(), nullable=False),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("actor_role", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("entity", sa.String(length=30), nullable=False),
        sa.Column("entity_id", sa.String(length=40), nullable=False),
        sa.Column("site_code", sa.String(length=20), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
        sa.UniqueConstraint("chain", "seq", name=op.f("uq_audit_event_chain_seq")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index("ix_audit_event_at", ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_event_site_code"), ["site_code"], unique=False)

    op.create_table(
        "installation",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
    )
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", proapp.db.types.Instant(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempt")),
    )
    with op.batch_alter_table("sign_in_attempt", schema=None) as batch_op:
        batch_op.create_index("ix_sign_in_attempt_address", ["kind", "address", "at"], unique=False)
        batch_op.create_index("ix_sign_in_attempt_at", ["kind", "at"], unique=False)
        batch_op.create_index("ix_sign_in_attempt_subject", ["kind", "subject", "at"], unique=False)

    op.create_table(
        "staff_user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("totp_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("totp_last_step", sa.Integer(), nullable=True),
        sa.Column("created_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("suspended_at", proapp.db.types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_user")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_user_email")),
    )
    op.create_table(
        "study_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_version")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_study_version_content_hash")),
    )
    op.create_table(
        "participant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.String(length=40), nullable=False),
        sa.Column("site_code", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("enrolled_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("enrolled_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["enrolled_by_id"], ["staff_user.id"], name=op.f("fk_participant_enrolled_by_id_staff_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant")),
        sa.UniqueConstraint("study_id", name=op.f("uq_participant_study_id")),
    )
    with op.batch_alter_table("participant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_participant_site_code"), ["site_code"], unique=False)

    op.create_table(
        "staff_invitation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("lookup", sa.String(length=64), nullable=False),
        sa.Column("code_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("expires_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("used_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("revoked_at", proapp.db.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["staff_user.id"], name=op.f("fk_staff_invitation_user_id_staff_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_invitation")),
    )
    with op.batch_alter_table("staff_invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_invitation_lookup"), ["lookup"], unique=False)
        batch_op.create_index(batch_op.f("ix_staff_invitation_user_id"), ["user_id"], unique=False)

    op.create_table(
        "staff_site",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("site_code", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["staff_user.id"], name=op.f("fk_staff_site_user_id_staff_user")),
        sa.PrimaryKeyConstraint("user_id", "site_code", name=op.f("pk_staff_site")),
    )
    op.create_table(
        "activation_code",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("lookup", sa.String(length=64), nullable=False),
        sa.Column("code_hash", sa.String(length=200), nullable=False),
        sa.Column("created_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=True),
        sa.Column("expires_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("used_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("revoked_at", proapp.db.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["staff_user.id"], name=op.f("fk_activation_code_created_by_id_staff_user")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_activation_code_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activation_code")),
    )
    with op.batch_alter_table("activation_code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_activation_code_lookup"), ["lookup"], unique=False)
        batch_op.create_index(batch_op.f("ix_activation_code_participant_id"), ["participant_id"], unique=False)

    op.create_table(
        "assessment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("timepoint", sa.String(length=20), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("protocol_version", sa.String(length=40), nullable=False),
        sa.Column("anchor_on", sa.Date(), nullable=True),
        sa.Column("target_on", sa.Date(), nullable=True),
        sa.Column("opens_on", sa.Date(), nullable=True),
        sa.Column("closes_on", sa.Date(), nullable=True),
        sa.Column("late_until", sa.Date(), nullable=True),
        sa.Column("extension_until", sa.Date(), nullable=True),
        sa.Column("cancelled_reason", sa.String(length=40), nullable=True),
        sa.Column("planned_at", proapp.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_assessment_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment")),
        sa.UniqueConstraint(
            "participant_id", "timepoint", "occurrence", name=op.f("uq_assessment_participant_id_timepoint_occurrence")
        ),
    )
    with op.batch_alter_table("assessment", schema=None) as batch_op:
        batch_op.create_index("ix_assessment_late_until", ["late_until"], unique=False)

    op.create_table(
        "auth_session",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("participant_id", sa.Integer(), nullable=True),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("created_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("last_seen_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("confirmed_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("expires_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("ended_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("end_reason", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_auth_session_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["staff_user.id"], name=op.f("fk_auth_session_user_id_staff_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_auth_session_token_hash")),
    )
    with op.batch_alter_table("auth_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_auth_session_participant_id"), ["participant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_auth_session_user_id"), ["user_id"], unique=False)

    op.create_table(
        "contact",
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("mobile_index", sa.String(length=64), nullable=True),
        sa.Column("updated_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("updated_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_contact_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(["updated_by_id"], ["staff_user.id"], name=op.f("fk_contact_updated_by_id_staff_user")),
        sa.PrimaryKeyConstraint("participant_id", name=op.f("pk_contact")),
    )
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_mobile_index"), ["mobile_index"], unique=False)

    op.create_table(
        "participant_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=30), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("effective_time", sa.Time(), nullable=True),
        sa.Column("payload", proapp.db.types.Payload, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("supersedes_id", sa.Integer(), nullable=True),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("recorded_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_participant_event_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by_id"], ["staff_user.id"], name=op.f("fk_participant_event_recorded_by_id_staff_user")
        ),
        sa.ForeignKeyConstraint(
            ["supersedes_id"],
            ["participant_event.id"],
            name=op.f("fk_participant_event_supersedes_id_participant_event"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant_event")),
        sa.UniqueConstraint("supersedes_id", name=op.f("uq_participant_event_supersedes_id")),
    )
    with op.batch_alter_table("participant_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_participant_event_participant_id"), ["participant_id"], unique=False)

    op.create_table(
        "patient_pin",
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("pin_hash", sa.String(length=200), nullable=False),
        sa.Column("set_at", proapp.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_patient_pin_participant_id_participant")
        ),
        sa.PrimaryKeyConstraint("participant_id", name=op.f("pk_patient_pin")),
    )
    op.create_table(
        "assessment_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assessment_id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("payload", proapp.db.types.Payload, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("recorded_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessment.id"], name=op.f("fk_assessment_event_assessment_id_assessment")
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by_id"], ["staff_user.id"], name=op.f("fk_assessment_event_recorded_by_id_staff_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessment_event")),
    )
    with op.batch_alter_table("assessment_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assessment_event_assessment_id"), ["assessment_id"], unique=False)

    op.create_table(
        "contact_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("participant_id", sa.Integer(), nullable=False),
        sa.Column("assessment_id", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.String(length=30), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("at", proapp.db.types.Instant(), nullable=False),
        sa.Column("recorded_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessment.id"], name=op.f("fk_contact_attempt_assessment_id_assessment")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk_contact_attempt_participant_id_participant")
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by_id"], ["staff_user.id"], name=op.f("fk_contact_attempt_recorded_by_id_staff_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_attempt")),
    )
    with op.batch_alter_table("contact_attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_attempt_participant_id"), ["participant_id"], unique=False)

    op.create_table(
        "missed_reason",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assessment_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=30), nullable=False),
        sa.Column("health_related", sa.String(length=1), nullable=False),
        sa.Column("avoidable", sa.String(length=1), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("recorded_by_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessment.id"], name=op.f("fk_missed_reason_assessment_id_assessment")
        ),
        sa.ForeignKeyConstraint(
            ["recorded_by_id"], ["staff_user.id"], name=op.f("fk_missed_reason_recorded_by_id_staff_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_missed_reason")),
    )
    with op.batch_alter_table("missed_reason", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_missed_reason_assessment_id"), ["assessment_id"], unique=False)

    op.create_table(
        "response_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("assessment_id", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("respondent", sa.String(length=10), nullable=False),
        sa.Column("protocol_version", sa.String(length=40), nullable=False),
        sa.Column("packs", proapp.db.types.Payload, nullable=False),
        sa.Column("started_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("submitted_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("completed_on", sa.Date(), nullable=True),
        sa.Column("auto_submitted", sa.Boolean(), nullable=False),
        sa.Column("receipt", sa.String(length=20), nullable=True),
        sa.Column("answered_items", sa.Integer(), nullable=True),
        sa.Column("valid", sa.Boolean(), nullable=True),
        sa.Column("entered_by_id", sa.Integer(), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["assessment_id"], ["assessment.id"], name=op.f("fk_response_set_assessment_id_assessment")
        ),
        sa.ForeignKeyConstraint(
            ["entered_by_id"], ["staff_user.id"], name=op.f("fk_response_set_entered_by_id_staff_user")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response_set")),
        sa.UniqueConstraint("assessment_id", "mode", name=op.f("uq_response_set_assessment_id_mode")),
        sa.UniqueConstraint("receipt", name=op.f("uq_response_set_receipt")),
    )
    with op.batch_alter_table("response_set", schema=None) as batch_op:
        batch_op.create_index("ix_response_set_submitted_at", ["submitted_at"], unique=False)

    op.create_table(
        "answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("response_set_id", sa.Integer(), nullable=False),
        sa.Column("instrument", sa.String(length=20), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("recorded_at", proapp.db.types.Instant(), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=True),
        sa.Column("device_at", proapp.db.types.Instant(), nullable=True),
        sa.Column("actor", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_set_id"], ["response_set.id"], name=op.f("fk_answer_response_set_id_response_set")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
        sa.UniqueConstraint("response_set_id", "client_id", name=op.f("uq_answer_response_set_id_client_id")),
    )
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(FUNCTION)
    for table in GUARDED:
        for statement in protect(table, dialect):
            op.execute(statement)


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for table in GUARDED:
        for statement in unprotect(table, dialect):
            op.execute(statement)
    op.drop_table("answer")
    with op.batch_alter_table("response_set", schema=None) as batch_op:
        batch_op.drop_index("ix_response_set_submitted_at")

    op.drop_table("response_set")
    with op.batch_alter_table("missed_reason", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_missed_reason_assessment_id"))

    op.drop_table("missed_reason")
    with op.batch_alter_table("contact_attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_attempt_participant_id"))

    op.drop_table("contact_attempt")
    with op.batch_alter_table("assessment_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assessment_event_assessment_id"))

    op.drop_table("assessment_event")
    op.drop_table("patient_pin")
    with op.batch_alter_table("participant_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_participant_event_participant_id"))

    op.drop_table("participant_event")
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_mobile_index"))

    op.drop_table("contact")
    with op.batch_alter_table("auth_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_auth_session_user_id"))
        batch_op.drop_index(batch_op.f("ix_auth_session_participant_id"))

    op.drop_table("auth_session")
    with op.batch_alter_table("assessment", schema=None) as batch_op:
        batch_op.drop_index("ix_assessment_late_until")

    op.drop_table("assessment")
    with op.batch_alter_table("activation_code", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_activation_code_participant_id"))
        batch_op.drop_index(batch_op.f("ix_activation_code_lookup"))

    op.drop_table("activation_code")
    op.drop_table("staff_site")
    with op.batch_alter_table("staff_invitation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_staff_invitation_user_id"))
        batch_op.drop_index(batch_op.f("ix_staff_invitation_lookup"))

    op.drop_table("staff_invitation")
    with op.batch_alter_table("participant", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_participant_site_code"))

    op.drop_table("participant")
    op.drop_table("study_version")
    op.drop_table("staff_user")
    with op.batch_alter_table("sign_in_attempt", schema=None) as batch_op:
        batch_op.drop_index("ix_sign_in_attempt_subject")
        batch_op.drop_index("ix_sign_in_attempt_at")
        batch_op.drop_index("ix_sign_in_attempt_address")

    op.drop_table("sign_in_attempt")
    op.drop_table("installation")
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_event_site_code"))
        batch_op.drop_index("ix_audit_event_at")

    op.drop_table("audit_event")
    if dialect == "postgresql":
        op.execute(DROP_FUNCTION)
