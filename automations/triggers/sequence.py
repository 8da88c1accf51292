"""The sequence trigger: fires when others have fired one after the other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Literal

from ..logtime import OpenTime
from .base import Fired, Reason, Verdict
from .composite import CompositeTrigger
from .explaining import Check, Checks
from .gathering import Chain, Gathering, Held


class SequenceTrigger(CompositeTrigger):
    """Fires when its triggers have fired in their order, all within ``within``.

    One event makes at most one step. Firings in between that don't fit the order change nothing;
    a step that comes again starts from there as well. A trigger with ``not`` must not fire between
    its neighbours; as the first one not within ``within`` before the next, and as the last one
    not until ``within`` has passed since the first step.
    """

    type: Literal["sequence"] = "sequence"

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """The places of the triggers that have to fire, in their order."""
        return tuple(n for n in range(len(self.triggers)) if n not in self.negated)

    @property
    def waits(self) -> bool:
        """Whether something must not fire after the last step."""
        return len(self.triggers) - 1 in self.negated

    def gather(
        self, window: Gathering | None, fired: Mapping[int, Fired], time: OpenTime
    ) -> Verdict:
        """Decide what firings mean for their bucket."""
        at = next(iter(fired.values())).at
        if window is not None and window.waiting:
            return self._while_waiting(window, fired, time)
        chains = self._reachable(window, at)
        reason = self._forbid(chains, fired)
        # The latest step first, so that no step is built on the firing of the same event.
        for place in sorted(self.steps, reverse=True):
            if place not in fired:
                continue
            chain = self._prolonged(chains, place, Held.of(fired[place]))
            if chain and place == self.steps[-1]:
                return self._complete(chain, time)
            if chain:
                chains[place], reason = chain, Reason.GATHERED
        return self._holding(chains, time, reason)

    def explain(self, window: Gathering | None, fired: Collection[int], fires: bool) -> Checks:
        """Return how many of its steps are done, in order."""
        chains = window.chains if window is not None else {}
        done = max((len(chain) for n, chain in chains.items() if n in self.steps), default=0)
        done = len(self.steps) if fires else done
        checks = [Check("steps", len(self.steps), done, done >= len(self.steps))]
        return checks + self.forbidden(window, fired)

    def _while_waiting(
        self, window: Gathering, fired: Mapping[int, Fired], time: OpenTime
    ) -> Verdict:
        last = self.steps[-1]
        if any(place > last for place in fired):
            return self._holding({}, time, Reason.VETOED)
        return Verdict(window, Reason.WAITING_OUT)

    def _forbid(self, chains: dict[int, Chain], fired: Mapping[int, Fired]) -> Reason:
        """Drop the chains that what fired must not follow; the first trigger's is remembered."""
        reason = Reason.OUT_OF_ORDER
        for place in self.negated.intersection(fired):
            reason = Reason.VETOED
            before = bisect_left(self.steps, place)
            if before:
                chains.pop(self.steps[before - 1], None)
            else:
                chains[place] = (Held.of(fired[place]),)
        return reason

    def _prolonged(self, chains: dict[int, Chain], place: int, held: Held) -> Chain:
        """Return the chain that this firing ends, or none if it does not fit."""
        step = self.steps.index(place)
        if step == 0:
            return () if any(n < place for n in chains) else (held,)
        return (*before, held) if (before := chains.get(self.steps[step - 1], ())) else ()

    def _complete(self, chain: Chain, time: OpenTime) -> Verdict:
        if self.waits:
            return self._holding({}, time, Reason.WAITING_OUT, waiting=chain)
        return self._met(chain)
