"""What the store tells of the whole service at one moment; health and metrics are made of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from upshot.events.clock import unix_ms
from upshot.events.keys import DISPATCHERS, Keys
from upshot.events.library import PREFIX
from upshot.events.log import START, milliseconds
from upshot.events.store import Argument, Store
from upshot.flows.states import StateType

from ..definitions.switching import WORK_POOL, says_paused

_STATES: Final = [kind.value for kind in StateType]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The service at one moment; times are Unix ms of the store's clock.

    Attributes:
        took: ms until the store had answered the first question.
        now: when it was asked.
        counters: what is counted, by name (see ``keys.py``).
        appended: events ever appended to the log.
        oldest_unread: when the oldest event came that the engine has not read; None without one.
        engine: fields of the engine's lease.
        archiver: fields of the archiver's lease. archives: whether one ever was to be expected.
        oldest_unarchived: when the oldest event came that the archiver has not written.
        actions: entries of the actions stream that are not done with; ``taken`` are in hand.
        dispatchers: how many processes read that stream.
        queued: runs waiting for a worker, by pool. paused: names of the pools that are paused.
        workers: their records.
        due, later, windows: runs, parked actions and windows that wait for a moment.
        overdue: ms by which the most belated of ``due`` and ``later`` is late.
        runs: how many are in each state. dead_letters, memory: actions given up; bytes.
        unreadable: why automations that another version defined are not in force.
    """

    took: float
    now: int
    counters: dict[str, float]
    appended: int
    oldest_unread: int | None
    engine: dict[str, str]
    archiver: dict[str, str]
    archives: bool
    oldest_unarchived: int | None
    actions: int
    taken: int
    dispatchers: int
    queued: dict[str, int]
    workers: list[dict[str, Any]]
    due: int
    later: int
    windows: int
    overdue: int
    runs: dict[str, int]
    dead_letters: int
    memory: int
    paused: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def unread(self) -> int:
        """Events that the engine has not evaluated: it evaluates every event once."""
        if self.oldest_unread is None:
            return 0
        return max(1, self.appended - int(self.counters.get("evaluated", 0)))

    @property
    def engine_lag(self) -> int:
        """For how long, in ms, the oldest unread event has been waiting."""
        return 0 if self.oldest_unread is None else max(0, self.now - self.oldest_unread)

    @property
    def engine_owned(self) -> bool:
        """Whether an engine holds the lease."""
        return int(self.engine.get("until") or 0) > self.now

    @property
    def unarchived(self) -> int:
        """Events that are not in the database."""
        if self.oldest_unarchived is None:
            return 0
        return max(1, self.appended - int(self.counters.get("read:archiver", 0)))

    @property
    def archiver_lag(self) -> int:
        """For how long, in ms, the oldest event has been waiting for the archiver."""
        return 0 if self.oldest_unarchived is None else max(0, self.now - self.oldest_unarchived)

    @property
    def archiver_owned(self) -> bool:
        """Whether an archiver holds the lease."""
        return int(self.archiver.get("until") or 0) > self.now


async def take(store: Store) -> Snapshot:
    """Ask the store, in three round trips.

    Raises:
        StoreUnavailable: it does not answer.
    """
    started = time.perf_counter()
    clock = await store.execute("TIME")
    took = (time.perf_counter() - started) * 1000
    now = unix_ms(clock)
    told = await _ask(store, _questions(store.keys))
    told |= await _ask(store, _further_questions(store.keys, told))
    return _put_together(took, now, told)


async def _ask(store: Store, questions: dict[str, tuple[Argument, ...]]) -> dict[str, Any]:
    answers = await store.pipeline(list(questions.values()))
    return dict(zip(questions, answers, strict=True))


