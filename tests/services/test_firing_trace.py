"""What is told of a firing, from its cause to its outcomes: by the API and the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.services.api_served import Api, printed
from tests.services.dispatching import receiving
from tests.services.engines import engine
from tests.waiting import until
from upshot.events.settings import Settings
from upshot.services.dispatcher import run as dispatcher

RULE: dict[str, Any] = {
    "name": "late-orders",
    "trigger": {
        "type": "event",
        "expect": ["order.late"],
        "for_each": ["id"],
        "threshold": 2,
        "within": "1h",
    },
    "conditions": ["variable('limit') > 2"],
    "actions": [
        {"call-webhook": {"url": "URL/x?token=s3cret", "body": {"n": "{{ events | length }}"}}},
        {"emit-event": {"event": "order.noted", "if": "event.payload.n > 5"}},
    ],
}


async def test_a_firing_tells_why_it_came_about_and_what_was_made_of_it(api: Api) -> None:
    await api.post("/api/v1/variables", 201, json={"name": "limit", "value": 3})
    acting = asyncio.create_task(dispatcher(Settings(lease=1.0), api.store.url))
    async with receiving() as receiver, engine(api.store):
        rule = json.loads(json.dumps(RULE).replace("URL", receiver.url))
        await api.post("/api/v1/automations", 201, json=rule)
        await api.post("/api/v1/events", 202, json=[late("e1"), late("e2")])
        firing = await settled(api)
    acting.cancel()
    await asyncio.gather(acting, return_exceptions=True)
    assert firing["labels"] == {"id": "order.7"}
    assert firing["conditions"][0]["holds"] is True
    call, note = firing["outcomes"]["0"], firing["outcomes"]["1"]
    assert call["arguments"]["body"] == {"n": 2}
    assert call["arguments"]["url"].endswith("/x?token=********")
    assert note["if"] == {"expression": "event.payload.n > 5", "holds": False}
    path = f"/api/v1/firings/{firing['id']}/events?limit=1"
    first = await api.get(path)
    second = await api.get(f"{path}&cursor={first['next']}")
    assert [event["id"] for event in first["items"] + second["items"]] == ["e1", "e2"]
    assert second["next"] is None
    (listed,) = (await api.get("/api/v1/firings"))["items"]
    assert "arguments" not in listed["outcomes"]["0"]
    told = await asyncio.to_thread(printed, api, "automation", "firing", firing["id"])
    for line in (
        "late-orders fired at",
        "threshold_reached for id=order.7",
        "condition variable('limit') > 2: yes (variable('limit') = 3)",
        "events: 2",
        "call-webhook succeeded: 200 OK",
        'body: {"n": 2}',
        "emit-event skipped: if: event.payload.n > 5 is false",
    ):
        assert line in told
    assert "s3cret" not in told
    whole = json.loads(
        await asyncio.to_thread(printed, api, "automation", "firing", firing["id"], "-o", "json")
    )
    assert [event["id"] for event in whole["event_details"]] == ["e1", "e2"]
    await check_trace(api, firing)


async def check_trace(api: Api, firing: dict[str, Any]) -> None:
    found = await api.get("/api/v1/events/e2/trace")
    assert list(found["firings"]) == [firing["id"]]
    traced = await asyncio.to_thread(printed, api, "event", "trace", "e2")
    for line in ("threshold_reached for id=order.7", 'body: {"n": 2}', "call-webhook succeeded"):
        assert line in traced


def late(identity: str) -> dict[str, Any]:
    return {
        "id": identity,
        "event": "order.late",
        "resource": {"id": "order.7"},
        "payload": {"n": 1},
    }


async def settled(api: Api) -> dict[str, Any]:
    """Return the one firing once both of its actions are settled."""

    async def ids() -> list[str]:
        items = (await api.get("/api/v1/firings"))["items"]
        return [item["id"] for item in items if len(item["outcomes"]) == 2]

    async def there() -> bool:
        return bool(await ids())

    await until(there)
    return await api.get(f"/api/v1/firings/{(await ids())[0]}")  # type: ignore[no-any-return]


async def test_a_firing_that_is_not_there_is_not_found(api: Api) -> None:
    await api.get("/api/v1/firings/nothing/events", 404)
