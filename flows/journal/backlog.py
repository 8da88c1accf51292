"""What a flow process has not yet written: in order, in batches, and never too much of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from upshot.events.store import Argument

from .held import HeldRun

_BATCH: Final = 500
_BATCH_BYTES: Final = 4 * 1024 * 1024
_MOST: Final = 4_000
_MOST_BYTES: Final = 12 * 1024 * 1024


class Entry:
    """What is to be written: see ``upshot_record_tasks`` for the parts.

    Attributes:
        size: bytes of it.
    """

    __slots__ = ("event", "held", "id", "kind", "record", "size")

    def __init__(self, held: HeldRun, id: str, kind: str, record: bytes, event: bytes) -> None:  # noqa: A002
        self.held, self.id, self.kind = held, id, kind
        self.record, self.event = record, event
        self.size = len(record) + len(event)


class Backlog:
    """Entries on their way from any thread to the one that writes them.

    Attributes:
        size: bytes that are not yet written.
    """

    def __init__(self) -> None:
        self.size = 0
        self._waiting: deque[Entry | threading.Event] = deque()
        self._counting = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, entry: Entry) -> None:
        """Add an entry; waits while too much is unwritten."""
        while len(self._waiting) > _MOST or self.size > _MOST_BYTES:
            time.sleep(0.005)
        self._count(entry.size)
        self._waiting.append(entry)

    def mark(self) -> threading.Event:
        """Return what is set once all that was added before is written."""
        written = threading.Event()
        self._waiting.append(written)
        return written

    def take(self) -> list[Entry]:
        """Take what is to be written at once: entries of one run. Passes the marks before them."""
        batch: list[Entry] = []
        size = 0
        while self._waiting and len(batch) < _BATCH and size < _BATCH_BYTES:
            entry = self._waiting[0]
            if batch and not (isinstance(entry, Entry) and entry.held is batch[0].held):
                break
            self._waiting.popleft()
            if isinstance(entry, Entry):
                batch.append(entry)
                size += entry.size
            else:
                entry.set()
        return batch

    def settle(self, batch: list[Entry]) -> None:
        """Count a batch as written."""
        self._count(-sum(entry.size for entry in batch))

    def _count(self, by: int) -> None:
        with self._counting:  # many threads add, and a lost count would stop them for ever
            self.size += by


def flatten(batch: list[Entry]) -> list[Argument]:
    """Return the arguments of a batch; of a task run's records in it only the last is kept."""
    last = {entry.id: entry for entry in batch if entry.id}
    arguments: list[Argument] = []
    for entry in batch:
        kept = entry.record if not entry.id or last[entry.id] is entry else b""
        arguments += (entry.id, entry.kind, kept, entry.event)
    return arguments
