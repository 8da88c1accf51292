"""Runs that others execute as parts of a run here: cancelled with the run that waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from upshot.events.exceptions import Conflict

from ..context import RunContext, here
from ..exceptions import Interrupted
from ..joining.store import read_run
from ..runs.changing import cancelled
from ..runs.flowrun import FlowRun
from ..runs.transitions import change_arguments
from ..states import StateType

_ATTEMPTS: Final = 20
_WHY: Final = "the run that it is a part of was cancelled"


@contextmanager
def cancelled_together(run: FlowRun) -> Iterator[None]:
    """Cancel a part when the run whose code waits for it in the block is cancelled.

    What else stops that run leaves the part alone: another process goes on waiting for it.
    """
    try:
        yield
    except Interrupted:
        place = here()
        if place is not None and run.parent == place.context.id and _is_cancelled(place.context):
            _cancel(place.context, run.id)
        raise


def _is_cancelled(context: RunContext) -> bool:
    kinds = (each.journal.refresh(each.held) for each in context.outward())
    return StateType.CANCELLING in kinds


def _cancel(context: RunContext, run_id: str) -> None:
    """Ask a run to stop; one that has ended, or keeps changing, is left alone."""
    journal = context.journal
    for _ in range(_ATTEMPTS):
        if (run := read_run(journal, run_id)) is None:
            return
        lease = journal.execute("ZSCORE", journal.keys("leases"), run_id)
        owes = bool(journal.execute("EXISTS", journal.keys("open", run_id)))
        change = cancelled(run, _WHY, occupied=lease is not None, owes=owes)
        if change is None:
            return
        try:
            journal.call("transition", *change_arguments(run, change, lease_ms=journal.lease_ms))
        except Conflict:
            continue
        return
