"""Control in the real engine: what is held survives it, and everything is told once."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.services.engines import (
    counter,
    engine,
    engine_process,
    entries,
    event,
    firings,
    names,
    owned,
    place,
    settled,
)
from tests.waiting import until
from upshot.automations.actions.run_deployment import run_id
from upshot.events.event import Event
from upshot.events.log import Log
from upshot.events.store import Store
from upshot.services.definitions.catalog import Catalog

NOTIFY: list[dict[str, Any]] = [{"notify": {"to": "me", "title": "{{ firing.reason }}"}}]


async def apply(store: Store, **automations: dict[str, Any]) -> None:
    """Define automations that fire on each ``tick``."""
    plain = {"trigger": {"expect": ["tick"]}, "actions": NOTIFY}
    docs = {name: {**plain, "name": name, **doc} for name, doc in automations.items()}
    await Catalog(store).apply({"automation": docs})


async def until_fired(store: Store, count: int) -> list[dict[str, Any]]:
    async def fired() -> bool:
        return len(await firings(store)) >= count

    await until(fired)
    await settled(store)
    return await firings(store)


async def over(store: Store, *ended: tuple[str, str]) -> None:
    """Let the log say itself that things are over."""
    seconds, micros = await store.execute("TIME")
    now = int(seconds) * 1000 + int(micros) // 1000
    events = [Event.model_validate({"event": how, "resource": {"id": what}}) for what, how in ended]
    await place(store, now, *events, own=True)


async def test_what_is_held_comes_with_its_events_though_the_engine_changed(store: Store) -> None:
    control = {"batch": {"max_size": 3, "timeout": "1h"}}
    seen = ["size(events) == 3 && events[0].id == 'e0' && event.id == 'e2'"]
    await apply(store, gathering={"control": control, "conditions": seen})
    for number in range(3):
        async with engine(store):
            await Log(store).append([event(identity=f"e{number}")])
            await settled(store)
    (firing,) = await until_fired(store, 1)
    (entry,) = await entries(store)
    assert firing["events"] == [each["id"] for each in entry["events"]] == ["e0", "e1", "e2"]
    assert (firing["batch"], entry["batch"]) == (3, 3)
    assert firing["conditions"] == [{"expression": seen[0], "holds": True, "lookups": []}]


async def test_a_debounced_firing_comes_when_its_moment_does(store: Store) -> None:
    await apply(store, quiet={"control": {"debounce": {"period": "300ms"}}})
    async with engine(store):
        await Log(store).append([event(identity=f"e{number}") for number in range(5)])
        (firing,) = await until_fired(store, 1)
    (entry,) = await entries(store)
    assert firing["cause"] == entry["events"][0]["id"] == "e4"
    assert await counter(store, "firings:suppressed_debounced") == 4
    told = [each.payload for each in await Log(store).range() if each.name.endswith("suppressed")]
    assert [(each["reason"], each["stage"], each["suppressed"]) for each in told] == [
        ("debounced", "debounce", 1)
    ]


async def test_the_next_in_the_queue_goes_on_when_actions_and_runs_are_over(store: Store) -> None:
    actions = [*NOTIFY, {"run-deployment": {"deployment": "etl/nightly"}}]
    await apply(store, queue={"control": {"mode": "queued"}, "actions": actions})
    async with engine(store):
        await Log(store).append([event(identity="e0"), event(identity="e1")])
        (first,) = await until_fired(store, 1)
        action = f"action.{first['id']}"
        await over(store, (f"{action}.0", "action.failed"), (f"{action}.1", "action.succeeded"))
        await settled(store)
        assert len(await firings(store)) == 1
    async with engine(store):
        await over(store, (f"flow-run.{run_id(first['id'], 1)}", "flow-run.crashed"))
        _, second = await until_fired(store, 2)
    assert second["events"] == ["e1"]


async def test_a_restart_says_what_is_to_be_stopped(store: Store) -> None:
    await apply(store, latest={"control": {"mode": "restart"}})
    async with engine(store):
        await Log(store).append([event(), event()])
        await until_fired(store, 2)
    one, other = await entries(store)
    assert ("replaces" in one, other["replaces"]) == (False, [one["firing"]])


async def test_an_incident_is_told_from_its_opening_to_its_end(store: Store) -> None:
    doc = {"resolve": {"expect": ["tock"]}, "on_resolve": [{"notify": {"to": "you", "title": "x"}}]}
    await apply(store, alarm={**doc, "trigger": {"expect": ["tick"], "for_each": ["id"]}})
    async with engine(store):
        await Log(store).append([event(), event()])
        await settled(store)
    async with engine(store):
        await Log(store).append([event("tock"), event("tock")])
        await until_fired(store, 3)
    done = await entries(store)
    told = [each["incident"]["status"] for each in done]
    assert told == ["opened", "updated", "resolved"]
    assert [next(iter(each["actions"][0].values()))["to"] for each in done] == [
        ["me"], ["me"], ["you"],
    ]  # fmt: skip
    (resolved,) = [each for each in await Log(store).range() if each.name == "automation.resolved"]
    assert resolved.payload["incident"] == done[-1]["incident"]
    assert resolved.payload["bucket"] == {"id": "thing.1"}


async def test_a_used_up_budget_is_told_once_in_its_own_way(store: Store) -> None:
    budget = {"max": 1, "within": "1h", "then": [{"notify": {"to": "oncall", "title": "x"}}]}
    await apply(store, bounded={"budget": budget})
    async with engine(store):
        await Log(store).append([event() for _ in range(4)])
        await until_fired(store, 2)
    _, then = await entries(store)
    assert (then["branch"], then["reason"]) == ("then", "budget_exhausted")
    assert then["actions"][0]["notify"]["to"] == ["oncall"]
    assert await counter(store, "firings:suppressed_budget_exhausted") == 3
    assert (await names(store)).count("automation.suppressed") == 1


async def test_conditions_are_answered_by_the_store(store: Store) -> None:
    await apply(
        store,
        idle={"conditions": ["runs('deployment:etl/nightly', state='Running') == 0"]},
        busy={"conditions": ["runs('deployment:etl/nightly', state='Running') > 0"]},
    )
    async with engine(store):
        await Log(store).append([event()])
        (firing,) = await until_fired(store, 1)
    assert firing["automation"] == "idle"
    (condition,) = firing["conditions"]
    assert condition["lookups"][0]["value"] == 0
    assert await counter(store, "firings:suppressed_condition_false") == 1
    (told,) = [e.payload for e in await Log(store).range() if e.name == "automation.suppressed"]
    assert (told["stage"], told["conditions"][0]["holds"]) == ("conditions", False)


async def test_what_a_pause_drops_is_told_by_whoever_is_the_engine_then(store: Store) -> None:
    rule = {"control": {"debounce": {"period": "1h", "key": "id"}}}
    await apply(store, quiet=rule)
    async with engine(store):
        await Log(store).append([event(resource={"id": f"thing.{n}"}) for n in range(3)])
        await settled(store)
    await apply(store, quiet={**rule, "paused": True})
    async with engine(store):
        await settled(store)
    (told,) = [each for each in await Log(store).range() if each.name == "automation.suppressed"]
    assert (told.payload["reason"], told.payload["suppressed"]) == ("automation_stopped", 3)
    assert await counter(store, "firings:suppressed_automation_stopped") == 3
    assert await firings(store) == []


async def test_engines_that_are_killed_lose_nothing_that_is_held(store: Store) -> None:
    count, chance = 120, random.Random(7)
    await apply(
        store,
        batches={"control": {"batch": {"max_size": 4, "timeout": "1h"}}},
        gathers={"control": {"debounce": {"period": "50ms", "keep": "all"}}},
        queues={
            "control": {"throttle": {"limit": 200, "per": "1s", "burst": 1, "excess": "queue"}}
        },
    )
    sent = 0
    while sent < count:
        with engine_process(store.url) as process:
            await until(lambda: owned(store))
            for _ in range(30):
                await Log(store).append([event(identity=f"e{sent}")])
                sent += 1
                await asyncio.sleep(chance.random() * 0.02)
            process.kill()
            process.wait()
    async with engine(store):
        causes: dict[str, list[str]] = {}

        async def all_there() -> bool:
            causes.clear()
            for each in await firings(store):
                causes.setdefault(each["automation"], []).extend(each["events"])
            return sum(map(len, causes.values())) >= 3 * count

        await until(all_there)
        await settled(store)
    expected = sorted(f"e{number}" for number in range(count))
    assert {name: sorted(each) for name, each in causes.items()} == dict.fromkeys(causes, expected)
    assert len(await entries(store)) == len(await firings(store))
