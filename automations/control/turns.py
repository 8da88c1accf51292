"""Who is in progress for a mode, and whose turn it is next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..firing import Firing
from ..triggers import Memory
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
        identity: the automation's id. step: the mode's place among the stages.
        controls: where changes are kept.
    """

    def __init__(self, identity: str, step: Step, controls: Controls) -> None:
        assert isinstance(step.stage, Turns)
        self._id = identity
        self._step = step
        self._stage = step.stage
        self._controls = controls

    def begin(self, candidate: Candidate, progress: Progress | None) -> None:
        """Learn that a candidate came about; None for one that is over at once."""
        key = candidate.keys.get(self._stage.name, "")
        before: Any = self._step.memories.get(key)
        after = self._stage.begun(before, progress)
        if after is not before:
            self.remember(key, after)

    def ended(self, awaited: Awaited, event: Recorded) -> bool:
        """Learn what an event says of what is in progress; tell whether that changes anything."""
        going, progress = self._found(awaited.key, awaited.firing)
        left = progress.after(event.name, awaited.place)
        if left is progress:
            return False
        self.remember(awaited.key, self._stage.changed(going, awaited.firing, left))
        return True

    def give_up(self, awaited: Awaited, firing: Firing) -> None:
        """Let a firing end at the next deadline."""
        going, progress = self._found(awaited.key, firing.id)
        ending = replace(progress, until=firing.at)
        self.remember(awaited.key, self._stage.changed(going, firing.id, ending))

    def next(self, key: str, now: int) -> Iterator[Candidate]:
        """Yield who may go on now; each is to be dealt with before the next one is asked for."""
        while True:
            going: Any = self._step.memories.get(key)
            ruling = self._stage.next(going, now)
            if not ruling.passed:
                return
            self.remember(key, ruling.memory)
            yield ruling.passed[0].at_moment(now)

    def remember(self, key: str, memory: Memory | None) -> None:
        """Keep what is in progress for a key, and wait for its ends."""
        before = self._step.memories.get(key)
        self._controls.awaiting.change(self._id, key, before, memory)
        if memory is not None or before is not None:
            self._controls.windows.put((self._step.key, key), memory)

    def _found(self, key: str, firing: str) -> tuple[Any, Progress]:
        going: Any = self._step.memories[key]
        return going, next(each for each in going.running if each.firing == firing)
