"""What a performer is: the one kind of thing that acts on the world, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from upshot.events.event import Causation

from ..once import Once
from .entry import Entry


@dataclass(frozen=True, slots=True)
class Job:
    """One action of one firing, for whoever performs it.

    Attributes:
        key: idempotency key, the same for every try.
        triggered: id of the event that announced the action; what it does follows from that.
        causation: the way that leads to what it does.
        done: parts of it that earlier tries have done.
    """

    firing: str
    index: int
    key: str
    triggered: str
    causation: Causation
    done: tuple[str, ...] = ()

    @property
    def cause(self) -> tuple[str, Causation]:
        """What makes runs change, as the registry of runs wants it."""
        return self.triggered, self.causation

    @property
    def once(self) -> Once:
        """What makes definitions change, as the catalog wants it."""
        return Once(self.firing, self.index, self.triggered, self.causation)


def job_of(entry: Entry, index: int) -> Job:
    """Return the job that an entry's action is."""
    done = entry.done if index == entry.next else ()
    triggered = entry.triggered(index)
    return Job(entry.firing, index, entry.key(index), triggered, entry.causation, done)


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who outside is asked, and how many tries at a time it may hold."""

    name: str
    places: int


class Performer(Protocol):
    """Performs one kind of action."""

    @property
    def type(self) -> str:
        """The kind's name."""
        ...

    def receiver(self, arguments: dict[str, Any]) -> Receiver | None:
        """Return who outside is asked; None where it stays within Upshot."""

    async def perform(self, arguments: dict[str, Any], job: Job) -> str:
        """Do it; return what came of it, for people.

        Raises:
            TryFailed: a later try may succeed. ActionFailed: it can't, as things are.
        """
        ...
