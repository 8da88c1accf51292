"""Where firings are held that an event may end: by automation and bucket of its trigger."""

from __future__ import annotations

from ..timers import Key
from ..triggers import Memory
from .base import Kept

_NOWHERE: frozenset[Key] = frozenset()


class Held:
    """By an automation's id and a bucket, what remembers firings that wait for it."""

    def __init__(self) -> None:
        self._places: dict[Key, set[Key]] = {}

    def at(self, automation: str, bucket: str) -> frozenset[Key]:
        """Return the stages, with their keys, at which firings of a bucket wait."""
        return frozenset(self._places.get((automation, bucket), _NOWHERE))

    def change(
        self, automation: str, place: Key, before: Memory | None, after: Memory | None
    ) -> None:
        """Learn that what a stage remembers of a key has changed."""
        earlier, later = _buckets(before), _buckets(after)
        for bucket in earlier - later:
            places = self._places[automation, bucket]
            places.discard(place)
            if not places:
                del self._places[automation, bucket]
        for bucket in later - earlier:
            self._places.setdefault((automation, bucket), set()).add(place)


def _buckets(memory: Memory | None) -> set[str]:
    held = memory.held if isinstance(memory, Kept) else ()
    return {each.bucket for each in held if not each.mixed}
