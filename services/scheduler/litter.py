"""Removes what nobody needs any more: expired results and keys, locks of the dead, their files.

Only what Upshot names itself is removed, whatever a flow may have put down as litter.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Final

import structlog

from upshot.events.clock import unix_ms
from upshot.events.store import Store

log = structlog.get_logger(__name__)

_LIMIT: Final = 500
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SUFFIX: Final = r"\.(?:json|pickle)(?:\.z)?"
_FILE: Final = re.compile(rf"(?s).+/(?:cache/[0-9a-f]{{32}}-|transactions/){_UUID}{_SUFFIX}")
_RUN: Final = re.compile(rf"(?s).+/{_UUID}")
_RESULT: Final = re.compile(rf"{_UUID}{_SUFFIX}")


class Litter:
    """The litter of one shard.

    Args:
        key_retention_ms: how long the key of a committed transaction counts after its last use.
    """

    def __init__(self, store: Store, key_retention_ms: int) -> None:
        self._store = store
        self._key_retention_ms = key_retention_ms

    async def sweep(self) -> None:
        """Find what has become litter, and remove what can be removed now."""
        while await self._store.call("sweep_cache", _LIMIT):
            pass
        await self._store.call("sweep_locks")
        clock = await self._store.execute("TIME")
        unused_since = unix_ms(clock) - self._key_retention_ms
        while await self._store.call("sweep_committed", unused_since, _LIMIT):
            pass
        while await self._remove_some():
            pass

    async def _remove_some(self) -> bool:
        """Remove some; tell whether others may be left that can be removed now."""
        key = self._store.keys("litter")
        found = await self._store.execute("SRANDMEMBER", key, _LIMIT)
        removed = [each for each in found if await asyncio.to_thread(remove, each.decode())]
        if removed:
            await self._store.execute("SREM", key, *removed)
        return len(removed) > 0 and len(found) == _LIMIT


def remove(item: str) -> bool:
    """Remove an item of litter; False says that it may work later.

    Args:
        item: ``file <path>``, or ``run <folder>`` for the results in that folder.
    """
    kind, _, path = item.partition(" ")
    known = {"file": _FILE, "run": _RUN}.get(kind)
    if known is None or not known.fullmatch(path):
        log.warning("not ours to remove", item=item[:500])
        return True
    try:
        _remove_file(path) if kind == "file" else _remove_results(path)
    except FileNotFoundError:
        return True
    except (ImportError, ValueError) as error:
        log.warning("left behind: storage unknown here", item=item[:500], reason=str(error))
        return True
    except Exception as error:  # noqa: BLE001 - each kind of storage has errors of its own
        log.warning("not removed yet", item=item[:500], reason=str(error))
        return False
    return True


def _remove_file(path: str) -> None:
    from fsspec.core import url_to_fs

    files, inner = url_to_fs(path)
    files.rm_file(inner)


def _remove_results(folder: str) -> None:
    from fsspec.core import url_to_fs

    files, inner = url_to_fs(folder)
    for path in files.ls(inner, detail=False):
        if _RESULT.fullmatch(path.rpartition("/")[2]):
            files.rm_file(path)
    with suppress(OSError, NotImplementedError):  # something else lies there, or it is gone by now
        files.rmdir(inner)
