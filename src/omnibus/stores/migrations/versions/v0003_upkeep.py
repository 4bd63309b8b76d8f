"""Rates that all workers share; on PostgreSQL room for updates, and dead rows collected early, where rows come and go."""

from __future__ import annotations

from alembic import op

from omnibus.stores.schema import BUSY, HOT, rate

revision = "0003"
down_revision = "0002"

#: table → storage options, all that PostgreSQL's hot tables have: a database of the first version may lack some
_OPTIONS = {
    **dict.fromkeys(("context", "delivery", "lane", "attempt", "run", "rate"), HOT),
    **dict.fromkeys(("event", "decision", "sendkey"), BUSY),
}


def upgrade() -> None:
    """Add what is missing: a new database got all of it from the first schema."""
    bind = op.get_bind()
    rate.create(bind, checkfirst=True)
    if bind.dialect.name == "postgresql":
        for table, options in _OPTIONS.items():
            told = ", ".join(f"{name} = {value}" for name, value in options.items())
            op.execute(f"ALTER TABLE {table} SET ({told})")


def downgrade() -> None:
    """Drop the rates; storage options do no harm."""
    rate.drop(op.get_bind(), checkfirst=True)
