"""The candidate: a firing on its way through control."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Self

from ..triggers.base import Reason
from ..triggers.gathering import merged_ways

if TYPE_CHECKING:
    from upshot.events.event import Recorded

    from ..firing import Occasion
    from ..triggers.base import Verdict

OWN: Final = ("automation.", "action.")
"""How the names of the events begin by which automations tell of themselves."""

MAX_EVENTS: Final = 1000
"""Events that a candidate names at most: of more than that the newest."""


@dataclass(slots=True, frozen=True)
class Candidate:
    """A firing on its way through control: all that the firing needs, whenever it comes about.

    Attributes:
        bucket: of the trigger. labels: the bucket's values, by ``for_each`` entry.
        reason: what the trigger fired on. value: what it measured, if it does.
        positions: the contributing events' positions, oldest first.
        cause: what the firing's id is derived from. at: when it got here, in the log's ms.
        caused_by: id of the event that led here. causation: the way that led to that one.
        keys: which key it falls under, by what a stage keeps apart.
        count: how many firings of the trigger it stands for.
        conditions: the conditions and how they came out.
        replaces: ids of the firings that are stopped for it.
        incident: the incident that it belongs to.
        mixed: whether it stands for firings of several buckets; its own is that of the last one.
        quiet: whether nothing is told of its end: its event was itself told by an automation.
        event: the event that fired it, while that is at hand; it is not kept.
    """

    bucket: str
    labels: dict[str, str]
    reason: Reason
    positions: tuple[str, ...]
    cause: str
    at: int
    caused_by: str | None = None
    causation: dict[str, Any] | None = None
    value: float | None = None
    keys: dict[str, str] = field(default_factory=dict)
    count: int = 1
    conditions: tuple[dict[str, Any], ...] = ()
    replaces: tuple[str, ...] = ()
    incident: dict[str, Any] | None = None
    mixed: bool = False
    quiet: bool = False
    event: Recorded | None = None

    @classmethod
    def of(
        cls,
        verdict: Verdict,
        occasion: Occasion,
        labels: dict[str, str],
        keys: dict[str, str] | None = None,
    ) -> Self:
        """Return the candidate that a firing of the trigger is.

        Args:
            verdict: what the trigger decided. occasion: what on.
            labels: the bucket's values, by ``for_each`` entry. keys: by what stages keep apart.
        """
        return cls(
            bucket=occasion.bucket,
            labels=labels,
            reason=verdict.reason,
            positions=verdict.positions,
            cause=occasion.cause,
            at=occasion.at,
            caused_by=occasion.caused_by,
            causation=occasion.causation,
            value=verdict.value,
            keys=keys or {},
            quiet=occasion.event is not None and occasion.event.name.startswith(OWN),
            event=occasion.event,
        )

    def held(self) -> Candidate:
        """Return it as it is kept: without the event's body, which the log has."""
        return replace(self, event=None) if self.event is not None else self

    def at_moment(self, now: int) -> Candidate:
        """Return it as it goes on at a later moment."""
        return replace(self, at=now)

    def after(self, earlier: Candidate) -> Candidate:
        """Return one candidate for both, with the events of both."""
        return replace(
            self,
            positions=_joined(earlier.positions, self.positions)[-MAX_EVENTS:],
            count=earlier.count + self.count,
            mixed=self.mixed or earlier.mixed or self.bucket != earlier.bucket,
            causation=merged_ways((earlier.causation, self.causation)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as it is kept; what is empty is left out."""
        kept = {name: getattr(self, name) for name in _KEPT}
        return {name: value for name, value in kept.items() if value or name in _NEEDED}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote; what another version added is left out."""
        kept = {name: kept[name] for name in kept.keys() & set(_KEPT)}
        kept["reason"] = Reason(kept["reason"])
        for name in ("positions", "conditions", "replaces"):
            kept[name] = tuple(kept.get(name, ()))
        return cls(**kept)


_KEPT: Final = tuple(each.name for each in fields(Candidate) if each.name != "event")
_NEEDED: Final = frozenset({"bucket", "labels", "reason", "positions", "cause", "at", "value"})


@lru_cache(maxsize=8192)  # a queue asks for all of its positions whenever one comes or goes
def order(position: str) -> tuple[int, int]:
    """Return a position as what sorts as the log does."""
    ms, _, sequence = position.partition("-")
    return int(ms), int(sequence or 0)


def _joined(earlier: tuple[str, ...], later: tuple[str, ...]) -> tuple[str, ...]:
    """Return the positions of both in the log's order."""
    if not earlier or not later or order(earlier[-1]) < order(later[0]):
        return (*earlier, *later)
    return tuple(sorted({*earlier, *later}, key=order))
