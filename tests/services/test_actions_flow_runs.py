"""Actions that change flow runs, by the real dispatcher: once each, whatever became of the run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_core import from_json

from tests.services.dispatching import EVENT, Service, dispatching, entry
from tests.waiting import until
from upshot.events.ids import derived_id
from upshot.events.store import Argument
from upshot.flows.runs.flowrun import ANSWER, FlowRun, Pause, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State

ACTIONS: dict[str, dict[str, Any]] = {
    "cancel-flow-run": {},
    "change-flow-run-state": {"state": "Failed", "message": "said {{ event.payload.n }}"},
    "pause-flow-run": {},
}
BECOMES = {
    "cancel-flow-run": "Cancelled",
    "change-flow-run-state": "Failed",
    "pause-flow-run": "Paused",
}


async def made(service: Service, *states: str) -> FlowRun:
    """Return a run that has gone through these states."""
    runs = Runs(service.store)
    run = new_run("etl", state=State("Scheduled"), deployment="etl/nightly", pool="default")
    await runs.create(run)
    for name in states:
        run = await runs.transition(await runs.get(run.id), State(name), own=False)
    return run


def about(run: FlowRun) -> dict[str, Any]:
    return {**EVENT, "resource": {"id": f"flow-run.{run.id}", "name": run.name}}


async def outcome(service: Service, run: FlowRun, action: dict[str, Any]) -> dict[str, Any]:
    wanted = entry(action, event=about(run))
    await service.send(wanted)
    return await service.outcome(wanted["firing"])


@pytest.mark.parametrize("kind", sorted(ACTIONS))
async def test_the_run_that_the_event_concerns_is_changed_once_and_told_with_its_cause(
    store_url: str, kind: str
) -> None:
    async with dispatching(store_url) as service:
        runs, run = Runs(service.store), await made(service)
        wanted = entry({kind: ACTIONS[kind]}, event=about(run))
        for n in range(3):
            await service.send({**wanted, "n": n})
            ended = await service.outcome(wanted["firing"])
            detail = f"flow-run.{run.id} ({run.name})"
            assert (ended["outcome"], ended["detail"]) == ("succeeded", detail)
            await until(service.idle)
            await service.store.execute("HDEL", service.store.keys("firing", wanted["firing"]), 0)
            if not n:
                changed = await runs.get(run.id)
                assert changed.state.name == BECOMES[kind]
                assert changed.caused_by == derived_id("triggered", wanted["firing"], "0")
                undo = runs.resume if kind == "pause-flow-run" else runs.retry
                await undo(run.id)
        assert (await runs.get(run.id)).state.name in ("Scheduled", "AwaitingRetry")
        (told,) = await service.events(f"flow-run.{BECOMES[kind].lower()}")
        assert told["follows"] == derived_id("triggered", wanted["firing"], "0")
        assert told["causation"]["automations"] == {"auto-1": 1}


async def test_a_paused_run_is_resumed_once(store_url: str) -> None:
    async with dispatching(store_url) as service:
        runs, run = Runs(service.store), await made(service)
        await runs.pause(run.id)
        wanted = entry({"resume-flow-run": {}}, event=about(run))
        await service.send(wanted)
        assert (await service.outcome(wanted["firing"]))["outcome"] == "succeeded"
        await runs.pause(run.id)
        await until(service.idle)
        await service.store.execute("HDEL", service.store.keys("firing", wanted["firing"]), 0)
        await service.send({**wanted, "n": 1})
        assert (await service.outcome(wanted["firing"]))["outcome"] == "succeeded"
        assert (await runs.get(run.id)).state.name == "Paused"


async def test_what_a_run_asks_for_is_answered_or_refused_with_the_field(store_url: str) -> None:
    async with dispatching(store_url) as service:
        run = await made(service, "Pending", "Running")
        asks = Pause("approval", schema=TypeAdapter(dict[str, bool]).json_schema()).to_json()
        runs = Runs(service.store)
        await runs.transition(run, State("Suspended"), own=False, fields={"pause": asks})
        wrong = await outcome(service, run, {"resume-flow-run": {"input": {"ship": "perhaps"}}})
        assert wrong["outcome"] == "failed"
        assert "input.ship" in wrong["detail"]
        right = {"resume-flow-run": {"input": {"ship": "{{ event.payload.n == 3 }}"}}}
        assert (await outcome(service, run, right))["outcome"] == "succeeded"
        key = service.store.keys("run", run.id)
        answer = await service.store.execute("HGET", key, ANSWER + "approval")
        assert from_json(answer) == {"value": {"ship": True}}


@pytest.mark.parametrize(
    ("states", "action", "detail"),
    [
        (("Failed",), {"cancel-flow-run": {}}, "had ended already: Failed"),
        (("Pending", "Cancelling"), {"cancel-flow-run": {}}, "was so already: Cancelling"),
        (("Paused",), {"pause-flow-run": {}}, "was so already: Paused"),
        (("Crashed",), {"change-flow-run-state": {"state": "Crashed"}}, "had ended already"),
        ((), {"resume-flow-run": {}}, "was so already: Scheduled"),
    ],
)
async def test_a_run_that_is_so_already_is_left_as_it_is(
    store_url: str, states: tuple[str, ...], action: dict[str, Any], detail: str
) -> None:
    async with dispatching(store_url) as service:
        run = await made(service, *states)
        ended = await outcome(service, run, action)
        assert ended["outcome"] == "succeeded"
        assert detail in ended["detail"]
        assert (await Runs(service.store).get(run.id)).version == run.version


@pytest.mark.parametrize(
    ("states", "action", "reason"),
    [
        (
            ("Completed",),
            {"change-flow-run-state": {"state": "Failed"}},
            "is Completed and can not",
        ),
        (("Completed",), {"pause-flow-run": {}}, "can't be paused"),
        (("Completed",), {"resume-flow-run": {}}, "can't be resumed"),
        ((), {"cancel-flow-run": {"flow_run": "nobody"}}, "'nobody'"),
    ],
)
async def test_what_the_rules_of_states_forbid_is_not_tried_again(
    store_url: str, states: tuple[str, ...], action: dict[str, Any], reason: str
) -> None:
    async with dispatching(store_url) as service:
        ended = await outcome(service, await made(service, *states), action)
        assert (ended["outcome"], ended["attempts"]) == ("failed", 1)
        assert reason in ended["detail"]


@pytest.mark.parametrize(("state", "tasks"), [("Failed", "Failed"), ("Completed", "Cancelled")])
async def test_the_open_task_runs_of_a_run_that_is_ended_end_with_it(
    store_url: str, state: str, tasks: str
) -> None:
    async with dispatching(store_url) as service:
        run = await made(service, "Pending", "Running")
        record = b'{"id": "t1", "task": "t", "name": "t-0", "created": "x", "state": {}}'
        batch: tuple[Argument, ...] = ("t1", "Running", record, b'{"event": "task-run.running"}')
        await service.store.call("record_tasks", run.id, run.epoch, 1, *batch)
        ended = await outcome(service, run, {"change-flow-run-state": {"state": state}})
        assert ended["outcome"] == "succeeded"
        stored = await service.store.execute("HGET", service.store.keys("tasks", run.id), "t1")
        kind, _, body = stored.partition(b" ")
        assert (kind.decode(), from_json(body)["state"]["name"]) == (tasks, tasks)
