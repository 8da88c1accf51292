"""Who is in progress for a mode, and whose turn it is next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..firing import Firing
from .awaiting import Awaited
from .candidate import Candidate
from .mode import Turns
from .progress import Progress

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from .controls import Controls
    from .pipeline import Step


class TurnTaking:
    """The mode of an automation at work.

    Args:
        step: its place among the stages. stage: the mode. controls: where changes are kept.
    """

    def __init__(self, step: Step, stage: Turns, controls: Controls) -> None:
        self._step = step
        self._stage = stage
        self._controls = controls

    def begin(self, candidate: Candidate, progress: Progress | None) -> None:
        """Learn that a candidate came about; None for one that is over at once."""
        key = self._stage.falls_under(candidate)
        before: Any = self._step.memories.get(key)
        after = self._stage.begun(before, progress)
        if after is not before:
            self._controls.remember(self._step, key, after)

    def ended(self, awaited: Awaited, event: Recorded) -> bool:
        """Learn what an event says of what is in progress; tell whether that changes anything."""
        going, progress = self._found(awaited)
        left = progress.after(event.name, awaited.place)
        if left is progress:
            return False
        changed = self._stage.changed(going, awaited.firing, left)
        self._controls.remember(self._step, awaited.key, changed)
        return True

    def give_up(self, awaited: Awaited, firing: Firing) -> None:
        """Let a firing end at the next deadline."""
        going, progress = self._found(awaited)
        ending = self._stage.changed(going, firing.id, replace(progress, until=firing.at))
        self._controls.remember(self._step, awaited.key, ending)

    def next(self, key: str, now: int) -> Iterator[Candidate]:
        """Yield who may go on now; each is to be dealt with before the next one is asked for."""
        while True:
            going: Any = self._step.memories.get(key)
            ruling = self._stage.next(going, now)
            if not ruling.passed:
                return
            self._controls.remember(self._step, key, ruling.memory)
            yield ruling.passed[0].at_moment(now)

    def _found(self, awaited: Awaited) -> tuple[Any, Progress]:
        going: Any = self._step.memories[awaited.key]
        return going, next(each for each in going.running if each.firing == awaited.firing)
