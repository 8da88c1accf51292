"""A shadow decides as the real ones and is recorded; nothing is done, and nothing is set off."""

from __future__ import annotations

from typing import Any

from tests.services.api_served import served
from tests.services.engines import (
    apply,
    automation,
    counter,
    engine,
    entries,
    event,
    firings,
    names,
    settled,
)
from upshot.events.log import Log
from upshot.events.store import Store

AUTOMATIONS = "/api/v1/automations"


def shadow(name: str, **trigger: Any) -> dict[str, Any]:
    return {**automation(name, **trigger), "shadow": True}


async def test_a_shadow_is_recorded_and_acts_on_nothing(store: Store) -> None:
    await apply(store, shadow("s"), automation("real"))
    await Log(store).append([event(identity="e1")])
    async with engine(store):
        await settled(store)
    recorded = {each["automation"]: each for each in await firings(store)}
    assert {name: each["shadow"] for name, each in recorded.items()} == {"s": True, "real": False}
    assert recorded["s"]["events"] == ["e1"]
    assert recorded["s"]["actions"] == ["notify"]
    assert [each["automation"]["name"] for each in await entries(store)] == ["real"]
    assert await counter(store, "firings:shadow") == 1
    assert await counter(store, "firings:fired") == 1


async def test_what_a_shadow_decides_sets_off_no_other(store: Store) -> None:
    await apply(store, shadow("s"), automation("on-firings", expect=["automation.fired"]))
    await Log(store).append([event(identity="e1")])
    async with engine(store):
        await settled(store)
    assert [each["automation"] for each in await firings(store)] == ["s"]
    told = await names(store)
    assert "automation.shadow-fired" in told
    assert not {"automation.fired", "action.triggered"} & set(told)


async def test_all_that_a_shadow_tells_has_names_of_its_own(store: Store) -> None:
    doc = {
        **shadow("s"),
        "control": {"throttle": {"limit": 1, "per": "1h"}},
        "resolve": {"expect": ["tock"]},
        "on_resolve": [{"notify": {"to": "me", "title": "over"}}],
    }
    await apply(store, doc, automation("others", expect=["automation.suppressed"]))
    await Log(store).append([event(), event(), event("tock")])
    async with engine(store):
        await settled(store)
    told = [each for each in await names(store) if each.startswith("automation.shadow-")]
    assert sorted(told) == [
        "automation.shadow-fired",
        "automation.shadow-fired",
        "automation.shadow-resolved",
        "automation.shadow-suppressed",
    ]
    assert {each["branch"] for each in await firings(store)} == {"actions", "on_resolve"}
    assert await entries(store) == []
    assert await counter(store, "firings:shadow") == 2


async def test_a_shadow_is_never_in_progress(store: Store) -> None:
    await apply(store, {**shadow("s"), "control": {"mode": "single"}})
    await Log(store).append([event(), event(), event()])
    async with engine(store):
        await settled(store)
    assert len(await firings(store)) == 3


async def test_a_shadow_fires_once_however_often_the_engine_starts(store: Store) -> None:
    await apply(store, shadow("s", threshold=2, within="1h"))
    for number in range(4):
        await Log(store).append([event(identity=f"e{number}")])
        async with engine(store):
            await settled(store)
    assert [each["events"] for each in await firings(store)] == [["e0", "e1"]]
    assert await counter(store, "firings:shadow") == 1


async def test_what_a_shadow_would_have_done_is_filled_in_when_asked_for(store_url: str) -> None:
    async with served(store_url) as api, engine(api.store):
        doc = shadow("s", title="{{ event.resource.id }} of {{ variables.town }}")
        doc["actions"] += [
            {"notify": {"to": "me", "title": "late", "if": "event.payload.n > 5"}},
            {"notify": {"to": "me", "title": "{{ event.payload.missing }}"}},
            {"notify": {"to": "me", "title": "{{ range(9999999) | sum }}{{ events | length }}"}},
            {"call-webhook": {"url": "http://a:{{ variables.town }}@x.org/", "method": "GET"}},
        ]
        await api.post("/api/v1/automations", 201, json=doc)
        await api.post("/api/v1/variables", 201, json={"name": "town", "value": "Ulm"})
        tick = {"event": "tick", "resource": {"id": "thing.1"}, "payload": {"n": 1}}
        await api.post("/api/v1/events", 202, json=tick)
        await settled(api.store)
        (listed,) = (await api.get("/api/v1/firings"))["items"]
        assert [each["outcome"] for each in listed["outcomes"].values()] == ["shadow"] * 5
        found = await api.get(f"/api/v1/firings/{listed['id']}")
        outcomes = [found["outcomes"][str(index)] for index in range(5)]
        assert [each["would"] for each in outcomes] == ["act", "skip", "fail", "fail", "act"]
        assert outcomes[0]["arguments"]["title"] == "thing.1 of Ulm"
        assert outcomes[1]["if"] == {"expression": "event.payload.n > 5", "holds": False}
        assert "missing" in outcomes[2]["detail"]
        assert outcomes[4]["arguments"]["url"] == "http://a:********@x.org/"
        assert await entries(api.store) == []


