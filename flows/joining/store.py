"""The store that a program started by hand joins or brings, and the way there from any code."""

from __future__ import annotations

import atexit
import os
import shlex
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from upshot.events.embedded import EmbeddedStore, find_running
from upshot.events.exceptions import DataFolderLocked, StoreUnavailable
from upshot.events.settings import Settings, load_settings
from upshot.events.store import SyncStore

from ..context import here

if TYPE_CHECKING:
    from ..journal.journal import Journal


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

    That one is in the data folder that was chosen, or else in a temporary one, which stays.

    Raises:
        WrongSetting: a setting has a value that can't be used.
    """
    settings = load_settings()
    url = settings.redis_url or find_running(settings.data_dir)
    folder, lasting = settings.data_dir, url is not None
    if url is None:
        folder, url = _own_store(os.getpid(), _chosen(settings))
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


def connect(joined: Joined) -> SyncStore:
    """Return a connection to the store, shared by the whole process."""
    return _connection(joined.url, os.getpid())


def store_here() -> Journal | SyncStore:
    """Return the way to the store for the code that asks: within a run the journal's."""
    place = here()
    return connect(join()) if place is None else place.context.journal


def service_store_here() -> Journal | SyncStore:
    """Return the same, where a service reads and acts on what is written.

    Raises:
        StoreUnavailable: no service runs here.
    """
    place = here()
    if place is not None and place.context.flow_run.pool:  # a worker runs it, so a service is there
        return place.context.journal
    require_lasting(joined := join())
    return connect(joined) if place is None else place.context.journal


@cache
def _connection(url: str, _process: int) -> SyncStore:
    return SyncStore(url)


def _chosen(settings: Settings) -> Path | None:
    """Return the data folder that somebody chose, if anybody did."""
    return settings.data_dir if "data_dir" in settings.model_fields_set else None


@cache
def _own_store(process: int, chosen: Path | None) -> tuple[Path, str]:
    """Start a store that ends with this process, and is nobody else's; one for a process."""
    folder, store = _started(chosen)
    sys.stderr.write(f"No Upshot runs here: what this program does is kept in {folder}.\n")
    atexit.register(_end, process, folder, store)
    return folder, store.url


def _started(chosen: Path | None) -> tuple[Path, EmbeddedStore]:
    if chosen is not None:
        store = EmbeddedStore(chosen, lasting=False)
        try:
            store.start()
        except DataFolderLocked:  # another program has it; each keeps its own runs
            pass
        else:
            return chosen.expanduser().resolve(), store
    folder = Path(tempfile.mkdtemp(prefix="upshot-"))
    store = EmbeddedStore(folder, lasting=False)
    store.start()
    return folder, store


def _end(process: int, folder: Path, store: EmbeddedStore) -> None:
    """Stop the store and tell where it is kept; not in a fork, whose parent goes on with it."""
    if os.getpid() != process:
        return
    store.stop()
    where = shlex.quote(str(folder))
    # An address would lead the command to another service's runs.
    elsewhere = "UPSHOT_URL= " if os.environ.get("UPSHOT_URL") else ""
    command = f"{elsewhere}UPSHOT_DATA_DIR={where} upshot run ls"
    sys.stderr.write(f"To look at what ran: {command}\n")
