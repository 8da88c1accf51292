"""A POST with an Idempotency-Key is done once, whatever is asked for, and however often."""

from __future__ import annotations

import asyncio

import pytest

from tests.services.api_served import Api

KEY = {"Idempotency-Key": "once"}
RUNS = "/api/v1/runs"
LIMITS = "/api/v1/limits"
EVENTS = "/api/v1/events"
EVENT = {"event": "order.placed", "resource": {"id": "order.1"}}


@pytest.fixture
async def api(api: Api) -> Api:
    doc = {"name": "etl/nightly", "entrypoint": "etl.py:etl"}
    await api.post("/api/v1/deployments", 201, json=doc)
    return api


async def a_run(api: Api) -> str:
    run = await api.post(RUNS, 201, json={"deployment": "etl/nightly"})
    return f"{RUNS}/{run['id']}"


async def test_what_was_done_is_answered_again_and_not_done_again(api: Api) -> None:
    run = await a_run(api)
    await api.post(f"{run}/cancel")
    first = await api.post(f"{run}/retry", headers=KEY)
    await api.post(f"{run}/cancel")
    async with api.http.post(f"{api.url}{run}/retry", headers=KEY) as answer:
        assert (answer.status, await answer.json()) == (200, first)
        assert answer.headers["Idempotency-Replayed"] == "true"
    assert (await api.get(run))["state"]["type"] == "Cancelled"
    await api.post(f"{run}/retry", headers={"Idempotency-Key": "another"})


async def test_requests_that_come_together_do_it_once(api: Api) -> None:
    limit = {"name": "db", "limit": 2}
    asked = (api.post(LIMITS, 201, json=limit, headers=KEY) for _ in range(20))
    answers = await asyncio.gather(*asked)
    assert all(answer == answers[0] for answer in answers)
    runs = (api.post(RUNS, 201, json={"deployment": "etl/nightly"}, headers=KEY) for _ in range(20))
    assert len({run["id"] for run in await asyncio.gather(*runs)}) == 1
    assert len((await api.get(RUNS))["items"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "other"),
    [
        (EVENTS, EVENT, 202, {**EVENT, "resource": {"id": "order.2"}}),
        (RUNS, {"deployment": "etl/nightly"}, 201, {"deployment": "etl/nightly", "priority": 5}),
        (LIMITS, {"name": "db", "limit": 2}, 201, {"name": "api", "limit": 2}),
    ],
    ids=["events", "runs", "limits"],
)
async def test_a_key_that_came_with_another_body_is_refused(
    api: Api, path: str, body: object, status: int, other: object
) -> None:
    await api.post(path, status, json=body, headers=KEY)
    problem = await api.post(path, 422, json=other, headers=KEY)
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    before = len((await api.get(path))["items"])
    await api.post(path, status, json=other, headers={"Idempotency-Key": "another"})
    assert len((await api.get(path))["items"]) > before


async def test_what_was_refused_can_be_asked_for_again_under_the_same_key(api: Api) -> None:
    await api.post(LIMITS, 422, json={"name": "db", "limit": -1}, headers=KEY)
    await api.post(LIMITS, 201, json={"name": "db", "limit": 1}, headers=KEY)
    await api.post(EVENTS, 422, json={"event": "a.b"}, headers=KEY)
    assert (await api.post(EVENTS, 202, json=EVENT, headers=KEY))["accepted"] == 1


async def test_the_same_key_means_something_else_at_another_address(api: Api) -> None:
    await api.post(LIMITS, 201, json={"name": "db", "limit": 1}, headers=KEY)
    await api.post("/api/v1/variables", 201, json={"name": "db", "value": 1}, headers=KEY)


async def test_an_absurd_key_is_refused(api: Api) -> None:
    for absurd in ("", "k" * 256):
        await api.post(LIMITS, 400, json={}, headers={"Idempotency-Key": absurd})


async def test_who_died_over_a_request_keeps_nobody_from_asking_again(api: Api) -> None:
    from upshot.services.api import idempotency

    digest = idempotency.digest_of("", b'{"name": "db", "limit": 1}')
    place = idempotency.place_of(api.store.keys, LIMITS, "once")
    await api.store.execute("SET", place, digest, "PX", 200)
    body = b'{"name": "db", "limit": 1}'
    await api.post(LIMITS, 201, data=body, headers=KEY)
