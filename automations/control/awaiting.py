"""What the log has yet to tell the end of: the actions and runs of firings that are in progress."""

from __future__ import annotations

from typing import NamedTuple

from ..triggers import Memory
from .mode import Going
from .progress import Progress


class Awaited(NamedTuple):
    """Whose end an event on a resource may be: a firing's, in progress for a key of its mode."""

    automation: str
    key: str
    firing: str
    place: int


class Awaiting:
    """By the id of an action or a run, the firing that is in progress until it ends."""

    def __init__(self) -> None:
        self._by_resource: dict[str, Awaited] = {}

    def __bool__(self) -> bool:
        return bool(self._by_resource)

    def on(self, resource: str) -> Awaited | None:
        """Return what an event on a resource may be the end of."""
        return self._by_resource.get(resource)

    def of(self, firing: str) -> Awaited | None:
        """Return something of a firing that is awaited, if anything is."""
        awaited = self._by_resource.values()
        return next((each for each in awaited if each.firing == firing), None)

    def change(
        self, automation: str, key: str, before: Memory | None, after: Memory | None
    ) -> None:
        """Wait for the ends of what is in progress now, and no longer for those of what was.

        Args:
            automation: its id. key: of its mode.
            before: what that remembered so far. after: what it remembers from now on.
        """
        earlier, later = _running(before), _running(after)
        for gone in earlier.keys() - later.keys():
            for resource, _ in earlier[gone].awaited():
                self._by_resource.pop(resource, None)
        for new in later.keys() - earlier.keys():
            progress = later[new]
            for resource, place in progress.awaited():
                self._by_resource[resource] = Awaited(automation, key, progress.firing, place)


def _running(memory: Memory | None) -> dict[int, Progress]:
    """Return what is in progress by its identity: there may be much of it, and little changes."""
    running = memory.running if isinstance(memory, Going) else ()
    return {id(each): each for each in running}
