"""Runs the steps on the connection that is handed in, within its transaction."""

from __future__ import annotations

from alembic import context

from upshot.services.history.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
