"""The freshness trigger: fires when an asset, or any event, was not seen for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from upshot.events.durations import Duration, milliseconds

from ..logtime import OpenTime
from ..matching import LabelMatch, unexpected
from .base import Due, Facts, Interest, Reason, Verdict
from .explaining import Checks, label_checks, name_check
from .selection import Bucketed, Named, Names, Selecting
from .window import NEVER, Window

SHORTEST: Final = timedelta(seconds=1)
SEEN_OF_ASSETS: Final = ("asset.materialized", "asset.observed", "asset.updated")
"""A failure, or a check, makes no asset fresh."""


class FreshnessTrigger(Bucketed, Selecting):
    """Fires once when nothing was seen for ``within`` of open time, and again after it was seen.

    Attributes:
        asset: the asset's name; ``*`` globs.
        expect: names or globs of the events that count as seen; by default that the asset was
            materialized, observed or updated.
        within: for how long it may stay unseen.
    """

    pins: ClassVar[bool] = False

    type: Literal["freshness"] = "freshness"
    asset: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    expect: Names = ()
    within: Duration

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not (self.asset or self.expect or self.match or self.match_related):
            raise ValueError("freshness of what? write 'asset', 'expect' or 'match'")
        if self.within < SHORTEST:
            raise ValueError("'within' must be at least 1s")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names or globs of the events that count as seen."""
        return self.expect or (SEEN_OF_ASSETS if self.asset else ("*",))

    @cached_property
    def named(self) -> Named:
        """The same, ready to be asked."""
        return Named(self.names)

    @cached_property
    def span(self) -> int:
        """``within`` in milliseconds."""
        return milliseconds(self.within)

    @cached_property
    def of_asset(self) -> LabelMatch:
        """What the resource must match to be the asset."""
        return LabelMatch({"id": [self.asset, f"asset.{self.asset}"]} if self.asset else {})

    @property
    def begins_when_defined(self) -> bool:
        """Whether it waits from its definition on: with ``for_each``, from the first event on."""
        return not self.for_each

    def interest(self) -> Interest:
        """Return which events this trigger has to see."""
        return Interest(self.names, self.of_asset or self.match, self.match_related)

    def due(self, window: Window) -> Due:
        """Return that absence is judged in open time."""
        return Due.SILENCE

    def begin(self, opened: int, time: OpenTime) -> Window:
        """Return the window that opens with the definition."""
        return self.rearm(Window(opened, NEVER, f"{opened}-0"), time)

    def load(self, body: bytes, time: OpenTime) -> Window:
        """Read a window that was kept."""
        return self.rearm(Window.from_json(body), time)

    def rearm(self, window: Window, time: OpenTime) -> Window:
        """Return the window with its deadline as the gaps now known make it."""
        if window.fired:
            return window
        return replace(window, deadline=time.when(time.at(window.opened) + self.span))

    def decide(self, window: Window | None, facts: Facts, time: OpenTime) -> Verdict:
        """Decide whether the event makes it fresh again."""
        if facts.name not in self.named:
            detail = unexpected(facts.name, self.names)
            return Verdict(window, Reason.NOT_EXPECTED, detail=detail)
        if (mismatch := self.of_asset.mismatch(facts.resource)) is not None:
            return Verdict(window, Reason.NO_MATCH, detail=str(mismatch))
        if (refusal := self.refusal(window, facts)) is not None:
            return refusal
        position = facts.position
        seen = Window(facts.received, NEVER, position, positions=(position,))
        return Verdict(self.rearm(seen, time), Reason.FRESH)

    def explain(self, window: Window | None, facts: Facts, verdict: Verdict) -> Checks:
        """Return what it asks of the event, and what it found."""
        checks = [name_check("expect", self.names, facts, facts.name in self.named)]
        checks += label_checks("asset", self.of_asset, facts.resource)
        return [*checks, *self.asked(facts, verdict)]

    def at_deadline(self, window: Window, time: OpenTime) -> Verdict:
        """Fire, and wait until it is seen again."""
        told = replace(window, deadline=NEVER, fired=True, positions=())
        following = told if self.begins_when_defined else None
        return Verdict(following, Reason.STALE, fires=True, positions=window.positions)
