"""What Alembic runs to connect; called by ``omnibus.stores.migrate`` only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from omnibus.stores.schema import meta

engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=meta, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
