"""Actions that pause and resume deployments, work pools and automations, by the real dispatcher."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.dispatching import EVENT, Service, dispatching, entry
from tests.waiting import until
from upshot.events.ids import derived_id
from upshot.services.definitions.catalog import Catalog

DEFINITIONS: dict[str, dict[str, Any]] = {
    "deployment": {"etl/nightly": {"name": "etl/nightly", "entrypoint": "x.py:f"}},
    "automation": {"storm": {"name": "storm"}},
    "work-pool": {"heavy": {"name": "heavy"}},
}
NAMES = {kind: next(iter(docs)) for kind, docs in DEFINITIONS.items()}
KINDS = sorted(DEFINITIONS)


async def done(service: Service, *actions: dict[str, Any], **changes: Any) -> list[str]:
    """Return the details with which actions succeeded."""
    wanted = entry(*actions, **changes)
    await service.send(wanted)
    await service.outcome(wanted["firing"], len(actions) - 1)
    outcomes = await service.outcomes(wanted["firing"])
    told = [outcomes[str(index)] for index in range(len(actions))]
    assert [each["outcome"] for each in told] == ["succeeded"] * len(actions), told
    return [each["detail"] for each in told]


async def is_paused(service: Service, kind: str) -> bool:
    doc = await Catalog(service.store).get(kind, NAMES[kind])
    return bool(doc.get("paused"))


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_event_concerns_is_paused_and_resumed_and_told_with_its_cause(
    store_url: str, kind: str
) -> None:
    name = NAMES[kind]
    resource = {"id": f"{kind}.{derived_id(kind, name)}", "role": kind, "name": name}
    event = {**EVENT, "related": [resource]}
    async with dispatching(store_url, definitions=DEFINITIONS) as service:
        paused = entry({f"pause-{kind}": {}}, event=event)
        await service.send(paused)
        assert (await service.outcome(paused["firing"]))["detail"] == f"paused {name}"
        assert await is_paused(service, kind)
        (told,) = await service.events(f"{kind}.paused")
        assert told["resource"]["name"] == name
        assert told["follows"] == derived_id("triggered", paused["firing"], "0")
        assert told["causation"]["automations"] == {"auto-1": 1}
        again: list[dict[str, Any]] = [
            {f"{verb}-{kind}": {}} for verb in ("pause", "resume", "resume")
        ]
        assert await done(service, *again, event=event) == [
            f"{name} was paused already", f"resumed {name}", f"{name} was resumed already",
        ]  # fmt: skip
        assert not await is_paused(service, kind)
        assert len(await service.events(f"{kind}.paused")) == 1
        assert len(await service.events(f"{kind}.resumed")) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_second_and_third_delivery_find_it_done_whatever_happened_since(
    store_url: str, kind: str
) -> None:
    action = {f"pause-{kind}": {kind.replace("-", "_"): NAMES[kind]}}
    async with dispatching(store_url, definitions=DEFINITIONS) as service:
        wanted = entry(action)
        for n in range(3):
            await service.send({**wanted, "n": n})
            outcome = await service.outcome(wanted["firing"])
            assert (outcome["outcome"], outcome["detail"]) == ("succeeded", f"paused {NAMES[kind]}")
            await until(service.idle)
            if not n:
                await done(service, {f"resume-{kind}": {kind.replace("-", "_"): NAMES[kind]}})
            await service.store.execute("HDEL", service.store.keys("firing", wanted["firing"]), 0)
        assert not await is_paused(service, kind)
        assert len(await service.events(f"{kind}.paused")) == 1


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"pause-deployment": {"deployment": "etl/nigtly"}}, "did you mean 'etl/nightly'?"),
        ({"pause-work-pool": {"work_pool": "heavi"}}, "did you mean 'heavy'?"),
        ({"pause-automation": {"automation": "strom"}}, "did you mean 'storm'?"),
        ({"pause-automation": {}}, "concerns no automation; name one"),
    ],
)
async def test_what_is_not_there_is_not_tried_again(
    store_url: str, action: dict[str, Any], reason: str
) -> None:
    async with dispatching(store_url, definitions=DEFINITIONS) as service:
        wanted = entry(action)
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert (outcome["outcome"], outcome["attempts"]) == ("failed", 1)
        assert reason in outcome["detail"]


async def test_a_variable_is_set_and_the_next_action_sees_it(store_url: str) -> None:
    variables = {"variable": {"limit": {"name": "limit", "value": 1}}}
    async with dispatching(store_url, definitions=variables) as service:
        note = {"emit-event": {"event": "limit.noted", "payload": {"at": "{{ variables.limit }}"}}}
        details = await done(
            service,
            note,
            {"set-variable": {"name": "limit", "value": "{{ event.payload.n + 4 }}"}},
            note,
            {"set-variable": {"name": "limit", "value": 7}},
            {"set-variable": {"name": "new", "value": {"of": ["{{ event.id }}"]}}},
        )
        assert details[1::2] == ["set limit", "limit had this value already"]
        assert [each["payload"]["at"] for each in await service.events("limit.noted")] == [1, 7]
        catalog = Catalog(service.store)
        assert await catalog.get("variable", "new") == {
            "name": "new", "value": {"of": ["the-event"]},
        }  # fmt: skip
        (told,) = await service.events("variable.updated")
        assert "definition" not in told["payload"]
        assert told["causation"]["automations"] == {"auto-1": 1}


async def test_a_variable_that_was_set_since_is_not_set_back(store_url: str) -> None:
    async with dispatching(store_url) as service:
        wanted = entry({"set-variable": {"name": "limit", "value": 1}})
        for n in range(3):
            await service.send({**wanted, "n": n})
            assert (await service.outcome(wanted["firing"]))["detail"] == "set limit"
            await until(service.idle)
            if not n:
                await Catalog(service.store).put("variable", "limit", {"name": "limit", "value": 2})
            await service.store.execute("HDEL", service.store.keys("firing", wanted["firing"]), 0)
        assert (await Catalog(service.store).get("variable", "limit"))["value"] == 2
