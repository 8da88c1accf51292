"""An action as the cause of changes: what it has done is not done again when it is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from upshot.events.event import Causation


@dataclass(frozen=True, slots=True)
class Once:
    """An action of a firing that changes something.

    Attributes:
        firing: its id. index: which of its actions.
        follows: id of the event that the change follows from, and ``causation`` the way to it.
    """

    firing: str
    index: int
    follows: str
    causation: Causation
