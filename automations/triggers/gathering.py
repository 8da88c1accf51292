"""What a trigger of triggers remembers of one bucket: the firings that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from .base import Fired
from .window import MAX_POSITIONS, NEVER

Causation = dict[str, Any] | None


@dataclass(slots=True, frozen=True)
class Held:
    """A firing that is held until the others have come.

    Attributes:
        at: when, in the log's milliseconds.
        cause: what tells it from other firings.
        positions: the contributing events' positions.
        opener: id of the event that is its cause, if any.
        causation: the way that led to it.
    """

    at: int
    cause: str
    positions: tuple[str, ...] = ()
    opener: str | None = None
    causation: Causation = None

    @classmethod
    def of(cls, fired: Fired) -> Self:
        opener = fired.facts.body["id"] if fired.facts else fired.opener
        return cls(fired.at, fired.cause, fired.positions, opener, fired.causation)

    def to_list(self) -> list[Any]:
        return [self.at, self.cause, list(self.positions), self.opener, self.causation]

    @classmethod
    def from_list(cls, kept: list[Any]) -> Self:
        at, cause, positions, opener, causation = kept
        return cls(at, cause, tuple(positions), opener, causation)


Chain = tuple[Held, ...]
"""Firings that came one after the other, oldest first."""


@dataclass(slots=True, frozen=True)
class Gathering:
    """The firings held for one bucket.

    Attributes:
        deadline: when it is to be looked at, in the log's milliseconds; 0 for never.
        chains: by the place of a part, the chain of firings that ends with the part's own.
        waiting: the chain that fires at the deadline, unless what must not fire does.
    """

    deadline: int = NEVER
    chains: dict[int, Chain] = field(default_factory=dict)
    waiting: Chain = ()

    @property
    def held(self) -> list[Held]:
        """All firings that are held, oldest first."""
        every = {id(each): each for chain in self.chains.values() for each in chain}
        every.update((id(each), each) for each in self.waiting)
        return sorted(every.values(), key=lambda each: each.at)

    @property
    def opened(self) -> int:
        return min((each.at for each in self.held), default=0)

    @property
    def position(self) -> str:
        return self.waiting[-1].cause if self.waiting else ""

    @property
    def opener(self) -> str | None:
        return self.waiting[-1].opener if self.waiting else None

    @property
    def positions(self) -> tuple[str, ...]:
        return positions_of(self.held)

    @property
    def causation(self) -> Causation:
        return merged(self.waiting)

    def to_json(self) -> bytes:
        """Return the gathering as it is kept; what is empty is left out."""
        chains = {place: [each.to_list() for each in chain] for place, chain in self.chains.items()}
        waiting = [each.to_list() for each in self.waiting]
        kept = {"deadline": self.deadline, "chains": chains, "waiting": waiting}
        return json.dumps({k: v for k, v in kept.items() if v}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        kept = json.loads(body)
        chains = {int(place): _chain(chain) for place, chain in kept.get("chains", {}).items()}
        return cls(kept.get("deadline", NEVER), chains, _chain(kept.get("waiting", ())))


def _chain(kept: Iterable[list[Any]]) -> Chain:
    return tuple(Held.from_list(each) for each in kept)


def positions_of(held: Iterable[Held]) -> tuple[str, ...]:
    """Return the contributing events' positions in the log's order, the newest of them."""
    every = {position for each in held for position in each.positions}
    return tuple(sorted(every, key=_order)[-MAX_POSITIONS:])


def _order(position: str) -> tuple[int, int]:
    ms, _, sequence = position.partition("-")
    return int(ms), int(sequence or 0)


def merged(held: Iterable[Held]) -> Causation:
    """Return one way for all: the latest one's chain, with every automation that was passed."""
    return merged_ways(each.causation for each in held)


def merged_ways(among: Iterable[Causation]) -> Causation:
    """Return one way for several, the latest one last."""
    ways = [each for each in among if each]
    if len(ways) < 2:
        return ways[0] if ways else None
    automations: dict[str, int] = {}
    for way in ways:
        for automation, times in way.get("automations", {}).items():
            automations[automation] = max(times, automations.get(automation, 0))
    depth = max(way.get("depth", 0) for way in ways)
    return {**ways[-1], "depth": depth, "automations": dict(list(automations.items())[-256:])}
