"""What triggers of triggers share: their parts, their limits, and the bucket of a firing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from upshot.events.durations import Duration, milliseconds

from ..logtime import OpenTime
from .base import Due, Facts, Fired, Reason, Verdict
from .buckets import bucket_of, reader, values_of
from .explaining import Check, Checks
from .gathering import Chain, Gathering, merged, positions_of
from .selection import Keys
from .window import NEVER

if TYPE_CHECKING:
    from .kinds import AnyTrigger, Child

MAX_DEPTH: Final = 4
MAX_CHILDREN: Final = 16
SHORTEST_WITHOUT: Final = timedelta(seconds=1)


class Not(BaseModel):
    """A trigger that must not fire; written ``not: {…}``."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, serialize_by_alias=True
    )

    trigger: AnyTrigger = Field(alias="not")


class CompositeTrigger(BaseModel):
    """A trigger that fires when others have.

    Attributes:
        triggers: the others, 1 to 16, nested at most 4 deep; ``not`` before one that must not
            fire within ``within`` of the rest.
        within: how far apart the firings may lie; 0 sets no limit.
        for_each: one bucket for each value of these, read from the firing's event or labels.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    triggers: tuple[Child, ...] = Field(min_length=1, max_length=MAX_CHILDREN)
    within: Duration = timedelta(0)
    for_each: Keys = ()

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        if self.depth > MAX_DEPTH:
            raise ValueError(f"triggers can be nested at most {MAX_DEPTH} deep")
        if len(self.negated) == len(self.triggers):
            raise ValueError("'triggers' needs one that is to fire: all of them have a 'not'")
        if self.negated and self.within < SHORTEST_WITHOUT:
            raise ValueError("'not' needs a 'within' of at least 1s: how long it must not fire")
        return self

    @cached_property
    def parts(self) -> tuple[AnyTrigger, ...]:
        """The triggers, whether they must fire or must not."""
        return tuple(each.trigger if isinstance(each, Not) else each for each in self.triggers)

    @cached_property
    def negated(self) -> frozenset[int]:
        """The places of those that must not fire."""
        return frozenset(n for n, each in enumerate(self.triggers) if isinstance(each, Not))

    @cached_property
    def depth(self) -> int:
        """How deep triggers are nested in it, itself included."""
        inner = (each.depth for each in self.parts if isinstance(each, CompositeTrigger))
        return 1 + max(inner, default=0)

    @cached_property
    def span(self) -> int:
        """``within`` in milliseconds."""
        return milliseconds(self.within)

    @cached_property
    def readers(self) -> dict[str, Callable[[Facts], str]]:
        """What reads each entry of ``for_each`` from an event."""
        return {entry: reader(entry) for entry in self.for_each}

    pins: ClassVar[bool] = True
    begins_when_defined: ClassVar[bool] = False

    def interest(self) -> None:
        """Return None: it sees no events itself."""

    def begin(self, opened: int, time: OpenTime) -> Gathering:
        """Return a gathering without firings."""
        return Gathering()

    def labels(self, bucket: str) -> dict[str, str]:
        """Return the values that a bucket stands for, by ``for_each`` entry."""
        return values_of(self.for_each, bucket)

    def bucket_of(self, fired: Fired) -> str:
        """Return the name of the bucket that a firing falls into."""
        if not self.for_each:
            return ""
        return bucket_of([self._value(entry, fired) for entry in self.for_each])

    def _value(self, entry: str, fired: Fired) -> str:
        if entry in fired.labels:
            return fired.labels[entry]
        return self.readers[entry](fired.facts) if fired.facts else ""

    def due(self, window: Gathering) -> Due:
        """Return what the deadline of a gathering is for."""
        return Due.SILENCE if window.waiting else Due.END

    def load(self, body: bytes, time: OpenTime) -> Gathering:
        """Read a gathering that was kept."""
        return self.rearm(Gathering.from_json(body), time)

    def rearm(self, window: Gathering, time: OpenTime) -> Gathering:
        """Return the gathering with its deadline as the gaps now known make it."""
        return replace(window, deadline=self._deadline(window, time))

    def _deadline(self, window: Gathering, time: OpenTime) -> int:
        if window.waiting:
            return time.when(time.at(window.waiting[0].at) + self.span)
        if not self.span:
            return NEVER
        return max(chain[0].at for chain in window.chains.values()) + self.span

    def forbidden(self, window: Gathering | None, fired: Collection[int]) -> Checks:
        """Return which of the triggers that must not fire have."""
        if not self.negated:
            return []
        held = set(window.chains) if window is not None else set()
        came = sorted((held | set(fired)) & self.negated)
        return [Check("not", [], came, not came)]

    def at_deadline(self, window: Gathering, time: OpenTime) -> Verdict:
        """Decide what the end of a gathering means, once the log is past its deadline."""
        if not window.waiting:
            return Verdict(None, Reason.ENDED)
        return self._met(window.waiting)

    def _met(self, chain: Chain) -> Verdict:
        return Verdict(
            None,
            Reason.ALL_MET,
            fires=True,
            positions=positions_of(chain),
            causation=merged(chain),
        )

    def _holding(
        self, chains: dict[int, Chain], time: OpenTime, reason: Reason, waiting: Chain = ()
    ) -> Verdict:
        """Go on with these firings held, or with nothing where there are none."""
        if not chains and not waiting:
            return Verdict(None, reason)
        window: Any = Gathering(chains=chains, waiting=waiting)
        return Verdict(self.rearm(window, time), reason)

    def _reachable(self, window: Gathering | None, at: int) -> dict[int, Chain]:
        """Return the chains that a firing at ``at`` lies close enough to."""
        chains = window.chains if window is not None else {}
        if not self.span:
            return dict(chains)
        return {n: chain for n, chain in chains.items() if chain[0].at > at - self.span}
