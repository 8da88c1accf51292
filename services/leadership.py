"""Leadership: a lease that one process holds at a time, told apart by a fencing epoch."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path
from typing import Final

import structlog

from upshot.events.exceptions import EventsError, StaleEpoch
from upshot.events.ids import new_id
from upshot.events.processes import is_alive
from upshot.events.store import Store

log = structlog.get_logger(__name__)

_SEPARATOR: Final = "|"


def _machine() -> str:
    """Name the set of processes among which a process id means one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux: a host name has to do
        return socket.gethostname()


def owner_name() -> str:
    """Return a name for this process that no other one ever has."""
    return _SEPARATOR.join((_machine(), str(os.getpid()), new_id()))


def is_gone(owner: str) -> bool:
    """Tell whether a holder is known to be dead: it ran here and its process is no more."""
    machine, _, rest = owner.partition(_SEPARATOR)
    pid = rest.partition(_SEPARATOR)[0]
    return machine == _machine() and pid.isdigit() and not is_alive(int(pid))


class Leadership:
    """One process's claim to a lease.

    Args:
        store: where the lease is kept.
        name: what there may be one of, ``engine``.
        ttl_ms: for how long the lease holds without a renewal.

    Attributes:
        epoch: what tells this time of having the lease from any other; 0 without it.
    """

    def __init__(self, store: Store, name: str, ttl_ms: int) -> None:
        self._store = store
        self._name = name
        self.ttl_ms = ttl_ms
        self.owner = owner_name()
        self.epoch = 0
        self._renewed = 0.0

    async def stand_by(self) -> None:
        """Wait until the lease is ours."""
        while not await self.take():  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(self.ttl_ms / 3000)

    async def take(self) -> bool:
        """Take or renew the lease; tell whether it is ours. A holder known to be dead is no bar."""
        self.epoch = await self._ask()
        if not self.epoch and await self._release_dead():
            self.epoch = await self._ask()
        if self.epoch:
            self.renewed()
        return bool(self.epoch)

    @property
    def due(self) -> bool:
        """Whether the lease is to be renewed: a third of it is over."""
        return time.monotonic() - self._renewed > self.ttl_ms / 3000

    async def keep(self) -> None:
        """Renew the lease where that is due.

        Raises:
            StaleEpoch: it is gone, or somebody else has had it meanwhile.
        """
        epoch = self.epoch
        if self.due and not (await self.take() and self.epoch == epoch):
            raise StaleEpoch(f"the {self._name}'s lease of epoch {epoch} is gone")

    def renewed(self) -> None:
        """Note that the lease was renewed just now, by whatever the store was asked."""
        self._renewed = time.monotonic()

    async def drop(self) -> None:
        """Give the lease up, so that a standby takes over at once."""
        if self.epoch:
            await self._store.call("drop_lease", self._name, self.owner, self.epoch)
            self.epoch = 0

    async def step_down(self) -> None:
        """Give the lease up at the end of its owner; where the store is gone, it runs out."""
        try:
            await asyncio.shield(self.drop())
        except EventsError as error:
            log.info("lease not given up", reason=str(error))

    async def _ask(self) -> int:
        return int(await self._store.call("take_lease", self._name, self.owner, self.ttl_ms))

    async def _release_dead(self) -> bool:
        key = self._store.keys("lease", self._name)
        owner, epoch = await self._store.execute("HMGET", key, "owner", "epoch")
        if owner is None or not is_gone(owner.decode()):
            return False
        return bool(await self._store.call("drop_lease", self._name, owner, epoch))
