"""Campaigns, who is on their lists, and the indexes by which their deliveries and the urgent ones are found."""

from __future__ import annotations

from alembic import op

from omnibus.stores.schema import campaign, delivery, recipient

revision = "0002"
down_revision = "0001"

_INDEXES = [each for each in delivery.indexes if each.name in {"delivery_origin", "delivery_urgent"}]


def upgrade() -> None:
    """Add what is missing: a new database got all of it from the first schema."""
    bind = op.get_bind()
    campaign.create(bind, checkfirst=True)
    recipient.create(bind, checkfirst=True)
    for each in _INDEXES:
        each.create(bind, checkfirst=True)


def downgrade() -> None:
    """Drop them."""
    bind = op.get_bind()
    for each in _INDEXES:
        each.drop(bind, checkfirst=True)
    recipient.drop(bind, checkfirst=True)
    campaign.drop(bind, checkfirst=True)
