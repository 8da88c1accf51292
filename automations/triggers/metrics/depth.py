"""How many runs wait to be taken: counted from what each change of a state says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from .. import runs
from ..base import Facts
from ..clock import parse_moment

MAX_COMING: Final = 4096
_SECOND: Final = 1000


@dataclass(slots=True, frozen=True)
class Depth:
    """Runs that wait.

    Attributes:
        waiting: how many are due.
        coming: how many will be, by the second at which they are, in ms; sorted.
    """

    waiting: int = 0
    coming: tuple[tuple[int, int], ...] = ()

    def at(self, now: int) -> Depth:
        """Return the depth once what was due by ``now`` (ms) has come."""
        if not self.coming or self.coming[0][0] > now:
            return self
        arrived = sum(count for due, count in self.coming if due <= now)
        return Depth(self.waiting + arrived, tuple(each for each in self.coming if each[0] > now))

    @property
    def next(self) -> int | None:
        """When the next ones are due, in ms."""
        return self.coming[0][0] if self.coming else None

    def after(self, facts: Facts, opened: int) -> Depth:
        """Return the depth once a run has changed its state.

        Args:
            facts: the event. opened: since when runs are counted, in ms.
        """
        payload = runs.payload(facts)
        waits, waited = facts.name == runs.RUN_SCHEDULED, payload.get("previous") in runs.WAITING
        depth = self.at(facts.received)
        entered = parse_moment(payload.get("previous_entered"))
        if waited and (entered is None or entered >= opened):
            depth = depth._plus(runs.scheduled(facts), facts.received, -1)
        if waits:
            due = parse_moment(payload.get("due"))
            depth = depth._plus(facts.received if due is None else due, facts.received, 1)
        return depth

    def _plus(self, due: int, now: int, more: int) -> Depth:
        second = -(-due // _SECOND) * _SECOND
        coming = dict(self.coming)
        if due <= now or (more < 0 and second not in coming):
            return Depth(max(0, self.waiting + more), self.coming)
        if more > 0 and len(coming) >= MAX_COMING and second not in coming:
            second = max(coming)
        coming[second] = coming.get(second, 0) + more
        return Depth(self.waiting, tuple(sorted(each for each in coming.items() if each[1] > 0)))

    def to_list(self) -> list[Any]:
        """Return the depth as it is kept."""
        return [self.waiting, [list(each) for each in self.coming]]

    @classmethod
    def from_list(cls, kept: list[Any]) -> Self:
        """Read what :meth:`to_list` wrote."""
        waiting, coming = kept
        return cls(waiting, tuple((due, count) for due, count in coming))
