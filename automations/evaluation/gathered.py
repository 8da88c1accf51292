"""What fired within triggers of triggers, kept until these decide on it: once for each moment."""

from __future__ import annotations

from collections.abc import Iterator

from ..firing import Occasion
from ..timers import Key
from ..triggers import Fired, Verdict
from ..triggers.base import Facts
from .nodes import Node, Nodes


class Gathered:
    """Firings of triggers that are parts of others, by the outer trigger and its bucket.

    Args:
        nodes: the triggers in force.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._fired: dict[Key, dict[int, Fired]] = {}

    def __bool__(self) -> bool:
        return bool(self._fired)

    def add(self, node: Node, verdict: Verdict, occasion: Occasion, facts: Facts | None) -> None:
        """Keep the firing of a trigger for the one that it is a part of."""
        assert node.parent is not None
        fired = Fired(
            at=occasion.at,
            cause=occasion.cause,
            positions=verdict.positions,
            labels=node.trigger.labels(occasion.bucket),
            facts=facts,
            opener=occasion.caused_by,
            causation=occasion.causation,
        )
        bucket = node.parent.trigger.bucket_of(fired)
        self._fired.setdefault((node.parent.key, bucket), {})[node.index] = fired

    def take(self) -> Iterator[tuple[Node, str, dict[int, Fired]]]:
        """Yield who has to decide, and on what, the innermost ones first; more may come up."""
        while self._fired:
            key = min(self._fired, key=lambda each: (-self._nodes[each[0]].depth, each))
            yield self._nodes[key[0]], key[1], self._fired.pop(key)
