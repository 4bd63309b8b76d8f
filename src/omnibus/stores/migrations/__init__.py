"""Alembic migrations, one file a step; shipped inside the wheel."""
