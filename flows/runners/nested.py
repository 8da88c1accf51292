"""What the function of a task says from another process, put into the journal of its flow run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import from_json

from ..context import METADATA, Here
from ..states import ENDED, State, StateType
from ..taskruns.taskrun import task_run_from

if TYPE_CHECKING:
    from .order import Said


class Nested:
    """The journal's side of one call elsewhere; knows which tasks the function has open there.

    Args:
        place: where the function's own task stands.
    """

    def __init__(self, place: Here) -> None:
        self._context, self._described = place.context, place.described
        self._open: dict[str, bytes] = {}

    def put(self, said: Said) -> None:
        """Put into the journal what was said."""
        if self._described is not None and said.kind == METADATA:
            self._described.add(*from_json(said.event))
            return
        if said.task_run:
            self._open[said.task_run] = said.record
            if StateType(said.kind) in ENDED:
                del self._open[said.task_run]
        held = self._context.held
        self._context.journal.put(
            held, said.kind, said.event, task_run=said.task_run, record=said.record
        )

    def close(self) -> None:
        """End the tasks that the function has not ended: its process died, or was killed."""
        for body in self._open.values():
            task_run = task_run_from(self._context, from_json(body))
            task_run.enter(State("Crashed", "the process of its task ended"))
        self._open.clear()
