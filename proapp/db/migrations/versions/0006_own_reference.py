"""the reference that a gateway was given with a message, so that what it reports of one of which nobody knows is found

Revision: 0006
Before it: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("reference", sa.String(length=32), nullable=True))
    op.create_index(op.f("ix_message_reference"), "message", ["reference"])


def downgrade() -> None:
    op.drop_index(op.f("ix_message_reference"), table_name="message")
    op.drop_column("message", "reference")
