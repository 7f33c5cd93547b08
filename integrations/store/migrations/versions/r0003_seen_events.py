"""Events from outside that were taken already."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "seen_event",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("until", sa.Float(), nullable=False),
    )
    op.create_index(op.f("ix_seen_event_until"), "seen_event", ["until"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("seen_event")
