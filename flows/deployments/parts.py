"""Runs that others execute as parts of a run here: cancelled with the run that waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from upshot.events.exceptions import Conflict, NotFound

from ..context import RunContext, here
from ..exceptions import Interrupted
from ..joining.runs import change_run
from ..runs.changing import cancelled
from ..runs.flowrun import FlowRun

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
        context = place.context if place is not None else None
        if context is not None and run.parent == context.id and context.is_cancelled():
            _cancel(context, run.id)
        raise


def _cancel(context: RunContext, run_id: str) -> None:
    """Ask a run to stop; one that has ended, is forgotten, or keeps changing, is left alone."""
    with suppress(NotFound, Conflict):
        change_run(
            context.journal,
            run_id,
            lambda run, seen: cancelled(run, _WHY, seen),
            lease_ms=context.journal.lease_ms,
        )
