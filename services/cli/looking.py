"""Lets commands look at a data folder where no service runs: its store and an API for a moment."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from upshot.events.embedded import EmbeddedStore, find_running
from upshot.events.processes import GuardedProcess
from upshot.events.store import Store
from upshot.flows.runs.reading import RunReader
from upshot.flows.runs.registry import Runs
from upshot.services.endings import Loss, settle
from upshot.services.listening import listen, url_of

if TYPE_CHECKING:
    from upshot.events.settings import Settings

_GONE: Final = "its program is gone"
_HOST: Final = "127.0.0.1"


def is_alone(settings: Settings) -> bool:
    """Tell whether somebody chose a data folder, and no other address, that no service serves."""
    chosen = settings.model_fields_set
    if "data_dir" not in chosen or "url" in chosen or settings.redis_url is not None:
        return False
    store = settings.data_dir.expanduser() / "store"
    return store.is_dir() and find_running(settings.data_dir) is None


@contextmanager
def looking(settings: Settings) -> Iterator[str]:
    """Serve the API on a data folder for the body; give its address.

    The store of a program that runs there is used as it is. Otherwise it is started, and runs that
    were under way in programs of before are ended: none of those can be alive.

    Raises:
        EventsError: the store can't be started.
    """
    running = find_running(settings.data_dir, lasting=False)
    if running is not None:
        with _api(settings, running) as url:
            yield url
        return
    with EmbeddedStore(settings.data_dir, lasting=False) as store:
        asyncio.run(_end_the_gone(store.url))
        with _api(settings, store.url) as url:
            yield url


async def _end_the_gone(url: str) -> None:
    """End the runs of programs; those of a service's pools are for its workers and scheduler."""
    store = Store(url)
    try:
        await store.load_functions()
        runs = Runs(store)
        held = await store.execute("ZRANGE", store.keys("leases"), 0, -1)
        for run in await RunReader(store).many([each.decode() for each in held]):
            if not run.pool:
                await settle(store, runs, run.id, run.epoch, Loss.REMOVED, _GONE)
    finally:
        await store.close()


@contextmanager
def _api(settings: Settings, store: str) -> Iterator[str]:
    """Start the API on a free port; requests wait until it answers them."""
    environment = {
        **os.environ,
        "UPSHOT_REDIS_URL": store,
        "UPSHOT_DATA_DIR": str(settings.data_dir.expanduser().resolve()),
        "UPSHOT_HOST": _HOST,
    }
    command = [sys.executable, "-P", "-m", "upshot.services.serving", "api", "--listen-fd"]
    with listen(_HOST, 0) as listening, Path(os.devnull).open("wb") as nowhere:
        url, number = url_of(listening), listening.fileno()
        process = GuardedProcess(
            [*command, str(number)], output=nowhere.fileno(), pass_fds=[number], env=environment
        )
    try:
        yield url
    finally:
        process.send_signal(signal.SIGKILL)  # it only read
        process.wait()
