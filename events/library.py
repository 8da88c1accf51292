"""The store's atomic functions as one library, with the version that tells whose they are."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from .exceptions import StoreUnsuitable

FUNCTIONS_VERSION: Final = 4
"""Raised with each change of ``functions/`` that an older Upshot could not work with."""

PREFIX: Final = f"upshot{FUNCTIONS_VERSION}_"
"""Before the functions' names in the store: a process of another version that still runs finds none
of its own, looks which version is there, and is refused or upgrades the store."""

_PARTS: Final = (
    "core",
    "log",
    "leases",
    "slots",
    "queues",
    "limits",
    "docs",
    "data",
    "files",
    "listing",
    "tasks",
    "runs",
    "cache",
    "transactions",
    "engine",
    "actions",
    "upkeep",
)


@cache
def library() -> str:
    """Return the functions as one library: the parts share the helpers of ``core.lua``."""
    folder = files("upshot.events").joinpath("functions")
    parts = [folder.joinpath(f"{part}.lua").read_text() for part in _PARTS]
    parts = [part.replace("function_name='upshot_", f"function_name='{PREFIX}") for part in parts]
    version = f"""
redis.register_function{{function_name='upshot_version', flags={{'no-writes'}}, callback=function()
  return {FUNCTIONS_VERSION}
end}}
"""
    return "#!lua name=upshot\n" + "\n".join([*parts, version])


def refuse_newer(version: int) -> None:
    """Raise StoreUnsuitable where a store has the functions of a newer version than this one's."""
    if version > FUNCTIONS_VERSION:
        raise StoreUnsuitable(
            f"a newer Upshot (functions {version}, here {FUNCTIONS_VERSION}) uses this store; "
            "upgrade this one or point it at another store"
        )
