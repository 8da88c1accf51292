"""Runs over HTTP: started once for a key, listed, retried, cancelled; what they logged follows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic_core import to_json

from tests.services.api_served import Api
from tests.services.archived import record_task
from upshot.events.exceptions import LimitReached
from upshot.flows.runs.flowrun import FlowRun, Pause, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

RUNS = "/api/v1/runs"
DEPLOYMENT = {
    "name": "etl/nightly",
    "entrypoint": "/flows/etl.py:etl",
    "parameters": {"n": 1, "keep": True},
    "tags": ["night"],
}


@pytest.fixture
async def api(api: Api) -> Api:
    await api.post("/api/v1/apply", json={"deployments": [DEPLOYMENT]})
    return api


async def make(api: Api, state: str = "Scheduled", **how: Any) -> FlowRun:
    """Put a run into the store and lead it to a state."""
    runs = Runs(api.store)
    run = new_run("etl", state=State("Scheduled"), pool="default", **how)
    await runs.create(run)
    for name in {"Scheduled": [], "Running": ["Pending", "Running"]}.get(
        state, ["Pending", "Running", state]
    ):
        run = await runs.transition(await runs.get(run.id), State(name), own=False)
    return run


async def log_line(api: Api, run: FlowRun, text: str) -> None:
    line = to_json({"level": "info", "logger": "flow", "message": text, "task": None})
    await api.store.execute("XADD", api.store.keys("logs", run.id), "*", "l", line)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"a": "x", "n": "x" * 600_000}, "n: the parameters have 600,0"),
        ({"": 1}, "parameters: one has no name"),
    ],
)
async def test_parameters_that_a_run_can_not_carry_are_refused(
    api: Api, parameters: dict[str, Any], told: str
) -> None:
    asked = {"deployment": "etl/nightly", "parameters": parameters}
    assert (await api.post(RUNS, 422, json=asked))["detail"].startswith(told)
    assert (await api.get(RUNS))["items"] == []


async def test_a_run_of_a_deployment_waits_in_its_queue(api: Api) -> None:
    run = await api.post(RUNS, 201, json={"deployment": "etl/nightly", "parameters": {"n": 2}})
    assert run["state"]["type"] == "Scheduled"
    assert run["parameters"] == {"n": 2, "keep": True}
    assert (run["flow"], run["deployment"], run["tags"]) == ("etl", "etl/nightly", ["night"])
    assert await api.store.execute("XLEN", api.store.keys("queue", "default")) == 1
    assert (await api.get(f"{RUNS}/{run['id']}"))["name"] == run["name"]
    assert (await api.get(f"{RUNS}/{run['name']}"))["id"] == run["id"]


async def test_a_run_has_the_tags_that_it_is_given_besides_those_of_its_deployment(
    api: Api,
) -> None:
    run = await api.post(RUNS, 201, json={"deployment": "etl/nightly", "tags": ["mine", "night"]})
    assert run["tags"] == ["night", "mine"]
    problem = await api.post(RUNS, 422, json={"deployment": "etl/nightly", "tags": [""]})
    assert problem["errors"][0]["field"] == "tags.0"


@pytest.mark.parametrize("place", ["body", "header"])
async def test_the_same_key_makes_the_same_run(api: Api, place: str) -> None:
    body = {"deployment": "etl/nightly"}
    headers = {}
    if place == "body":
        body["idempotency_key"] = "once"
    else:
        headers["Idempotency-Key"] = "once"
    first = await api.post(RUNS, 201, json=body, headers=headers)
    again = await api.post(RUNS, 201, json=body, headers=headers)
    assert first["id"] == again["id"]
    assert await api.store.execute("XLEN", api.store.keys("queue", "default")) == 1


async def test_a_run_for_later_is_not_queued_yet(api: Api) -> None:
    body = {"deployment": "etl/nightly", "scheduled_for": "2999-01-01T00:00:00Z"}
    await api.post(RUNS, 201, json=body)
    assert await api.store.execute("ZCARD", api.store.keys("due")) == 1
    assert not await api.store.execute("EXISTS", api.store.keys("queue", "default"))


async def test_a_body_that_came_as_a_form_is_told_how_to_come(api: Api) -> None:
    found = await api.post("/api/v1/runs/any/retry", 422, data={"from": "load"})
    assert "Content-Type: application/json" in found["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"deployment": "etl/nightli"}, 404),
        ({}, 422),
        ({"deployment": "etl/nightly", "parameter": {}}, 422),
        ({"deployment": "etl/nightly", "scheduled_for": "soon"}, 422),
        ({"deployment": "etl/nightly", "idempotency_key": ""}, 422),
    ],
)
async def test_a_wrong_request_starts_nothing(api: Api, body: dict[str, Any], status: int) -> None:
    await api.post(RUNS, status, json=body)
    assert (await api.get(RUNS))["items"] == []


async def test_runs_are_listed_newest_first_and_filtered(api: Api) -> None:
    states = ["Scheduled", "Running", "Failed", "Completed"]
    made = [await make(api, state, name=f"run-{state}") for state in states]
    items = (await api.get(RUNS))["items"]
    assert {item["id"] for item in items} == {run.id for run in made}
    failed = (await api.get(RUNS, params={"state": "Failed"}))["items"]
    assert [item["name"] for item in failed] == ["run-Failed"]
    assert (await api.get(RUNS, params={"deployment": "etl/nightly"}))["items"] == []
    assert len((await api.get(RUNS, params={"flow": "etl", "since": "1h"}))["items"]) == 4
    assert (await api.get(RUNS, params={"until": "1h"}))["items"] == []
    answer = await api.get(RUNS, 422, params={"state": "Dead"})
    assert answer["errors"][0]["field"] == "state"


async def test_the_runs_that_are_a_part_of_another_are_listed_by_its_id_or_name(api: Api) -> None:
    whole = await make(api, "Running", name="whole")
    parts = [await make(api, state, parent=whole.id) for state in ("Completed", "Failed")]
    await make(api)
    for named in (whole.id, "whole"):
        found = (await api.get(RUNS, params={"parent": named}))["items"]
        assert {each["id"] for each in found} == {run.id for run in parts}
    found = (await api.get(RUNS, params={"parent": "whole", "state": "Failed"}))["items"]
    assert [each["id"] for each in found] == [parts[1].id]
    for nobody in ("nobody", ""):
        await api.get(RUNS, 404, params={"parent": nobody})


async def test_pages_of_runs_together_are_all_runs(api: Api) -> None:
    made = {(await make(api)).id for _ in range(7)}
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = await api.get(RUNS, params=query)
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 7
    assert set(seen) == made


async def test_a_failed_run_is_retried_and_a_completed_one_is_not(api: Api) -> None:
    failed, completed = await make(api, "Failed"), await make(api, "Completed")
    assert (await api.post(f"{RUNS}/{failed.id}/retry"))["state"]["name"] == "AwaitingRetry"
    answer = await api.post(f"{RUNS}/{completed.name}/retry", 409)
    assert answer["type"].endswith("not-retryable")
    await api.post(f"{RUNS}/nobody/retry", 404)


async def test_a_waiting_run_is_cancelled_at_once_and_a_running_one_is_asked(api: Api) -> None:
    waiting, running = await make(api), await make(api, "Running")
    assert (await api.post(f"{RUNS}/{waiting.id}/cancel"))["state"]["name"] == "Cancelled"
    assert (await api.post(f"{RUNS}/{running.id}/cancel"))["state"]["name"] == "Cancelling"


async def test_logs_are_listed_by_page(api: Api) -> None:
    run = await make(api, "Running")
    for number in range(5):
        await log_line(api, run, f"line {number}")
    page = await api.get(f"{RUNS}/{run.name}/logs", params={"limit": 3})
    assert [line["message"] for line in page["items"]] == ["line 0", "line 1", "line 2"]
    query = {"limit": 3, "cursor": page["next"]}
    page = await api.get(f"{RUNS}/{run.name}/logs", params=query)
    assert [line["message"] for line in page["items"]] == ["line 3", "line 4"]
    assert page["next"] is None


async def test_logs_are_followed_until_the_run_ends(api: Api) -> None:
    run = await make(api, "Running")
    await log_line(api, run, "first")
    url = f"{api.url}{RUNS}/{run.id}/logs?follow=1"
    async with asyncio.timeout(20), api.http.get(url) as answer:
        while b"first" not in await answer.content.readline():
            pass
        await log_line(api, run, "last")
        await Runs(api.store).transition(run, State("Completed"), own=False)
        rest = (await answer.content.read()).decode()
    messages = [line for line in rest.splitlines() if line.startswith(("event:", "data:"))]
    assert "last" in messages[-3]
    assert messages[-2] == "event: end"
    assert json.loads(messages[-1].removeprefix("data: "))["state"]["name"] == "Completed"


async def record_tasks(api: Api, run: FlowRun, *states: str) -> None:
    for number, state in enumerate(states):
        created = f"2026-01-01T00:00:{number:02}Z"
        record = {
            "id": f"{run.id}-{number}",
            "created": created,
            "state": State(state).to_dict(),
            "run": run.id,
        }
        value = f"{state} ".encode() + to_json(record)
        field = f"{run.id}-{number}"
        await api.store.execute("HSET", api.store.keys("tasks", run.id), field, value)


async def test_task_runs_of_a_run_are_listed_oldest_first(api: Api) -> None:
    run = await make(api, "Running")
    await record_tasks(api, run, "Completed", "Failed", "Completed", "Running")
    for path, query in (
        (f"{RUNS}/{run.name}/task-runs", {}),
        ("/api/v1/task-runs", {"run": run.id}),
    ):
        items = (await api.get(path, params=query))["items"]
        assert [item["id"][-1] for item in items] == ["0", "1", "2", "3"]
        completed = (await api.get(path, params=query | {"state": "Completed"}))["items"]
        assert [item["id"][-1] for item in completed] == ["0", "2"]


@pytest.mark.parametrize("cursor", ["nonsense", "nonsense:3", "3"])
async def test_a_cursor_that_no_page_had_is_refused(api: Api, cursor: str) -> None:
    problem = await api.get(f"/api/v1/task-runs?cursor={cursor}", 422)
    assert problem["errors"][0]["field"] == "cursor"


async def test_task_runs_of_all_runs_page_over_the_runs(api: Api) -> None:
    for _ in range(3):
        await record_tasks(api, await make(api, "Running"), *["Completed"] * 4)
    seen, cursor = [], None
    while True:
        query = {"limit": 5} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/api/v1/task-runs", params=query)
        assert len(page["items"]) <= 5
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 12


async def test_flows_and_pools_are_known_from_deployments_and_runs(api: Api) -> None:
    await make(api)
    assert (await api.get("/api/v1/flows"))["items"][0]["deployments"] == ["etl/nightly"]
    (pool,) = (await api.get("/api/v1/work-pools"))["items"]
    assert (pool["name"], pool["queued"], pool["workers"]) == ("default", 1, 0)
    assert (await api.get("/api/v1/workers"))["items"] == []


async def test_a_retry_from_a_task_names_one_that_the_run_called(api: Api) -> None:
    failed = await make(api, "Failed")
    await record_task(api.store, failed, "load-0", "Completed")
    wrong = await api.post(f"{RUNS}/{failed.id}/retry", 422, json={"from": "laod"})
    assert "has called no task 'laod'; it called t" in wrong["detail"]
    for body in ({"from": ""}, {"task": "load"}, {"from": 3}):
        wrong = await api.post(f"{RUNS}/{failed.id}/retry", 422, json=body)
        assert wrong["errors"][0]["field"] in {"from", "task"}
    again = await api.post(f"{RUNS}/{failed.id}/retry", json={"from": "t"})
    assert again["state"]["message"] == "retried by hand from t"
    assert [name for name, _ in (await Runs(api.store).get(failed.id)).again] == ["t"]


async def test_a_run_is_paused_and_resumed_by_hand_once(api: Api) -> None:
    run = await make(api)
    paused = await api.post(f"{RUNS}/{run.id}/pause", json={"message": "not now"})
    assert (paused["state"]["name"], paused["state"]["message"]) == ("Paused", "not now")
    again = await api.post(f"{RUNS}/{run.id}/pause")
    assert again["state"]["timestamp"] == paused["state"]["timestamp"]
    resumed = await api.post(f"{RUNS}/{run.id}/resume")
    assert (resumed["state"]["name"], resumed["state"]["message"]) == (
        "Scheduled",
        "resumed by hand",
    )
    assert (await api.post(f"{RUNS}/{run.id}/resume"))["state"] == resumed["state"]


async def test_what_a_paused_run_asks_for_is_shown_and_checked(api: Api) -> None:
    run = await make(api, "Running")
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    pause = Pause("ship", "Ship it?", schema)
    more = {"pause": pause.to_json()}
    await Runs(api.store).transition(run, State("Suspended"), own=True, fields=more)
    shown = await api.get(f"{RUNS}/{run.id}")
    assert (shown["pause"]["description"], shown["pause"]["schema"]) == ("Ship it?", schema)
    for given, field in (({"ok": 1}, "input.ok"), ({}, "input.ok"), (None, "input")):
        refused = await api.post(f"{RUNS}/{run.id}/resume", 422, json={"input": given})
        assert [error["field"] for error in refused["errors"]] == [field]
    unknown = await api.post(f"{RUNS}/{run.id}/resume", 422, json={"inputs": 1})
    assert unknown["errors"][0]["field"] == "inputs"
    resumed = await api.post(f"{RUNS}/{run.id}/resume", json={"input": {"ok": True}})
    assert (resumed["state"]["type"], resumed["pause"]) == ("Running", None)
    late = await api.post(f"{RUNS}/{run.id}/resume", 409, json={"input": {"ok": True}})
    assert late["type"].endswith("not-resumable")


async def test_an_ended_run_is_neither_paused_nor_resumed(api: Api) -> None:
    run = await make(api, "Failed")
    for verb, kind in (("pause", "not-pausable"), ("resume", "not-resumable")):
        refused = await api.post(f"{RUNS}/{run.id}/{verb}", 409)
        assert refused["type"].endswith(kind)


async def test_a_limit_in_use_is_shown_and_its_slots_can_be_taken(api: Api) -> None:
    await api.post("/api/v1/limits", 201, json={"name": "work-pool:default", "limit": 1})
    first = await make(api, "Running")
    second = await make(api)
    with pytest.raises(LimitReached):
        await Runs(api.store).transition(second, State("Pending"), own=False)
    (use,) = (await api.get("/api/v1/limits-in-use"))["items"]
    assert (use["name"], use["used"], use["waiting"]) == ("work-pool:default", 1, 1)
    assert use["holders"] == [{"run": first.id, "slots": 1}]
    assert (await api.post("/api/v1/limits/work-pool:default/reset"))["released"] == 1
    await Runs(api.store).transition(second, State("Pending"), own=False)


async def test_a_suspended_run_that_is_cancelled_leaves_no_task_open(api: Api) -> None:
    run = await make(api, "Running")
    await record_tasks(api, run, "Completed", "Pending")
    run = await Runs(api.store).transition(run, State("Suspended"), own=True)
    await api.store.call("leave_run", run.id, run.epoch, 0)
    assert (await api.post(f"{RUNS}/{run.id}/cancel"))["state"]["name"] == "Cancelled"
    tasks = (await api.get(f"{RUNS}/{run.id}/task-runs"))["items"]
    assert sorted(task["state"]["name"] for task in tasks) == ["Cancelled", "Completed"]
