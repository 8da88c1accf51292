"""Where the database is: its address in the form that SQLAlchemy takes."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode

from upshot.events.settings import Settings

SQLITE: Final = "sqlite+aiosqlite:///"
POSTGRES: Final = "postgresql+asyncpg://"
_FILE: Final = "history.db"


def database_url(settings: Settings) -> str:
    """Return the database's address: the one that is set, or a file in the data folder."""
    url = settings.database_url
    if url is None:
        return f"{SQLITE}{settings.data_dir.expanduser().absolute() / _FILE}"
    if url.startswith("sqlite:///"):
        return SQLITE + url.removeprefix("sqlite:///")
    return _postgres(url.partition("://")[2])


def _postgres(rest: str) -> str:
    """Write an address as asyncpg takes it, which calls libpq's ``sslmode`` ``ssl``."""
    where, _, query = rest.partition("?")
    options = [("ssl" if key == "sslmode" else key, value) for key, value in parse_qsl(query)]
    return POSTGRES + where + (f"?{urlencode(options)}" if options else "")


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None for one on a server."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def shown(url: str) -> str:
    """Return an address without its password, for messages."""
    scheme, _, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host.partition('?')[0]}"
