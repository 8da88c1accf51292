"""The journal: one thread through which a flow process writes all that it does to the store.

The way of a record: ``put`` by any thread → batch → ``upshot_record_tasks``, under the run's epoch.
The same thread renews the runs' leases, and looks whether one is to be cancelled, or is paused.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn

from upshot.events.exceptions import (
    Conflict,
    EventsError,
    StaleEpoch,
    StoreFull,
    StoreUnavailable,
)
from upshot.events.store import Argument, SyncStore

from ..exceptions import OutsideRun
from ..limits.slots import Slots
from ..results.formats import Kept
from ..runs.flowrun import FlowRun, parse_run
from ..runs.transitions import after, transition_arguments
from ..states import State, StateType
from ..waiting.boundary import sleep, stand_still
from .backlog import Backlog, Entry, flatten
from .held import HeldRun, fit

EXIT_LOST: Final = 70
"""Exit code of a process whose run is not its own any more."""

_LINGER: Final = 0.002  # seconds that a batch grows, unless somebody waits for it
_LOOK_SECONDS: Final = 1.0
_PATIENCE: Final = (StoreUnavailable, StoreFull)

_log = logging.getLogger(__name__)


def leave(reason: str) -> NoReturn:
    """End this process at once: the user's code must not act for a run that others may have."""
    _log.critical("%s; this process ends now", reason)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(EXIT_LOST)


