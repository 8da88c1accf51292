"""Calls of the functions that change runs, in the fewest words, and what must hold after each."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from upshot.events.store import Argument, SyncStore

FAR = 10**15
"""A time in ms that never comes."""

LEASE = 60_000
LEASED = {"Pending", "Running", "Paused", "Cancelling"}
KINDS = (
    "Scheduled",
    "Pending",
    "Running",
    "Paused",
    "Cancelling",
    "Cancelled",
    "Completed",
    "Failed",
    "Crashed",
)


def told(run: str, kind: str, identity: str) -> bytes:
    """Return the event of a run that enters a state."""
    return to_json({"id": identity, "event": f"flow-run.{kind.lower()}", "run": run, "kind": kind})


def create(
    store: SyncStore,
    run: str = "r",
    kind: str = "Scheduled",
    *,
    pool: str = "p",
    due: int = 0,
    lease: int = LEASE,
) -> list[int]:
    event = f"{run}-1"
    made: list[int] = store.call(
        "create_run", run, kind, pool, due, lease, event, told(run, kind, event), "state", kind
    )
    return made


def move(
    store: SyncStore,
    kind: str,
    version: int,
    *,
    run: str = "r",
    epoch: Argument = "",
    due: int = 0,
    lease: int = LEASE,
    lapsed: int = 0,
    event: str | None = None,
) -> list[int]:
    identity = event or f"{run}-{version + 1}"
    body = told(run, kind, identity)
    changed: list[int] = store.call(
        "transition", run, version, epoch, kind, due, lease, lapsed, identity, body, "state", kind
    )
    return changed


def fields(store: SyncStore, *key: str) -> dict[str, str]:
    """Return a hash."""
    stored = store.execute("HGETALL", store.keys(*key))
    return {name.decode(): value.decode() for name, value in stored.items()}


def bodies(store: SyncStore, *, own_only: bool = False) -> list[dict[str, Any]]:
    """Return the bodies of all events in the log."""
    entries = store.execute("XRANGE", store.keys("log"), "-", "+")
    return [from_json(body) for _, (field, body) in entries if field == b"o" or not own_only]


def members(store: SyncStore, *key: str) -> list[str]:
    """Return the members of a sorted set, lowest score first."""
    return [each.decode() for each in store.execute("ZRANGE", store.keys(*key), 0, -1)]


def queued(store: SyncStore, pool: str = "p") -> list[str]:
    """Return the runs in a pool's queue."""
    return [
        run.decode() for _, (_, run) in store.execute("XRANGE", store.keys("queue", pool), "-", "+")
    ]


def everything(store: SyncStore) -> dict[bytes, Any]:
    """Return the whole store, but for what tells its form, to see that nothing changed."""
    keys = set(store.execute("KEYS", "*")) - {store.keys("meta").encode()}
    return {key: _content(store, key) for key in keys}


def _content(store: SyncStore, key: bytes) -> Any:
    """Return what a key holds; a hash may be moved about while it is read."""
    if store.execute("TYPE", key) == b"hash":
        return sorted(store.execute("HGETALL", key).items())
    return store.execute("DUMP", key)


def check_consistent(store: SyncStore, run: str = "r") -> None:
    """State and event agree, and every index says the same as the state."""
    stored = fields(store, "run", run)
    kind = stored["type"]
    events = [body for body in bodies(store) if body.get("run") == run]
    assert (events[-1]["id"], events[-1]["kind"]) == (stored["event"], kind)
    assert len(events) == int(stored["version"])
    assert stored["state"] == kind
    assert [each for each in KINDS if run in members(store, "runs", each)] == [kind]
    assert (run in members(store, "leases")) == (kind in LEASED)
    assert run in members(store, "runs")
    if run in members(store, "due"):
        assert kind == "Scheduled"
