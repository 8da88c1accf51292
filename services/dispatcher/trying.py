"""One try of one action: when it began, what is known of it by now, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from ..recording import shortened
from .compiled import Compiled
from .entry import Entry
from .outcomes import Ending, Outcome, outcome_of
from .retrying import Retries

NO_RETRIES: Final = Retries(0, 1.0)


class Step(Enum):
    """Where an entry stands after one of its actions."""

    NEXT = "the next action follows"
    OVER = "the entry is done with: settled, parked or buried"


@dataclass(slots=True)
class Try:
    """One try of one action.

    Attributes:
        size: bytes of the entry, which the templates see most of.
        waited: ms from the event to the first try of the first action, once that was.
        condition: its ``if``, and whether that held; None before it was looked at.
        arguments: as they were filled in, as far as anybody may see them.
    """

    entry_id: str
    entry: Entry
    index: int
    size: int
    started: str
    waited: int | None = None
    compiled: Compiled | None = None
    condition: dict[str, Any] | None = None
    arguments: dict[str, Any] | None = None

    @property
    def last(self) -> bool:
        return self.index + 1 == len(self.entry.actions)

    @property
    def retries(self) -> Retries:
        return self.compiled.retries if self.compiled else NO_RETRIES

    def outcome(self, ending: Ending, detail: str) -> Outcome:
        """Return how the action ended with this try."""
        arguments = None if self.arguments is None else shortened(self.arguments)
        return outcome_of(
            self.entry, self.index, ending, self.started, detail, arguments, self.condition
        )
