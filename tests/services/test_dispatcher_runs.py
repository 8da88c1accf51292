"""Actions that start and retry runs and emit events: once, however often their entry comes."""

from __future__ import annotations

from typing import Any

from tests.services.dispatching import EVENT, dispatching, entry
from tests.waiting import until
from upshot.events.event import Causation
from upshot.events.ids import derived_id
from upshot.flows.runs.flowrun import new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State


async def test_a_deployment_is_run_once_however_often_the_entry_comes(store_url: str) -> None:
    deployment = {
        "name": "etl/nightly",
        "entrypoint": "etl.py:etl",
        "work_pool": "heavy",
        "parameters": {"a": 1, "b": 2},
    }
    definitions: dict[str, dict[str, Any]] = {
        "deployment": {"etl/nightly": deployment},
        "variable": {"size": {"name": "size", "value": "large"}},
    }
    async with dispatching(store_url, definitions=definitions) as service:
        parameters = {"b": "{{ event.payload.n }}", "size": "{{ variables.size }}"}
        wanted = entry({"run-deployment": {"deployment": "etl/nightly", "parameters": parameters}})
        await service.send(wanted, {**wanted, "n": 1}, wanted)
        await until(service.idle)
        run = await Runs(service.store).get(derived_id("run", wanted["firing"], "0"))
        assert (run.flow, run.pool, run.parameters) == (
            "etl", "heavy", {"a": 1, "b": 3, "size": "large"},
        )  # fmt: skip
        assert run.caused_by == derived_id("triggered", wanted["firing"], "0")
        assert run.causation is not None
        assert run.causation.automations == {"auto-1": 1}
        assert len(await service.events("flow-run.scheduled")) == 1
        assert len(await service.events("action.succeeded")) == 1


async def test_parameters_that_a_run_can_not_carry_fail_the_action(store_url: str) -> None:
    deployment = {"name": "etl/nightly", "entrypoint": "etl.py:etl"}
    wrong = {"n": "{{ [1e308 * 10] }}"}
    wanted = entry({"run-deployment": {"deployment": "etl/nightly", "parameters": wrong}})
    definitions = {"deployment": {"etl/nightly": deployment}}
    async with dispatching(store_url, definitions=definitions) as service:
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert outcome["outcome"] == "failed"
        assert "n.0: NaN, Infinity" in outcome["detail"]
        assert await service.events("flow-run.scheduled") == []


async def test_a_failed_run_is_retried_once_however_often_the_entry_comes(store_url: str) -> None:
    async with dispatching(store_url) as service:
        runs = Runs(service.store)
        run = new_run("etl", state=State("Scheduled"), deployment="etl/nightly", pool="default")
        await runs.create(run)
        await runs.transition(await runs.get(run.id), State("Failed", "boom"), own=False)
        event = {**EVENT, "event": "flow-run.failed", "resource": {"id": f"flow-run.{run.id}"}}
        notes = {"emit-event": {"event": "noted.it", "payload": {"run": "{{ flow_run.name }}"}}}
        wanted = entry({"retry-flow-run": {}}, notes, event=event)
        await service.send(wanted)
        await until(service.idle)
        await service.store.execute("HDEL", service.store.keys("firing", wanted["firing"]), 0)
        await service.send({**wanted, "n": 1})
        await until(service.idle)
        retried = await runs.get(run.id)
        assert retried.state.name == "AwaitingRetry"
        assert retried.caused_by == derived_id("triggered", wanted["firing"], "0")
        assert len(await service.events("flow-run.scheduled")) == 2
        assert [each["payload"]["run"] for each in await service.events("noted.it")] == [run.name]
        assert await service.letters() == []


async def test_a_run_that_completed_cannot_be_retried(store_url: str) -> None:
    async with dispatching(store_url) as service:
        runs = Runs(service.store)
        run = new_run("etl", state=State("Scheduled"), pool="default")
        await runs.create(run)
        await runs.transition(await runs.get(run.id), State("Completed"), own=False)
        wanted = entry({"retry-flow-run": {"flow_run": run.id}})
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert outcome["outcome"] == "failed"
        assert "only an ended one" in outcome["detail"]


async def test_an_emitted_event_is_in_the_log_once_with_its_causation(store_url: str) -> None:
    async with dispatching(store_url) as service:
        action = {
            "emit-event": {
                "event": "order.{{ event.resource.name }}",
                "resource": {"id": "{{ event.resource.id }}"},
                "payload": {"n": "{{ event.payload.n }}", "deep": [{"of": "{{ firing.reason }}"}]},
            }
        }
        wanted = entry(action)
        await service.send(wanted)
        await until(service.idle)
        await service.store.execute("DEL", service.store.keys("firing", wanted["firing"]))
        await service.send(wanted)
        await until(service.idle)
        [emitted] = await service.events("order.seven")
        assert emitted["id"] == derived_id("emitted", wanted["firing"], "0")
        assert emitted["payload"] == {"n": 3, "deep": [{"of": "threshold_reached"}]}
        assert emitted["follows"] == derived_id("triggered", wanted["firing"], "0")
        assert Causation.model_validate(emitted["causation"]).chain == ["the-event"]
