"""Brings the database to the present form; one that has it already is only asked.

Alembic runs in a process of its own, which gets the address on its standard input: it takes 15 MB
and a second that the services need, and most starts need none of it.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

from ..exceptions import HistoryTooNew, HistoryUnavailable
from .database import Database
from .tables import REVISION

_STEPS: Final = Path(__file__).with_name("migrations")
_TOO_NEW: Final = 3


async def migrate(database: Database) -> None:
    """Take every step that the database has not taken yet, all in one transaction.

    Raises:
        HistoryUnavailable: it can't be reached or written.
        HistoryTooNew: a newer Upshot has changed it.
    """
    async with database.transaction() as connection:
        if await connection.run_sync(revision) == REVISION:
            return
    command = (sys.executable, "-P", "-m", __name__)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stderr=pipe)
    try:
        _, said = await child.communicate(database.url.encode())
    finally:
        if child.returncode is None:
            child.kill()
    if child.returncode:
        kind = HistoryTooNew if child.returncode == _TOO_NEW else HistoryUnavailable
        raise kind(said.decode(errors="replace").strip()[-2000:])


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
    """Upgrade the database whose address comes on standard input."""
    try:
        asyncio.run(_upgrade(sys.stdin.read()))
    except (HistoryTooNew, HistoryUnavailable) as error:
        print(error, file=sys.stderr)  # noqa: T201 - read by the archiver
        return _TOO_NEW if isinstance(error, HistoryTooNew) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
