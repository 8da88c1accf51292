"""Automations that set each other off: the real engine and dispatcher stop them, and say so."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.services.dispatching import Service, dispatching
from tests.services.engines import counter, cursor, defined, engine, event, firings
from tests.waiting import until
from upshot.events.event import Recorded
from upshot.events.log import Log
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.definitions.planning import Verb


def link(name: str, waits_for: str, *emits: str, **control: Any) -> dict[str, Any]:
    """Return an automation that emits events when one comes."""
    actions = [{"emit-event": {"event": each, "resource": {"id": "x"}}} for each in emits]
    trigger = {"type": "event", "expect": [waits_for]}
    return {"name": name, "trigger": trigger, "actions": actions, "control": control}


async def define(service: Service, *automations: dict[str, Any]) -> None:
    """Put automations in force that would be refused where people save them."""
    for each in automations:
        told = defined(each, each["name"], Verb.CREATED, 1).to_json()
        await service.store.execute("XADD", service.store.keys("log"), "*", "o", told)


async def quiet(service: Service) -> None:
    """Wait until everything is read, decided and done, and brought forth nothing more."""

    async def over() -> bool:
        before = await Log(service.store).end()
        read = await cursor(service.store) == before
        return read and await service.idle() and await Log(service.store).end() == before

    await until(over)


async def suppressions(service: Service) -> list[Recorded]:
    told = await Log(service.store).range(limit=10_000)
    return [each for each in told if each.name == "automation.suppressed"]


async def fired(service: Service) -> Counter[str]:
    return Counter(each["automation"] for each in await firings(service.store))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
async def test_a_loop_goes_round_once_and_is_told(store_url: str, length: int) -> None:
    ring = [link(f"a{n}", f"link.{n}", f"link.{(n + 1) % length}") for n in range(length)]
    async with dispatching(store_url) as service, engine(service.store):
        await define(service, *ring)
        await Log(service.store).append([event("link.0")])
        await quiet(service)
        assert await fired(service) == {f"a{n}": 1 for n in range(length)}
        (told,) = await suppressions(service)
        assert told.payload["reason"] == "loop"
        assert told.resource["name"] == "a0"
        assert told.causation.depth == length
        assert await counter(service.store, "firings:suppressed_loop") == 1


async def test_a_loop_goes_round_as_often_as_it_may(store_url: str) -> None:
    async with dispatching(store_url) as service, engine(service.store):
        ring = [
            link("there", "ping", "pong", max_depth=3),
            link("back", "pong", "ping", max_depth=9),
        ]
        await define(service, *ring)
        await Log(service.store).append([event("ping")])
        await quiet(service)
        assert await fired(service) == {"there": 3, "back": 3}
        (told,) = await suppressions(service)
        assert (told.payload["reason"], told.resource["name"]) == ("loop", "there")


async def test_no_chain_goes_on_for_ever_whatever_its_automations_allow(store_url: str) -> None:
    async with dispatching(store_url) as service, engine(service.store):
        ring = [link("there", "ping", "pong"), link("back", "pong", "ping")]
        await define(service, *({**each, "control": {"max_depth": 32}} for each in ring))
        await Log(service.store).append([event("ping")])
        await quiet(service)
        assert await fired(service) == {"there": 16, "back": 16}
        assert await counter(service.store, "firings:suppressed_loop") == 1


async def test_each_round_that_somebody_else_begins_is_gone(store_url: str) -> None:
    async with dispatching(store_url) as service, engine(service.store):
        await define(service, link("there", "ping", "pong"), link("back", "pong", "ping"))
        for _ in range(3):
            await Log(service.store).append([event("ping")])
        await quiet(service)
        assert await fired(service) == {"there": 3, "back": 3}
        assert await counter(service.store, "firings:suppressed_loop") == 3


async def test_where_each_sets_off_all_there_is_an_end(store_url: str) -> None:
    names = [f"a{n}" for n in range(4)]
    async with dispatching(store_url) as service, engine(service.store):
        await define(service, *(link(each, "link.*", "link.again") for each in names))
        await Log(service.store).append([event("link.0")])
        await quiet(service)
        # Every way through all four, none of them twice: 4 · 3 · 2 · 1 at the end of the ways.
        assert await fired(service) == dict.fromkeys(names, 1 + 3 + 3 * 2 + 3 * 2)


async def test_a_loop_through_a_run_is_stopped(store_url: str) -> None:
    deployment = {"name": "etl/nightly", "entrypoint": "/flows/etl.py:etl"}
    again = {
        "name": "again",
        "trigger": {"type": "event", "expect": ["flow-run.scheduled"]},
        "actions": [{"run-deployment": {"deployment": "etl/nightly"}}],
    }
    definitions = {"deployment": {"etl/nightly": deployment}}
    async with dispatching(store_url, None, definitions) as service, engine(service.store):
        await define(service, again)
        await Runs(service.store, lease_ms=1000).create(
            new_run("etl", state=State("Scheduled"), deployment="etl/nightly", pool="default")
        )
        await quiet(service)
        assert await fired(service) == {"again": 1}
        (told,) = await suppressions(service)
        assert (told.payload["reason"], told.resource["name"]) == ("loop", "again")


async def test_a_loop_is_stopped_though_engine_and_dispatcher_begin_anew_in_it(
    store_url: str,
) -> None:
    ring = [link(f"a{n}", f"link.{n}", f"link.{(n + 1) % 3}") for n in range(3)]
    for _ in range(6):  # each time they get a little further
        async with dispatching(store_url) as service, engine(service.store):
            if not await Log(service.store).range():
                await define(service, *ring)
                await Log(service.store).append([event("link.0")])
            await asyncio.sleep(0.15)
    async with dispatching(store_url) as service, engine(service.store):
        await quiet(service)
        assert await fired(service) == {"a0": 1, "a1": 1, "a2": 1}
        assert len(await suppressions(service)) == 1
