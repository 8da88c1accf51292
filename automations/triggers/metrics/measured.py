"""What a metric trigger remembers of one bucket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, Self

from ..window import NEVER
from .depth import Depth
from .samples import Samples

MAX_POSITIONS: Final = 10


@dataclass(slots=True, frozen=True)
class Measured:
    """The samples of one bucket, and how they were judged.

    Attributes:
        opened: when measuring began, in the log's milliseconds.
        position: where the log stood then.
        deadline: when the measure may change by itself, in the log's milliseconds; 0 for never.
        samples: what was read from events.
        depth: how many runs wait.
        since: open time since when the threshold is breached; None while it is not.
        fired: whether it has fired and has not recovered yet.
        warm: whether it was measured for a whole range.
        positions: the latest contributing events' positions.
    """

    opened: int
    position: str
    deadline: int = NEVER
    samples: Samples = field(default_factory=Samples)
    depth: Depth = field(default_factory=Depth)
    since: int | None = None
    fired: bool = False
    warm: bool = False
    positions: tuple[str, ...] = ()

    @property
    def opener(self) -> None:
        """Nothing: what a measure does in time is no single event's effect."""

    @property
    def causation(self) -> None:
        """No single event's way led to it."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing in it that a new window would not have."""
        return not self.samples.slots and self.depth == Depth() and self.since is None

    def to_json(self) -> bytes:
        """Return the window as it is kept."""
        kept: dict[str, Any] = {
            "opened": self.opened,
            "position": self.position,
            "deadline": self.deadline,
            "samples": self.samples.to_list(),
            "depth": self.depth.to_list(),
            "since": self.since,
            "fired": self.fired,
            "warm": self.warm,
            "positions": self.positions,
        }
        return json.dumps(kept, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        kept = json.loads(body)
        samples, depth = Samples.from_list(kept["samples"]), Depth.from_list(kept["depth"])
        positions = tuple(kept["positions"])
        return cls(**{**kept, "samples": samples, "depth": depth, "positions": positions})
