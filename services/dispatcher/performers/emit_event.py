"""Performs emit-event: the event's id follows from the firing, so the log takes it once."""

from __future__ import annotations

from typing import Any

from upshot.events.event import Event, refuse_impostor
from upshot.events.exceptions import InvalidEvent
from upshot.events.ids import derived_id
from upshot.events.log import Log

from ...exceptions import ActionFailed
from ..performing import Job, Receiver


class EmitEvent:
    """Appends an event to the log.

    Args:
        log: where to.
    """

    type = "emit-event"

    def __init__(self, log: Log) -> None:
        self._log = log

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        return None

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        try:
            event = Event.of(
                id=derived_id("emitted", job.firing, str(job.index)),
                follows=job.triggered,
                causation=job.causation,
                **arguments,
            )
            refuse_impostor(event)
        except InvalidEvent as error:
            raise ActionFailed(f"the event comes out wrong: {error}") from error
        await self._log.append([event])
        return event.id
