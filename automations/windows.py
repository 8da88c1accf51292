"""What triggers and stages of control have open: what is due, what changed, what is oldest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from .control.base import Stage
from .logtime import OpenTime
from .timers import Key, Timers, take_earliest
from .triggers import CompositeTrigger, Due, Memory
from .triggers.base import Owner


@dataclass(slots=True)
class _Owner:
    """A trigger, or a stage of control, and its windows by bucket.

    Attributes:
        shifting: whether its deadlines change what they are for.
    """

    trigger: Owner
    shifting: bool
    windows: dict[str, Memory] = field(default_factory=dict)


class OpenWindows:
    """Windows by trigger and bucket; a trigger goes by its ``node_key``.

    Args:
        time: turns spans of open time into moments of the log.
    """

    def __init__(self, time: OpenTime) -> None:
        self._time = time
        self._owners: dict[str, _Owner] = {}
        self._changed: set[Key] = set()
        self._due = {due: Timers(partial(self._is_due, due)) for due in Due}
        self._timers = tuple(self._due.values())
        self._positions = Timers(self._is_oldest)

    def __len__(self) -> int:
        return sum(len(owner.windows) for owner in self._owners.values())

    def __iter__(self) -> Iterator[tuple[Key, Memory]]:
        for node, owner in self._owners.items():
            for bucket, window in owner.windows.items():
                yield (node, bucket), window

    def own(self, node: str, trigger: Owner) -> dict[str, Memory]:
        """Return a trigger's windows by bucket, to be read; begin with none if it is new."""
        shifting = isinstance(trigger, CompositeTrigger | Stage)
        return self._owners.setdefault(node, _Owner(trigger, shifting)).windows

    def disown(self, node: str) -> None:
        """Close all windows of a trigger."""
        owner = self._owners.pop(node, None)
        if owner is not None:
            self._changed.update((node, bucket) for bucket in owner.windows)

    def of(self, node: str) -> dict[str, Memory]:
        """Return a trigger's windows by bucket, to be read."""
        owner = self._owners.get(node)
        return owner.windows if owner is not None else {}

    def get(self, key: Key) -> Memory | None:
        owner = self._owners.get(key[0])
        return owner.windows.get(key[1]) if owner is not None else None

    def put(self, key: Key, window: Memory | None) -> None:
        """Set the window of a trigger's bucket, or close it with None."""
        self._changed.add(key)
        owner = self._owners[key[0]]
        if window is None:
            owner.windows.pop(key[1], None)
            return
        before = owner.windows.get(key[1])
        owner.windows[key[1]] = window
        trigger, deadline = owner.trigger, window.deadline
        if deadline and (before is None or before.deadline != deadline or owner.shifting):
            self._due[trigger.due(window)].set(deadline, key)
        positions = window.positions
        if positions and trigger.pins and (before is None or before.positions[:1] != positions[:1]):
            self._positions.set(_order(positions[0]), key)

    def restore(self, key: Key, body: bytes) -> bool:
        """Open a window as it was kept; tell whether its trigger is in force."""
        owner = self._owners.get(key[0])
        if owner is None:
            return False
        trigger = owner.trigger
        window = owner.windows[key[1]] = trigger.load(body, self._time)
        self._changed.discard(key)
        if window.deadline:
            self._due[trigger.due(window)].load(window.deadline, key)
        if trigger.pins and (positions := window.positions):
            self._positions.load(_order(positions[0]), key)
        return True

    def add_gap(self, start: int, end: int) -> None:
        """Learn that no time passed from ``start`` to ``end`` (ms): absences end later."""
        self._time.add(start, end)
        for key, window in list(self):
            rearmed = self._owners[key[0]].trigger.rearm(window, self._time)
            if rearmed.deadline != window.deadline:
                self.put(key, rearmed)

    def quiet_until(self, now: int) -> bool:
        """Tell at little cost whether surely nothing is due by ``now`` (ms)."""
        silence, clock, end = self._timers
        return now < silence.earliest and now < clock.earliest and now < end.earliest

    def take_due(self, now: int, open_until: int) -> tuple[int, list[Key]] | None:
        """Take what is due at the earliest moment: what needs silence, before ``open_until``.

        Returns:
            The moment in ms and its keys, before ``now`` in any case; None where nothing is due.
        """
        return take_earliest((self._due[Due.SILENCE], open_until), (self._due[Due.CLOCK], now))

    def close_ended(self, now: int) -> None:
        """Close the windows that have just ended by ``now`` (ms)."""
        for _, key in self._due[Due.END].pop_before(now + 1):
            self.put(key, None)

    def next_deadline(self) -> int | None:
        """Return when something is due to be judged next, or None."""
        judged = (self._due[Due.SILENCE].next(), self._due[Due.CLOCK].next())
        return min((each for each in judged if each is not None), default=None)

    def oldest_position(self) -> str | None:
        """Return the oldest log position that an open window refers to, or None."""
        oldest = self._positions.next()
        return None if oldest is None else f"{oldest >> 64}-{oldest & (1 << 64) - 1}"

    def take_changes(self) -> dict[Key, bytes | None]:
        """Return what changed since the last call, as it is kept; None where closed."""
        changed, self._changed = self._changed, set()
        windows = ((key, self.get(key)) for key in changed)
        return {key: window.to_json() if window else None for key, window in windows}

    def _is_due(self, due: Due, when: int, key: Key) -> bool:
        window = self.get(key)
        if window is None or window.deadline != when:
            return False
        return self._owners[key[0]].trigger.due(window) is due

    def _is_oldest(self, when: int, key: Key) -> bool:
        window = self.get(key)
        return window is not None and bool(window.positions) and _order(window.positions[0]) == when


def _order(position: str) -> int:
    """Return a log position as one number that sorts as the log does."""
    ms, _, sequence = position.partition("-")
    return int(ms) << 64 | int(sequence or 0)
