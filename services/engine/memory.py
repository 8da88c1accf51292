"""What the engine remembers between commits, and how it is read back from the store."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import structlog
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from upshot.automations.definition import Automation, Branch
from upshot.automations.evaluation.evaluator import Evaluator
from upshot.automations.firing import Firing
from upshot.automations.logtime import OpenTime
from upshot.automations.templates.template import STORED
from upshot.events.event import Recorded, describe
from upshot.events.log import START
from upshot.events.store import Commands, Store

BREATH: Final = 50
"""Definitions that are restored in one go."""

log = structlog.get_logger(__name__)

DEFINING: Final = frozenset(
    f"automation.{verb}" for verb in ("created", "updated", "deleted", "paused", "resumed")
)
"""Own events that change which automations are in force, from their place in the log on."""


class Memory:
    """Automations in force with their open windows, as of ``cursor``.

    Attributes:
        archived: whether the log's events are kept in the archive, too.
    """

    def __init__(self, cursor: str, gaps: list[tuple[int, int]]) -> None:
        self.cursor = cursor
        self.known_gaps = len(gaps)
        self.archived = False
        self.evaluator = Evaluator(OpenTime(gaps))
        self._actions: dict[str, dict[Branch, list[dict[str, Any]]]] = {}
        self._definitions: dict[str, bytes] = {}
        self._unreadable: dict[str, str] = {}
        self._unreadable_told: dict[str, str] | None = None

    def actions(self, firing: Firing) -> list[dict[str, Any]]:
        """Return the actions that a firing carries out, as data."""
        return self._actions[firing.automation_id][firing.branch]

    def define(self, event: Recorded) -> None:
        """Put what a defining event says in force, and keep it for the next commit."""
        identity = event.resource["id"].removeprefix("automation.")
        definition = event.payload.get("definition")
        if definition is None:
            self._forget(identity, event.received)
            self._definitions[identity] = b""
            return
        kept = {
            "definition": definition,
            "version": event.payload["version"],
            "position": event.received,
        }
        self._definitions[identity] = to_json(kept)
        self.restore(identity, kept)

    def restore(self, identity: str, kept: dict[str, Any]) -> None:
        """Put a kept definition in force; one that this version can't read stays out, said so."""
        definition = dict(kept["definition"])
        paused = definition.pop("paused", False)
        try:
            automation = Automation.model_validate(definition, context=STORED)
        except ValidationError as error:
            log.error("automation unreadable", automation=identity, error=describe(error))
            self._forget(identity, kept["position"])
            self._unreadable[identity] = f"{definition.get('name')}: {describe(error)}"
            return
        self._unreadable.pop(identity, None)
        if paused:
            automation = automation.model_copy(update={"enabled": False})
        self._actions[identity] = {
            branch: [each.model_dump(mode="json") for each in actions]
            for branch in Branch
            if (actions := automation.actions_of(branch))
        }
        self.evaluator.define(automation, kept["version"], kept["position"])

    def _forget(self, identity: str, position_ms: int) -> None:
        self.evaluator.remove(identity, position_ms)
        self._actions.pop(identity, None)
        self._unreadable.pop(identity, None)

    def take_unreadable(self) -> dict[str, str] | None:
        """Return which automations can't be read and why, by id; None if that was taken before."""
        if self._unreadable == self._unreadable_told:
            return None
        self._unreadable_told = dict(self._unreadable)
        return self._unreadable_told

    def take_definitions(self) -> dict[str, bytes]:
        """Return the definitions that changed since the last call; empty ones are deleted."""
        taken, self._definitions = self._definitions, {}
        return taken


async def recall(
    store: Store, gaps: list[tuple[int, int]], breathe: Callable[[], Awaitable[None]]
) -> Memory:
    """Read back what the last commit kept.

    Args:
        gaps: spans in which the log was closed, in ms.
        breathe: awaited now and then: thousands of definitions take longer than a lease holds.
    """
    keys = store.keys
    cursor = await store.execute("HGET", keys("engine"), "cursor")
    memory = Memory(cursor.decode() if cursor else START, gaps)
    definitions = await store.execute("HGETALL", keys("engine", "definitions"))
    for index, (identity, kept) in enumerate(definitions.items()):
        memory.restore(identity.decode(), from_json(kept))
        if index % BREATH == 0:
            await breathe()
    await tell_unreadable(store, memory)
    await _recall_windows(store, memory, breathe)
    return memory


async def tell_unreadable(store: Store, memory: Memory) -> None:
    """Let it be seen which automations another version of Upshot defined so that this can't act.

    They stay as they are, out of force, until they are applied anew.
    """
    if (unreadable := memory.take_unreadable()) is None:
        return
    key = store.keys("engine", "unreadable")
    told: Commands = [("DEL", key)]
    if unreadable:
        told.append(("HSET", key, *(part for pair in unreadable.items() for part in pair)))
    await store.pipeline(told)


async def _recall_windows(
    store: Store, memory: Memory, breathe: Callable[[], Awaitable[None]]
) -> None:
    """Read back what is open; it may be a million windows, so nobody looks for garbage in them."""
    gc.disable()
    try:
        async for windows in _scan(store, store.keys("engine", "windows")):
            for field, body in windows:
                automation, _, bucket = field.decode().partition("/")
                memory.evaluator.restore_window(automation, bucket, body)
            await breathe()
    finally:
        gc.enable()
        gc.freeze()


async def _scan(store: Store, key: str) -> AsyncIterator[list[tuple[bytes, bytes]]]:
    cursor: Any = 0
    while True:
        cursor, flat = await store.execute("HSCAN", key, cursor, "COUNT", 10_000)
        yield [(flat[index], flat[index + 1]) for index in range(0, len(flat), 2)]
        if int(cursor) == 0:
            return
