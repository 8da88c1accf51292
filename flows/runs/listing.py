"""Finds the runs that a list shows, in the order in which they were made, without reading others.

What never changes of a run, and its state, have an index each: the runs' ids by when they were
made. A list of one kind is read off its index. Where more is asked for, the index with the fewest
is looked at, and the others tell whether a run is in them, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from upshot.events.keys import Keys
from upshot.events.places import Place, newest_first
from upshot.events.store import Commands, Store

from .flowrun import FlowRun

_FEW: Final = 1_000
_MANY: Final = 10_000
"""Runs up to which what all indexes have in common is asked for in one go: always, and where they
stand so thin that many others would be looked at."""

_AT_ONCE: Final = 1_000
_READ: Final = 200


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows; None means any.

    Attributes:
        state: a state's type or name. parent: id of the run that they are a part of.
        since, until: Unix ms between which runs were created, both included.
    """

    flow: str | None = None
    deployment: str | None = None
    state: str | None = None
    since: int | None = None
    until: int | None = None
    parent: str | None = None

    def matches(self, run: FlowRun) -> bool:
        return (
            self.flow in (None, run.flow)
            and self.deployment in (None, run.deployment)
            and self.state in (None, run.state.name, run.state.type.value)
            and self.parent in (None, run.parent)
        )


def indexes(keys: Keys, wanted: RunFilter) -> list[str]:
    """Return the indexes that each have all runs that are wanted; pure."""
    kinds = ("flow", "deployment", "parent", "state")
    asked = {kind: value for kind in kinds if (value := getattr(wanted, kind)) is not None}
    return [keys("made", kind, value) for kind, value in asked.items()] or [keys("runs")]


def _narrower(keys: Keys, wanted: RunFilter) -> list[str]:
    """Return further sets that have all runs that are wanted, in another order."""
    if wanted.state is None:
        return []
    of = {"flow": wanted.flow, "deployment": wanted.deployment}
    return [keys("runs", wanted.state, kind, name) for kind, name in of.items() if name is not None]


async def places(
    store: Store, wanted: RunFilter, before: Place | None = None
) -> AsyncIterator[list[Place]]:
    """Yield where the wanted runs stand, newest first, from those older than ``before`` on."""
    made, more = indexes(store.keys, wanted), _narrower(store.keys, wanted)
    if len(made) > 1:
        asked: Commands = [("ZCARD", key) for key in (*made, *more)]
        sizes = dict(zip((*made, *more), await store.pipeline(asked), strict=True))
        if _few(min(sizes.values()), min(sizes[key] for key in made)):
            for some in _pieces(await _common(store, made, more, wanted, before)):
                yield some
            return
        made.sort(key=sizes.__getitem__)
    first, others = made[0], made[1:]
    page = _AT_ONCE if others else _READ
    bounds = {"since": wanted.since, "until": wanted.until}
    async for found in newest_first(store, first, before=before, page=page, **bounds):
        for some in _pieces(await _in_all(store, others, found)):
            yield some


def _few(most: int, looked_at: int) -> bool:
    """Tell whether so many runs at most are found sooner all at once than one after another."""
    return most <= _FEW or (most <= _MANY and 4 * most < looked_at)


async def _common(
    store: Store,
    made: Sequence[str],
    more: Sequence[str],
    wanted: RunFilter,
    before: Place | None,
) -> list[Place]:
    """Return what all sets have in common, newest first; the first one tells when it was made."""
    weights = [1] + [0] * (len(made) + len(more) - 1)
    pairs = await store.execute(
        "ZINTER", len(weights), *made, *more, "WEIGHTS", *weights, "WITHSCORES"
    )
    found = [Place(int(score), member.decode()) for member, score in pairs]
    low = wanted.since or 0
    fits = (
        place
        for place in found
        if place.ms >= low
        and (wanted.until is None or place.ms <= wanted.until)
        and (before is None or place < before)
    )
    return sorted(fits, reverse=True)


async def _in_all(store: Store, keys: Sequence[str], found: list[Place]) -> list[Place]:
    """Return those that all these sets have."""
    ids = [place.id for place in found]
    answers = await store.pipeline([("ZMSCORE", key, *ids) for key in keys]) if keys else []
    return [
        place
        for place, *scores in zip(found, *answers, strict=True)
        if all(score is not None for score in scores)
    ]


def _pieces(found: list[Place]) -> list[list[Place]]:
    return [found[first : first + _READ] for first in range(0, len(found), _READ)]
