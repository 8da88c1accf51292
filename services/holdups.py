"""What keeps a run from going on: its time, a limit and who has its slots, a pause, or no worker.

Looked up here, decided purely by :func:`holdup`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pydantic_core import from_json

from upshot.events.store import Store
from upshot.flows.runs.reading import RunReader
from upshot.flows.states import timestamp_of

from .definitions.catalog import Catalog
from .definitions.switching import WORK_POOL, WORK_QUEUE, queue_name
from .definitions.versions import definition_in
from .limits import LimitsInUse

_NAMED: Final = 5
_GOES_ON: Final = ("Scheduled", "Running")


class Reason(StrEnum):
    """Why a run waits."""

    TIME = "time"
    LIMIT = "limit"
    POOL_PAUSED = "pool-paused"
    QUEUE_PAUSED = "queue-paused"
    NO_WORKER = "no-worker"
    WORKER = "worker"  # one is there, and takes it when it has room


@dataclass(frozen=True, slots=True)
class Holdup:
    """What a run waits for.

    Attributes:
        message: for people: what it is, and what to do about it where something can be done.
        limit: its name. holders: names of runs that have its slots.
    """

    reason: Reason
    message: str
    limit: str | None = None
    holders: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as answers show it."""
        return {
            "reason": self.reason.value,
            "message": self.message,
            "limit": self.limit,
            "holders": list(self.holders),
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known about a run that does not go on.

    Attributes:
        due: Unix ms until which it waits. in_line: limits whose slots it was told to wait for.
        pool, queue: whether they are paused. workers: how many take runs of its pool.
        limits: by name, how far they are used, of those that might hold it.
        names: of the runs that have slots, by id.
    """

    due: int | None = None
    in_line: Sequence[str] = ()
    pool: bool = False
    queue: bool = False
    workers: int = 0
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def holdup(run: Mapping[str, Any], seen: Seen) -> Holdup | None:
    """Decide what a run waits for; None for one that goes on, or waits for what its pause tells.

    Args:
        run: as answers show it.
    """
    if run["state"]["type"] not in _GOES_ON:
        return None
    waits_to_begin = run["state"]["type"] == "Scheduled" and run["work_pool"] is not None
    if seen.due is not None:
        return Holdup(Reason.TIME, f"it is due at {timestamp_of(seen.due)}")
    of_pool = limits_of_pool(run) if waits_to_begin else ()
    for name in seen.in_line:
        if name not in of_pool:
            return _limited(name, seen)
    return _to_begin(run, seen) if waits_to_begin else None


def _to_begin(run: Mapping[str, Any], seen: Seen) -> Holdup:
    pool, queue = run["work_pool"], run["queue"]
    if seen.pool:
        resume = f"resume it: upshot work-pool resume {pool}"
        return Holdup(Reason.POOL_PAUSED, f"work pool {pool} is paused; {resume}")
    if seen.queue:
        resume = f"resume it: upshot work-pool queue resume {pool} {queue}"
        return Holdup(Reason.QUEUE_PAUSED, f"queue {queue} of pool {pool} is paused; {resume}")
    if not seen.workers:
        start = f"start one: upshot worker start --pool {pool}"
        return Holdup(Reason.NO_WORKER, f"no worker serves pool {pool}; {start}")
    for name in limits_of_pool(run):
        use = seen.limits.get(name)
        if use is not None and use["active"] and use["used"] >= use["limit"]:
            return _limited(name, seen)
    return Holdup(Reason.WORKER, f"a worker of pool {pool} takes it as soon as it has room")


def _limited(name: str, seen: Seen) -> Holdup:
    use = seen.limits.get(name, {"limit": 0, "used": 0, "holders": []})
    holders = tuple(
        dict.fromkeys(seen.names.get(each["run"], each["run"]) for each in use["holders"])
    )
    more = f" and {len(holders) - _NAMED} more" if len(holders) > _NAMED else ""
    by = f", by {', '.join(holders[:_NAMED])}{more}" if holders else ""
    message = f"limit {name} has no slot free: {use['used']} of {use['limit']} in use{by}"
    return Holdup(Reason.LIMIT, message, name, holders)


def limits_of_pool(run: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names of the limits of a run's queue and pool."""
    pool = run["work_pool"]
    return f"work-queue:{queue_name(pool, run['queue'])}", f"work-pool:{pool}"


class Holdups:
    """Looks for what runs wait for.

    Args:
        catalog: where limits, pools and queues are defined.
    """

    def __init__(self, store: Store, catalog: Catalog, runs: RunReader) -> None:
        self._store = store
        self._runs = runs
        self._limits = LimitsInUse(store, catalog)

    async def of(self, run: Mapping[str, Any]) -> Holdup | None:
        """Return what a run waits for, as answers show the run; None where nothing holds it."""
        if run["state"]["type"] not in _GOES_ON:
            return None
        return holdup(run, await self._see(run))

    async def _see(self, run: Mapping[str, Any]) -> Seen:
        keys, pool = self._store.keys, run["work_pool"] or ""
        due, asked, defined, said, workers = await self._store.pipeline(
            [
                ("ZSCORE", keys("due"), run["id"]),
                ("HVALS", keys("asked", run["id"])),
                ("HGET", keys("docs", WORK_POOL), pool),
                ("HGET", keys("docs", WORK_QUEUE), queue_name(pool, run["queue"] or "")),
                ("HVALS", keys("workers")),
            ]
        )
        asks = [from_json(each) for each in asked]
        in_line = [name for ask in asks if not ask["held"] for name in ask["limits"]]
        limits = await self._used([*in_line, *(limits_of_pool(run) if pool else ())])
        serving = [from_json(each) for each in workers]
        return Seen(
            due=None if due is None else int(due),
            in_line=in_line,
            pool=bool(definition_in(defined).get("paused")),
            queue=_is_paused(run["queue"], definition_in(defined), definition_in(said)),
            workers=sum(
                each["pool"] == pool and each.get("status") != "draining" for each in serving
            ),
            limits=limits,
            names=await self._names(limits),
        )

    async def _used(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        found = {name: await self._limits.find(name) for name in dict.fromkeys(names)}
        return {name: use for name, use in found.items() if use is not None}

    async def _names(self, limits: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        holders = {each["run"] for use in limits.values() for each in use["holders"]}
        return {run.id: run.name for run in await self._runs.many(sorted(holders)[:100])}


def _is_paused(queue: str | None, defined: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Tell whether a queue is paused: by hand, or else by its pool's definition."""
    declared = any(
        each["name"] == queue and each.get("paused") for each in defined.get("queues") or []
    )
    return bool(said.get("paused", declared))
