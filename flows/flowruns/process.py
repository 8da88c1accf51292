"""The life of a flow process that a worker started: from its run in the store to its exit code.

``preload`` is for a warm parent, which pays the imports once; ``execute`` is the main of each child
that is forked from it, and so imports nothing more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from upshot.events.store import SyncStore

from ..aside import aside
from ..calls.outcomes import ended_by
from ..definitions.entrypoints import load_flow, why_not_loaded
from ..journal.journal import EXIT_LOST, Journal
from ..logs.capturing import capture, run_logger
from ..results.formats import ResultFiles
from ..runs.flowrun import FlowRun
from ..states import State, StateType
from ..taskruns import taskcall as _taskcall  # noqa: F401 - here, so that no child needs to
from .attempts import Attempts
from .execution import Execution
from .naming import name_run
from .stopping import deaf_at_the_end

EXIT_COMPLETED: Final = 0
"""Exit code of a process whose run completed, or is paused and goes on in another one."""
EXIT_ENDED: Final = 1
"""Exit code of a process whose run ended otherwise, which is recorded."""

_log = logging.getLogger(__name__)


def preload(entrypoint: str) -> None:
    """Import the module of an entrypoint; an error is left to ``execute``, which meets it again."""
    with suppress(Exception, SystemExit):
        flow = load_flow(entrypoint)
        if flow.validate_parameters:
            flow.signature.prepare()


def execute(store: SyncStore, run: FlowRun, lease_ms: int, *, tells: bool = False) -> int:
    """Execute a run that was taken for this process; return the exit code.

    Args:
        store: stays open.
        lease_ms: how long the run counts as alive after a sign of life.
    """
    with opened_journal(store, lease_ms) as journal:
        return execute_next(journal, run, tells=tells)


def execute_next(journal: Journal, run: FlowRun, *, tells: bool) -> int:
    """Do the same with the journal of a process that executes several, one after another.

    Args:
        run: as it was when it was taken. What became of it since, its first change meets.
        tells: whether it is to tell what its flow takes, as the first of its deployment and code.
    """
    try:
        return _execute(journal, run, tells=tells)
    finally:
        journal.rest()
        sys.stdout.flush()
        sys.stderr.flush()


def execute_stored(store: SyncStore, run_id: str, epoch: int, lease_ms: int) -> int:
    """Do the same with a run that is read from the store.

    Args:
        epoch: the run's epoch when it was taken; with any other the run is somebody else's.
    """
    with opened_journal(store, lease_ms) as journal:
        run = journal.read(run_id)
        if run is None or run.epoch != epoch:
            _log.error("run %s is not for this process", run_id)
            return EXIT_LOST
        if run.state.type not in {StateType.PENDING, StateType.CANCELLING, StateType.PAUSED}:
            _log.error("run %s is %s, not Pending", run.name, run.state.name)
            return EXIT_LOST
        return execute_next(journal, run, tells=True)


@contextmanager
def opened_journal(store: SyncStore, lease_ms: int) -> Iterator[Journal]:
    """Give the journal of this process; what was put into it is written when it is closed."""
    journal = Journal(store, lease_ms=lease_ms)
    try:
        yield journal
    finally:
        journal.close()


def _execute(journal: Journal, run: FlowRun, *, tells: bool) -> int:
    held, files = journal.hold(run), ResultFiles(results_url())
    if run.undo is not None:
        from .rollback import undo_run

        undo_run(held, journal, files, run.undo)
        return EXIT_ENDED
    execution = Execution(held, journal, files)
    with capture(execution.context, strays=True), deaf_at_the_end():
        state = _run(execution, tells=tells)
    well = state.completed or state.type is StateType.PAUSED
    return EXIT_COMPLETED if well else EXIT_ENDED


def _run(execution: Execution, *, tells: bool) -> State:
    if not execution.begin():
        return execution.finish(State("Cancelled"))
    run = execution.context.flow_run
    try:
        flow = load_flow(run.entrypoint)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the user's module raises
        return execution.finish(_not_loaded(error))
    if tells:
        from ..schemas.telling import tell_of_run

        tell_of_run(execution.context.journal, run, flow)
    try:
        name_run(execution, flow)
    except Exception as error:  # noqa: BLE001 - a function of the user's makes the name
        return execution.finish(ended_by(error))
    attempts = Attempts(execution, flow, (), run.parameters)
    if flow.is_async:
        return asyncio.run(_run_async(attempts))
    return execution.finish(attempts.perform())


async def _run_async(attempts: Attempts) -> State:
    return await aside(attempts.execution.finish, await attempts.perform_async())


def _not_loaded(error: BaseException) -> State:
    why = why_not_loaded(error)
    run_logger().error("the flow can't be loaded: %s", why, exc_info=error)
    return State("Failed", why, data=error)


def results_url() -> str:
    """Return the folder of large results, as the worker's environment says."""
    folder = os.environ.get("UPSHOT_DATA_DIR") or Path.home() / ".upshot"
    return str(Path(folder).expanduser() / "results")
