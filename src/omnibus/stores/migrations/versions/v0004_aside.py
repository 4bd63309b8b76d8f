"""What journeys put aside is found without reading all events."""

from __future__ import annotations

from alembic import op

from omnibus.stores.schema import event_aside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the index, unless a new database got it from the first schema."""
    event_aside.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Drop the index."""
    event_aside.drop(op.get_bind(), checkfirst=True)
