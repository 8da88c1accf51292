"""The open windows of all automations, with what is due when, what changed, and what is oldest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .logtime import OpenTime
from .timers import Key, Timers
from .triggers import Trigger, Window


@dataclass(slots=True)
class _Owner:
    """An automation's trigger and its windows by bucket."""

    trigger: Trigger
    windows: dict[str, Window] = field(default_factory=dict)


class OpenWindows:
    """Windows by automation and bucket.

    Args:
        time: turns spans of open time into moments of the log.
    """

    def __init__(self, time: OpenTime) -> None:
        self._time = time
        self._owners: dict[str, _Owner] = {}
        self._changed: set[Key] = set()
        self._absences = Timers(self._is_absence)
        self._ends = Timers(self._is_end)
        self._positions = Timers(self._is_oldest)

    def __len__(self) -> int:
        return sum(len(owner.windows) for owner in self._owners.values())

    def __iter__(self) -> Iterator[tuple[Key, Window]]:
        for automation_id, owner in self._owners.items():
            for bucket, window in owner.windows.items():
                yield (automation_id, bucket), window

    def own(self, automation_id: str, trigger: Trigger) -> dict[str, Window]:
        """Return the automation's windows by bucket, to be read; begin with none if it is new."""
        return self._owners.setdefault(automation_id, _Owner(trigger)).windows

    def disown(self, automation_id: str) -> None:
        """Close all windows of an automation."""
        owner = self._owners.pop(automation_id, None)
        if owner is not None:
            self._changed.update((automation_id, bucket) for bucket in owner.windows)

    def get(self, key: Key) -> Window | None:
        owner = self._owners.get(key[0])
        return owner.windows.get(key[1]) if owner is not None else None

    def put(self, key: Key, window: Window | None) -> None:
        """Set the window of an automation's bucket, or close it with None."""
        self._changed.add(key)
        owner = self._owners[key[0]]
        if window is None:
            owner.windows.pop(key[1], None)
            return
        before = owner.windows.get(key[1])
        owner.windows[key[1]] = window
        if before is None or before.deadline != window.deadline:
            timers = self._absences if owner.trigger.absence else self._ends
            timers.set(window.deadline, key)
        if window.positions and (before is None or before.positions[:1] != window.positions[:1]):
            self._positions.set(_order(window.positions[0]), key)

    def restore(self, key: Key, body: bytes) -> bool:
        """Open a window as it was kept; tell whether its automation is in force.

        Its deadline is made anew from where it began: gaps may have been learnt since.
        """
        owner = self._owners.get(key[0])
        if owner is None:
            return False
        kept = Window.from_json(body)
        self.put(key, replace(kept, deadline=owner.trigger.deadline(kept.opened, self._time)))
        self._changed.discard(key)
        return True

    def add_gap(self, start: int, end: int) -> None:
        """Learn that no time passed from ``start`` to ``end`` (ms): absences end later."""
        self._time.add(start, end)
        for key, window in list(self):
            trigger = self._owners[key[0]].trigger
            deadline = trigger.deadline(window.opened, self._time)
            if deadline != window.deadline:
                self.put(key, replace(window, deadline=deadline))

    def overdue(self, now: int) -> Iterator[tuple[int, Key]]:
        """Take the absences due strictly before ``now`` (ms), in order."""
        return self._absences.pop_before(now)

    def close_ended(self, now: int) -> None:
        """Close the other windows that have ended by ``now`` (ms)."""
        for _, key in self._ends.pop_before(now + 1):
            self.put(key, None)

    def next_deadline(self) -> int | None:
        """Return when the next absence is due, or None."""
        return self._absences.next()

    def oldest_position(self) -> str | None:
        """Return the oldest log position that an open window refers to, or None."""
        oldest = self._positions.next()
        return None if oldest is None else f"{oldest >> 64}-{oldest & (1 << 64) - 1}"

    def take_changes(self) -> dict[Key, bytes | None]:
        """Return what changed since the last call, as it is kept; None where closed."""
        changed, self._changed = self._changed, set()
        windows = ((key, self.get(key)) for key in changed)
        return {key: window.to_json() if window else None for key, window in windows}

    def _is_absence(self, when: int, key: Key) -> bool:
        return self._is_due(when, key) and self._owners[key[0]].trigger.absence

    def _is_end(self, when: int, key: Key) -> bool:
        return self._is_due(when, key) and not self._owners[key[0]].trigger.absence

    def _is_due(self, when: int, key: Key) -> bool:
        window = self.get(key)
        return window is not None and window.deadline == when

    def _is_oldest(self, when: int, key: Key) -> bool:
        window = self.get(key)
        return window is not None and bool(window.positions) and _order(window.positions[0]) == when


def _order(position: str) -> int:
    """Return a log position as one number that sorts as the log does."""
    ms, _, sequence = position.partition("-")
    return int(ms) << 64 | int(sequence or 0)
