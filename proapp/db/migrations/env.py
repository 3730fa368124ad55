"""Alembic's entry: migrates over the connection it is handed (see proapp.db.migrate)."""

from alembic import context

from proapp.db.models import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
context.run_migrations()
