"""Tells of changes of definitions: each has its event, which says no secret."""

from __future__ import annotations

from typing import Any, Final

from upshot.events.event import Event
from upshot.events.ids import derived_id

from ..once import Once
from .planning import Change

SECRET_KINDS: Final = frozenset({"webhook", "receiver", "variable"})
"""Kinds whose definitions may hold secrets: their events tell the name only."""


def definition_event(change: Change, verb: str, once: Once | None = None) -> Event:
    """Return the event that tells of a change; the engine learns an automation from it."""
    payload: dict[str, Any] = {"version": change.version + 1, "fields": change.fields}
    if change.kind not in SECRET_KINDS:
        payload["definition"] = change.doc
    identity = f"{change.kind}.{derived_id(change.kind, change.name)}"
    return Event(
        event=f"{change.kind}.{verb}",
        resource={"id": identity, "name": change.name},
        related=_concerned(change),
        payload=payload,
        follows=once and once.follows,
        causation=once and once.causation,
    )


def _concerned(change: Change) -> list[dict[str, str]]:
    """Return what a change concerns besides: of a queue, its pool."""
    if change.kind != "work-queue":
        return []
    pool = change.name.partition("/")[0]
    return [{"id": f"work-pool.{derived_id('work-pool', pool)}", "role": "work-pool", "name": pool}]
