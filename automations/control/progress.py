"""How far what a firing set off has come, as the log's own events tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..actions.run_deployment import RunDeployment, run_id

if TYPE_CHECKING:
    from ..actions import Action

GIVEN_UP: Final = 7 * 24 * 3_600_000
"""Milliseconds after which a firing whose end the log never told is no longer waited for."""

NEVER_TOLD: Final = 1 << 62
"""Later than any millisecond of the log: where firings are only tried out, it tells of none."""

_SETTLED: Final = frozenset({"action.succeeded", "action.skipped"})
_UNDONE: Final = frozenset({"action.failed", "action.dead-lettered"})
_RUN_ENDED: Final = frozenset(
    f"flow-run.{ending}" for ending in ("completed", "failed", "crashed", "cancelled")
)


@dataclass(slots=True, frozen=True)
class Progress:
    """A firing that is in progress.

    Attributes:
        firing: its id. began: when it fired, until: when it is given up, in the log's ms.
        actions: the places of the actions that are not settled.
        runs: the places of the actions whose run has not ended.
        stops: the places of the actions that are the last ones where they fail.
    """

    firing: str
    began: int
    until: int
    actions: tuple[int, ...]
    runs: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()

    @classmethod
    def of(cls, firing: str, actions: Sequence[Action], at: int, span: int) -> Progress:
        """Return the progress of a firing that has just come about."""
        places = tuple(range(len(actions)))
        runs = tuple(n for n in places if actions[n].type == RunDeployment.type)
        stops = tuple(n for n in places if actions[n].on_error == "stop")
        return cls(firing, at, at + span, places, runs, stops)

    def awaited(self) -> Iterator[tuple[str, int]]:
        """Yield the ids of the resources whose events matter, each with the action's place."""
        for place in self.actions:
            yield f"action.{self.firing}.{place}", place
        for place in self.runs:
            yield f"flow-run.{run_id(self.firing, place)}", place

    def after(self, event: str, place: int) -> Progress | None:
        """Return how far it is after an event; None when it is over.

        Args:
            event: its name. place: of the action that it is about.
        """
        left = self._after(event, place)
        return left if left.actions or left.runs else None

    def _after(self, event: str, place: int) -> Progress:
        if event in _RUN_ENDED:
            return replace(self, runs=_without(self.runs, place))
        if event == "action.succeeded":
            return replace(self, actions=_without(self.actions, place))
        if event not in _SETTLED and event not in _UNDONE:
            return self
        gone = {place}
        if event in _UNDONE and place in self.stops:
            gone.update(n for n in self.actions if n > place)
        return replace(
            self,
            actions=tuple(n for n in self.actions if n not in gone),
            runs=tuple(n for n in self.runs if n not in gone),
        )

    def to_list(self) -> list[Any]:
        """Return it as it is kept."""
        return [self.firing, self.began, self.until, self.actions, self.runs, self.stops]

    @classmethod
    def from_list(cls, kept: list[Any]) -> Progress:
        """Read what :meth:`to_list` wrote."""
        firing, began, until, actions, runs, stops = kept[:6]
        return cls(firing, began, until, tuple(actions), tuple(runs), tuple(stops))


def _without(places: tuple[int, ...], place: int) -> tuple[int, ...]:
    return tuple(n for n in places if n != place)
