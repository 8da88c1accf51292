"""The journal: through it a flow process writes all that it does to the store, and changes runs.

The way of a record: ``put`` by any thread → batch → ``upshot_record_tasks``, under the run's epoch.
A run's own state changes once all that was put before is durable.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NoReturn

from upshot.events.exceptions import Conflict, EventsError
from upshot.events.store import Argument, SyncStore

from ..limits.slots import Slots
from ..results.formats import Kept
from ..runs.flowrun import FlowRun, parse_run
from ..runs.transitions import after, transition_arguments
from ..states import State, StateType
from ..waiting.boundary import sleep, stand_still
from .backlog import Entry
from .held import HeldRun, fit
from .patience import PatientStore
from .tending import Tending
from .writer import Writer

EXIT_LOST: Final = 70
"""Exit code of a process whose run is not its own any more."""

_log = logging.getLogger(__name__)


def end_process(reason: str) -> NoReturn:
    """End this process at once: the user's code must not act for a run that others may have."""
    _log.critical("%s; this process ends now", reason)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(EXIT_LOST)


class Journal:
    """The journal of one flow process.

    What it is asked for besides is done by its parts: ``call`` and ``execute`` of the store
    (:class:`PatientStore`), ``hold``, ``release`` and ``parts_of`` (:class:`Tending`), ``flush``
    and ``is_me`` (:class:`Writer`).

    Args:
        store: used by this journal alone.
        lease_ms: how long the store takes a run for alive after a sign of life.
        lost: ends the process when its run is not its own any more, or cannot be written.
    """

    def __init__(
        self, store: SyncStore, *, lease_ms: int, lost: Callable[[str], NoReturn] = end_process
    ) -> None:
        self.store, self.keys = store, store.keys
        self.lease_ms = lease_ms
        self.slots = Slots(self)
        self._lost = lost
        patient = PatientStore(store)
        self._tending = Tending(patient, lease_ms)
        self._writer = Writer(patient, self._tending, lost)
        self.call, self.execute = patient.call, patient.execute
        self.hold, self.release = self._tending.hold, self._tending.release
        self.parts_of = self._tending.parts_of
        self.flush, self.is_me = self._writer.flush, self._writer.is_me

    def put(
        self, held: HeldRun, kind: str, event: bytes, *, task_run: str = "", record: bytes = b""
    ) -> None:
        """Write a record soon, in the order of the calls; waits while too much is unwritten.

        Nothing is written any more once the journal is closed, or by a fork of its process.
        """
        self._writer.put(Entry(held, task_run, kind, record, event))

    def transition(
        self,
        held: HeldRun,
        state: State,
        *,
        started: bool = False,
        result: Kept | None = None,
        lease: bool = True,
        fields: Mapping[str, Argument] | None = None,
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
                started=begins, result=kept, fields=fields,
            )  # fmt: skip
            try:
                version, epoch = self.call("transition", *arguments)
            except Conflict:
                self._meet_change(held, state, leaving=not lease)
            except EventsError as error:
                self._lost(f"run {run.name}: {error}")
            else:
                changed = after(run, fitting, started=begins, fields=fields)
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

    def rest(self) -> None:
        """Write what waits, and be done with what the run has: the next one has its own."""
        self.slots.close()
        self.slots = Slots(self)
        self.flush()
        self._tending.release_all()

    def close(self) -> None:
        """Write what waits and end the threads."""
        self.slots.close()
        self._writer.close()
