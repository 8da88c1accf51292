"""The thread that writes a flow process's records in batches, and tends its runs in between."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final, NoReturn

from upshot.events.exceptions import StaleEpoch

from ..exceptions import OutsideRun
from .backlog import Backlog, Entry, flatten
from .patience import PatientStore
from .tending import Tending

_LINGER: Final = 0.002  # seconds that a batch grows, unless somebody waits for it

_log = logging.getLogger(__name__)


class Writer:
    """Writes what any thread gives it, in order, under the epoch of the run that it is about.

    Args:
        store: where it writes to. tending: the runs that it tends.
        lost: ends the process when nothing can be written any more.
    """

    def __init__(
        self, store: PatientStore, tending: Tending, lost: Callable[[str], NoReturn]
    ) -> None:
        self._store = store
        self._tending = tending
        self._lost = lost
        self._backlog = Backlog()
        self._process = os.getpid()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="upshot-journal", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Write an entry soon; waits while too much is unwritten.

        Nothing is written any more once this is closed, or by a fork of its process.
        """
        if self._closing or os.getpid() != self._process:
            return
        self._backlog.add(entry)
        if not self._wake.is_set():
            self._wake.set()

    def is_me(self) -> bool:
        """Tell whether the writing thread itself asks."""
        return threading.current_thread() is self._thread

    def flush(self) -> None:
        """Return when all that was put before is durable.

        Raises:
            OutsideRun: this process is a fork of the one that writes.
        """
        if os.getpid() != self._process:
            raise OutsideRun("a fork of a flow's process can't write for the flow's run")
        if not self._backlog.size:  # all of it is written: the thread need not be woken for that
            return
        written = self._backlog.mark()
        self._hurry.set()
        self._wake.set()
        written.wait()

    def close(self) -> None:
        """Write what waits and end the thread."""
        self.flush()
        self._closing = True
        self._hurry.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(self._tending.due_in())
                self._wake.clear()
                self._hurry.wait(_LINGER)
                self._hurry.clear()
                self._write_waiting()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must end
            _log.exception("the journal broke")
            self._lost(f"nothing can be recorded any more: {error}")

    def _write_waiting(self) -> None:
        while True:
            self._tending.tend()
            if not self._backlog:
                return
            if batch := self._backlog.take():
                self._write(batch)

    def _write(self, batch: list[Entry]) -> None:
        held = batch[0].held
        held.batch += 1
        run = held.run
        try:
            self._store.call("record_tasks", run.id, run.epoch, held.batch, *flatten(batch))
        except StaleEpoch:
            if self._tending.holds(held):
                raise
            # A thread that a part left behind speaks of it, and that part was started again.
            _log.info("%d late records of run %s are not written", len(batch), run.name)
        self._backlog.settle(batch)