async def test_it_is_filled_in_by_the_version_that_decided(store_url: str) -> None:
    async with served(store_url) as api, engine(api.store):
        await api.post("/api/v1/automations", 201, json=shadow("s", title="first"))
        await api.post("/api/v1/events", 202, json={"event": "tick", "resource": {"id": "x"}})
        await settled(api.store)
        headers = {"If-Match": "*"}
        await api.ask(
            "PUT", "/api/v1/automations/s", 200, json=shadow("s", title="then"), headers=headers
        )
        (listed,) = (await api.get("/api/v1/firings"))["items"]
        found = await api.get(f"/api/v1/firings/{listed['id']}")
        assert found["outcomes"]["0"]["arguments"]["title"] == "first"
        await api.store.execute("DEL", api.store.keys("history", "automation", "s"))
        found = await api.get(f"/api/v1/firings/{listed['id']}")
        assert "version 1" in found["outcomes"]["0"]["detail"]


async def test_a_promoted_shadow_acts_and_goes_on_with_what_it_has_counted(store_url: str) -> None:
    async with served(store_url) as api, engine(api.store):
        await api.post("/api/v1/automations", 201, json=shadow("s", threshold=2, within="1h"))
        await api.post("/api/v1/events", 202, json={"event": "tick", "resource": {"id": "x"}})
        promoted = await api.post(f"{AUTOMATIONS}/s/promote", headers={"If-Match": '"1"'})
        assert (promoted["shadow"], promoted["version"]) == (False, 2)
        await api.post("/api/v1/events", 202, json={"event": "tick", "resource": {"id": "x"}})
        await settled(api.store)
        (firing,) = await firings(api.store)
        assert (firing["shadow"], len(firing["events"])) == (False, 2)
        assert len(await entries(api.store)) == 1


async def test_what_a_shadow_replaces_is_paused_in_the_same_step(store_url: str) -> None:
    async with served(store_url) as api:
        for doc in (automation("old"), shadow("new")):
            await api.post(AUTOMATIONS, 201, json=doc)
        asked: dict[str, Any] = {"headers": {"If-Match": "*"}, "json": {"replaces": "old"}}
        await api.post(f"{AUTOMATIONS}/new/promote", **asked)
        assert (await api.get(f"{AUTOMATIONS}/old"))["paused"] is True
        told = await names(api.store)
        assert told[-2:] == ["automation.paused", "automation.updated"]


async def test_a_promotion_that_makes_no_sense_is_refused_and_changes_nothing(
    store_url: str,
) -> None:
    async with served(store_url) as api:
        for doc in (automation("old"), shadow("new")):
            await api.post(AUTOMATIONS, 201, json=doc)
        path, any_version = f"{AUTOMATIONS}/new/promote", {"If-Match": "*"}
        await api.post(path, 428)
        await api.post(path, 412, headers={"If-Match": '"7"'})
        await api.post(path, 404, headers=any_version, json={"replaces": "nobody"})
        wrong = await api.post(path, 422, headers=any_version, json={"replaces": "new"})
        assert wrong["errors"][0]["field"] == "replaces"
        await api.post(path, 422, headers=any_version, json={"replace": "old"})
        refused = await api.post(f"{AUTOMATIONS}/old/promote", 409, headers=any_version)
        assert refused["type"].endswith("no-shadow")
        await api.post(f"{AUTOMATIONS}/nobody/promote", 404, headers=any_version)
        assert (await api.get(f"{AUTOMATIONS}/new"))["shadow"] is True
        assert await names(api.store) == ["automation.created"] * 2