class Journal:
    """The writer of one flow process.

    Args:
        store: used by this journal alone.
        lease_ms: how long the store takes a run for alive after a sign of life.
        lost: ends the process when its run is not its own any more, or cannot be written.
    """

    def __init__(
        self, store: SyncStore, *, lease_ms: int, lost: Callable[[str], NoReturn] = leave
    ) -> None:
        self.store, self.keys = store, store.keys
        self.lease_ms = lease_ms
        self.slots = Slots(self)
        self._lost = lost
        self._backlog = Backlog()
        self._process = os.getpid()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._held: list[HeldRun] = []
        self._renewed = self._looked = time.monotonic()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="upshot-journal", daemon=True)
        self._thread.start()

    def put(
        self, held: HeldRun, kind: str, event: bytes, *, task_run: str = "", record: bytes = b""
    ) -> None:
        """Write a record soon, in the order of the calls; waits while too much is unwritten.

        Nothing is written any more once the journal is closed, or by a fork of its process.
        """
        if self._closing or os.getpid() != self._process:
            return
        self._backlog.add(Entry(held, task_run, kind, record, event))
        if not self._wake.is_set():
            self._wake.set()

    def is_me(self) -> bool:
        """Tell whether the journal's own thread asks; what it says would never come to an end."""
        return threading.current_thread() is self._thread

    def flush(self) -> None:
        """Return when all that was put before is durable.

        Raises:
            OutsideRun: this process is a fork of the one that has the journal.
        """
        if os.getpid() != self._process:
            raise OutsideRun("a fork of a flow's process can't write for the flow's run")
        if not self._backlog.size:  # all of it is written: the thread need not be woken for that
            return
        written = self._backlog.mark()
        self._hurry.set()
        self._wake.set()
        written.wait()

    def hold(self, run: FlowRun) -> HeldRun:
        """Renew the lease of a run from now on."""
        held = HeldRun(run)
        self._held = [*self._held, held]
        return held

    def release(self, held: HeldRun) -> None:
        """Renew its lease no more."""
        self._held = [other for other in self._held if other is not held]

    def parts_of(self, held: HeldRun) -> list[HeldRun]:
        """Return the runs within a run that this process has, each after the one that it is in."""
        parts, around = [], {held.run.id}
        for each in self._held:
            if each.run.parent in around:
                parts.append(each)
                around.add(each.run.id)
        return parts

    def transition(
        self,
        held: HeldRun,
        state: State,
        *,
        started: bool = False,
        result: Kept | None = None,
        lease: bool = True,
        more: Mapping[str, Argument] | None = None,
    ) -> None:
        """Change the run's state once all before is durable; see ``fit`` for what it becomes.

        Args:
            lease: False lets a run be paused that this process leaves.

        Raises:
            Suspending: the run was paused meanwhile, and this process is to leave it.
        """
        self.flush()
        while True:
            run = held.run
            fitting = fit(run.state.type, state)
            begins, kept = (started, result) if fitting is state else (False, None)
            arguments = transition_arguments(
                run, fitting, own=True, lease_ms=self.lease_ms if lease else 0,
                started=begins, result=kept, more=more,
            )  # fmt: skip
            try:
                version, epoch = self.call("transition", *arguments)
            except Conflict:
                self._meet_change(held, state, leaving=not lease)
            except EventsError as error:
                self._lost(f"run {run.name}: {error}")
            else:
                changed = after(run, fitting, started=begins, more=more)
                held.run = replace(changed, version=version, epoch=epoch)
                return

    def _meet_change(self, held: HeldRun, state: State, *, leaving: bool) -> None:
        """Read what somebody else made of the run; one that is paused ends only when it goes on."""
        expected = held.run.state.type is StateType.PAUSED or leaving
        while self.refresh(held) is StateType.PAUSED and not expected:
            if state.ended:
                sleep(self, held)
            else:
                stand_still(self, held)

    def leave(self, held: HeldRun) -> bool:
        """Give a paused run up, once all before is durable; False where it goes on by now."""
        self.flush()
        try:
            held.left = self.call("leave_run", held.run.id, held.run.epoch, 0) == 1
        except EventsError as error:
            self._lost(f"run {held.run.name}: {error}")
        return held.left

    def refresh(self, held: HeldRun) -> StateType:
        """Read the run anew; return what it is now."""
        try:
            run = self.read(held.run.id)
        except EventsError as error:
            self._lost(f"run {held.run.name}: {error}")
        if run is None or run.epoch != held.run.epoch:
            self._lost(f"run {held.run.name} was given to another process")
        held.run = run
        return run.state.type

    def read(self, run_id: str) -> FlowRun | None:
        """Return a run as the store has it, or None where there is none."""
        fields = self.execute("HGETALL", self.keys("run", run_id))
        return parse_run(fields) if fields else None

    def close(self) -> None:
        """Write what waits and end the threads."""
        self.slots.close()
        self.flush()
        self._closing = True
        self._hurry.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(max(0.0, self._until_look()))
                self._wake.clear()
                self._hurry.wait(_LINGER)
                self._hurry.clear()
                self._write_waiting()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must end
            _log.exception("the journal broke")
            self._lost(f"nothing can be recorded any more: {error}")

    def _write_waiting(self) -> None:
        while True:
            if self._until_look() <= 0:
                self._look()
            if self._until_renewal() <= 0:
                self._renew()
            if not self._backlog:
                return
            if batch := self._backlog.take():
                self._write(batch)

    def _write(self, batch: list[Entry]) -> None:
        held = batch[0].held
        held.batch += 1
        run = held.run
        try:
            self.call("record_tasks", run.id, run.epoch, held.batch, *flatten(batch))
        except StaleEpoch:
            if held in self._held:
                raise
            # A thread that a part left behind speaks of it, and that part was started again.
            _log.info("%d late records of run %s are not written", len(batch), run.name)
        self._backlog.settle(batch)

    def _until_renewal(self) -> float:
        return self._renewed + self.lease_ms / 3000 - time.monotonic()

    def _until_look(self) -> float:
        return self._looked + min(_LOOK_SECONDS, self.lease_ms / 3000) - time.monotonic()

    def _renew(self) -> None:
        self._renewed = time.monotonic()
        for held in self._held:
            if not held.left:
                self.call("renew_run", held.run.id, held.run.epoch, self.lease_ms)

    def _look(self) -> None:
        """See what others made of the runs: one that is to be cancelled, or is paused."""
        self._looked = time.monotonic()
        for held in self._held:
            kind = self.execute("HGET", self.keys("run", held.run.id), "type")
            cancel = held.on_cancelling
            if cancel is not None and kind == StateType.CANCELLING.encode():
                held.on_cancelling = None
                cancel()
            held.halted = held.halted or kind == StateType.PAUSED.encode()

    def call(self, function: str, *arguments: Argument) -> Any:
        """Call a function of the store, as long as it takes until the store answers."""
        return self._persist(lambda: self.store.call(function, *arguments))

    def execute(self, *command: Argument) -> Any:
        """Send a command that may be sent twice, as long as it takes until the store answers."""
        return self._persist(lambda: self.store.execute(*command))

    def _persist(self, send: Callable[[], Any]) -> Any:
        """Send until the store answers: what is sent twice is answered twice and done once."""
        try:
            return send()
        except _PATIENCE as error:
            _log.warning("%s; trying again until it works", error)
        from stamina import retry_context

        answer: Any = None
        for attempt in retry_context(_PATIENCE, attempts=None, timeout=None, wait_max=1.0):
            with attempt:
                answer = send()
        _log.warning("the store answers again")
        return answer
