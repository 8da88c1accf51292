"""What the store has of a pool's queues, read in one go, and what must hold of it at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic_core import from_json

from upshot.events.store import Store

NAMES = ("default", "a")
DEPLOYMENTS = ("f/one", "f/two")
UNDER_WAY = {"Pending", "Running", "Cancelling"}


@dataclass
class Seen:
    """What the store has, read in one go."""

    runs: dict[str, dict[str, str]] = field(default_factory=dict)
    picked: set[str] = field(default_factory=set)
    slots: dict[str, set[str]] = field(default_factory=dict)
    line: dict[str, set[str]] = field(default_factory=dict)
    ready: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    called: int = 0


async def look(store: Store, made: Sequence[str]) -> Seen:
    """Read how the pool and its queues are, and these runs."""
    keys, seen = store.keys, Seen()
    names = ["work-pool:default", *(f"work-queue:default/{name}" for name in NAMES)]
    names += [f"deployment:{name}" for name in DEPLOYMENTS]
    answers = await store.pipeline(
        [
            *(("HGETALL", keys("run", run)) for run in made),
            *(("HKEYS", keys("slots", name)) for name in names),
            *(("ZRANGE", keys("line", name), 0, -1) for name in names),
            *(("ZRANGE", keys("ready", f"default/{q}"), 0, -1, "WITHSCORES") for q in NAMES),
            ("HGETALL", keys("picks", "default")),
            ("XLEN", keys("queue", "default")),
        ]
    )
    taken = iter(answers)
    for run in made:
        seen.runs[run] = {name.decode(): value.decode() for name, value in next(taken).items()}
    for kind in (seen.slots, seen.line):
        for name in names:
            kind[name] = {token.decode().partition("/")[0] for token in next(taken)}
    for queue in NAMES:
        seen.ready[queue] = [(run.decode(), place) for run, place in next(taken)]
    picks = next(taken)
    seen.picked = {run.decode() for run in picks.values()}
    seen.called = next(taken) - len(picks)
    return seen


def slots_are_of_those_who_began(seen: Seen) -> None:
    of_pool = seen.slots["work-pool:default"]
    under_way = {each for each, run in seen.runs.items() if run["type"] in UNDER_WAY}
    assert under_way <= of_pool <= under_way | seen.picked
    for run in of_pool:
        assert run in seen.slots[f"work-queue:default/{seen.runs[run]['queue']}"]
    for run in under_way:
        deployment = seen.runs[run].get("deployment")
        assert not deployment or run in seen.slots[f"deployment:{deployment}"]
    assert sum(len(seen.slots[f"work-queue:default/{name}"]) for name in NAMES) == len(of_pool)


def nothing_is_lost(seen: Seen) -> None:
    waiting = {run for queue in seen.ready.values() for run, _ in queue}
    waiting |= {run for name, line in seen.line.items() for run in line}
    for run, fields in seen.runs.items():
        if fields["type"] == "Scheduled":
            assert run in waiting or run in seen.picked
        else:
            assert run not in waiting


async def waits_were_told(store: Store) -> None:
    """Check that each wait was told once, and that none ended that was not told."""
    open_waits: set[tuple[str, str]] = set()
    for _, fields in await store.execute("XRANGE", store.keys("log"), "-", "+"):
        event = from_json(fields[1])
        if event["event"] in ("limit.acquired", "limit.abandoned"):
            wait = (event["related"][0]["id"], event["resource"]["name"])
            assert wait in open_waits
            open_waits.remove(wait)
        elif event["event"] == "limit.reached":
            wait = (event["related"][0]["id"], event["resource"]["name"])
            assert wait not in open_waits
            open_waits.add(wait)

    assert not open_waits
