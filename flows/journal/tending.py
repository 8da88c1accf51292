"""The runs in a process's hands: shows that they are alive, and sees what others make of them."""

from __future__ import annotations

import time
from typing import Final

from upshot.events.exceptions import StaleEpoch

from ..runs.flowrun import FlowRun
from ..states import StateType
from .held import HeldRun
from .patience import PatientStore

_LOOK_SECONDS: Final = 1.0


class Tending:
    """What is done again and again for runs, for as long as they are held.

    Args:
        store: where they are. lease_ms: how long one counts as alive after a sign of life.
    """

    def __init__(self, store: PatientStore, lease_ms: int) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._period = min(_LOOK_SECONDS, lease_ms / 3000)
        self._held: list[HeldRun] = []
        self._renewed = self._looked = time.monotonic()

    def hold(self, run: FlowRun) -> HeldRun:
        """Renew the lease of a run from now on."""
        held = HeldRun(run)
        self._held = [*self._held, held]
        return held

    def release(self, held: HeldRun) -> None:
        """Renew its lease no more."""
        self._held = [other for other in self._held if other is not held]

    def release_all(self) -> None:
        """Renew the lease of none any more, also of a part that its run has left behind."""
        self._held = []

    def holds(self, held: HeldRun) -> bool:
        return held in self._held

    def parts_of(self, held: HeldRun) -> list[HeldRun]:
        """Return the runs within a run that are held, each after the one that it is in."""
        parts, around = [], {held.run.id}
        for each in self._held:
            if each.run.parent in around:
                parts.append(each)
                around.add(each.run.id)
        return parts

    def due_in(self) -> float:
        """Return the seconds until there is something to do, 0 where there is."""
        return max(0.0, self._looked + self._period - time.monotonic())

    def tend(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if now >= self._looked + self._period:
            self._looked = now
            self._look()
        if now >= self._renewed + self._lease_ms / 3000:
            self._renewed = now
            self._renew()

    def _renew(self) -> None:
        for held in self._held:
            if not held.left:
                self._renew_one(held)

    def _renew_one(self, held: HeldRun) -> None:
        try:
            self._store.call("renew_run", held.run.id, held.run.epoch, self._lease_ms)
        except StaleEpoch:
            if self.holds(held):
                raise  # else it ended just now, and somebody goes on with it already

    def _look(self) -> None:
        """See whether one is to be cancelled, or is paused."""
        for held in self._held:
            kind = self._store.execute("HGET", self._store.keys("run", held.run.id), "type")
            cancel = held.on_cancelling
            if cancel is not None and kind == StateType.CANCELLING.encode():
                held.on_cancelling = None
                cancel()
            held.halted = held.halted or kind == StateType.PAUSED.encode()
