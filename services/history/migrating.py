"""Brings the database to the present form; one that has it already is only asked."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from ..exceptions import HistoryTooNew
from .database import Database
from .tables import REVISION

_STEPS = Path(__file__).with_name("migrations")


async def migrate(database: Database) -> None:
    """Take every step that the database has not taken yet, all in one transaction.

    Raises:
        HistoryUnavailable: it can't be reached or written.
        HistoryTooNew: a newer Upshot has changed it.
    """
    async with database.transaction() as connection:
        if await connection.run_sync(revision) != REVISION:
            await connection.run_sync(_upgrade)


def revision(connection: Connection) -> str | None:
    """Return the step that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _upgrade(connection: Connection) -> None:
    # Only here, as it takes 15 MB: most starts find the database as it should be.
    command, config = import_module("alembic.command"), import_module("alembic.config")
    errors: Any = import_module("alembic.util.exc")
    steps = config.Config()
    steps.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    steps.attributes["connection"] = connection
    try:
        command.upgrade(steps, "head")
    except errors.CommandError as error:
        raise HistoryTooNew(
            f"the database is at step {revision(connection)}, which this Upshot does not know: "
            f"upgrade Upshot, or name another database ({error})"
        ) from error
