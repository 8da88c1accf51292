"""The supervisor itself: brings all parts up in order, and takes them down in order."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from upshot.events.embedded import EmbeddedStore
from upshot.events.settings import Settings
from upshot.services.listening import listen, url_of

from .backoff import Backoff
from .keeper import Keeper
from .parts import Part, Service, Store
from .preparing import prepare
from .readiness import Announcer

LIGHT: Final = ("engine", "dispatcher", "scheduler", "archiver")
"""The services that are light enough to share a process and an event loop."""

AWAITED: Final = ("store", "api", "engine", "dispatcher", "scheduler", "workers")
"""The parts that ``ready`` waits for; what the archiver has not written yet is in the log."""

_FIRST_LOOK: Final = 0.05  # seconds
_SLOWER: Final = 1.1
_SELDOMEST_LOOK: Final = 1.0
_PATIENCE: Final = 30.0
_API_GRACE: Final = 10.0
_HAND_OVER_SECONDS: Final = 15.0  # for what a worker hands over after its own grace

_log = structlog.stdlib.get_logger(__name__)


@dataclass
class Supervisor:
    """Everything in one place, as this machine's user sees it.

    Attributes:
        settings: of this process; the children get the same.
        pools: a worker is started for each of these work pools.
        apart: each light service gets a process of its own.
    """

    settings: Settings
    pools: tuple[str, ...] = ("default",)
    apart: bool = False
    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _at_once: bool = field(default=False, init=False)
    _keepers: list[Keeper] = field(default_factory=list, init=False)

    def run(self) -> None:
        """Bring everything up, keep it alive, and take it down when a signal comes.

        Raises:
            ServicesError, EventsError: why it can't start; nothing is left running.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heard)
        with listen(self.settings.host, self.settings.port) as listening:
            try:
                self._bring_up(listening)
                self._stop.wait()
            finally:
                self._take_down()

    def _heard(self, number: int, _: object) -> None:
        """Begin to stop; a second signal doesn't wait for anything any more."""
        if self._stop.is_set() and not self._at_once:
            self._at_once = True
            for keeper in self._keepers:
                keeper.part.kill()
        self._stop.set()

    def _bring_up(self, listening: socket.socket) -> None:
        url = url_of(listening)
        announcer = Announcer(url, self.settings.api_token, list(AWAITED), len(self.pools))
        os.environ.update(self._environment(url))
        store_url = self._start_store()
        asyncio.run(prepare(store_url))
        announcer.tell("store", "embedded" if self.settings.redis_url is None else "yours")
        for part in self._services(listening):
            self._keepers.append(self._keeper(part))
        if self._await_all(announcer):
            print(f"ready {url}", flush=True)  # noqa: T201 - what scripts wait for

    def _await_all(self, announcer: Announcer) -> bool:
        """Wait until every part is ready; return False when told to stop before that."""
        wait, complain_at = _FIRST_LOOK, time.monotonic() + _PATIENCE
        while announcer.missing():
            if self._stop.wait(wait):
                return False
            wait = min(wait * _SLOWER, _SELDOMEST_LOOK)
            announcer.look()
            if time.monotonic() > complain_at:
                _log.warning("not ready yet", parts=announcer.missing())
                complain_at += _PATIENCE
        return True

    def _environment(self, url: str) -> dict[str, str]:
        """Return what the children, and the flows that they run, inherit of the settings."""
        given = self.settings.model_dump(mode="json", exclude_none=True, exclude={"api_token"})
        token = self.settings.api_token
        if token is not None:
            given["api_token"] = token.get_secret_value()
        named = {f"UPSHOT_{key.upper()}": str(value) for key, value in given.items()}
        return {**named, "UPSHOT_URL": url}

    def _start_store(self) -> str:
        if self.settings.redis_url is not None:
            return self.settings.redis_url
        memory = self.settings.store_memory
        embedded = EmbeddedStore(self.settings.data_dir, maxmemory=memory)
        store = Store(embedded, self.settings.data_dir, moved=self._restart_services)
        store.start()
        self._keepers.append(self._keeper(store, started=True))
        return embedded.url

    def _keeper(self, part: Part, *, started: bool = False) -> Keeper:
        return Keeper(part, Backoff(longest=self.settings.restart_pause), started=started)

    def _services(self, listening: socket.socket) -> Iterator[Part]:
        """Yield the services in the order in which they start; they stop in the reverse one."""
        yield from (
            [Service(each, [each]) for each in LIGHT] if self.apart else [Service("light", LIGHT)]
        )
        patience = self.settings.worker_grace + _HAND_OVER_SECONDS
        for pool in self.pools:
            yield Service(f"worker {pool}", ["worker"], ["--pool", pool], grace=patience)
        fd = listening.fileno()
        yield Service("api", ["api"], ["--listen-fd", str(fd)], [fd], grace=_API_GRACE)

    def _restart_services(self) -> None:
        """Have the services learn the store's new address."""
        for keeper in self._keepers:
            if isinstance(keeper.part, Service):
                keeper.part.kill()

    def _take_down(self) -> None:
        """Stop the parts one after another: first who gives work, last who keeps it."""
        started = time.monotonic()
        for keeper in reversed(self._keepers):
            keeper.stop(at_once=self._at_once)
        _log.info("stopped", seconds=round(time.monotonic() - started, 2))
