"""Firings and dead letters over HTTP: why, what became of it, and once more."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from tests.services.api_served import Api
from upshot.events.log import Log

FIRINGS = "/api/v1/firings"
LETTERS = "/api/v1/dead-letters"


async def fire(api: Api, firing: str, at: int, automation: str = "heal") -> None:
    doc = {
        "id": firing,
        "automation": automation,
        "automation_id": f"id-of-{automation}",
        "reason": "threshold_reached",
        "at": at,
        "actions": ["notify"],
        "labels": {"id": "<script>alert(1)</script>"},
    }
    outcome = {"type": "notify", "outcome": "succeeded"}
    key = api.store.keys("firing", firing)
    await api.store.execute("HSET", key, "doc", to_json(doc), "0", to_json(outcome))
    await api.store.execute("ZADD", api.store.keys("firings"), at, firing)


async def test_firings_come_newest_first_with_their_outcomes(api: Api) -> None:
    for at in range(5):
        await fire(api, f"f{at}", at, "heal" if at % 2 else "tell")
    items = (await api.get(FIRINGS))["items"]
    assert [item["id"] for item in items] == ["f4", "f3", "f2", "f1", "f0"]
    assert items[0]["outcomes"]["0"]["outcome"] == "succeeded"
    for name in ("heal", "id-of-heal"):
        found = (await api.get(FIRINGS, params={"automation": name}))["items"]
        assert [item["id"] for item in found] == ["f3", "f1"]
    page = await api.get(FIRINGS, params={"limit": 2})
    page = await api.get(FIRINGS, params={"limit": 3, "cursor": page["next"]})
    assert [item["id"] for item in page["items"]] == ["f2", "f1", "f0"]
    assert (await api.get(f"{FIRINGS}/f1"))["reason"] == "threshold_reached"
    await api.get(f"{FIRINGS}/f9", 404)
    await api.get(FIRINGS, 422, params={"cursor": "f9"})


async def bury(api: Api, **letter: Any) -> str:
    body = {
        "firing": "f1",
        "index": 0,
        "type": "notify",
        "automation": "heal",
        "reason": "nobody answers",
        "entry": {"firing": "f1", "next": 0, "causation": None},
        "at": "2026-01-01T00:00:00Z",
    }
    key = api.store.keys("dead-letters")
    entry = await api.store.execute("XADD", key, "*", "d", to_json(body | letter))
    return str(entry.decode())


async def test_a_dead_letter_is_replayed_once(api: Api) -> None:
    await fire(api, "f1", 1)
    letter = await bury(api)
    (listed,) = (await api.get(LETTERS))["items"]
    assert (listed["id"], listed["reason"]) == (letter, "nobody answers")
    assert "entry" not in listed
    assert (await api.get(f"{LETTERS}/{letter}"))["entry"]["firing"] == "f1"
    await api.post(f"{LETTERS}/{letter}/replay", 202)
    await api.post(f"{LETTERS}/{letter}/replay", 404)
    (entry,) = await api.store.execute("XRANGE", api.store.keys("actions"), "-", "+")
    assert from_json(entry[1][1])["firing"] == "f1"
    assert (await api.get(f"{FIRINGS}/f1"))["outcomes"] == {}
    (event,) = [event for event in await Log(api.store).range() if event.own]
    assert event.name == "action.replayed"
    assert (await api.get(LETTERS))["items"] == []


async def test_letters_of_older_versions_are_shown_as_well(api: Api) -> None:
    await bury(api)
    assert (await api.get(LETTERS))["items"][0]["to"] is None
    async with api.http.get(f"{api.url}/") as page:
        assert page.status == 200
        assert "nobody answers" in await page.text()


async def test_a_letter_that_nobody_could_read_can_only_be_thrown_away(api: Api) -> None:
    letter = await bury(api, entry=None, raw="garbage")
    assert (await api.post(f"{LETTERS}/{letter}/replay", 409))["type"].endswith("not-replayable")
    await api.ask("DELETE", f"{LETTERS}/{letter}", 204)
    await api.ask("DELETE", f"{LETTERS}/{letter}", 404)


@pytest.mark.parametrize("letter", ["1-1", "x", "-", "+", "1-1 +"])
async def test_a_letter_that_is_not_there_is_not_found(api: Api, letter: str) -> None:
    await bury(api)
    await api.get(f"{LETTERS}/{letter}", 404)
    await api.post(f"{LETTERS}/{letter}/replay", 404)
    assert len((await api.get(LETTERS))["items"]) == 1


async def test_letters_page_by_cursor(api: Api) -> None:
    made = [await bury(api) for _ in range(5)]
    first = await api.get(LETTERS, params={"limit": 3})
    second = await api.get(LETTERS, params={"limit": 3, "cursor": first["next"]})
    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None
