"""What a call of a task needs: it waits for that, and then has its arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..calls.arguments import found_in, needed_of, resolve
from ..calls.futures import TaskFuture
from ..calls.parameters import Arguments
from ..waiting.boundary import raise_halt
from .triggering import ALL_SUCCESS, ALWAYS, Upstream, judge


class Needs:
    """Arguments that may hold futures.

    Args:
        args, kwargs: as given. bound: which parameter gets what of them.
        waited: what must have ended as well, as the rule says. rule: the task's trigger rule.

    Attributes:
        futures: all that it waits for.
    """

    __slots__ = ("_args", "_is_plain", "_kwargs", "_needed", "_rule", "futures")

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        bound: dict[str, Any],
        waited: Iterable[Any],
        rule: str,
    ) -> None:
        self._args, self._kwargs, self._rule = args, kwargs, rule
        found = [each for value in bound.values() for each in found_in(value)]
        self._is_plain = not found
        if waited and rule != ALWAYS:
            found += found_in(list(waited))
        self._needed = list(needed_of(found)) if found else []
        self.futures = [n.outcome for n in self._needed if isinstance(n.outcome, TaskFuture)]

    def ready(self) -> Arguments:
        """Wait for all that is needed; return the arguments, with results in the place of futures.

        Raises:
            UpstreamFailed: the trigger rule keeps the task from running.
        """
        if self._needed:
            for future in self.futures:
                future.wait()
            raise_halt(needed.state for needed in self._needed)
            upstream = [Upstream(n.name, n.state, n.allowed) for n in self._needed]
            if reason := judge(self._rule, upstream):
                raise reason
        if self._is_plain:
            return self._args, self._kwargs
        raising = self._rule == ALL_SUCCESS
        args = tuple(resolve(value, raising=raising) for value in self._args)
        return args, resolve(self._kwargs, raising=raising)

    def forget(self) -> None:
        """Let go of the arguments; futures that others keep must not keep these."""
        self._args, self._kwargs = (), {}
