"""One commit of the engine: what it read, remembers and decided, as the arguments of one call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from upshot.automations.firing import Firing
from upshot.automations.outcomes import Outcome, Resolution, Suppression
from upshot.events.log import START, order
from upshot.events.store import Argument

from .memory import Memory
from .outcomes import FiringRecord
from .telling import Actions, resolved_event, suppressed_event

MAX_RECORDS: Final = 200
MAX_BYTES: Final = 4 * 1024 * 1024
"""Firings beyond either are committed in several calls: a long one would hold up the store."""

MAX_DECISIONS: Final = 2000
"""So many decisions are committed before more are made: they all lie in memory until then."""


@dataclass(slots=True)
class Batch:
    """What was decided since the last commit."""

    cursor: str
    evaluated: int = 0
    firings: list[tuple[Firing, Actions]] = field(default_factory=list)
    suppressions: list[Suppression] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)

    @property
    def decisions(self) -> int:
        """How many there are."""
        return len(self.firings) + len(self.suppressions) + len(self.resolutions)

    def add(self, outcome: Outcome, memory: Memory) -> None:
        """Keep an outcome; a firing with the actions now in force: the batch may change them."""
        if isinstance(outcome, Firing):
            self.firings.append((outcome, memory.actions(outcome)))
        elif isinstance(outcome, Suppression):
            self.suppressions.append(outcome)
        elif isinstance(outcome, Resolution):
            self.resolutions.append(outcome)

    def told(self) -> list[bytes]:
        """Return the events that tell of what was decided besides firings."""
        events = [resolved_event(each) for each in self.resolutions]
        events += [event for event in map(suppressed_event, self.suppressions) if event]
        return [event.to_json() for event in events]


def arguments(
    batch: Batch, memory: Memory, records: list[FiringRecord], epoch: int, lease_ms: int
) -> list[Argument] | None:
    """Return the arguments of ``upshot_commit``; None when only the cursor would move."""
    windows = memory.evaluator.take_changes()
    definitions = memory.take_definitions()
    told = batch.told()
    if not (windows or definitions or told or records or batch.suppressions):
        return None
    return _flat(batch, memory, epoch, lease_ms, windows, definitions, told, records)


def ahead(memory: Memory, records: list[FiringRecord], epoch: int, lease_ms: int) -> list[Argument]:
    """Return the arguments of a commit of some firings before the cursor moves past their causes.

    After a crash in between they are decided again, from the same memory and with the same ids, so
    until then nothing that it refers to may be trimmed.
    """
    flat: list[Argument] = [epoch, memory.cursor, memory.cursor, START, lease_ms]
    flat += [0, 0, 0, 0, len(records)]
    for record in records:
        flat += record.arguments()
    return flat


def cursor_only(batch: Batch, memory: Memory, epoch: int, lease_ms: int) -> list[Argument]:
    """Return the arguments of a commit that moves nothing but the cursor."""
    return _flat(batch, memory, epoch, lease_ms, {}, {}, [], [])


def _flat(
    batch: Batch,
    memory: Memory,
    epoch: int,
    lease_ms: int,
    windows: dict[tuple[str, str], bytes | None],
    definitions: dict[str, bytes],
    told: list[bytes],
    records: list[FiringRecord],
) -> list[Argument]:
    flat: list[Argument] = [epoch, memory.cursor, batch.cursor, _needed(batch, memory), lease_ms]
    flat.append(len(windows))
    for (automation, bucket), body in windows.items():
        flat += [f"{automation}/{bucket}", body or b""]
    flat.append(len(definitions))
    for identity, kept in definitions.items():
        flat += [identity, kept]
    counts = counters(batch)
    flat.append(len(counts))
    for name, by in counts.items():
        flat += [name, by]
    flat += [len(told), *told, len(records)]
    for record in records:
        flat += record.arguments()
    return flat


def counters(batch: Batch) -> Counter[str]:
    """Return what the batch adds to the metrics; firings are counted where they prove new."""
    counts = Counter(f"firings:suppressed_{each.reason.value}" for each in batch.suppressions)
    if batch.evaluated:
        counts["evaluated"] = batch.evaluated
    return counts


def _needed(batch: Batch, memory: Memory) -> str:
    """Return the oldest position that the engine may still read: trimming stops before it.

    Where the log is archived, the archive has what open windows refer to, and the log need not.
    """
    if memory.archived:
        return batch.cursor
    oldest = memory.evaluator.oldest_position()
    return min((oldest or batch.cursor, batch.cursor), key=order)
