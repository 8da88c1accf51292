"""Triggers of every kind in the engine: what they remember survives it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.services.engines import fired
from tests.waiting import until
from upshot.automations import Automation
from upshot.events.event import Event
from upshot.events.log import Log, order
from upshot.events.store import Store
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.catalog import Catalog
from upshot.services.engine import Engine
from upshot.services.engine.memory import recall

ACTIONS = [{"emit-event": {"event": "order.many", "resource": {"id": "x"}}}]


@asynccontextmanager
async def engine(store: Store) -> AsyncIterator[None]:
    """An engine, gone without a farewell at the end."""
    task = asyncio.create_task(Engine(store, lease_ms=6000).run())
    try:
        yield
        await caught_up(store)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def caught_up(store: Store) -> None:
    end = await Log(store).end()

    async def read() -> bool:
        at = await store.execute("HGET", store.keys("engine"), "cursor")
        return at is not None and order(at.decode()) >= order(end)

    await until(read, "the engine has read all")


async def define(store: Store, **triggers: dict[str, Any]) -> None:
    made = {
        name: Automation.model_validate({"name": name, "trigger": each, "actions": ACTIONS})
        for name, each in triggers.items()
    }
    kept = {name: each.model_dump(mode="json") for name, each in made.items()}
    await Catalog(store).apply({"automation": kept})


def event(number: int, name: str) -> Event:
    return Event(id=f"e{number}", event=name, resource={"id": "order.1"})


async def test_what_a_compound_holds_survives_the_engine(store: Store) -> None:
    twice = {"expect": "order.placed", "threshold": 2, "within": "1h"}
    nested = {"type": "sequence", "triggers": [twice, {"expect": "order.paid"}], "within": "1h"}
    other = {"expect": "order.*", "match": {"id": "order.1"}}
    both = {"type": "compound", "triggers": [nested, other], "within": "1h", "for_each": "id"}
    await define(store, both=both)
    for number, name in enumerate(["order.placed", "order.placed", "order.paid"]):
        async with engine(store):
            await Log(store).append([event(number, name)])
    async with engine(store):
        (entry,) = await until(lambda: fired(store), "it fired")
    assert [each["id"] for each in entry["events"]] == ["e0", "e1", "e2"]
    assert (entry["reason"], entry["labels"]) == ("triggers_met", {"id": "order.1"})
    assert await store.execute("HLEN", store.keys("engine", "windows")) <= 1


async def test_runs_are_measured_and_watched_by_what_their_own_events_say(store: Store) -> None:
    watched = {"match": {"id": "flow-run.*"}}
    await define(
        store,
        late={"type": "deadline", "expect": "started", "within": "1s", **watched},
        long={"type": "metric", "metric": "duration", "operator": ">=", "threshold": 0},
        queue={"type": "metric", "metric": "queue_depth", "operator": ">", "threshold": 1},
        never={"type": "metric", "metric": "lateness", "operator": ">", "threshold": "1h"},
    )
    runs = Runs(store, lease_ms=6000)
    async with engine(store):
        made = [new_run("etl", state=State("Scheduled"), pool="default") for _ in range(2)]
        for each in made:
            await runs.create(each)
        run = await runs.get(made[0].id)
        assert run is not None
        run = await runs.transition(run, State("Pending"), own=False)
        run = await runs.transition(run, State("Running"), own=True, started=True)
        await runs.transition(run, State("Completed"), own=True)

        async def all_three() -> list[Any]:
            entries = await fired(store)
            return entries if len(entries) == 3 else []

        entries = await until(all_three, "all have fired")
    assert {each["automation"]["name"]: each["reason"] for each in entries} == {
        "late": "deadline_missed", "long": "metric_breached", "queue": "metric_breached",
    }  # fmt: skip
    (late,) = [each for each in entries if each["automation"]["name"] == "late"]
    assert late["labels"] == {"id": f"flow-run.{made[1].id}"}
    assert late["events"][0]["resource"]["name"] == made[1].name


async def test_the_lease_is_kept_alive_while_many_windows_are_read_back(store: Store) -> None:
    each = {"expect": "order.placed", "threshold": 2, "within": "1h", "for_each": "id"}
    await define(store, each=each)
    async with engine(store):
        await Log(store).append(
            [Event(event="order.placed", resource={"id": f"o{n}"}) for n in range(500)]
        )
    asked = 0

    async def renew() -> None:
        nonlocal asked
        asked += 1

    memory = await recall(store, [], renew)
    assert asked > 0
    assert len(memory.evaluator.windows) == 500
