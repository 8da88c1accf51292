"""One commit of the engine: what it read, remembers and decided, as the arguments of one call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True)
class Commit:
    """What one call of ``upshot_commit`` writes.

    Attributes:
        before: the cursor as the store has it. cursor: where it moves.
        needed: the oldest position that may still be read; trimming stops before it.
        windows: by automation and bucket, None for one that is closed.
        definitions: by id, empty for one that is deleted.
        counts: what is added to the metrics. told: events besides those of the firings.
    """

    before: str
    cursor: str
    needed: str
    windows: Mapping[tuple[str, str], bytes | None] = field(default_factory=dict)
    definitions: Mapping[str, bytes] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    told: Sequence[bytes] = ()
    records: Sequence[FiringRecord] = ()

    def arguments(self, epoch: int, lease_ms: int) -> list[Argument]:
        """Return the arguments of the call; it renews the lease of that epoch."""
        flat: list[Argument] = [epoch, self.before, self.cursor, self.needed, lease_ms]
        flat.append(len(self.windows))
        for (automation, bucket), body in self.windows.items():
            flat += [f"{automation}/{bucket}", body or b""]
        for pairs in (self.definitions, self.counts):
            flat.append(len(pairs))
            for name, value in pairs.items():
                flat += [name, value]
        flat += [len(self.told), *self.told, len(self.records)]
        for record in self.records:
            flat += record.arguments()
        return flat


def of_batch(batch: Batch, memory: Memory, records: Sequence[FiringRecord]) -> Commit | None:
    """Return the commit of what was decided; None when only the cursor would move."""
    windows = memory.evaluator.take_changes()
    definitions = memory.take_definitions()
    told = batch.told()
    if not (windows or definitions or told or records or batch.suppressions):
        return None
    return replace(
        of_cursor(batch, memory),
        windows=windows,
        definitions=definitions,
        told=told,
        records=records,
    )


def of_cursor(batch: Batch, memory: Memory) -> Commit:
    """Return the commit of nothing but how far the log is read."""
    needed = _needed(batch, memory)
    return Commit(memory.cursor, batch.cursor, needed, counts=counters(batch))


def ahead(memory: Memory, records: Sequence[FiringRecord]) -> Commit:
    """Return the commit of some firings before the cursor moves past their causes.

    After a crash in between they are decided again, from the same memory and with the same ids, so
    until then nothing that it refers to may be trimmed.
    """
    return Commit(memory.cursor, memory.cursor, START, records=records)


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
