"""CloudEvents 1.0 come in structured, in batches and binary, and are events as any other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services.api_served import Api

EVENTS = "/api/v1/events"
ONE = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
SENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A-1",
    "source": "/shop/berlin",
    "type": "order.placed",
    "subject": "order.7",
    "time": "2026-11-20T07:00:00.5Z",
    "datacontenttype": "application/json",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "data": {"cents": 250},
}


async def send(api: Api, status: int, value: Any, headers: dict[str, str] = ONE) -> Any:
    return await api.post(EVENTS, status, data=json.dumps(value).encode(), headers=headers)


async def only(api: Api) -> dict[str, Any]:
    (found,) = (await api.get(f"{EVENTS}?event=order.*"))["items"]
    return found  # type: ignore[no-any-return]


async def test_a_structured_one_is_an_event(api: Api) -> None:
    assert await send(api, 202, SENT) == {"accepted": 1, "duplicates": 0}
    found = await only(api)
    assert (found["event"], found["payload"]) == ("order.placed", {"cents": 250})
    assert found["occurred"].startswith("2026-11-20T07:00:00.5")
    assert found["resource"] == {
        "id": "order.7",
        "source": "/shop/berlin",
        "traceparent": SENT["traceparent"],
        "sent_id": "A-1",
    }


async def test_an_id_counts_for_its_source(api: Api) -> None:
    again = {**SENT, "subject": "order.8"}
    elsewhere = {**SENT, "source": "/shop/rome"}
    answer = await send(api, 202, [SENT, again, elsewhere], BATCH)
    assert answer == {"accepted": 2, "duplicates": 1}


async def test_an_id_that_is_unique_by_itself_stays(api: Api) -> None:
    unique = "9b2ea8f1-2f6c-4f0e-8f3a-0d9f3f5b7d10"
    await send(api, 202, {**SENT, "id": unique})
    assert (await only(api))["id"] == unique


@pytest.mark.parametrize(
    ("kind", "body", "payload"),
    [
        ("application/json", b'{"cents": 1}', {"cents": 1}),
        ("application/vnd.shop+json", b"[1]", {"data": [1]}),
        ("text/plain; charset=utf-8", "grüße".encode(), {"data": "grüße"}),
        ("image/png", b"\x89PNG", {"data_base64": "iVBORw=="}),
        ("application/json", b"", {}),
    ],
    ids=["object", "array", "text", "bytes", "nothing"],
)
async def test_a_binary_one_has_its_attributes_in_headers(
    api: Api, kind: str, body: bytes, payload: object
) -> None:
    attributes = {f"ce-{name}": str(SENT[name]) for name in ("specversion", "id", "source", "type")}
    headers = {**attributes, "Ce-Subject": "order.%C3%A9", "Content-Type": kind}
    await api.post(EVENTS, 202, data=body, headers=headers)
    found = await only(api)
    assert (found["resource"]["id"], found["payload"]) == ("order.é", payload)


async def test_types_are_written_as_names_are(api: Api) -> None:
    extensions = {"partition": 7, "retried": True, "region": None}
    await send(api, 202, {**SENT, "type": "Order.Placed/v1", "subject": None, **extensions})
    found = await only(api)
    assert (found["resource"]["partition"], found["resource"]["retried"]) == ("7", "true")
    assert "region" not in found["resource"]
    assert found["event"] == "order.placed-v1"
    assert found["resource"]["type"] == "Order.Placed/v1"
    assert found["resource"]["id"] == "/shop/berlin"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": ""}, "source"),
        ({"type": None}, "type"),
        ({"specversion": "0.3"}, "specversion"),
        ({"time": "yesterday"}, "time"),
        ({"type": ".."}, "type"),
        ({"region": "x" * 2000}, "region"),
        ({"region": ["eu"]}, "region"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_taken(
    api: Api, change: dict[str, Any], field: str
) -> None:
    problem = await send(api, 422, [SENT, {**SENT, "id": "A-2", **change}], BATCH)
    assert (problem["errors"][0]["index"], problem["errors"][0]["field"]) == (1, field)
    assert await api.logged() == 0


async def test_nobody_speaks_for_upshot_in_this_way(api: Api) -> None:
    problem = await send(api, 422, {**SENT, "type": "Automation.Fired"})
    assert "Upshot's own" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status"), [(b"{", ONE, 400), (b"{}", BATCH, 422), (b"[]", ONE, 422)]
)
async def test_what_is_no_cloud_event_is_refused(
    api: Api, body: bytes, headers: dict[str, str], status: int
) -> None:
    await api.post(EVENTS, status, data=body, headers=headers)
