"""The first schema."""

from __future__ import annotations

from alembic import op

from omnibus.stores.schema import meta

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    meta.create_all(op.get_bind())


def downgrade() -> None:
    """Drop every table."""
    meta.drop_all(op.get_bind())
