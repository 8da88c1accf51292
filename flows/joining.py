"""Finds the store that a program started by hand joins, or starts one for the program's life."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from upshot.events.embedded import EmbeddedStore, find_running
from upshot.events.exceptions import StoreUnavailable
from upshot.events.settings import load_settings
from upshot.events.store import SyncStore


@dataclass(frozen=True, slots=True)
class Joined:
    """A store and what goes with it.

    Attributes:
        url: address of the store. results: folder of large results.
        lease_ms: how long a process counts as alive after a sign of life. dedup_ms: for how long
            an event's id is remembered.
        lasting: whether it outlives this program.
    """

    url: str
    results: str
    lease_ms: int
    dedup_ms: int
    lasting: bool


def join() -> Joined:
    """Return the store of ``UPSHOT_REDIS_URL``, else the one that runs in the data folder, else one
    of this program's own.

    Raises:
        WrongSetting: a setting has a value that can't be used.
    """
    settings = load_settings()
    url = settings.redis_url or find_running(settings.data_dir)
    folder, lasting = settings.data_dir, url is not None
    if url is None:
        folder, url = _own_store(os.getpid())
    results = str(folder.expanduser() / "results")
    return Joined(url, results, settings.lease_ms, int(settings.dedup * 1000), lasting)


def require_lasting(joined: Joined) -> None:
    """Do nothing where a service runs.

    Raises:
        StoreUnavailable: none does, so nobody would act on what is written.
    """
    if not joined.lasting:
        raise StoreUnavailable(
            "no Upshot runs here: start one with `upshot up`, or say where it is (UPSHOT_DATA_DIR "
            "or UPSHOT_REDIS_URL)"
        )


@cache
def _own_store(_process: int) -> tuple[Path, str]:
    """Start a store in a temporary folder; one for a process."""
    folder = Path(tempfile.mkdtemp(prefix="upshot-"))
    store = EmbeddedStore(folder)
    store.start()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(store.stop)
    return folder, store.url


def connect(joined: Joined) -> SyncStore:
    """Return a connection to the store, shared by the whole process."""
    return _connection(joined.url, os.getpid())


@cache
def _connection(url: str, _process: int) -> SyncStore:
    return SyncStore(url)
