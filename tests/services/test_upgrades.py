"""What another version of Upshot has stored neither vanishes nor stops the rest: it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic_core import to_json

from tests.services.api_served import Api, served
from tests.services.engines import automation, defined, engine, event, firings, place, settled
from upshot.events.ids import derived_id
from upshot.events.store import Store
from upshot.services.api.health import readiness
from upshot.services.definitions.catalog import Verb

OLD = {**automation("old"), "mood": "grim"}


@pytest.fixture
async def api(store_url: str) -> AsyncIterator[Api]:
    async with served(store_url) as running:
        yield running


async def kept(store: Store, doc: dict[str, Any]) -> None:
    """Put a definition in the store as an engine of another version has left it."""
    stored = b"1 " + to_json(doc)
    await store.execute("HSET", store.keys("docs", "automation"), doc["name"], stored)
    body = {"definition": doc, "version": 1, "position": 1_000}
    identity = derived_id("automation", doc["name"])
    await store.execute("HSET", store.keys("engine", "definitions"), identity, to_json(body))


async def test_an_automation_that_can_not_be_read_is_told_and_the_others_fire(store: Store) -> None:
    await kept(store, OLD)
    await kept(store, automation("one"))
    await place(store, 2_000, event())
    async with engine(store):
        await settled(store)
        found = (await readiness(store))["parts"]["automations"]
    assert [each["automation"] for each in await firings(store)] == ["one"]
    assert (found["ready"], found["out_of_force"]) == (False, 1)
    assert found["why"] == ["old: mood: unknown key"]
    assert await store.execute("HLEN", store.keys("engine", "definitions")) == 2


async def test_once_it_is_applied_anew_nothing_is_told_any_more(store: Store) -> None:
    await kept(store, OLD)
    await place(store, 2_000, event("other"))
    async with engine(store):
        await settled(store)
        assert "automations" in (await readiness(store))["parts"]
        await place(store, 3_000, defined(automation("old"), "old", Verb.UPDATED, 2), own=True)
        await settled(store)
        assert "automations" not in (await readiness(store))["parts"]
        await place(store, 4_000, event())
        await settled(store)
    assert [each["automation"] for each in await firings(store)] == ["old"]


async def test_one_that_is_deleted_is_told_no_more(store: Store) -> None:
    await kept(store, OLD)
    await place(store, 3_000, defined(None, "old", Verb.DELETED, 2), own=True)
    async with engine(store):
        await settled(store)
        assert "automations" not in (await readiness(store))["parts"]


async def test_questions_about_it_are_answered_with_what_is_wrong(api: Api) -> None:
    await kept(api.store, OLD)
    assert (await api.get("/api/v1/automations/old"))["mood"] == "grim"
    for path, body in (
        ("explain", {"automation": "old", "last": 1}),
        ("backtest", {"automation": "old"}),
        ("test", {"automation": "old"}),
    ):
        found = await api.post(f"/api/v1/automations/{path}", 409, json=body)
        assert found["type"].endswith("unreadable-definition")
        assert "mood: unknown key" in found["detail"]
