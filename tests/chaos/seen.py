"""All that is in the store when everything has come to rest, read once, to be judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from upshot.events.event import Recorded
from upshot.events.keys import DISPATCHERS, WORKERS
from upshot.events.log import START, recorded
from upshot.events.store import SyncStore
from upshot.flows.runs.flowrun import FlowRun, parse_run
from upshot.flows.states import ENDED, StateType

_PAGE = 5000
_OPEN = [kind for kind in StateType if kind not in ENDED]


@dataclass(frozen=True, slots=True)
class Run:
    """A run's record: what it says, the event of its last change, its tasks' last words."""

    run: FlowRun
    event: str
    tasks: dict[str, tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Firing:
    """A firing's record and the outcomes of its actions by index."""

    id: str
    doc: dict[str, Any]
    outcomes: dict[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The store at rest.

    Attributes:
        indexed: run → the state types under which an index has it.
        unfinished: what should be nothing once everything is at rest, by name.
    """

    log: list[Recorded]
    runs: dict[str, Run]
    indexed: dict[str, list[str]]
    firings: dict[str, Firing]
    unfinished: dict[str, int]


def look(store: SyncStore) -> Seen:
    """Read everything."""
    return Seen(log(store), runs(store), indexed(store), firings(store), unfinished(store))


def log(store: SyncStore) -> list[Recorded]:
    """Return every event in order."""
    return list(_log(store))


def _log(store: SyncStore) -> Iterator[Recorded]:
    at = START
    while True:
        page = store.execute("XRANGE", store.keys("log"), f"({at}", "+", "COUNT", _PAGE)
        yield from (recorded(entry) for entry in page)
        if len(page) < _PAGE:
            return
        at = page[-1][0].decode()


def runs(store: SyncStore) -> dict[str, Run]:
    """Return every run by id."""
    return {each.decode(): _run(store, each.decode()) for each in _members(store, "runs")}


def _run(store: SyncStore, run_id: str) -> Run:
    fields = store.execute("HGETALL", store.keys("run", run_id))
    kept = store.execute("HGETALL", store.keys("tasks", run_id))
    tasks = {}
    for task_id, value in kept.items():
        kind, _, record = value.partition(b" ")
        tasks[task_id.decode()] = (kind.decode(), from_json(record))
    return Run(parse_run(fields), fields[b"event"].decode(), tasks)


def indexed(store: SyncStore) -> dict[str, list[str]]:
    """Return under which states each run is listed."""
    found: dict[str, list[str]] = {}
    for kind in StateType:
        for run_id in _members(store, "runs", kind.value):
            found.setdefault(run_id.decode(), []).append(kind.value)
    return found


def firings(store: SyncStore) -> dict[str, Firing]:
    """Return every firing by id."""
    found = {}
    for each in _members(store, "firings"):
        identity = each.decode()
        fields = store.execute("HGETALL", store.keys("firing", identity))
        doc = from_json(fields.pop(b"doc"))
        outcomes = {int(n): from_json(outcome) for n, outcome in fields.items() if n.isdigit()}
        found[identity] = Firing(identity, doc, outcomes)
    return found


def unfinished(store: SyncStore) -> dict[str, int]:
    """Return how much of what must come to nothing is still there."""
    keys, ask = store.keys, store.execute
    counts = {
        "actions to do": ask("XLEN", keys("actions")),
        "actions in hand": _pending(store, "actions", DISPATCHERS),
        "actions parked": ask("ZCARD", keys("later")) + ask("HLEN", keys("parked")),
        "dead letters": ask("XLEN", keys("dead-letters")),
        "runs due": ask("ZCARD", keys("due")),
        "leases": ask("ZCARD", keys("leases")),
        "unread": _unread(store),
    }
    for pool in ask("SMEMBERS", keys("pools")):
        queue = f"queue:{pool.decode()}"
        counts[queue] = ask("XLEN", keys(queue))
        counts[f"{queue} in hand"] = _pending(store, queue, WORKERS)
    for kind in _OPEN:
        counts[f"runs {kind.value}"] = ask("ZCARD", keys("runs", kind.value))
    return {name: count for name, count in counts.items() if count}


def _unread(store: SyncStore) -> int:
    cursor = store.execute("HGET", store.keys("engine"), "cursor") or START.encode()
    after = f"({cursor.decode()}"
    return len(store.execute("XRANGE", store.keys("log"), after, "+", "COUNT", _PAGE))


def _pending(store: SyncStore, stream: str, group: str) -> int:
    return int(store.execute("XPENDING", store.keys(stream), group)[0])


def _members(store: SyncStore, *key: str) -> list[bytes]:
    members: list[bytes] = store.execute("ZRANGE", store.keys(*key), 0, -1)
    return members
