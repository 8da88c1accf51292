"""Brings the database to the present form; one that has it already is only asked.

Alembic runs in a process of its own: it takes 15 MB and a second that the services need, and most
starts need none of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

from upshot.events.processes import GuardedProcess

from ..exceptions import HistoryTooNew, HistoryUnavailable
from .database import Database
from .tables import REVISION

_STEPS: Final = Path(__file__).with_name("migrations")
_TOO_NEW: Final = 3
_URL: Final = "UPSHOT_MIGRATED_DATABASE"


async def migrate(database: Database) -> None:
    """Take every step that the database has not taken yet, all in one transaction.

    Raises:
        HistoryUnavailable: it can't be reached or written.
        HistoryTooNew: a newer Upshot has changed it.
    """
    async with database.transaction() as connection:
        if await connection.run_sync(revision) == REVISION:
            return
    with tempfile.TemporaryFile() as said:
        code = await _in_a_child(database.url, said.fileno())
        said.seek(0)
        message = said.read().decode(errors="replace").strip()[-2000:]
    if code:
        raise (HistoryTooNew if code == _TOO_NEW else HistoryUnavailable)(message)


async def _in_a_child(url: str, output: int) -> int | None:
    command = (sys.executable, "-P", "-m", "upshot.services.history.migrating")
    child = GuardedProcess(command, output=output, env={**os.environ, _URL: url})
    try:
        return await asyncio.to_thread(child.wait)
    finally:
        child.send_signal(signal.SIGKILL)  # it has ended, unless we are to end
        child.wait(1.0)


def revision(connection: Connection) -> str | None:
    """Return the step that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(connection: Connection) -> None:
    """Take the steps within the connection's transaction."""
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


async def _upgrade(url: str) -> None:
    database = Database(url, writes=True)
    try:
        async with database.transaction() as connection:
            await connection.run_sync(upgrade)
    finally:
        await database.close()


def main() -> int:
    """Upgrade the database that the environment names."""
    try:
        asyncio.run(_upgrade(os.environ[_URL]))
    except (HistoryTooNew, HistoryUnavailable) as error:
        print(error, file=sys.stderr)  # noqa: T201 - read by the archiver
        return _TOO_NEW if isinstance(error, HistoryTooNew) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
