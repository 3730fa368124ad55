"""extended windows: a tick finds them without reading the others

Revision: 0003
Before it: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_assessment_extension_until",
        "assessment",
        ["timepoint", "extension_until"],
        sqlite_where=sa.text("extension_until IS NOT NULL"),
        postgresql_where=sa.text("extension_until IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_assessment_extension_until", table_name="assessment")
