"""Control with the real engine and dispatcher: modes learn from the log what is in progress."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.services.dispatching import Service, dispatching
from tests.services.engines import engine, event, firings
from tests.waiting import until
from upshot.events.event import Recorded
from upshot.events.log import Log
from upshot.flows.runs.registry import Runs
from upshot.services.definitions.catalog import Catalog

EMIT = {"emit-event": {"event": "made", "resource": {"id": "{{ event.id }}"}}}
RUN = {"run-deployment": {"deployment": "etl/nightly"}}


async def apply(service: Service, *actions: dict[str, Any], **control: Any) -> None:
    rule = {
        "name": "it",
        "trigger": {"expect": ["tick"]},
        "control": control,
        "actions": list(actions),
    }
    deployment = {"name": "etl/nightly", "entrypoint": "flows.py:etl", "work_pool": "default"}
    docs: dict[str, dict[str, Any]] = {
        "automation": {"it": rule},
        "deployment": {"etl/nightly": deployment},
    }
    await Catalog(service.store).apply(docs)


async def ticks(service: Service, count: int) -> None:
    await Log(service.store).append([event(identity=f"e{number}") for number in range(count)])


async def log(service: Service) -> list[Recorded]:
    return await Log(service.store).range(limit=10_000)


async def fired(service: Service, count: int) -> list[dict[str, Any]]:
    async def enough() -> bool:
        return len(await firings(service.store)) >= count

    await until(enough)
    return await firings(service.store)


async def test_queued_firings_come_one_after_the_other(store_url: str) -> None:
    async with dispatching(store_url) as service, engine(service.store):
        await apply(service, EMIT, EMIT, mode="queued")
        await ticks(service, 5)
        done = await fired(service, 5)
        await until(lambda: _has(service, "made", 10))
        told = [each for each in await log(service) if each.own]
    assert [each["cause"] for each in done] == [f"e{number}" for number in range(5)]
    going: set[str] = set()
    for each in told:
        if each.name == "automation.fired":
            assert not going
            going = {f"action.{each.payload['firing']}.{place}" for place in range(2)}
        elif each.name == "action.succeeded":
            going.remove(each.resource["id"])


async def test_a_run_is_in_progress_until_it_has_ended(store_url: str) -> None:
    async with dispatching(store_url) as service, engine(service.store):
        await apply(service, RUN, mode="single")
        await ticks(service, 2)
        await until(lambda: _has(service, "action.succeeded", 1))
        await ticks_again(service, "later")
        await until(lambda: _has(service, "automation.suppressed", 1))
        assert len(await firings(service.store)) == 1
        (run,) = [each for each in await log(service) if each.name == "flow-run.scheduled"]
        await Runs(service.store).cancel(run.resource["id"].removeprefix("flow-run."))
        await until(lambda: _has(service, "flow-run.cancelled", 1))
        await ticks_again(service, "after")
        done = await fired(service, 2)
    assert [each["cause"] for each in done] == ["e0", "after"]


async def test_a_restart_cancels_the_run_of_the_firing_before(store_url: str) -> None:
    async with dispatching(store_url) as service, engine(service.store):
        await apply(service, RUN, mode="restart")
        await ticks(service, 1)
        await until(lambda: _has(service, "action.succeeded", 1))
        await ticks_again(service, "again")
        await until(lambda: _has(service, "flow-run.cancelled", 1))
        await until(lambda: _has(service, "action.succeeded", 2))
        names = Counter(each.name for each in await log(service))
    assert names["flow-run.scheduled"] == 2


async def ticks_again(service: Service, identity: str) -> None:
    await Log(service.store).append([event(identity=identity)])


async def _has(service: Service, name: str, count: int) -> bool:
    return sum(each.name == name for each in await log(service)) >= count