def _questions(keys: Keys) -> dict[str, tuple[Argument, ...]]:
    return {
        "counters": ("HGETALL", keys("counters")),
        "engine": ("HGETALL", keys("lease", "engine")),
        "archiver": ("HGETALL", keys("lease", "archiver")),
        "cursor": ("HGET", keys("engine"), "cursor"),
        "archived": ("HGET", keys("cursors"), "archiver"),
        "pools": ("SMEMBERS", keys("pools")),
        "workers": ("HVALS", keys("workers")),
        "work pools": ("HGETALL", keys("docs", WORK_POOL)),
        "unreadable": ("HVALS", keys("engine", "unreadable")),
        "windows": ("HLEN", keys("engine", "windows")),
        "actions": ("XLEN", keys("actions")),
        "dead_letters": ("XLEN", keys("dead-letters")),
        "memory": ("INFO", "memory"),
        "has log": ("EXISTS", keys("log")),
        "has actions": ("EXISTS", keys("actions")),
        **{name: ("ZCARD", keys(name)) for name in ("due", "later")},
        **{f"next {name}": ("ZRANGE", keys(name), 0, 0, "WITHSCORES") for name in ("due", "later")},
        **{f"runs {state}": ("ZCARD", keys("runs", state)) for state in _STATES},
    }


def _further_questions(keys: Keys, told: dict[str, Any]) -> dict[str, tuple[Argument, ...]]:
    """Return what could not be asked before: a stream that is not there can't be inspected."""
    cursor = (told["cursor"] or START.encode()).decode()
    questions: dict[str, tuple[Argument, ...]] = {
        "unread": ("XRANGE", keys("log"), f"({cursor}", "+", "COUNT", 1)
    }
    if told["archived"]:
        archived = told["archived"].decode()
        questions["unarchived"] = ("XRANGE", keys("log"), f"({archived}", "+", "COUNT", 1)
    for pool in sorted(name.decode() for name in told["pools"]):
        questions[f"queue {pool}"] = ("FCALL_RO", f"{PREFIX}waiting", 1, keys.root, pool)
    if told["has log"]:
        questions["log"] = ("XINFO", "STREAM", keys("log"))
    if told["has actions"]:
        questions["groups"] = ("XINFO", "GROUPS", keys("actions"))
    return questions


def _put_together(took: float, now: int, told: dict[str, Any]) -> Snapshot:
    groups = told.get("groups", [])
    named = {each[b"name"]: each for each in groups}
    group = named.get(DISPATCHERS.encode(), {})
    belated = [now - int(score) for name in ("due", "later") for _, score in told[f"next {name}"]]
    return Snapshot(
        took=took,
        now=now,
        counters={name.decode(): float(value) for name, value in told["counters"].items()},
        appended=told.get("log", {}).get(b"entries-added", 0),
        oldest_unread=_oldest(told["unread"]),
        archiver={name.decode(): value.decode() for name, value in told["archiver"].items()},
        archives=told["archived"] is not None,
        oldest_unarchived=_oldest(told.get("unarchived", [])),
        engine={name.decode(): value.decode() for name, value in told["engine"].items()},
        actions=told["actions"],
        taken=group.get(b"pending", 0),
        dispatchers=group.get(b"consumers", 0),
        queued={pool: sum(waiting[1::2]) for pool, (waiting,) in _named(told, "queue ").items()},
        workers=[from_json(record) for record in told["workers"]],
        due=told["due"],
        later=told["later"],
        windows=told["windows"],
        overdue=max(0, *belated, 0),
        runs=_named(told, "runs "),
        dead_letters=told["dead_letters"],
        memory=_memory(told["memory"]),
        paused=tuple(
            sorted(name.decode() for name, doc in told["work pools"].items() if says_paused(doc))
        ),
        unreadable=tuple(sorted(why.decode() for why in told["unreadable"])),
    )


def _oldest(entries: Sequence[Any]) -> int | None:
    return milliseconds(entries[0][0].decode()) if entries else None


def _named(told: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value for name, value in told.items() if name.startswith(prefix)
    }


def _memory(info: bytes) -> int:
    for line in info.decode().splitlines():
        if line.startswith("used_memory:"):
            return int(line.partition(":")[2])
    return 0
