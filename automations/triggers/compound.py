"""The compound trigger: fires when any, all or a number of others have, in whatever order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..logtime import OpenTime
from .base import Fired, Reason, Verdict
from .composite import CompositeTrigger
from .explaining import Check, Checks
from .gathering import Chain, Gathering, Held


class CompoundTrigger(CompositeTrigger):
    """Fires when enough of its triggers have fired within ``within`` of each other.

    It holds the latest firing of each of them, and after its own firing none. A trigger with
    ``not`` keeps it from firing if it fires within ``within`` of the others, before or after: so
    the decision then waits until ``within`` has passed since the first of them.

    Attributes:
        require: ``any``, ``all`` or how many of those without ``not``.
    """

    type: Literal["compound"] = "compound"
    require: Literal["any", "all"] | Annotated[int, Field(ge=1)] = "all"

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.required > len(self.triggers) - len(self.negated):
            raise ValueError(f"'require' of {self.require} is more than there are triggers to fire")
        return self

    @property
    def required(self) -> int:
        """How many have to fire."""
        if self.require == "all":
            return len(self.triggers) - len(self.negated)
        return 1 if self.require == "any" else self.require

    def gather(
        self, window: Gathering | None, fired: Mapping[int, Fired], time: OpenTime
    ) -> Verdict:
        """Decide what firings mean for their bucket."""
        at = next(iter(fired.values())).at
        chains = self._reachable(window, at)
        chains.update((place, (Held.of(each),)) for place, each in fired.items())
        vetoed = not self.negated.isdisjoint(fired)
        if window is not None and window.waiting:
            if not vetoed:
                return Verdict(window, Reason.WAITING_OUT)
            forbidden = {n: chain for n, chain in chains.items() if n in self.negated}
            return self._holding(forbidden, time, Reason.VETOED)
        met = self._chosen(chains)
        if len(met) < self.required:
            return self._holding(chains, time, Reason.VETOED if vetoed else Reason.GATHERED)
        return self._met(met) if not self.negated else self._wait(met, chains, time)

    def explain(self, window: Gathering | None, fired: Collection[int], fires: bool) -> Checks:
        """Return how many of the triggers it needs have fired."""
        held = set(window.chains) if window is not None else set()
        positive = (held | set(fired)) - self.negated
        count = self.required if fires else len(positive)
        checks = [Check("require", self.required, count, count >= self.required)]
        return checks + self.forbidden(window, fired)

    def _chosen(self, chains: dict[int, Chain]) -> Chain:
        firings = [chain[0] for n, chain in chains.items() if n not in self.negated]
        return tuple(sorted(firings, key=lambda each: each.at))

    def _wait(self, met: Chain, chains: dict[int, Chain], time: OpenTime) -> Verdict:
        """Wait whether something forbidden comes, unless it came already."""
        if not self.negated.isdisjoint(chains):  # what is held is close enough to matter
            return self._holding(chains, time, Reason.VETOED)
        return self._holding({}, time, Reason.WAITING_OUT, waiting=met)
