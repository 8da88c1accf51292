"""The window: all that a trigger remembers of one bucket between two events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from pydantic_core import from_json

MAX_POSITIONS: Final = 100
NEVER: Final = 0
"""The deadline of a window that no passing of time changes."""


class Memory(Protocol):
    """What the windows of all kinds have in common; they are never changed, only replaced."""

    @property
    def opened(self) -> int:
        """When it began, in the log's milliseconds."""
        ...

    @property
    def deadline(self) -> int:
        """When it has to be looked at, in the log's milliseconds; 0 for never."""
        ...

    @property
    def position(self) -> str:
        """What tells it from other windows of its bucket: where the log stood when it began."""
        ...

    @property
    def opener(self) -> str | None:
        """Id of the event that opened it, where its end is that event's effect."""

    @property
    def positions(self) -> tuple[str, ...]:
        """The contributing events' positions, oldest first."""
        ...

    @property
    def causation(self) -> dict[str, Any] | None:
        """The way that led to it."""

    def to_json(self) -> bytes:
        """Return the window as it is kept."""
        ...


@dataclass(slots=True, frozen=True)
class Window:
    """A span of time in which a trigger counts.

    Attributes:
        opened: when it began, in the log's milliseconds.
        deadline: the log's millisecond at which it ends, as far as the gaps are known.
        position: where the log stood when it began: the opening event's position.
        opener: id of the event that opened it; None where none did.
        count: how many matching events it has seen.
        fired: whether it has fired and is now quiet until it ends.
        positions: the contributing events' positions, the newest ``MAX_POSITIONS``.
        causation: the way that led to the opening event, as that event carries it.
    """

    opened: int
    deadline: int
    position: str
    opener: str | None = None
    count: int = 0
    fired: bool = False
    positions: tuple[str, ...] = ()
    causation: dict[str, Any] | None = None

    def to_json(self) -> bytes:
        """Return the window as it is kept; what is empty is left out."""
        kept: dict[str, Any] = {
            "opened": self.opened,
            "deadline": self.deadline,
            "position": self.position,
            "opener": self.opener,
            "count": self.count,
            "fired": self.fired,
            "positions": self.positions,
            "causation": self.causation,
        }
        return json.dumps(
            {name: value for name, value in kept.items() if value}, separators=(",", ":")
        ).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        kept = from_json(body)
        positions, position = tuple(kept.get("positions", ())), kept.get("position", "")
        if positions and positions[0] == position:
            position = positions[0]  # one text instead of two, in each of a million windows
        return cls(
            kept.get("opened", 0),
            kept.get("deadline", 0),
            position,
            kept.get("opener"),
            kept.get("count", 0),
            kept.get("fired", False),
            positions,
            kept.get("causation"),
        )


def with_position(positions: tuple[str, ...], position: str) -> tuple[str, ...]:
    """Add a position to the newest ones; the same one is not added twice."""
    if positions and positions[-1] == position:
        return positions
    return (*positions[1 - MAX_POSITIONS :], position)
